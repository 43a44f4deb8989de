"""Whether the times of samples are even, and at which rate: judged against a grid, within rounding."""

from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float

from .._checks import check_finite, check_positive

# Of the distance between samples: times that were added up, or made in single precision, err by so much at most.
_HARMLESS = 1e-3
_LOOKED_AT = 10_000  # times whose digits are counted
# Where rounding makes some steps longer than others, so many of them say that it is rounding: random losses of as many
# samples hardly ever lie as evenly.
_FEWEST_ROUNDED = 3
_ENOUGH_LATE = 10  # times of the largest power of ten: of fewer all may end in zeros
_MOST_DIGITS = 12  # of a rate that is tried


class Sampling(NamedTuple):
    """When samples were taken."""

    dt: float
    """Seconds between them."""
    start: float
    """Time of the first, s."""


class _Clock(NamedTuple):
    times: Float[np.ndarray, " sample"]
    """From the first on, s."""
    resolution: float
    """How coarsely they are rounded, s."""
    precision: float
    """How much a double can be off at such times, s."""

    def agrees(self, dt: float) -> bool:
        """Whether the times are those of a grid, as far as they can be known."""
        off_grid = np.ptp(self.times - dt * np.arange(len(self.times)))
        steps = dt / self.resolution
        # A grid of whole steps of the rounding is printed exactly; on another, times are off by up to half a step to
        # either side.
        drift = len(self.times) * abs(steps - round(steps))
        rounding = self.resolution * (1.0 if drift >= 0.5 else 0.5)
        return bool(off_grid <= rounding + self.precision + _HARMLESS * dt)


def even_sampling(
    ts: ArrayLike,
    *,
    sfreq: float | None = None,
    argument: str = "ts",
    remedy: str = "cut out one continuous part, or put NaN where samples are missing",
) -> Sampling:
    """The distance between samples that are even, and the time of the first.

    Times are compared with the grid from the first sample on, not each with the one before: a clock that starts late,
    or was rounded, or both, is even if no sample is missing or repeated. How times are rounded is judged by their
    digits. Of the rates that a rounded clock leaves possible the one with the fewest digits is taken, as 256 Hz of a
    clock in whole milliseconds.

    **Arguments:**

    - `ts`: seconds, shape `(sample,)`.
    - `sfreq`: samples a second, if it is known: a clock may be too coarse to say.
    - `argument`, `remedy`: what to call `ts` in a message, and what it advises.

    **Raises:** `ValueError` for times that are not even, that do not go with `sfreq`, or that are rounded so coarsely
        that samples may be missing and only `sfreq` can decide.
    """
    given = np.asarray(ts)
    given = given if given.dtype.kind == "f" else given.astype(float)
    if given.ndim != 1 or len(given) < 2:
        raise ValueError(f"`{argument}` must be the times of two or more samples, got shape {given.shape}")
    times = given.astype(float)
    check_finite(**{argument: times})
    start = float(times[0])
    resolution, precision = _resolution(given), 4 * float(np.spacing(np.abs(times).max()))
    clock = _Clock(times - start, max(resolution, precision), precision)
    steps = np.diff(times)
    typical = float(np.median(steps))
    if sfreq is not None:
        check_positive(sfreq=sfreq)
        if not clock.agrees(1 / sfreq):
            raise ValueError(
                f"`sfreq` must be that of `{argument}`, got {sfreq:g} Hz and {_described(clock, typical)}: leave it "
                "out, or cut out one continuous part"
            )
        return Sampling(1 / sfreq, start)
    candidates = (dt for dt in _simplest_first(clock.times) if dt > 0 and clock.agrees(dt))
    dt = next(candidates, None)
    if dt is None or np.any(steps < 0):
        raise ValueError(f"`{argument}` must rise evenly, in seconds, got {_described(clock, typical)}: {remedy}")
    rounded = np.abs(steps - typical) > 0.5 * clock.resolution + precision + _HARMLESS * dt
    if np.any(rounded) and (rounded.sum() < _FEWEST_ROUNDED or dt < 1.5 * clock.resolution):
        raise ValueError(
            f"`{argument}` is rounded to {clock.resolution:.3g} s, which leaves two readings: {1 / dt:.6g} Hz, or "
            f"another rate with samples missing or repeated, as {_described(clock, typical)}: give `sfreq`"
        )
    return Sampling(dt, start)


def _simplest_first(times: Float[np.ndarray, " sample"]) -> list[float]:
    """Distances between samples that a clock may have: with few digits, or of a rate with few, then its own slope."""
    numbers = np.arange(len(times)) - (len(times) - 1) / 2
    slope = float(numbers @ times / (numbers @ numbers))
    if not slope > 0:
        return []
    rounded = [
        candidate
        for digits in range(1, _MOST_DIGITS + 1)
        for candidate in (1 / float(f"{1 / slope:.{digits}g}"), float(f"{slope:.{digits}g}"))
    ]
    return [*rounded, slope]


def _resolution(ts: np.ndarray) -> float:
    """The last decimal that times are printed with, s."""
    some = ts[:: -(-len(ts) // _LOOKED_AT)]
    decimals = np.array([_decimals(time) for time in some])
    # Printed with so many digits, and not decimals, times have fewer decimals late than early.
    late = decimals[np.abs(some) >= 10.0 ** np.floor(np.log10(max(np.abs(some).max(), 1e-300)))]
    return 10.0 ** -int(late.max() if len(late) >= _ENOUGH_LATE else decimals.max())


def _decimals(time: np.floating) -> int:
    mantissa, _, exponent = np.format_float_scientific(time, trim="-").partition("e")
    return len(mantissa.lstrip("-").replace(".", "")) - 1 - int(exponent)


def _described(clock: _Clock, typical: float) -> str:
    """Where a clock is off most."""
    steps = np.diff(clock.times)
    worst = int(np.argmax(np.abs(steps - typical)))
    other = abs(steps[worst] - typical) > _HARMLESS * abs(typical)
    return f"steps of {typical:.6g} s{f', and of {steps[worst]:.6g} s after sample {worst}' if other else ''}"
