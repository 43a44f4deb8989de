"""Figures of bifurcation diagrams and regime maps."""

import itertools
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .._checks import nan_is_an_answer
from ..column.states import eeg
from ..dynamics.continuation import BifurcationCurves
from ..dynamics.diagram import BifurcationDiagram
from ..dynamics.regime_map import ATTRACTORS
from .scan import REGIME_COLOURS, label
from .style import BLUE, DARK, LIGHT, PURPLE, VERMILION, WIDE, StyledFigure, styled

_UNSTABLE_DASHES = (0, (3, 2))


@nan_is_an_answer
@styled
def bifurcation_diagram(diagram: BifurcationDiagram) -> Figure:
    """y1 - y2 and the frequency of cycles against what changes; stable in full lines, unstable in broken ones.

    **Arguments:**

    - `diagram`: from `jrae_jax.dynamics.bifurcation_diagram`.
    """
    figure = StyledFigure(figsize=(WIDE, 5.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    rest, cycles = diagram.equilibria, diagram.cycles
    _draw_by_stability(above, rest.value, eeg(rest.states), rest.stable, DARK)
    for branch, there in enumerate(np.asarray(cycles.exists)):
        value, stable = cycles.value[branch][there], cycles.stable[branch][there]
        for v in cycles.extrema[branch][there].T:
            _draw_by_stability(above, value, v, stable, BLUE)
        _draw_by_stability(below, value, cycles.frequency[branch][there], stable, BLUE)
    _mark(above, below, diagram)
    above.set_xlim(*np.asarray(diagram.bounds))
    above.set_ylabel("y1 - y2 (mV)")
    below.set_ylabel("frequency (Hz)")
    below.set_xlabel(_parameter_label(diagram))
    below.set_ylim(bottom=0)
    above.legend(handles=_legend(), ncols=2)
    return figure


@styled
def regime_map(dataset: xr.Dataset, curves: BifurcationCurves | None = None) -> Figure:
    """A regime map over two axes, and the curves along which equilibria bifurcate.

    **Arguments:**

    - `dataset`: from `jrae_jax.dynamics.regime_map`.
    - `curves`: from `bifurcation_curves`, for the parameter that is the other axis beside p; none are drawn if `None`.

    **Raises:** `ValueError` if the map has not two axes, or they are not those of the curves.
    """
    dims = dataset.regime.dims
    if len(dims) != 2:
        raise ValueError(f"`dataset` must have two axes to be drawn, got {len(dims)}")
    y, x = (dataset[dim] for dim in dims)
    figure = StyledFigure(figsize=(7.2, 5.2), layout="constrained")
    ax = figure.subplots()
    colours = ListedColormap([*REGIME_COLOURS, PURPLE])
    norm = BoundaryNorm(np.arange(len(ATTRACTORS) + 1) - 0.5, colours.N)
    known = np.ma.masked_less(dataset.regime.values, 0)
    image = ax.pcolormesh(x, y, known, shading="nearest", cmap=colours, norm=norm, rasterized=True)
    bar = figure.colorbar(image, ax=ax, ticks=range(len(ATTRACTORS)))
    bar.ax.set_yticklabels(ATTRACTORS)
    ax.set_xlabel(label(x))
    ax.set_ylabel(label(y))
    if curves is not None:
        _draw_curves(ax, curves, dims)
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def _draw_curves(ax: Axes, curves: BifurcationCurves, dims: Sequence[Hashable]) -> None:
    ax.axis(ax.axis())  # limits stay those of the map
    if {"p", curves.parameter} != set(dims):
        raise ValueError(
            f"`curves` must be over the axes of the map, {dims[0]} and {dims[1]}; got p and {curves.parameter}"
        )
    for points, name, style in ((curves.saddle_nodes, "saddle-node", "-"), (curves.hopf_points, "Hopf point", "--")):
        places = {"p": points.p, points.parameter: points.value}
        y, x = (places[str(dim)] for dim in dims)
        ax.plot(x, y, style, color=DARK, lw=1.4, label=name)


def _parameter_label(diagram: BifurcationDiagram) -> str:
    """What changes, in its unit, and the input at which it does."""
    if diagram.parameter == "p":
        return "external input p (1/s)"
    unit = "" if diagram.unit == "1" else f" ({diagram.unit})"
    return f"{diagram.parameter}{unit}, at p = {diagram.column.value('p'):g} /s"


class _Stretch(NamedTuple):
    """Points of a curve that are next to each other and all stable or all unstable."""

    points: slice
    stable: bool


def _stretches(stable: Bool[np.ndarray, " point"]) -> Iterator[_Stretch]:
    """Those of a curve, each with the first point of the next one, so that they are joined."""
    cuts = [0, *(np.flatnonzero(stable[1:] != stable[:-1]) + 1), len(stable)]
    for first, last in itertools.pairwise(cuts):
        if last > first:
            yield _Stretch(slice(first, last + 1), bool(stable[first]))


def _draw_by_stability(
    ax: Axes, x: Float[Array, " point"], y: Float[Array, " point"], stable: Bool[Array, " point"], colour: str
) -> None:
    x_values, y_values = np.asarray(x), np.asarray(y)
    for points, is_stable in _stretches(np.asarray(stable)):
        line: dict[str, Any] = {"lw": 1.6} if is_stable else {"lw": 1.0, "ls": _UNSTABLE_DASHES}
        ax.plot(x_values[points], y_values[points], color=colour, **line)


def _mark(above: Axes, below: Axes, diagram: BifurcationDiagram) -> None:
    for points, colour, marker in ((diagram.saddle_nodes, LIGHT, "s"), (diagram.hopf_points, VERMILION, "o")):
        above.plot(points.value, eeg(points.states), marker, color=colour, mec=DARK, ms=6, zorder=5)
    below.plot(diagram.hopf_points.value, diagram.hopf_points.frequency, "o", color=VERMILION, mec=DARK, ms=6, zorder=5)
    folds = diagram.cycle_folds
    for side in range(2):
        above.plot(folds.value, folds.extrema[:, side], "D", color=BLUE, mec=DARK, ms=5, zorder=5)
    below.plot(folds.value, folds.frequency, "D", color=BLUE, mec=DARK, ms=5, zorder=5)


def _legend() -> list[Line2D]:
    lines = {"equilibria": DARK, "least and largest of cycles": BLUE}
    marks = {"saddle-node": (LIGHT, "s"), "Hopf point": (VERMILION, "o"), "fold of cycles": (BLUE, "D")}
    return [
        *(Line2D([], [], color=colour, lw=1.6, label=name) for name, colour in lines.items()),
        Line2D([], [], color=DARK, lw=1.0, ls=_UNSTABLE_DASHES, label="unstable"),
        *(
            Line2D([], [], color=colour, marker=marker, mec=DARK, lw=0, label=name)
            for name, (colour, marker) in marks.items()
        ),
    ]
