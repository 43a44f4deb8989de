"""Windows of recordings: cut, and refused where no brain is seen, each for its reasons."""

from types import MappingProxyType

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

from .._checks import check_positive, of_numbers
from .recording import Recording
from .suspect import fewest_flat
from .units import SIMULATED

_MOST_MISSING = 0.05  # of the samples of a window
_LARGEST = 0.5  # mV from the mean of a window: no EEG, though a column's own potential is larger
_CLIPPED_SAMPLES = 3  # at the largest or smallest value of a recording
# Smallest steps of a recording to a neighbour of such samples. At the round top of a wave it is four at most: where a
# parabola has fallen by less than one step a sample from its top, it has fallen by less than four two samples away.
_CLIPPED_JUMP = 4.0

REASONS = MappingProxyType(
    {
        "missing": f"with over {_MOST_MISSING:.0%} missing",
        "flat": "flat",
        "clipped": "clipped",
        "large": f"over {1e3 * _LARGEST:g} uV",
    }
)
"""Why a window is refused, in words."""


class Windows(eqx.Module):
    """Windows of one recording or of several, one after the other."""

    values: Float[np.ndarray, "recording window time"]
    """mV; NaN where nothing was measured."""
    start: Float[np.ndarray, " window"]
    """Time of the first sample, s."""
    refused: Bool[np.ndarray, "reason recording window"]
    """Whether there is this reason of `REASONS` against a window; there may be several."""
    dt: float = eqx.field(static=True)
    """Seconds between samples."""
    left_over: int = eqx.field(static=True)
    """Samples at the end that are in no window."""

    @property
    def used(self) -> Bool[np.ndarray, "recording window"]:
        """Which windows there is nothing against."""
        return np.logical_not(np.any(self.refused, axis=0))

    @property
    def counts(self) -> dict[str, int]:
        """How many windows there is each reason against."""
        return dict(zip(REASONS, self.refused.sum(axis=(1, 2)).tolist(), strict=True))

    @of_numbers
    def __repr__(self) -> str:
        recordings, windows, samples = self.values.shape
        of = f" of each of {recordings} recordings" if recordings > 1 else ""
        why = ", ".join(f"{count:,} {REASONS[reason]}" for reason, count in self.counts.items() if count)
        rest = f"; {self.left_over * self.dt:.4g} s left over" if self.left_over else ""
        return (
            f"Windows({windows:,} of {samples * self.dt:.4g} s{of}, {self.used.sum():,} used"
            f"{f'; refused: {why}' if why else ''}{rest})"
        )


def cut_windows(recording: Recording, seconds: float) -> Windows:
    """The windows of recordings of an EEG, and which of them are refused and why.

    Refused are windows where more than 5 % of the samples were not measured, that are flat for a quarter of a second,
    where the amplifier was at an end of its range, or that go more than 500 uV away from their mean; not this last one
    where `recording.info.unit` is `"column"`.

    **Arguments:**

    - `recording`: one, or a batch.
    - `seconds`: of each window, rounded to whole samples.

    **Raises:** `ValueError` for other channels than an EEG, or a recording that is shorter than a window.
    """
    check_positive(seconds=seconds)
    if recording.observed.names != ("eeg",):
        raise ValueError(f"`recording` must be of an EEG alone, got {', '.join(recording.observed.names)}")
    values = np.atleast_2d(recording.with_missing_as_nan("eeg"))
    rows, time = values.shape
    length = max(round(seconds / recording.dt), 1)
    if time < length:
        raise ValueError(f"`recording` must be at least {seconds:g} s long, got {time * recording.dt:.4g} s")
    whole = time - time % length
    windows = values[:, :whole].reshape(rows, -1, length)
    simulated = recording.info is not None and recording.info.unit == SIMULATED
    refused = np.zeros((len(REASONS), *windows.shape[:2]), bool)
    # One by one, as there may be an hour of each of many.
    for row, signal in enumerate(values):
        measured = np.isfinite(windows[row])
        counts = measured.sum(axis=-1)
        means = np.where(measured, windows[row], 0).sum(axis=-1) / np.maximum(counts, 1)
        far = np.where(measured, np.abs(windows[row] - means[:, None]), 0).max(axis=-1)
        flat, clipped = (
            samples[:whole].reshape(-1, length).any(axis=-1) for samples in _flat_and_clipped(signal, recording.dt)
        )
        found = {
            "missing": counts < (1 - _MOST_MISSING) * length,
            "flat": flat,
            "clipped": clipped,
            "large": (far > _LARGEST) & (not simulated),
        }
        refused[:, row] = [found[reason] for reason in REASONS]
    return Windows(windows, recording.ts[:whole:length], refused, recording.dt, time - whole)


def _flat_and_clipped(
    signal: Float[np.ndarray, " time"], dt: float
) -> tuple[Bool[np.ndarray, " time"], Bool[np.ndarray, " time"]]:
    """The samples of stretches without change, and of those at an end of the range, entered or left in a jump."""
    starts = np.flatnonzero(np.diff(signal, prepend=np.nan) != 0)  # of what is missing, every sample
    lengths = np.diff(starts, append=len(signal))
    flat = lengths >= fewest_flat(dt)
    value = signal[starts]
    at_end = (value == np.fmin.reduce(signal)) | (value == np.fmax.reduce(signal))
    clipped = at_end & (lengths >= _CLIPPED_SAMPLES)
    if clipped.any():
        padded = np.pad(signal, 1, constant_values=np.nan)
        jumps = np.fmax(np.abs(value - padded[starts]), np.abs(value - padded[starts + lengths + 1]))
        step = np.min(np.diff(np.unique(signal[np.isfinite(signal)])), initial=np.inf)
        clipped &= jumps > _CLIPPED_JUMP * step
    return np.repeat(flat, lengths), np.repeat(clipped, lengths)
