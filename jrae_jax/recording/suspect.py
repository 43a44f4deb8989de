"""Values that are hardly a signal: codes for what is missing, far outliers, and stretches that do not change."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import ArrayLike, Float

from .._checks import is_concrete, warn_caller

# From the median, in widths of the narrowest half of all samples, which is 1.35 standard deviations of a normal
# distribution: more than noise reaches, and spikes of an EEG rise to it step by step.
_FAR = 10.0
# What programs write where a sample is missing, and where a converter of 16 bits is at its end, need be less far.
_CODES, _FAR_CODE = (-99999, -9999, -999, 999, 9999, 99999, -32768, 32767), 5.0
# A signal moves away step by step, and a code is there at once: by so much of its whole distance, in one sample.
_AT_ONCE = 0.5
_FLAT_SECONDS, _FLAT_SAMPLES = 0.25, 20  # more than two cycles of alpha, in any resolution


class SuspectValuesWarning(UserWarning):
    """Some values of a recording are hardly a signal."""


def without_codes(values: Float[np.ndarray, "..."], missing: Sequence[float]) -> Float[np.ndarray, "..."]:
    """The values with NaN for numbers that stand for a missing sample, apart from the rounding of a conversion."""
    for code in missing:
        values = np.where(np.isclose(values, code, rtol=1e-6, atol=0), np.nan, values)
    return values


def check_signal(argument: str, signal: ArrayLike, dt: float, names: Sequence[str] = ()) -> None:
    """Raise for a signal with infinite values, and warn of values that are hardly a signal.

    Nothing is checked where values are traced by JAX.

    **Arguments:**

    - `argument`: as which it was given.
    - `signal`: shape `(time,)` or `(batch, time)`, NaN where nothing was measured.
    - `dt`: seconds between samples.
    - `names`: what the recordings of the batch are called; each is then called so and not by `argument` and number.
    """
    if not is_concrete(signal):
        return
    rows, batched = np.atleast_2d(np.asarray(signal, dtype=float)), np.ndim(signal) == 2
    called = [f"`{argument}` of recording {number}" if batched else f"`{argument}`" for number in range(len(rows))]
    if len(names) == len(rows):
        called = [f"`{name}`" for name in names]
    for name, row in zip(called, rows, strict=True):
        infinite = np.flatnonzero(np.isinf(row))
        if len(infinite):
            raise ValueError(
                f"{name} must be finite, or NaN where nothing was measured, got {row[infinite[0]]} in sample "
                f"{infinite[0]}"
            )
    for found in ([_far_values(row) for row in rows], [_flat(row, dt) for row in rows]):
        faults = [f"{name} has {fault}" for name, fault in zip(called, found, strict=True) if fault]
        if faults:  # often all have the same
            others = f"; so have {len(faults) - 1} more of {len(rows)} recordings" if len(faults) > 1 else ""
            warn_caller(faults[0] + others, SuspectValuesWarning)


def fewest_flat(dt: float) -> float:
    """How many samples without change are none of a signal."""
    return max(float(_FLAT_SAMPLES), _FLAT_SECONDS / dt)


def _far_values(values: Float[np.ndarray, " time"]) -> str:
    measured = np.flatnonzero(np.isfinite(values))
    signal = values[measured]
    ordered = np.sort(signal)
    half = len(ordered) // 2
    if half < 2:
        return ""
    narrowest = float(np.min(ordered[half:] - ordered[: len(ordered) - half]))
    centre = float(np.median(ordered))
    far = np.abs(signal - centre) > np.where(np.isin(signal, _CODES), _FAR_CODE, _FAR) * narrowest
    if not narrowest or not np.any(far):
        return ""
    near = signal[~far]
    begins = np.flatnonzero(far & np.insert(~far[:-1], 0, True))
    ends = np.append(begins[1:], len(far))
    jumped = np.zeros_like(far)
    for begin, end in zip(begins, ends, strict=True):
        run = begin + np.flatnonzero(far[begin:end])
        # Into the run; or out of it where a recording begins with one.
        jump = signal[run[0]] - signal[run[0] - 1] if begin else signal[run[-1]] - signal[run[-1] + 1]
        jumped[run] = abs(jump) >= _AT_ONCE * np.abs(signal[run] - centre).max()
    if not np.any(jumped):
        return ""
    samples = measured[jumped]
    codes, counts = np.unique(values[samples], return_counts=True)
    come = f"{counts.max()} samples of {codes[counts.argmax()]:g}" if counts.max() > 1 else f"{len(samples)} values"
    return (
        f"{come} far from the others, which are {near.min():.4g} to {near.max():.4g} (the first is sample "
        f"{samples[0]}): put NaN, or give `missing` to `read_recording`, if nothing was measured there"
    )


def _flat(values: Float[np.ndarray, " time"], dt: float) -> str:
    changes = np.flatnonzero(np.diff(values, prepend=np.nan, append=np.nan) != 0)
    lengths = np.diff(changes)
    if not len(lengths):
        return ""
    longest = int(lengths.argmax())
    start, length = int(changes[longest]), int(lengths[longest])
    if length < fewest_flat(dt):
        return ""
    return f"{length} samples without change, {values[start]:g} from sample {start} on"
