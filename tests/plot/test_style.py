"""The one style of all figures: labels with units, the palette, and nothing of the user's rcParams."""

import inspect
import io
from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from jrae_jax import plot
from jrae_jax.plot import style
from tests.plot.drawn_figures import figures

WITHOUT_UNIT = {
    "C", "Pearson r", "epoch", "size of the latent", "p of a window", "fraction of the power in the bands",
    "synapses C", "rate of synapses", "gain of the recording", "background / column", "exponent of background",
    "fraction of the column", "latent 1", "latent 2", "latent 3",
}  # fmt: skip
UNITS_ALONE = {"mV", "uV", "mV/s", "std"}
COLOURS = {colour.lower() for colour in (*style.PALETTE, style.YELLOW)}
USERS: Any = {
    "font.size": 30.0,
    "font.family": ["monospace"],
    "axes.facecolor": "black",
    "figure.facecolor": "black",
    "figure.dpi": 40.0,
    "axes.grid": True,
    "axes.spines.left": False,
    "lines.linewidth": 9.0,
    "xtick.color": "red",
    "xtick.major.size": 20.0,
    "ytick.labelsize": 25.0,
}


@pytest.fixture(scope="module")
def drawn(small_study) -> dict[str, Figure]:
    found = {name: draw() for name, draw in figures(small_study).items()}
    for figure in found.values():
        figure.draw_without_rendering()
    return found


def test_every_function_that_draws_is_looked_at(drawn):
    functions = {name for name, thing in vars(plot).items() if inspect.isfunction(thing)} - {"styled", "atlas_table"}
    assert {name.split()[0] for name in drawn} == functions


def has_numbers(axis: Axis) -> bool:
    """Whether numbers stand along an axis; names along one say themselves what they are."""
    texts = [label.get_text() for label in axis.get_ticklabels() if label.get_visible()]
    return axis.get_visible() and any(text.strip("\N{MINUS SIGN}.$0123456789") == "" for text in texts if text)


def label_of(ax: Axes, name: str) -> str:
    """Its own, or that of an axis that shares its numbers, or that of the figure."""
    shared = getattr(ax, f"get_shared_{name}_axes")().get_siblings(ax)
    labels = [getattr(each, f"get_{name}label")() for each in (ax, *shared)]
    return next(filter(None, labels), getattr(ax.figure, f"get_sup{name}label", str)())


def test_every_axis_has_a_label_and_every_quantity_its_unit(drawn):
    for what, figure in drawn.items():
        for ax in filter(lambda ax: ax.axison, figure.axes):
            for name in "xyz" if ax.name == "3d" else "xy":
                if ax.name == "3d" or has_numbers(getattr(ax, f"{name}axis")):
                    label = label_of(ax, name)
                    assert label.endswith(")") or label in WITHOUT_UNIT | UNITS_ALONE, (what, ax, name, label)


def colours_of(artist: Any) -> Iterator[str]:
    if isinstance(artist, Line2D | Text):
        yield to_hex(artist.get_color())
    elif isinstance(artist, Patch) or (isinstance(artist, Collection) and artist.get_array() is None):
        for colours in (artist.get_facecolor(), artist.get_edgecolor()):
            rows: Any = np.reshape(colours, (-1, 4))
            yield from map(to_hex, rows)


def is_grey(colour: str) -> bool:
    return len(set(to_rgb(colour))) == 1


def test_every_colour_is_of_the_palette(drawn):
    for what, figure in drawn.items():
        used = {colour for artist in figure.findobj() for colour in colours_of(artist)}
        assert {colour for colour in used if not is_grey(colour)} <= COLOURS, what


def test_continuous_values_have_the_one_map_and_regimes_the_palette(drawn):
    names = []
    for figure in drawn.values():
        for artist in figure.findobj(lambda each: isinstance(each, ScalarMappable)):
            if artist.get_array() is not None:
                colours = artist.get_cmap()
                names.append(colours.name)
                listed = getattr(colours, "colors", []) if colours.name != style.MAP else []
                assert all(is_grey(colour) or colour in COLOURS for colour in map(to_hex, listed))
                assert colours.name == style.MAP or len(listed)
    assert names.count(style.MAP) > 5


def pixels(draw) -> bytes:
    buffer = io.BytesIO()
    draw().savefig(buffer, format="png")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["fit of a spectrum", "scan over two axes"])
def test_the_users_rcparams_change_nothing_and_are_not_changed(name):
    draw = figures()[name]
    plain = pixels(draw)
    with matplotlib.rc_context(USERS):
        before = dict(matplotlib.rcParams)
        assert pixels(draw) == plain
        assert dict(matplotlib.rcParams) == before


def test_the_page_is_opaque_and_white(drawn):
    for figure in drawn.values():
        assert to_hex(figure.get_facecolor(), keep_alpha=True) == "#ffffffff"


def test_colours_that_stand_side_by_side_stay_apart_for_all_readers():
    """As seen by readers without one of two kinds of cones (Vienot, Brettel and Mollon 1999)."""
    to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    for colours in (style.PALETTE, style.STATE_COLOURS):
        lms = (np.array([to_rgb(colour) for colour in colours]) ** 2.2) @ to_lms.T
        without_red, without_green = lms.copy(), lms.copy()
        without_red[:, 0] = 2.02344 * lms[:, 1] - 2.52581 * lms[:, 2]
        without_green[:, 1] = 0.494207 * lms[:, 0] + 1.24827 * lms[:, 2]
        for seen in (lms, without_red, without_green):
            rgb = np.clip(seen @ np.linalg.inv(to_lms).T, 0, 1) ** (1 / 2.2)
            apart = np.linalg.norm(rgb[:, None] - rgb[None], axis=-1)
            assert apart[np.triu_indices(len(rgb), 1)].min() > 0.14
