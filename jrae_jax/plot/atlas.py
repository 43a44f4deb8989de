"""An atlas in, a matplotlib figure and a table out."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..column.states import STATES
from ..studies.evaluate import interval

_BEST = 4.0  # -log10(1 - r) of the darkest colour
_FEW = 12  # masks up to which cells are large


def plot_atlas(atlas: xr.Dataset, *, noise: float) -> Figure:
    """Heat maps of r, a panel for each state, a row for each mask, a column for each estimator.

    **Arguments:**

    - `atlas`: what `atlas` or `open_scan` returns.
    - `noise`: the level to show, as a fraction of each channel's standard deviation.

    **Raises:** `ValueError` for a level that the atlas does not have.
    """
    r = _at(atlas, noise).r.mean("seed").transpose("state", "mask", "estimator").values
    masks, estimators = [str(mask) for mask in atlas.mask.values], [str(name) for name in atlas.estimator.values]
    row = 0.34 if len(masks) <= _FEW else 0.19
    figure = Figure(figsize=(2.2 + 6 * 0.3 * len(estimators), 2.0 + row * len(masks)), layout="constrained")
    axs = figure.subplots(1, len(STATES), sharey=True)
    colours = ScalarMappable(Normalize(0, _BEST), "YlGnBu")
    for ax, name, values in zip(axs, STATES, r, strict=True):
        ax.imshow(_nines(values), aspect="auto", cmap=colours.cmap, norm=colours.norm, interpolation="nearest")
        _write(ax, values)
        ax.set_title(name, fontsize=10)
        ax.set_xticks(range(len(estimators)), estimators, rotation=90, fontsize=7)
        ax.tick_params(length=0)
        for at, mask in enumerate(masks):
            if name in mask.split(","):
                ax.plot(-0.5, at, marker=5, color="#c8553d", ms=4, clip_on=False)
    axs[0].set_yticks(range(len(masks)), masks, fontsize=7)
    bar = figure.colorbar(colours, ax=axs, fraction=0.02, pad=0.01, ticks=range(5))
    bar.ax.set_yticklabels(["0", "0.9", "0.99", "0.999", "0.9999"], fontsize=7)
    bar.set_label("r", fontsize=8)
    figure.suptitle(
        f"r of each state, by what is seen (rows) and by which means (columns); sensor noise {noise:.0%} of each "
        "signal's sd; the red mark: this state is seen itself",
        fontsize=9,
    )
    return figure


def atlas_table(atlas: xr.Dataset, *, masks: tuple[str, ...], noise: float) -> str:
    """r of every estimator for some masks, with the half-width of its 95 % interval over seeds."""
    found, lines = _at(atlas, noise), []
    for mask in masks:
        lines += [f"seen: {mask}, sensor noise {noise:.0%}", f"  {'':<16}" + "".join(f"{name:>15}" for name in STATES)]
        for name in map(str, atlas.estimator.values):
            chosen = found.r.isel(mask=list(atlas.mask.values).index(mask))
            values = chosen.isel(estimator=list(atlas.estimator.values).index(name)).transpose("seed", "state").values
            bounds = interval(values)
            cells = [_cell(mean, high - mean) for mean, high in zip(bounds.mean, bounds.high, strict=True)]
            lines.append(f"  {name:<16}" + "".join(f"{cell:>15}" for cell in cells))
        lines.append("")
    return "\n".join(lines[:-1])


def _cell(mean: float, half: float) -> str:
    if np.isnan(mean):
        return "-"
    return f"{mean:.4f}" if np.isnan(half) else f"{mean:.4f}±{half:.4f}".replace("±0.", "±.")


def _at(atlas: xr.Dataset, noise: float) -> xr.Dataset:
    (at,) = np.nonzero(np.isclose(atlas.noise.values, noise))
    if not len(at):
        levels = ", ".join(f"{level:g}" for level in atlas.noise.values)
        raise ValueError(f"`noise` must be a level of the atlas, one of {levels}, got {noise}")
    return atlas.isel(noise=int(at[0]))


def _nines(r: np.ndarray) -> np.ndarray:
    """-log10(1 - r), so that .9, .99 and .999 are equally far apart; what has no r counts as 0."""
    return -np.log10(np.clip(1 - np.clip(np.nan_to_num(r), 0, None), 10**-_BEST, 1))


def _write(ax: Axes, values: np.ndarray) -> None:
    size = 6.5 if len(values) <= _FEW else 5
    for (row, column), value in np.ndenumerate(values):
        shown = "" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}".replace("0.", ".") if value < 0.995 else "1"
        colour = "white" if value > 0.98 else "black"
        ax.text(column, row, shown, ha="center", va="center", fontsize=size, color=colour)
