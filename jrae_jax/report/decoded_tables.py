"""Tables of what was decoded from a recording, and its verdicts in a few words."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from ..column.states import STATE_LABELS, STATE_UNITS, STATES
from ..decoding.check import BANDS
from ..decoding.decoded import Decoded
from ..decoding.features import FREQUENCIES
from ..decoding.prior import STANDARD, Quantity
from ..plot.decoded import pooled_draws, relied_on, unit_of
from ..recording.scores import NINETY
from ..recording.units import SIMULATED
from ..recording.windows import REASONS
from .tables import Table

EXPLAINED, NOT_EXPLAINED = "explained by one column", "not explained by one column"
UNFAMILIAR, REFUSED = "unlike anything the decoder was made for", "every window refused"

_NONE = "-"
_NEAR = 0.02  # of the range of a quantity
_ORDER = (
    "C", "B", "time_scale", "p", "sigma", "gain", "background", "exponent", "white", "column_std", "column_fraction"
)  # fmt: skip


def verdict(decoded: Decoded, channel: int) -> str:
    """The verdict on a channel in few words; more are in `decoded.check.words`."""
    if not decoded.used[channel].any():
        return REFUSED
    if not relied_on(decoded, channel).any():
        return UNFAMILIAR
    return EXPLAINED if decoded.check.explained[channel] else NOT_EXPLAINED


def windows_in_words(decoded: Decoded, channel: int) -> str:
    """How many windows were used, and how many were not and why."""
    used, familiar = decoded.used[channel], relied_on(decoded, channel)
    parts = [f"{used.sum()} of {len(used)} windows of {decoded.seconds:.4g} s used"]
    if used.sum() > familiar.sum():
        parts.append(f"{used.sum() - familiar.sum()} of them without intervals, unlike anything simulated")
    counts = zip(REASONS.values(), decoded.refused[:, channel].sum(axis=1), strict=True)
    refused = ", ".join(f"{count} {reason}" for reason, count in counts if count)
    return "; ".join([*parts, *[f"refused: {refused}"] * bool(refused)])


def channels_table(decoded: Decoded) -> Table:
    """A row for each channel."""
    unit = unit_of(decoded)
    rows = []
    for i, name in enumerate(decoded.names):
        used = decoded.used[i]
        power = _power(decoded.check.density[i, used], *BANDS["alpha"]) * unit.per_mv**2
        draws = pooled_draws(decoded, i)
        rows.append(
            [
                name,
                verdict(decoded, i),
                f"{used.sum()} of {len(used)}",
                f"{power:.3g}" if np.isfinite(power) else _NONE,
                *(_cell(draws[quantity]) for quantity in ("column_fraction", "C", "p")),
            ]
        )
    head = (
        "channel", "verdict", "windows used", f"alpha power ({unit.name}²)", "fraction of the column", "synapses C",
        "input p (1/s)",
    )  # fmt: skip
    return Table("All channels: medians, with 90 % intervals in parentheses", head, rows)


def posterior_table(decoded: Decoded, channel: int) -> Table:
    """Median and 90 % interval of what is known of column, gain and background, beside the prior."""
    draws, about = pooled_draws(decoded, channel), decoded.posterior
    rows = []
    for name in _ORDER:
        low, middle, high = _quantiles(draws[name])
        prior = _NONE
        if name in STANDARD:
            prior = f"{STANDARD[name].low:g} to {STANDARD[name].high:g}"
            prior += ", its bound is reached" if _at_bound(STANDARD[name], low, high) else ""
        attributes = about[name].attrs
        units = attributes["units"] if attributes["units"] not in ("", "1") else _NONE
        rows.append([f"{name}: {attributes['long_name']}", f"{middle:.3g}", f"{low:.3g} to {high:.3g}", prior, units])
    return Table("Column, gain and background", ("quantity", "median", "90 % interval", "the prior", "unit"), rows)


def _at_bound(quantity: Quantity, low: float, high: float) -> bool:
    """Whether an interval reaches a bound of the prior, which then may be what does not fit."""
    known = np.asarray([quantity.low, quantity.high, low, high])
    least, greatest, low, high = np.log(known) if quantity.logarithmic else known
    near = _NEAR * (greatest - least)
    return bool(low < least + near or high > greatest - near)


def states_table(decoded: Decoded, channel: int) -> Table:
    """How well each state is known: medians over the samples that are relied on."""
    relied = np.repeat(relied_on(decoded, channel), round(decoded.seconds / decoded.dt))
    rows = []
    for i, (name, long_name, unit) in enumerate(zip(STATES, STATE_LABELS, STATE_UNITS, strict=True)):
        mean, std, shape = (
            values[channel, : len(relied), i][relied] for values in (decoded.mean, decoded.std, decoded.shape_std)
        )
        rows.append(
            [
                f"{name}: {long_name}",
                f"± {NINETY * np.median(shape):.2f}",
                f"{np.median(mean):.3g} ± {NINETY * np.median(std):.2g} {unit}",
            ]
        )
    head = ("state", "shape, in its standard deviations", "level, with column and gain unknown")
    return Table("The six states, with the half-widths of their 90 % intervals", head, rows)


def bands_table(decoded: Decoded, channel: int) -> Table:
    """Power by band over that predicted: the geometric mean over windows, and in how many it is beyond it."""
    check, used = decoded.check, decoded.used[channel]
    rows = []
    for i, (name, (low, high)) in enumerate(BANDS.items()):
        factor = np.exp(np.log(check.left_over[channel, used, i]).mean())
        beyond = check.beyond[channel, used, i].sum()
        measured = np.isfinite(factor)
        marked = f"outside of 99 % of predictions in {beyond} of {used.sum()} windows" if beyond else "within 99 %"
        rows.append(
            [
                f"{name}, {low:g} to {high:g} Hz",
                f"{factor:.2f}" if measured else _NONE,
                marked if measured else "not measured",
            ]
        )
    title = "Power by band; the verdict is of all features together"
    return Table(title, ("band", "power recorded / median predicted", "by itself"), rows)


def how_table(decoded: Sequence[Decoded], names: Sequence[str]) -> Table:
    """How each recording was made and read, a column for each."""
    described = [dict(_how(each)) for each in decoded]
    rows = [[row, *(each[row] for each in described)] for row in described[0]]
    return Table("How the recordings were made", ("", *names), rows)


def _how(decoded: Decoded) -> Iterator[tuple[str, str]]:
    info, unknown = decoded.info, "not known"
    samples = decoded.eeg.shape[-1]
    yield "recorded on", info.measured_on or unknown
    yield "length", f"{samples * decoded.dt:.6g} s from {info.start:.6g} s on"
    yield "rate", f"{1 / decoded.dt:.6g} Hz"
    yield "filters", unknown if info.band is None else f"{info.band[0]:g} to {info.band[1]:g} Hz"
    yield "line", unknown if info.line_freq is None else f"{info.line_freq:g} Hz, removed with its multiples"
    yield "relied on", f"{decoded.band[0]:g} to {decoded.band[1]:.4g} Hz"
    yield "reference", info.reference or unknown
    yield "unit", "mV of a simulated column" if info.unit == SIMULATED else info.unit or unknown
    yield "windows", f"{len(decoded.start)} of {decoded.seconds:.4g} s"
    yield "as read", info.read_as or unknown


def _power(density: Float[np.ndarray, "window frequency"], low: float, high: float) -> float:
    inside = (low <= FREQUENCIES) & (high > FREQUENCIES)
    each = density[:, inside].sum(axis=1) * (FREQUENCIES[1] - FREQUENCIES[0])
    return float(each.mean()) if len(each) else np.nan


def _quantiles(draws: Float[np.ndarray, " draw"]) -> Float[np.ndarray, " 3"]:
    return np.quantile(draws, (0.05, 0.5, 0.95))


def _cell(draws: Float[np.ndarray, " draw"]) -> str:
    if not len(draws):
        return _NONE
    low, middle, high = _quantiles(draws)
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"
