"""The command `dynamics`."""

import argparse
import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import runtime
from .options import add_command, add_preset_option, add_run_options, add_set_option

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from .._checks import Progress
    from ..column.column import Column
    from ..dynamics.continuation import BifurcationCurves
    from ..dynamics.diagram import BifurcationDiagram

_RANGE_OF_P = "-60:400"  # all bifurcations of the standard column


class _Results(NamedTuple):
    """What can be written to files, each made when it is needed."""

    table: "Callable[[], pd.DataFrame]"
    figure: "Callable[[], Figure]"


def add_commands(commands: Any) -> None:
    """Add the command."""
    dynamics = add_command(
        commands,
        "dynamics",
        help="equilibria, cycles and their bifurcations along p or a parameter; or, with two axes, a map of regimes",
        example="jrae dynamics --set C=140 --table diagram.csv --plot diagram.png",
    )
    add_preset_option(dynamics)
    add_set_option(dynamics)
    dynamics.add_argument("--along", metavar="NAME", help="what changes: p, or a parameter as C (p)")
    dynamics.add_argument("--range", metavar="LOW:HIGH", help=f"of what changes, in its unit (p: {_RANGE_OF_P})")
    dynamics.add_argument(
        "--axis", action="append", default=[], metavar="NAME=VALUES", help="of a map: start:stop:count, or a,b,c"
    )
    dynamics.add_argument("--table", type=Path, help="all points of the diagram or the map, to a .csv or .csv.gz")
    dynamics.add_argument("--plot", type=Path, help="a picture of it")
    add_run_options(dynamics)
    dynamics.set_defaults(run=_dynamics)


def _dynamics(options: argparse.Namespace) -> int:
    progress = runtime.start(options)
    import jax

    from .._files import atomic_path, check_output
    from .arguments import check_figure_file
    from .printing import save_figure

    if options.plot is not None:
        check_figure_file("--plot", options.plot)
    if options.table is not None:
        check_output("--table", options.table, suffixes=(".csv", ".csv.gz"))
    # Cycles near folds need double precision, a map does not.
    with contextlib.nullcontext() if options.axis else jax.enable_x64(True):
        results = _map(options, progress) if options.axis else _diagram(options, progress)
        if options.table is not None:
            with atomic_path(options.table, "--table") as unfinished:
                results.table().to_csv(unfinished)
            print(f"\nall points in {options.table}")
        if options.plot is not None:
            print()
            save_figure(results.figure(), options.plot)
    return 0


def _map(options: argparse.Namespace, progress: "Progress") -> _Results:
    from ..dynamics.regime_map import ATTRACTORS, regime_map
    from .arguments import axes_from, column_from, options_named

    if options.along is not None:
        raise ValueError(f"`--along` must not be given with `--axis`, which makes a map; got {options.along}")
    if options.range is not None:
        raise ValueError(f"`--range` must not be given with `--axis`, which makes a map; got {options.range}")
    if len(options.axis) != 2:
        raise ValueError(f"`--axis` must be given twice for a map, got {len(options.axis)}")
    column = column_from(options.preset, "constant", options.set)
    axes = axes_from(options.axis, column, options.set)
    named = {name: f"--axis {name}" for axis in axes for name in axis.values}
    with options_named({**_set_options(options.set), **named, "axes": "--axis"}):
        found = regime_map(column, axes, progress=progress)
    for code, name in enumerate(ATTRACTORS):
        print(f"{name:<10}{float((found.regime == code).mean()):6.1%} of {found.regime.size} points")
    failed = int((found.regime < 0).sum())
    if failed:
        print(f"{failed} of {found.regime.size} points failed: their simulation diverged")

    def figure() -> "Figure":
        from ..plot.dynamics import regime_map as regime_map_figure  # slow to import

        return regime_map_figure(found, _curves(column, found))

    return _Results(found.to_dataframe, figure)


def _curves(column: "Column", found: "xr.Dataset") -> "BifurcationCurves | None":
    """The bifurcations over a map of p and a parameter; of another map `None`."""
    from ..dynamics.continuation import bifurcation_curves

    dims = {str(dim) for dim in found.regime.dims}
    if "p" not in dims or not dims < set(column.quantities):
        return None
    (parameter,) = dims - {"p"}
    low, high = (float(bound) for bound in (found[parameter].min(), found[parameter].max()))
    return bifurcation_curves(column, parameter, low=low, high=high) if low < high else None


def _diagram(options: argparse.Namespace, progress: "Progress") -> _Results:
    from .._checks import check_choice
    from ..dynamics.diagram import bifurcation_diagram
    from ..scan.axes import check_range
    from .arguments import column_from, options_named, parsed_number

    parameter = options.along or "p"
    column = column_from(options.preset, "constant", options.set)
    check_choice(tuple(column.quantities), **{"--along": parameter})
    if parameter in _set_options(options.set):
        raise ValueError(f"`--set` must not name what changes along the diagram, got {parameter}")
    if options.range is None and parameter != "p":
        raise ValueError(f"`--range` must be given for {parameter} as LOW:HIGH, got none")
    texts = dict(zip(("low", "high"), (options.range or _RANGE_OF_P).partition(":")[::2], strict=True))
    low, high = (parsed_number("--range", name, text) for name, text in texts.items())
    check_range("--range", low, high, log=False)
    names = options_named({**_set_options(options.set), parameter: "--range"})
    with names, warnings.catch_warnings(record=True) as cut_off:
        warnings.filterwarnings("always", ".*a branch of cycles")
        found = bifurcation_diagram(column, parameter=parameter, low=low, high=high, progress=progress)
    if parameter != "p":
        print(f"along {parameter} from {low:g} to {high:g}, at p = {float(column.value('p')):g} /s")
    for line in _bifurcations(found):
        print(line)
    for warning in cut_off:
        print(str(warning.message).removeprefix("`points`: "))

    def figure() -> "Figure":
        from ..plot.dynamics import bifurcation_diagram as bifurcation_diagram_figure  # slow to import

        return bifurcation_diagram_figure(found)

    return _Results(found.to_dataframe, figure)


def _set_options(settings: Sequence[str]) -> dict[str, str]:
    """By the name of each quantity that `--set` gives, how the option was written."""
    names = (text.partition("=")[0] for text in settings)
    return {name: f"--set {name}" for name in names}


def _bifurcations(found: "BifurcationDiagram") -> Iterator[str]:
    """One a line."""
    import equinox as eqx
    import numpy as np

    # One program a kind, as each operation by itself is compiled, too.
    read = eqx.filter_jit(lambda points: (points.value, points.frequency, points.exists))
    unit = "/s" if found.parameter == "p" else found.unit.removeprefix("1")
    kinds = {"saddle-node": found.saddle_nodes, "Hopf point": found.hopf_points, "fold of cycles": found.cycle_folds}
    for name, points in kinds.items():
        values, frequencies, exist = map(np.asarray, read(points))
        for value, frequency, there in zip(values, frequencies, exist, strict=True):
            if there:
                hertz = "" if name == "saddle-node" else f"   {float(frequency):9.5f} Hz"
                yield f"{name:<16} {found.parameter} = {float(value):13.8f} {unit}{hertz}".rstrip()
        if not exist.any():
            yield f"{name:<16} none"
    if not np.isfinite(found.cycles.period).any():
        yield "no Hopf point that cycles could begin at: cycles that begin elsewhere are not looked for"
