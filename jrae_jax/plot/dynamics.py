"""Bifurcation diagrams and regime maps in, matplotlib figures out."""

import itertools
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..column.parameters import PARAMETER_UNITS
from ..column.states import eeg
from ..dynamics.continuation import BifurcationCurves
from ..dynamics.diagram import BifurcationDiagram
from ..dynamics.regime_map import ENDS
from .scan import BLUE, DARK, GREY, RED, label, regime_colours

_PURPLE = "#6d4c8d"


def plot_bifurcations(diagram: BifurcationDiagram) -> Figure:
    """y1 - y2 and the frequency of cycles against what changes; stable in full lines, unstable in broken ones."""
    figure = Figure(figsize=(9.0, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    rest = diagram.equilibria
    for shown, stable in _runs(np.asarray(rest.value), np.asarray(eeg(rest.states)), rest.stable):
        above.plot(*shown, color=DARK, **_line(stable))
    for family in range(len(diagram.cycles.value)):
        there = np.asarray(diagram.cycles.exists[family])
        value, stable = (np.asarray(leaf[family])[there] for leaf in (diagram.cycles.value, diagram.cycles.stable))
        for side in range(2):
            v = np.asarray(diagram.cycles.extrema[family, :, side])[there]
            for shown, kind in _runs(value, v, stable):
                above.plot(*shown, color=BLUE, **_line(kind))
        for shown, kind in _runs(value, np.asarray(diagram.cycles.frequency[family])[there], stable):
            below.plot(*shown, color=BLUE, **_line(kind))
    _mark(above, below, diagram)
    above.set_xlim(*np.asarray(diagram.bounds))
    above.set_ylabel("y1 - y2 (mV)")
    below.set_ylabel("frequency (Hz)")
    below.set_xlabel(_changing(diagram))
    below.set_ylim(bottom=0)
    above.legend(handles=_legend(), fontsize=8, frameon=False, ncols=2)
    return figure


def plot_regime_map(regimes: xr.Dataset, curves: BifurcationCurves | None = None) -> Figure:
    """A regime map over two axes, and the curves along which equilibria bifurcate.

    **Arguments:**

    - `regimes`: from `regime_map`.
    - `curves`: from `bifurcation_curves`, along the other axis than p; none are drawn if `None`.

    **Raises:** `ValueError` if the map has not two axes, or they are not those of the curves.
    """
    dims = regimes.regime.dims
    if len(dims) != 2:
        raise ValueError(f"`regimes` must have two axes to be drawn, got {len(dims)}")
    y, x = (regimes[dim] for dim in dims)
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    ax = figure.subplots()
    colours = ListedColormap([*regime_colours(), _PURPLE])
    norm = BoundaryNorm(np.arange(len(ENDS) + 1) - 0.5, colours.N)
    known = np.ma.masked_less(regimes.regime.values, 0)
    image = ax.pcolormesh(x, y, known, shading="nearest", cmap=colours, norm=norm, rasterized=True)
    bar = figure.colorbar(image, ax=ax, ticks=range(len(ENDS)))
    bar.ax.set_yticklabels(ENDS)
    ax.set_xlabel(label(x))
    ax.set_ylabel(label(y))
    if curves is not None:
        _draw_curves(ax, curves, dims)
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def _draw_curves(ax: Axes, curves: BifurcationCurves, dims: Sequence[Hashable]) -> None:
    ax.axis(ax.axis())  # limits stay those of the map
    for points, name, style in ((curves.saddle_nodes, "saddle-node", "-"), (curves.hopf_points, "Hopf point", "--")):
        places = {"p": points.p, points.along: points.value}
        if set(places) != set(dims):
            raise ValueError(f"`curves` must be over the axes of the map, {dims[0]} and {dims[1]}; got {points.along}")
        y, x = (places[str(dim)] for dim in dims)
        ax.plot(x, y, style, color=DARK, lw=1.4, label=name)


def _changing(diagram: BifurcationDiagram) -> str:
    """What changes, in its unit, and the input at which it does."""
    if diagram.along == "p":
        return "external input p (1/s)"
    unit = PARAMETER_UNITS[diagram.along]
    return f"{diagram.along}{'' if unit == '1' else f' ({unit})'}, at p = {np.nanmax(diagram.equilibria.p):g} /s"


def _runs(x: np.ndarray, y: np.ndarray, stable: Any) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], bool]]:
    """Stretches of a curve that are all stable or all unstable, joined at their ends."""
    stable = np.asarray(stable)
    cuts = [0, *(np.flatnonzero(stable[1:] != stable[:-1]) + 1), len(stable)]
    for first, last in itertools.pairwise(cuts):
        if last > first:
            chosen = slice(first, min(last + 1, len(stable)))
            yield (x[chosen], y[chosen]), bool(stable[first])


def _line(stable: bool) -> dict[str, Any]:
    return {"lw": 1.6} if stable else {"lw": 1.0, "ls": (0, (3, 2))}


def _mark(above: Axes, below: Axes, diagram: BifurcationDiagram) -> None:
    for points, colour, marker in ((diagram.saddle_nodes, GREY, "s"), (diagram.hopf_points, RED, "o")):
        above.plot(points.value, eeg(points.states), marker, color=colour, mec=DARK, ms=6, zorder=5)
    below.plot(diagram.hopf_points.value, diagram.hopf_points.frequency, "o", color=RED, mec=DARK, ms=6, zorder=5)
    folds = diagram.cycle_folds
    for side in range(2):
        above.plot(folds.value, folds.extrema[:, side], "D", color=BLUE, mec=DARK, ms=5, zorder=5)
    below.plot(folds.value, folds.frequency, "D", color=BLUE, mec=DARK, ms=5, zorder=5)


def _legend() -> list[Line2D]:
    lines = {"equilibria": DARK, "least and largest of cycles": BLUE}
    marks = {"saddle-node": (GREY, "s"), "Hopf point": (RED, "o"), "fold of cycles": (BLUE, "D")}
    return [
        *(Line2D([], [], color=colour, lw=1.6, label=name) for name, colour in lines.items()),
        Line2D([], [], color=DARK, lw=1.0, ls=(0, (3, 2)), label="unstable"),
        *(
            Line2D([], [], color=colour, marker=marker, mec=DARK, lw=0, label=name)
            for name, (colour, marker) in marks.items()
        ),
    ]
