"""The command line's `dynamics`: arguments, progress, printing; no numerics."""

import argparse
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ._cli_scan import column, parsed_axis, parsed_number

Bar = Callable[[str, float], None]


def add_commands(commands: Any, prepare: Callable[[argparse.Namespace], Bar]) -> None:
    """Add the command; `prepare` sets up JAX and returns what shows progress."""
    dynamics = commands.add_parser(
        "dynamics", help="equilibria, cycles and their bifurcations along p; or, with two axes, a map of regimes"
    )
    dynamics.add_argument("--preset", default="jansen_rit_1995", help="parameters to start from (jansen_rit_1995)")
    dynamics.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter, or p of a map")
    dynamics.add_argument("--range", default="-60:400", metavar="LOW:HIGH", help="of p, 1/s (-60:400)")
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
    from ._dynamics.regimes import ENDS, regime_map
    from ._plotting_dynamics import plot_regime_map

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
    return found.to_dataframe, lambda: plot_regime_map(found)


def _diagram(options: argparse.Namespace) -> tuple[Callable[[], Any], Callable[[], Any]]:
    from ._dynamics.diagram import bifurcation_diagram, diagram_table
    from ._plotting_dynamics import plot_bifurcations

    low, _, high = options.range.partition(":")
    bounds = [parsed_number("--range", name, text) for name, text in (("low", low), ("high", high))]
    found = bifurcation_diagram(column(options.preset, "constant", options.set).parameters, *bounds)
    for line in _told(found):
        print(line)
    return lambda: diagram_table(found), lambda: plot_bifurcations(found)


def _told(found: Any) -> Iterator[str]:
    """Bifurcations, one a line."""
    kinds = {"saddle-node": found.saddle_nodes, "Hopf point": found.hopf_points, "fold of cycles": found.cycle_folds}
    for name, points in kinds.items():
        for p, frequency, there in zip(points.p, points.frequency, points.exists, strict=True):
            if there:
                hertz = "" if name == "saddle-node" else f"   {float(frequency):9.5f} Hz"
                yield f"{name:<16} p = {float(p):13.8f} /s{hertz}"
