"""All scores of the atlas as heat maps, and some as a table."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..column.states import STATES
from ..recording.evaluate import interval
from .style import BLACK, MAP, VERMILION, StyledFigure, styled

_BEST = 4  # -log10(1 - r) of the darkest colour
_FEW = 12  # masks up to which cells are large
_TEXT_IN_BLACK = 0.98  # r above which the colour is too bright for white text


@styled
def atlas_scores(dataset: xr.Dataset, *, noise: float) -> Figure:
    """Heat maps of r: a panel for each state, a row for each mask, a column for each estimator.

    **Arguments:**

    - `dataset`: what `jrae.studies.atlas` or `open_scan` returns.
    - `noise`: the level of sensor noise to draw, as a fraction of each channel's standard deviation.

    **Raises:** `ValueError` for a level that the atlas does not have.
    """
    masks = sorted(check_masks(dataset, ()), key=lambda mask: (mask.count(","), mask))
    r = at_noise(dataset, noise).r.mean("seed").sel(mask=masks).transpose("state", "mask", "estimator").values
    estimators = [str(name) for name in dataset.estimator.values]
    row = 0.34 if len(masks) <= _FEW else 0.19
    figure = StyledFigure(
        figsize=(2.2 + len(STATES) * 0.3 * len(estimators), 2.0 + row * len(masks)), layout="constrained"
    )
    axs = figure.subplots(1, len(STATES), sharey=True)
    colours = ScalarMappable(Normalize(0, _BEST), MAP)
    for ax, name, values in zip(axs, STATES, r, strict=True):
        ax.imshow(_nines(values), aspect="auto", cmap=colours.cmap, norm=colours.norm, interpolation="nearest")
        _write_values(ax, values)
        ax.set_title(name, loc="center")
        ax.set_xticks(range(len(estimators)), estimators, rotation=90)
        ax.tick_params(length=0)
        for position, mask in enumerate(masks):
            if name in mask.split(","):
                ax.plot(-0.5, position, marker=5, color=VERMILION, ms=4, clip_on=False)
    axs[0].set_yticks(range(len(masks)), masks)
    bar = figure.colorbar(colours, ax=axs, fraction=0.02, pad=0.01, ticks=range(_BEST + 1))
    bar.ax.set_yticklabels([f"{1 - 10.0**-nines:g}" for nines in range(_BEST + 1)])
    bar.set_label("Pearson r")
    figure.suptitle(
        "r of each state, by what is observed (rows) and by estimator (columns); an orange mark: observed itself\n"
        f"sensor noise {noise:.0%} of each channel's standard deviation"
    )
    return figure


def atlas_table(dataset: xr.Dataset, *, masks: Sequence[str], noise: float) -> str:
    """r of every estimator for some masks, with the half-width of its 95 % interval over seeds, as text.

    **Arguments:**

    - `dataset`, `noise`: as in `jrae.plot.atlas_scores`.
    - `masks`: some of those of the atlas.

    **Raises:** `ValueError` for a mask or a level that the atlas does not have.
    """
    known = check_masks(dataset, masks)
    found, lines = at_noise(dataset, noise), []
    estimators = [str(name) for name in dataset.estimator.values]
    width = max(map(len, estimators)) + 2
    for mask in masks:
        head = "".join(f"{name:>15}" for name in STATES)
        lines += [f"observed: {mask}, sensor noise {noise:.0%}", f"  {'':<{width}}{head}"]
        for index, name in enumerate(estimators):
            values = found.r.isel(mask=known.index(mask), estimator=index).transpose("seed", "state").values
            bounds = interval(values)
            cells = [_cell(mean, high - mean) for mean, high in zip(bounds.mean, bounds.high, strict=True)]
            lines.append(f"  {name:<{width}}" + "".join(f"{cell:>15}" for cell in cells))
        lines.append("")
    return "\n".join(lines[:-1])


def _cell(mean: float, half: float) -> str:
    if np.isnan(mean):
        return "-"
    return f"{mean:.4f}" if np.isnan(half) else f"{mean:.4f}±{half:.4f}".replace("±0.", "±.")


def at_noise(dataset: xr.Dataset, noise: float) -> xr.Dataset:
    """The scores at one level of sensor noise.

    **Raises:** `ValueError` for a level that the atlas does not have.
    """
    (at,) = np.nonzero(np.isclose(dataset.noise.values, noise))
    if not len(at):
        levels = ", ".join(f"{level:g}" for level in dataset.noise.values)
        raise ValueError(f"`noise` must be a level of the atlas, one of {levels}, got {noise}")
    return dataset.isel(noise=int(at[0]))


def check_masks(dataset: xr.Dataset, masks: Sequence[str]) -> list[str]:
    """All masks of the atlas.

    **Raises:** `ValueError` if those asked for are not among them.
    """
    known = [str(mask) for mask in dataset.mask.values]
    for mask in masks:
        if mask not in known:
            raise ValueError(f"`masks` must be some of those of the atlas, {' '.join(known)}; got {mask}")
    return known


def _nines(r: Float[np.ndarray, "mask estimator"]) -> Float[np.ndarray, "mask estimator"]:
    """-log10(1 - r), so that .9, .99 and .999 are equally far apart; what has no r counts as 0."""
    return -np.log10(np.clip(1 - np.clip(np.nan_to_num(r), 0, None), 10.0**-_BEST, 1))


def _write_values(ax: Axes, values: Float[np.ndarray, "mask estimator"]) -> None:
    size = 6.5 if len(values) <= _FEW else 5
    for (row, column), value in np.ndenumerate(values):
        rounded = "1" if value >= 0.995 else f"{round(value, 2) + 0.0:.2f}".replace("0.", ".")
        colour = BLACK if value > _TEXT_IN_BLACK else "white"
        text = "" if np.isnan(value) else rounded
        ax.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)
