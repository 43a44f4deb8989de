"""The command line's `dynamics`: arguments, progress, printing; no numerics."""

import argparse
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .scan import column, parsed_axis, parsed_number

Bar = Callable[[str, float], None]


def add_commands(commands: Any, prepare: Callable[[argparse.Namespace], Bar]) -> None:
    """Add the command; `prepare` sets up JAX and returns what shows progress."""
    dynamics = commands.add_parser(
        "dynamics",
        help="equilibria, cycles and their bifurcations along p or a parameter; or, with two axes, a map of regimes",
    )
    dynamics.add_argument("--preset", default="jansen_rit_1995", help="parameters to start from (jansen_rit_1995)")
    dynamics.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter, or p")
    dynamics.add_argument("--along", metavar="NAME", help="what changes: p, or a parameter as C (p)")
    dynamics.add_argument("--range", metavar="LOW:HIGH", help="of what changes, in its unit (p: -60:400)")
    dynamics.add_argument(
        "--axis", action="append", default=[], metavar="NAME=VALUES", help="of a map: start:stop:count, or a,b,c"
    )
    dynamics.add_argument("--table", type=Path, help="all points of the diagram or the map, to a .csv")
    dynamics.add_argument("--plot", type=Path, help="a picture of it")
    dynamics.add_argument("--device", choices=("cpu", "gpu"), help="where to compute (what JAX finds)")
    dynamics.set_defaults(run=lambda options: _dynamics(options, prepare(options)))


def _dynamics(options: argparse.Namespace, progress: Bar) -> int:
    import jax

    with contextlib.nullcontext() if options.axis else jax.enable_x64(True):  # cycles near folds need double precision
        table, figure = _map(options, progress) if options.axis else _diagram(options)
        if options.table is not None:
            table().to_csv(options.table)
            print(f"\nall points in {options.table}")
        if options.plot is not None:
            figure().savefig(options.plot, dpi=150)
            print(f"\npicture in {options.plot}")
    return 0


def _map(options: argparse.Namespace, progress: Bar) -> tuple[Callable[[], Any], Callable[[], Any]]:
    from ..dynamics.regime_map import ENDS, regime_map
    from ..plot.dynamics import plot_regime_map

    if options.along is not None:
        raise ValueError(f"`--along` must not be given with `--axis`, which makes a map; got {options.along}")
    axes = [parsed_axis(text) for text in options.axis]
    if len(axes) != 2:
        raise ValueError(f"`--axis` must be given twice for a map, got {len(axes)}")
    columns = column(options.preset, "constant", options.set)
    found = regime_map(columns.parameters, columns.input, axes, progress=progress)
    for code, name in enumerate(ENDS):
        print(f"{name:<10}{float((found.regime == code).mean()):6.1%} of {found.regime.size} points")
    failed = int((found.regime < 0).sum())
    if failed:
        print(f"{failed} of {found.regime.size} points failed: their simulation blew up")
    return found.to_dataframe, lambda: plot_regime_map(found, _curves(columns.parameters, found))


def _curves(parameters: Any, found: Any) -> Any:
    """The bifurcations over a map of p and a parameter; of another map `None`."""
    from ..column.parameters import PARAMETER_UNITS
    from ..dynamics.continuation import bifurcation_curves

    dims = set(found.regime.dims)
    if "p" not in dims or not dims < {"p", *PARAMETER_UNITS}:
        return None
    (along,) = dims - {"p"}
    low, high = (float(bound) for bound in (found[along].min(), found[along].max()))
    return bifurcation_curves(parameters, along, low, high) if low < high else None


def _diagram(options: argparse.Namespace) -> tuple[Callable[[], Any], Callable[[], Any]]:
    from .._checks import check_choice
    from ..dynamics.changing import QUANTITIES
    from ..dynamics.diagram import bifurcation_diagram, diagram_table
    from ..plot.dynamics import plot_bifurcations
    from ..scan.axes import check_range

    along = options.along or "p"
    check_choice(QUANTITIES, **{"--along": along})
    if any(text.partition("=")[0] == along for text in options.set):
        raise ValueError(f"`--set` must not name what changes along the diagram, got {along}")
    if options.range is None and along != "p":
        raise ValueError(f"`--range` must be given for {along} as LOW:HIGH, got none")
    low, _, high = (options.range or "-60:400").partition(":")
    bounds = [parsed_number("--range", name, text) for name, text in (("low", low), ("high", high))]
    check_range("--range", *bounds, log=False)
    columns = column(options.preset, "constant", options.set)
    p = None if along == "p" else float(columns.input.p)
    found = bifurcation_diagram(columns.parameters, *bounds, along=along, p=p)
    if p is not None:
        print(f"along {along} from {bounds[0]:g} to {bounds[1]:g}, at p = {p:g} /s")
    for line in _told(found):
        print(line)
    return lambda: diagram_table(found), lambda: plot_bifurcations(found)


def _told(found: Any) -> Iterator[str]:
    """Bifurcations, one a line."""
    from ..column.parameters import PARAMETER_UNITS

    unit = {"p": "/s", **PARAMETER_UNITS}[found.along].removeprefix("1")
    kinds = {"saddle-node": found.saddle_nodes, "Hopf point": found.hopf_points, "fold of cycles": found.cycle_folds}
    for name, points in kinds.items():
        for value, frequency, there in zip(points.value, points.frequency, points.exists, strict=True):
            if there:
                hertz = "" if name == "saddle-node" else f"   {float(frequency):9.5f} Hz"
                yield f"{name:<16} {found.along} = {float(value):13.8f} {unit}{hertz}".rstrip()
        if not points.exists.any():
            yield f"{name:<16} none"
    if not found.cycles.exists.any():
        yield "no Hopf point that cycles could begin at: cycles that begin elsewhere are not looked for"
