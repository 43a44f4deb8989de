"""Figures of what was decoded from a recording."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .._checks import check_positive
from ..column.states import STATE_LABELS, STATES
from ..decoding.check import BANDS, LEVEL, QUANTILES
from ..decoding.decoded import Decoded
from ..decoding.features import FREQUENCIES
from ..recording.scores import NINETY
from ..recording.units import SIMULATED
from ..recording.windows import REASONS
from .style import BLUE, DARK, GREY, LIGHT, VERMILION, WIDE, fixed_figure, styled


class Unit(NamedTuple):
    """In which potentials of a recording are drawn and written."""

    name: str
    per_mv: float


def unit_of(decoded: Decoded) -> Unit:
    """uV of what an amplifier gave, mV of a simulated column."""
    return Unit("mV", 1.0) if decoded.info.unit == SIMULATED else Unit("uV", 1e3)


def index_of(decoded: Decoded, channel: int | str) -> int:
    """The place of a channel.

    **Raises:** `ValueError` for one that there is not.
    """
    names = decoded.names
    if isinstance(channel, str) and channel in names:
        return names.index(channel)
    if isinstance(channel, int) and 0 <= channel < len(names):
        return channel
    listed = ", ".join(names[:8]) + ", ..." * (len(names) > 8)
    raise ValueError(f"`channel` must be one of {listed}, or a place from 0 to {len(names) - 1}, got {channel!r}")


def relied_on(decoded: Decoded, channel: int) -> Bool[np.ndarray, " window"]:
    """Which windows of a channel were used, and are like what the decoder was made for."""
    return decoded.used[channel] & decoded.check.familiar[channel]


def pooled_draws(decoded: Decoded, channel: int) -> dict[str, Float[np.ndarray, " draw"]]:
    """The draws of all windows that are relied on."""
    windows = relied_on(decoded, channel)
    return {name: values[channel, windows].ravel() for name, values in decoded.draws.items()}


@styled
def decoded(decoded: Decoded, channel: int | str = 0, *, window: int | None = None, seconds: float = 4.0) -> Figure:
    """Some seconds of a recording above the shapes of the six states with their 90 % bands.

    **Arguments:**

    - `decoded`: what `jrae_jax.decode` returns.
    - `channel`: its name or place.
    - `window`: from whose middle the seconds are taken; the first one used if `None`.
    - `seconds`: how much is drawn, at most a window.

    **Raises:** `ValueError` for a channel or a window that there is not.
    """
    check_positive(seconds=seconds)
    at, unit = index_of(decoded, channel), unit_of(decoded)
    chosen = _window(decoded, at, window)
    used = decoded.used[at, chosen]
    # All of a window that was refused: the reason may be anywhere in it.
    half = (min(seconds, decoded.seconds) if used else decoded.seconds) / 2
    drawn = np.abs(decoded.ts - decoded.start[chosen] - decoded.seconds / 2) <= half
    states = STATES if used else ()
    height = 2.4 + len(states)
    places = {"bottom": 0.5 / height, "top": 1 - 0.55 / height}
    figure = fixed_figure(WIDE, height, left=0.1, right=0.965, hspace=0.42, **places)
    top, *panels = figure.subplots(
        1 + len(states), 1, sharex=True, height_ratios=(1.5, *[1] * len(states)), squeeze=False
    )[:, 0]
    ts = decoded.ts[drawn]
    top.plot(ts, unit.per_mv * decoded.eeg[at, drawn], color=DARK, lw=1.0)
    top.set_ylabel(unit.name)
    top.set_title(f"{decoded.names[at]} as recorded")
    for i, (ax, name) in enumerate(zip(panels, states, strict=True)):
        mean, std = decoded.shape_mean[at, drawn, i], decoded.shape_std[at, drawn, i]
        ax.fill_between(ts, mean - NINETY * std, mean + NINETY * std, color=BLUE, alpha=0.25, lw=0)
        ax.plot(ts, mean, color=BLUE, lw=1.1)
        ax.set_title(f"{name}  {STATE_LABELS[i]}")
        ax.set_ylabel("std")
    for ax in figure.axes:
        ax.margins(x=0)
    figure.axes[-1].set_xlabel("time (s)")
    figure.suptitle(_about_window(decoded, at, chosen), x=0.1, ha="left", y=1 - 0.08 / height)
    return figure


def _window(decoded: Decoded, channel: int, window: int | None) -> int:
    windows = len(decoded.start)
    if window is None:
        for good in (relied_on(decoded, channel), decoded.used[channel]):
            if good.any():
                return int(np.argmax(good))
        return 0
    if not 0 <= window < windows:
        raise ValueError(f"`window` must be from 0 to {windows - 1}, got {window}")
    return window


def _about_window(decoded: Decoded, channel: int, window: int) -> str:
    which = f"Window {window + 1} of {len(decoded.start)}"
    if not decoded.used[channel, window]:
        there = decoded.refused[:, channel, window]
        return f"{which}, refused: {', '.join(text for text, why in zip(REASONS.values(), there, strict=True) if why)}"
    if not decoded.check.familiar[channel, window]:
        return f"{which}: unlike anything the decoder was made for, so without intervals"
    return f"{which}; states in standard deviations of themselves, with 90 % bands"


@styled
def decoded_spectrum(decoded: Decoded, channel: int | str = 0, *, window: int | None = None) -> Figure:
    """The power density of a recording over that of the recordings that its posterior predicts.

    Bands of the brain's rhythms are named, with the power in them over the median of that predicted; in orange where it
    is outside of what is predicted.

    **Arguments:**

    - `decoded`, `channel`: as in `jrae_jax.plot.decoded`.
    - `window`: which; `None`: the geometric means over all that were used, and a band is marked if most of them are.

    **Raises:** `ValueError` for a channel or a window that there is not, or that was not used.
    """
    at, unit = index_of(decoded, channel), unit_of(decoded)
    chosen = decoded.used[at].copy()
    if window is not None:
        chosen &= np.arange(len(chosen)) == _window(decoded, at, window)
    if not chosen.any():
        raise ValueError(f"`decoded` must have used a window of {decoded.names[at]} to be drawn, got none")
    check, scale = decoded.check, unit.per_mv**2
    each = scale * check.density[at, chosen]
    low, middle, high = scale * np.exp(np.log(check.predicted[at, chosen]).mean(axis=0))
    figure = fixed_figure(WIDE, 4.2, left=0.105, right=0.985, bottom=0.125, top=0.86)
    ax = figure.subplots()
    ax.fill_between(FREQUENCIES, low, high, color=BLUE, alpha=0.25, lw=0)
    ax.plot(FREQUENCIES, middle, color=BLUE, lw=1.1)
    if len(each) > 1:
        ax.plot(FREQUENCIES, each.T, color=DARK, lw=0.5, alpha=max(0.1, 0.5 / len(each) ** 0.5))
    ax.plot(FREQUENCIES, np.exp(np.log(each).mean(axis=0)), color=DARK, lw=1.4)
    ax.set(yscale="log", xlim=(FREQUENCIES[0], FREQUENCIES[-1]))
    ax.set_xlabel("frequency (Hz)")
    ax.set_ylabel(f"power density ({unit.name}²/Hz)")
    _name_bands(
        ax, np.exp(np.log(check.left_over[at, chosen]).mean(axis=0)), check.beyond[at, chosen].mean(axis=0) > 0.5
    )
    of = f"{decoded.names[at]}, {chosen.sum()} of {len(chosen)} windows" if window is None else decoded.names[at]
    handles = [
        Line2D([], [], color=DARK, lw=1.4, label=f"recorded: {of}"),
        Line2D([], [], color=BLUE, lw=1.1, label="predicted: median"),
        Patch(color=BLUE, alpha=0.25, lw=0, label=f"predicted: {100 * (QUANTILES[-1] - QUANTILES[0]):g} % of windows"),
    ]
    ax.legend(handles=handles, loc="upper right")
    return figure


def _name_bands(ax: Axes, left_over: Float[np.ndarray, " band"], beyond: Bool[np.ndarray, " band"]) -> None:
    for (name, (low, high)), factor, is_beyond in zip(BANDS.items(), left_over, beyond, strict=True):
        colour = VERMILION if is_beyond else DARK
        if is_beyond:
            ax.axvspan(low, high, color=VERMILION, alpha=0.12, lw=0, zorder=0)
        ax.axvline(low, color=LIGHT, lw=0.6, zorder=0)
        text = f"{name}\n{factor:.2g} x" if np.isfinite(factor) else name
        ax.text(
            (low + high) / 2,
            1.02,
            text,
            ha="center",
            fontsize="small",
            color=colour,
            transform=ax.get_xaxis_transform(),
        )


@styled
def decoded_windows(decoded: Decoded, channel: int | str = 0) -> Figure:
    """The windows of a channel over time: used, refused and why, unlike what the decoder knows, and their p values.

    **Arguments:**

    - `decoded`, `channel`: as in `jrae_jax.plot.decoded`.

    **Raises:** `ValueError` for a channel that there is not.
    """
    at = index_of(decoded, channel)
    refused, used = decoded.refused[:, at], decoded.used[at]
    rows = [
        ("used", relied_on(decoded, at), BLUE),
        ("unlike any simulated", used & ~decoded.check.familiar[at], VERMILION),
    ]
    rows += [(f"refused: {text}", there, GREY) for text, there in zip(REASONS.values(), refused, strict=True)]
    rows = [row for row in rows if row[1].any()]
    heights = [0.24 * len(rows)]
    if np.isfinite(decoded.check.p[at]).any():
        heights.append(1.25)
    height = 0.6 + sum(heights)
    figure = fixed_figure(WIDE, height, left=0.235, right=0.985, bottom=0.45 / height, top=1 - 0.1 / height, hspace=0.1)
    above, *panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for i, (_, there, colour) in enumerate(rows):
        spans = [(start, decoded.seconds) for start in decoded.start[there]]
        above.broken_barh(spans, (i - 0.36, 0.72), color=colour, ec="white", lw=min(0.8, 20 / len(decoded.start)))
    above.set_yticks(range(len(rows)), [name for name, *_ in rows])
    above.set_ylim(len(rows) - 0.5, -0.5)
    above.tick_params(length=0)
    for ax in panels:
        ax.axhspan(0, LEVEL, color=VERMILION, alpha=0.12, lw=0)
        ax.plot(decoded.start + decoded.seconds / 2, decoded.check.p[at], "o", color=DARK, ms=4, mew=0)
        ax.set(ylim=(-0.04, 1.04))
        ax.set_ylabel("p of a window")
    figure.axes[-1].set_xlim(decoded.start[0], decoded.start[-1] + decoded.seconds)
    figure.axes[-1].set_xlabel("time (s)")
    return figure
