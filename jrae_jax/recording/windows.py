"""Windows of recordings: cut, and refused where no brain is seen, each for its reasons."""

from types import MappingProxyType
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

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
    values = np.atleast_2d(recording.with_missing_as_nan()[..., -1])
    rows, time = values.shape
    length = max(round(seconds / recording.dt), 1)
    if time < length:
        raise ValueError(f"`recording` must be at least {seconds:g} s long, got {time * recording.dt:.4g} s")
    whole = time - time % length

    def cut(samples: np.ndarray) -> np.ndarray:
        return samples[:, :whole].reshape(rows, -1, length)

    windows, runs = cut(values), _runs(values)
    measured = np.isfinite(windows)
    counts = measured.sum(axis=-1)
    means = np.where(measured, windows, 0).sum(axis=-1) / np.maximum(counts, 1)
    far = np.where(measured, np.abs(windows - means[..., None]), 0).max(axis=-1)
    simulated = recording.info is not None and recording.info.unit == SIMULATED
    found = {
        "missing": counts < (1 - _MOST_MISSING) * length,
        "flat": cut(runs.over_samples(runs.lengths >= fewest_flat(recording.dt))).any(axis=-1),
        "clipped": cut(runs.over_samples(_clipped(values, runs))).any(axis=-1),
        "large": (far > _LARGEST) & (not simulated),
    }
    return Windows(
        windows,
        recording.ts[:whole:length],
        np.stack([found[reason] for reason in REASONS]),
        recording.dt,
        time - whole,
    )


class _Runs(NamedTuple):
    """Stretches of equal values in signals, in the order of signals and time; where nothing was measured each sample is
    one."""

    starts: Int[np.ndarray, " run"]
    """In the signals one behind the other."""
    lengths: Int[np.ndarray, " run"]
    shape: tuple[int, int]
    """Of the signals."""

    def over_samples(self, of_runs: Bool[np.ndarray, " run"]) -> Bool[np.ndarray, "signal time"]:
        """What holds of runs, for each of their samples."""
        return np.repeat(of_runs, self.lengths).reshape(self.shape)


def _runs(values: Float[np.ndarray, "signal time"]) -> _Runs:
    begins = np.ones(values.shape, bool)
    begins[:, 1:] = values[:, 1:] != values[:, :-1]
    starts = np.flatnonzero(begins)
    return _Runs(starts, np.diff(starts, append=values.size), values.shape)


def _clipped(values: Float[np.ndarray, "signal time"], runs: _Runs) -> Bool[np.ndarray, " run"]:
    """Runs at an end of the range of their signal that it enters or leaves in a jump."""
    ends = np.stack([np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)])
    steps = np.array([np.min(np.diff(np.unique(row[np.isfinite(row)])), initial=np.inf) for row in values], float)
    signals, samples = np.divmod(runs.starts, values.shape[1])
    padded = np.pad(values, ((0, 0), (1, 1)), constant_values=np.nan)
    value = padded[signals, samples + 1]
    jumps = np.fmax(
        np.abs(value - padded[signals, samples]), np.abs(value - padded[signals, samples + 1 + runs.lengths])
    )
    at_end = (value == ends[:, signals]).any(axis=0)
    return at_end & (runs.lengths >= _CLIPPED_SAMPLES) & (jumps > _CLIPPED_JUMP * steps[signals])
