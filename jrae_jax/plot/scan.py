"""Figures of parameter scans."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..scan.regime import REGIMES
from .style import BLUE, DARK, GREY, LIGHT, MAP, PALETTE, SKY, VERMILION, WIDE, StyledFigure, styled

REGIME_COLOURS = (GREY, SKY, VERMILION)
"""Of each of `REGIMES`."""
_HATCH = "////"  # where a regime is not known

_MAPPED = ("regime", "dominant_frequency", "eeg_sd", "spike_rate", "swing", "eeg_mean")
_MOST_PANELS = 4


@styled
def scan(dataset: xr.Dataset) -> Figure:
    """A parameter scan: curves along one axis, maps over two, points over sampled axes.

    Over further axes, such as repetitions with other noise, the median is drawn, and along curves the range from the
    10th to the 90th percentile.

    **Arguments:**

    - `dataset`: what `parameter_scan` or `open_scan` returns.

    **Raises:** `ValueError` if nothing in it changes, or it holds nothing that can be drawn.
    """
    dataset = _with_swing(dataset)
    axes = [str(dim) for dim in dataset.failed.dims if dim != "repeat" and dataset.sizes[dim] > 1]
    if not axes:
        raise ValueError("`dataset` must have an axis along which something changes, got one point")
    quantities = [str(name) for name in dataset.coords if dataset[name].dims == (axes[0],)]
    if len(quantities) > 1:
        return _scatter(dataset, axes[0], quantities[:2])
    for axis in axes[:2]:
        alone = [str(name) for name in dataset.coords if dataset[name].dims == (axis,)]
        if len(alone) == 1 and alone != [axis]:
            dataset = dataset.swap_dims({axis: alone[0]})
            axes[axes.index(axis)] = alone[0]
    dataset = dataset.sortby([axis for axis in axes[:2] if axis in dataset.coords])
    return _curves(dataset, axes[0]) if len(axes) == 1 else _maps(dataset, axes[:2])


def _with_swing(dataset: xr.Dataset) -> xr.Dataset:
    if not {"eeg_min", "eeg_mean", "eeg_max"} <= set(dataset.data_vars):
        return dataset
    swing = dataset.eeg_max - dataset.eeg_min
    return dataset.assign(swing=swing.assign_attrs(long_name="peak to peak of eeg", units="mV"))


def _drawn(dataset: xr.Dataset) -> list[str]:
    """What to draw: the summaries of this package that say most, and otherwise what there is."""
    plain = [str(name) for name in dataset.data_vars if dataset[name].dims == dataset.failed.dims]
    known = [name for name in _MAPPED if name in plain]
    chosen = known or [name for name in plain if name not in ("failed", "failure_time")]
    if not chosen:
        raise ValueError("`dataset` must hold a summary that is one number a point, got none")
    return chosen[:_MOST_PANELS]


def _curves(dataset: xr.Dataset, axis: str) -> Figure:
    """Curves along one axis, the first of them the least and largest values as in a bifurcation diagram."""
    draw = [_range_panel] if "swing" in dataset else []
    names = [name for name in _drawn(dataset) if name not in ("regime", "swing", "eeg_mean")]
    panels = len(draw) + ("band_power" in dataset) + len(names)
    figure = StyledFigure(figsize=(WIDE * min(panels, 2) / 2, 2.9 * -(-panels // 2)), layout="constrained")
    axs = iter(np.ravel(figure.subplots(-(-panels // 2), min(panels, 2), sharex=True, squeeze=False)))
    for panel in draw:
        panel(next(axs), dataset, axis)
    for name in names:
        _curve(ax := next(axs), dataset[name], axis, BLUE)
        ax.set_ylabel(label(dataset[name]))
    if "band_power" in dataset:
        _band_panel(next(axs), dataset, axis)
    for ax in axs:
        ax.set_axis_off()
        figure.axes[panels - 2].xaxis.set_tick_params(labelbottom=True)  # it is the last of its column
    for ax in figure.axes:
        ax.set_xlabel(label(dataset[axis]))
        _shade_regimes(ax, dataset, axis)
        ax.margins(x=0)
    if "regime" in dataset:
        handles = _regime_handles(_most_frequent(dataset.regime, [axis]))
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _curve(ax: Axes, values: xr.DataArray, axis: str, colour: str, label: str | None = None) -> None:
    low, middle, high = _quantiles(values, [0.1, 0.5, 0.9], [axis])
    x = values[axis].values
    ax.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
    ax.plot(x, middle, color=colour, lw=1.4, label=label)


def _range_panel(ax: Axes, dataset: xr.Dataset, axis: str) -> None:
    for name, colour, label in (
        ("eeg_max", VERMILION, "largest"),
        ("eeg_mean", DARK, "mean"),
        ("eeg_min", BLUE, "least"),
    ):
        _curve(ax, dataset[name], axis, colour, label)
    ax.set_ylabel("y1 - y2 (mV)")
    ax.legend()


def _band_panel(ax: Axes, dataset: xr.Dataset, axis: str) -> None:
    fraction = dataset.band_power / dataset.band_power.sum("band")
    for band, colour in zip(fraction.band.values, PALETTE, strict=False):
        _curve(ax, fraction.sel(band=band), axis, colour, str(band))
    ax.set_ylabel("fraction of the power in the bands")
    ax.set_ylim(0, 1)
    ax.legend(ncols=2)


def _shade_regimes(ax: Axes, dataset: xr.Dataset, axis: str) -> None:
    if "regime" not in dataset or not ax.axison:
        return
    codes, x = _most_frequent(dataset.regime, [axis]), dataset[axis].values
    edges = np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    for code, left, right in zip(codes, edges[:-1], edges[1:], strict=True):
        if code >= 0:
            ax.axvspan(left, right, color=REGIME_COLOURS[code], alpha=0.25, lw=0, zorder=0)
        else:
            ax.axvspan(left, right, facecolor="white", edgecolor=LIGHT, hatch=_HATCH, lw=0, zorder=0)


def _maps(dataset: xr.Dataset, axes: Sequence[str]) -> Figure:
    """Maps over two axes, with the borders between regimes."""
    names = _drawn(dataset)
    rows, columns = -(-len(names) // 2), min(len(names), 2)
    figure = StyledFigure(figsize=(WIDE * columns / 2, 3.1 * rows), layout="constrained")
    axs = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    regimes = _most_frequent(dataset.regime, axes) if "regime" in dataset else None
    y, x = (dataset[axis] for axis in axes)
    for ax, name in zip(axs.ravel(), names, strict=False):
        if name == "regime" and regimes is not None:
            _regime_map(figure, ax, x.values, y.values, regimes)
        else:
            _map(figure, ax, x.values, y.values, _median(dataset[name], axes), label(dataset[name]))
        if regimes is not None:
            _borders(ax, x.values, y.values, regimes)
    for ax in axs[-1]:
        ax.set_xlabel(label(x))
    for ax in axs[:, 0]:
        ax.set_ylabel(label(y))
    for ax in axs.ravel()[len(names) :]:
        ax.set_axis_off()
    return figure


def _map(figure: Figure, ax: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, label: str) -> None:
    image = ax.pcolormesh(x, y, np.ma.masked_invalid(values), shading="nearest", cmap=MAP, rasterized=True)
    ax.set_facecolor(LIGHT)
    figure.colorbar(image, ax=ax, label=label)


def _regime_map(figure: Figure, ax: Axes, x: np.ndarray, y: np.ndarray, codes: np.ndarray) -> None:
    colours = ListedColormap(REGIME_COLOURS)
    norm = BoundaryNorm(np.arange(len(REGIMES) + 1) - 0.5, colours.N)
    known = np.ma.masked_less(codes, 0)
    image = ax.pcolormesh(x, y, known, shading="nearest", cmap=colours, norm=norm, rasterized=True)
    ax.patch.set(facecolor="white", edgecolor=LIGHT, hatch=_HATCH)
    if (codes < 0).any():
        ax.legend(handles=_regime_handles(codes)[len(REGIMES) :], loc="lower right", bbox_to_anchor=(1, 1))
    bar = figure.colorbar(image, ax=ax, ticks=range(len(REGIMES)), label="regime")
    bar.ax.set_yticklabels(REGIMES)


def _borders(ax: Axes, x: np.ndarray, y: np.ndarray, codes: np.ndarray) -> None:
    for code in range(len(REGIMES)):
        inside = (codes == code).astype(float)
        if 0 < inside.mean() < 1 and min(inside.shape) > 1:
            ax.contour(x, y, inside, levels=[0.5], colors=DARK, linewidths=0.8)


def _scatter(dataset: xr.Dataset, axis: str, quantities: Sequence[str]) -> Figure:
    """Points over the first two quantities that change together."""
    names = _drawn(dataset)
    rows, columns = -(-len(names) // 2), min(len(names), 2)
    figure = StyledFigure(figsize=(WIDE * columns / 2, 3.1 * rows), layout="constrained")
    axs = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    x, y = (dataset[name] for name in quantities)
    for ax, name in zip(axs.ravel(), names, strict=False):
        if name == "regime":
            codes = _most_frequent(dataset.regime, [axis])
            colours = [REGIME_COLOURS[code] if code >= 0 else "white" for code in codes]
            ax.scatter(x, y, c=colours, s=14, edgecolors=DARK, linewidths=0.2)
            ax.legend(handles=_regime_handles(codes))
        else:
            image = ax.scatter(x, y, c=_median(dataset[name], [axis]), s=14, cmap=MAP, linewidths=0)
            figure.colorbar(image, ax=ax, label=label(dataset[name]))
    for ax in axs[-1]:
        ax.set_xlabel(label(x))
    for ax in axs[:, 0]:
        ax.set_ylabel(label(y))
    for ax in axs.ravel()[len(names) :]:
        ax.set_axis_off()
    return figure


def _regime_handles(codes: np.ndarray) -> list[Patch]:
    known = [Patch(color=colour, label=name) for name, colour in zip(REGIMES, REGIME_COLOURS, strict=True)]
    unknown = Patch(facecolor="white", edgecolor=LIGHT, hatch=_HATCH, label="not done, or failed")
    return [*known, unknown] if (codes < 0).any() else known


def _most_frequent(codes: xr.DataArray, axes: Sequence[str]) -> np.ndarray:
    """The regime of most repetitions; -1 where none is known."""
    other = [dim for dim in codes.dims if dim not in axes]
    counts = np.stack([(codes == code).sum(other).transpose(*axes).values for code in range(len(REGIMES))])
    return np.where(counts.max(axis=0) > 0, counts.argmax(axis=0), -1)


def _median(values: xr.DataArray, axes: Sequence[str]) -> np.ndarray:
    return _quantiles(values, [0.5], axes)[0]


def _quantiles(values: xr.DataArray, levels: Sequence[float], axes: Sequence[str]) -> np.ndarray:
    """Over all other axes; NaN where nothing is known."""
    ordered = values.transpose(*axes, ...).values
    each = ordered.reshape(*ordered.shape[: len(axes)], -1)
    found, unknown = np.quantile(each, levels, axis=-1), np.isnan(each)
    some = unknown.any(axis=-1) & ~unknown.all(axis=-1)
    if some.any():
        # For these alone: NumPy leaves NaN out row by row, which takes a second for ten thousand rows.
        found[:, some] = np.nanquantile(each[some], levels, axis=-1)
    return found


def label(values: xr.DataArray) -> str:
    """What an axis says: name and unit."""
    name = str(values.attrs.get("long_name", values.name))
    units = values.attrs.get("units", "")
    return f"{name} ({units})" if units not in ("", "1") else name
