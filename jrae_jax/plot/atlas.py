"""The atlas at a glance: which states can be recovered from which recordings."""

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..column.states import STATES
from ..studies.atlas import CHANCE, MEMORYLESS, METHODS
from .atlas_scores import at_noise, check_masks
from .style import BLACK, BLUE, DARK, LIGHT, SHARP, SKY, YELLOW, StyledFigure, styled

_LABELS = MappingProxyType(
    {
        "eeg": "EEG, y1 - y2",
        "y0": "y0 pyramidal",
        "y1": "y1 excitatory",
        "y2": "y2 inhibitory",
        "y0,y1,y2": "y0, y1, y2",
    }
)
"""Of the recordings that are drawn unless others are asked for: what an electrode could show."""

_WIDTH = 4.4  # inches, which a telephone shows at 90 dots an inch
_ELECTRODE = {"marker": "o", "ms": 9, "mec": DARK, "color": YELLOW}
_BAR, _BELOW = 0.84, 0.2  # width of r = 1, and how far below the middle of a cell its bar lies


@styled
def atlas(dataset: xr.Dataset, *, noise: float, masks: Sequence[str] | None = None) -> Figure:
    """How well each state can be recovered from some recordings: a row for each recording, a bar for each state.

    A bar is as long as r of the best estimator, and dark as far as the best function of one instant gets. A mark stands
    where the best autoencoder gets. `jrae.plot.atlas_scores` has every estimator and recording.

    **Arguments:**

    - `dataset`: what `jrae.studies.atlas` or `open_scan` returns.
    - `noise`: the level of sensor noise to draw, as a fraction of each channel's standard deviation.
    - `masks`: some of those of the atlas; `None`: the EEG, each potential, and all three, as far as it has them, and
        all of an atlas that has none of these.

    **Raises:** `ValueError` for a mask or a level that the atlas does not have.
    """
    known = check_masks(dataset, masks or ())
    chosen = list(masks or [mask for mask in _LABELS if mask in known] or known)
    r = at_noise(dataset, noise).r.mean("seed").sel(mask=chosen).transpose("estimator", "mask", "state")
    names = [str(name) for name in r.estimator.values]
    estimators = [name for name in names if name not in (CHANCE, MEMORYLESS)]
    autoencoders = [name for name in names if name not in METHODS]
    height = 0.42 * len(chosen) + 1.33
    figure = StyledFigure(figsize=(_WIDTH, height), dpi=SHARP)
    figure.subplots_adjust(left=0.215, right=0.985, bottom=0.52 / height, top=1 - 0.72 / height)
    ax = figure.subplots()
    best = r.sel(estimator=estimators).max("estimator").values
    _draw_bars(ax, np.ones_like(best), LIGHT)
    _draw_bars(ax, best, SKY)
    if MEMORYLESS in names:
        _draw_bars(ax, r.sel(estimator=MEMORYLESS).values, BLUE)
    if autoencoders:
        _mark(ax, r.sel(estimator=autoencoders).max("estimator").values)
    _write(ax, best, [mask.split(",") for mask in chosen])
    ax.set(xlim=(-0.5, len(STATES) - 0.5), ylim=(len(chosen) - 0.5, -0.5))
    ax.set_xticks(range(len(STATES)), STATES, weight="bold")
    ax.set_yticks(range(len(chosen)), [_LABELS.get(mask, mask.replace(",", ", ")) for mask in chosen])
    ax.tick_params(length=0, labelsize="medium", labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    about = f"Pearson r over time; sensor noise {noise:.0%} of the standard deviation"
    figure.text(
        0.015, 1 - 0.08 / height, "Which hidden states does a recording reveal?", va="top", weight="bold", size=10.5
    )
    figure.text(0.015, 1 - 0.29 / height, about, va="top", size="medium")
    figure.legend(handles=_handles(bool(autoencoders)), loc="lower left", ncols=2)
    return figure


def _draw_bars(ax: Axes, r: Float[np.ndarray, "mask state"], colour: str) -> None:
    rows, states = np.indices(r.shape)
    width = _BAR * np.clip(np.nan_to_num(r), 0, 1)
    ax.barh(rows.ravel() + _BELOW, width.ravel(), 0.2, left=states.ravel() - _BAR / 2, color=colour)


def _mark(ax: Axes, r: Float[np.ndarray, "mask state"]) -> None:
    rows, states = np.indices(r.shape)
    x = states - _BAR / 2 + _BAR * np.clip(np.nan_to_num(r), 0, 1)
    ax.vlines(x.ravel(), rows.ravel() + _BELOW - 0.16, rows.ravel() + _BELOW + 0.16, color=BLACK, lw=1.3)


def _write(ax: Axes, r: Float[np.ndarray, "mask state"], observed: Sequence[Sequence[str]]) -> None:
    """r above its bar; a state that is recorded itself is no question, so an electrode covers its bar."""
    for (row, state), value in np.ndenumerate(r):
        if STATES[state] in observed[row]:
            ax.bar(state, 0.98, 0.98, bottom=row - 0.49, color="white", zorder=3)
            ax.plot(state, row, zorder=4, **_ELECTRODE)
        else:
            text = "" if np.isnan(value) else "1.00" if value >= 0.995 else f"{value:.2f}".replace("0.", ".")
            ax.text(state, row - 0.14, text, ha="center", va="center")


def _handles(has_autoencoders: bool) -> list[Line2D | Patch]:
    mark = Line2D([], [], color=BLACK, lw=0, marker="|", ms=9, mew=1.3, label="one autoencoder for all")
    return [
        Patch(color=SKY, label="all of it, best estimator"),
        Patch(color=BLUE, label="one instant of it"),
        *([mark] if has_autoencoders else []),
        Line2D([], [], lw=0, label="recorded itself", **_ELECTRODE),
    ]
