"""Parameter scans in, matplotlib figures out."""

import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.signal import welch

from ..scan.regime import REGIMES

BLUE, RED, GREY, DARK = "#2a6f97", "#c8553d", "#c9c9c9", "#222222"
_REGIME_COLOURS = ("#e3e3e3", "#7fb2d1", "#c8553d")
_MAPPED = ("regime", "dominant_frequency", "eeg_sd", "spike_rate", "swing", "eeg_mean")
_MOST_PANELS = 4


def plot_scan(scan: xr.Dataset) -> Figure:
    """A parameter scan as it can best be seen: curves along one axis, maps over two, points over sampled axes.

    Of further axes, as of repetitions with other noise, the median is shown, and along curves the range from the
    10th to the 90th percentile.

    **Arguments:**

    - `scan`: what `parameter_scan` or `open_scan` returns.

    **Raises:** `ValueError` if nothing in it changes, or it holds nothing that can be drawn.
    """
    scan = _with_swing(scan)
    axes = [dim for dim in _scan_dims(scan) if dim != "repeat" and scan.sizes[dim] > 1]
    if not axes:
        raise ValueError("`scan` must have an axis along which something changes, got one point")
    quantities = [str(name) for name in scan.coords if scan[name].dims == (axes[0],)]
    if len(quantities) > 1:
        return _scatter(scan, axes[0], quantities[:2])
    for axis in axes[:2]:
        alone = [str(name) for name in scan.coords if scan[name].dims == (axis,)]
        if len(alone) == 1 and alone != [axis]:
            scan = scan.swap_dims({axis: alone[0]})
            axes[axes.index(axis)] = alone[0]
    scan = scan.sortby([axis for axis in axes[:2] if axis in scan.coords])
    return _curves(scan, axes[0]) if len(axes) == 1 else _maps(scan, axes[:2])


def plot_trajectories(trajectories: xr.Dataset, *, seconds: float = 3.0, columns: int = 4) -> Figure:
    """The EEG-like signal of the first columns over their last seconds, and the spectrum of each.

    **Arguments:**

    - `trajectories`: what `to_dataset` returns.
    """
    trajectories = trajectories if "column" in trajectories.dims else trajectories.expand_dims("column")
    shown = trajectories.eeg[:columns]
    figure = Figure(figsize=(10.0, 1.2 + 1.3 * len(shown)), layout="constrained")
    axs = figure.subplots(len(shown), 2, width_ratios=(3, 1), sharex="col", squeeze=False)
    time = shown.time.values.astype(float)
    rate = 1 / np.diff(time).mean() if len(time) > 1 else 1.0
    for (trace, spectrum), v in zip(axs, shown.values, strict=True):
        late = time > time[-1] - seconds
        trace.plot(time[late], v[late], color=BLUE, lw=1.0)
        trace.set_ylabel("y1 - y2 (mV)")
        frequency, power = welch(v, rate, nperseg=min(len(v), max(round(2 * rate), 1)))
        low = (frequency > 0) & (frequency <= 40)
        spectrum.semilogy(frequency[low], power[low], color=BLUE, lw=1.0)
        spectrum.set_ylabel("mV²/Hz")
    axs[-1, 0].set_xlabel("time (s)")
    axs[-1, 1].set_xlabel("frequency (Hz)")
    return figure


def _with_swing(scan: xr.Dataset) -> xr.Dataset:
    if not {"eeg_min", "eeg_mean", "eeg_max"} <= set(scan.data_vars):
        return scan
    swing = scan.eeg_max - scan.eeg_min
    return scan.assign(swing=swing.assign_attrs(long_name="peak to peak of eeg", units="mV"))


def _scan_dims(scan: xr.Dataset) -> list[str]:
    return [str(dim) for dim in scan.failed.dims]


def _drawn(scan: xr.Dataset) -> list[str]:
    """What to draw: what we know to be telling, and otherwise what there is."""
    plain = [str(name) for name in scan.data_vars if scan[name].dims == scan.failed.dims]
    known = [name for name in _MAPPED if name in plain]
    chosen = known or [name for name in plain if name not in ("failed", "failure_time")]
    if not chosen:
        raise ValueError("`scan` must hold a summary that is one number a point, got none")
    return chosen[:_MOST_PANELS]


def _curves(scan: xr.Dataset, axis: str) -> Figure:
    """Curves along one axis, the first of them the least and largest values as in a bifurcation diagram."""
    draw = [_range_panel] if "swing" in scan else []
    names = [name for name in _drawn(scan) if name not in ("regime", "swing", "eeg_mean")]
    panels = len(draw) + ("band_power" in scan) + len(names)
    figure = Figure(figsize=(5.2 * min(panels, 2), 3.2 * -(-panels // 2)), layout="constrained")
    axs = iter(np.ravel(figure.subplots(-(-panels // 2), min(panels, 2), sharex=True, squeeze=False)))
    for panel in draw:
        panel(next(axs), scan, axis)
    for name in names:
        _curve(ax := next(axs), scan[name], axis, BLUE)
        ax.set_ylabel(label(scan[name]))
    if "band_power" in scan:
        _band_panel(next(axs), scan, axis)
    for ax in axs:
        ax.set_axis_off()
        figure.axes[panels - 2].xaxis.set_tick_params(labelbottom=True)  # it is the last of its column
    for ax in figure.axes:
        ax.set_xlabel(label(scan[axis]))
        _shade_regimes(ax, scan, axis)
        ax.margins(x=0)
    if "regime" in scan:
        figure.legend(handles=_regime_handles(), loc="outside lower center", ncols=len(REGIMES), frameon=False)
    return figure


def _curve(ax: Axes, values: xr.DataArray, axis: str, colour: str, label: str | None = None) -> None:
    low, middle, high = _quantiles(values, [0.1, 0.5, 0.9], [axis])
    x = values[axis].values
    ax.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
    ax.plot(x, middle, color=colour, lw=1.4, label=label)


def _range_panel(ax: Axes, scan: xr.Dataset, axis: str) -> None:
    for name, colour, label in (("eeg_max", RED, "largest"), ("eeg_mean", DARK, "mean"), ("eeg_min", BLUE, "least")):
        _curve(ax, scan[name], axis, colour, label)
    ax.set_ylabel("y1 - y2 (mV)")
    ax.legend(frameon=False, fontsize=8)


def _band_panel(ax: Axes, scan: xr.Dataset, axis: str) -> None:
    share = scan.band_power / scan.band_power.sum("band")
    colours = ("#4d4d4d", "#8a6fb0", BLUE, "#5a9e6f", "#d4a24c")
    for band, colour in zip(share.band.values, colours, strict=True):
        _curve(ax, share.sel(band=band), axis, colour, str(band))
    ax.set_ylabel("share of the power in the bands")
    ax.set_ylim(0, 1)
    ax.legend(frameon=False, fontsize=8, ncols=2)


def _shade_regimes(ax: Axes, scan: xr.Dataset, axis: str) -> None:
    if "regime" not in scan or not ax.axison:
        return
    codes, x = _most_frequent(scan.regime, [axis]), scan[axis].values
    edges = np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    for code, left, right in zip(codes, edges[:-1], edges[1:], strict=True):
        if code >= 0:
            ax.axvspan(left, right, color=_REGIME_COLOURS[code], alpha=0.25, lw=0, zorder=0)


def _maps(scan: xr.Dataset, axes: Sequence[str]) -> Figure:
    """Maps over two axes, with the borders between regimes."""
    names = _drawn(scan)
    rows, columns = -(-len(names) // 2), min(len(names), 2)
    figure = Figure(figsize=(5.4 * columns, 4.0 * rows), layout="constrained")
    axs = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    regimes = _most_frequent(scan.regime, axes) if "regime" in scan else None
    y, x = (scan[axis] for axis in axes)
    for ax, name in zip(axs.ravel(), names, strict=False):
        if name == "regime" and regimes is not None:
            _regime_map(figure, ax, x.values, y.values, regimes)
        else:
            _map(figure, ax, x.values, y.values, _median(scan[name], axes), label(scan[name]))
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
    image = ax.pcolormesh(x, y, np.ma.masked_invalid(values), shading="nearest", cmap="viridis", rasterized=True)
    ax.set_facecolor("0.85")
    figure.colorbar(image, ax=ax, label=label)


def _regime_map(figure: Figure, ax: Axes, x: np.ndarray, y: np.ndarray, codes: np.ndarray) -> None:
    colours = ListedColormap(_REGIME_COLOURS)
    norm = BoundaryNorm(np.arange(len(REGIMES) + 1) - 0.5, colours.N)
    shown = np.ma.masked_less(codes, 0)
    image = ax.pcolormesh(x, y, shown, shading="nearest", cmap=colours, norm=norm, rasterized=True)
    ax.set_facecolor("white")
    bar = figure.colorbar(image, ax=ax, ticks=range(len(REGIMES)), label="regime")
    bar.ax.set_yticklabels(REGIMES)


def _borders(ax: Axes, x: np.ndarray, y: np.ndarray, codes: np.ndarray) -> None:
    for code in range(len(REGIMES)):
        inside = (codes == code).astype(float)
        if 0 < inside.mean() < 1 and min(inside.shape) > 1:
            ax.contour(x, y, inside, levels=[0.5], colors=DARK, linewidths=0.8)


def _scatter(scan: xr.Dataset, axis: str, quantities: Sequence[str]) -> Figure:
    """Points over the first two quantities that change together."""
    names = _drawn(scan)
    rows, columns = -(-len(names) // 2), min(len(names), 2)
    figure = Figure(figsize=(5.4 * columns, 4.0 * rows), layout="constrained")
    axs = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    x, y = (scan[name] for name in quantities)
    for ax, name in zip(axs.ravel(), names, strict=False):
        if name == "regime":
            codes = _most_frequent(scan.regime, [axis])
            colours = [_REGIME_COLOURS[code] if code >= 0 else "white" for code in codes]
            ax.scatter(x, y, c=colours, s=14, edgecolors="0.4", linewidths=0.2)
            ax.legend(handles=_regime_handles(), fontsize=8)
        else:
            image = ax.scatter(x, y, c=_median(scan[name], [axis]), s=14, cmap="viridis", linewidths=0)
            figure.colorbar(image, ax=ax, label=label(scan[name]))
    for ax in axs[-1]:
        ax.set_xlabel(label(x))
    for ax in axs[:, 0]:
        ax.set_ylabel(label(y))
    for ax in axs.ravel()[len(names) :]:
        ax.set_axis_off()
    return figure


def regime_colours() -> tuple[str, ...]:
    """A colour for each of `REGIMES`."""
    return _REGIME_COLOURS


def _regime_handles() -> list[Patch]:
    return [Patch(color=colour, label=name) for name, colour in zip(REGIMES, _REGIME_COLOURS, strict=True)]


def _most_frequent(codes: xr.DataArray, axes: Sequence[str]) -> np.ndarray:
    """The regime that most repetitions show; -1 where none is known."""
    other = [dim for dim in codes.dims if dim not in axes]
    counts = np.stack([(codes == code).sum(other).transpose(*axes).values for code in range(len(REGIMES))])
    return np.where(counts.max(axis=0) > 0, counts.argmax(axis=0), -1)


def _median(values: xr.DataArray, axes: Sequence[str]) -> np.ndarray:
    return _quantiles(values, [0.5], axes)[0]


def _quantiles(values: xr.DataArray, levels: Sequence[float], axes: Sequence[str]) -> np.ndarray:
    """Over all other axes; NaN where nothing is known."""
    ordered = values.transpose(*axes, ...).values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanquantile(ordered.reshape(*ordered.shape[: len(axes)], -1), levels, axis=-1)


def label(values: xr.DataArray) -> str:
    """What an axis says: name and unit."""
    name = str(values.attrs.get("long_name", values.name))
    units = values.attrs.get("units", "")
    return f"{name} ({units})" if units not in ("", "1") else name
