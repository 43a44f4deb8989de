"""The one style of all figures: page, fonts, sizes and colours, whatever the user's rcParams are.

Figures are opaque and white, with a margin: the same file is legible on a dark page, on a light one, and in print.
"""

import functools
from collections.abc import Callable
from types import MappingProxyType
from typing import ParamSpec, TypeVar

import matplotlib.style
from cycler import cycler
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure

# Okabe and Ito (2008), https://jfly.uni-koeln.de/color: they stay apart for colour-blind readers.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
DARK, GREY, LIGHT = "#222222", "#999999", "#DDDDDD"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
"""In the order in which curves take them."""

STATE_COLOURS = (BLACK, VERMILION, BLUE, GREY, ORANGE, SKY)
"""Of y0 to y5: a potential dark, its derivative a lighter one of the same hue."""

STATE_MARKERS = "osD^vX"
"""Of y0 to y5, for where colours are not enough."""

MAP = "viridis"
"""Of continuous values: equal steps look equal, also to colour-blind readers and in grey."""

WIDE, NARROW = 8.0, 3.8  # inches: as wide as a page; all of it legible on a telephone
SHARP = 300.0  # dots an inch of narrow figures, which are shown larger than they are

_STYLE = MappingProxyType(
    {
        "font.family": ["DejaVu Sans"],  # comes with matplotlib
        "font.size": 9.0,
        "axes.titlesize": 9.5,
        "axes.titlelocation": "left",
        "axes.labelsize": 9.0,
        "xtick.labelsize": 8.0,
        "ytick.labelsize": 8.0,
        "legend.fontsize": 8.0,
        "legend.frameon": False,
        "figure.titlesize": 9.5,
        "figure.facecolor": "white",
        "figure.dpi": 150.0,
        "figure.constrained_layout.h_pad": 0.08,
        "figure.constrained_layout.w_pad": 0.08,
        "axes.prop_cycle": cycler(color=PALETTE),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": LIGHT,
        "grid.linewidth": 0.6,
        "image.cmap": MAP,
        "lines.linewidth": 1.3,
        "lines.markersize": 4.0,
    }
    | dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), DARK)
)

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def styled(draw: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """A function that draws in the style of this package, and leaves the user's rcParams as they are."""

    @functools.wraps(draw)
    def in_style(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with matplotlib.style.context(["default", dict(_STYLE)]):
            return draw(*args, **kwargs)

    return in_style


class StyledFigure(Figure):
    """A figure that keeps the style until it is rendered: matplotlib makes ticks and lays axes out only then."""

    @styled
    def draw(self, renderer: RendererBase) -> None:
        """Render it."""
        super().draw(renderer)


def fixed_figure(width: float, height: float, *, dpi: float | None = None, **places: float) -> StyledFigure:
    """A figure whose axes lie at fixed places: to work out where they fit costs as much as to draw them."""
    figure = StyledFigure(figsize=(width, height), dpi=dpi)
    figure.subplots_adjust(**places)
    return figure
