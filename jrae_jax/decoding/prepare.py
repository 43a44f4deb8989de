"""Windows of a real recording as they are decoded: of 10 to 20 s, and without line noise."""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

from .._checks import check_type
from ..recording.recording import Recording
from ..recording.recording_model import CORE, EDGES
from ..recording.units import SIMULATED
from ..recording.windows import REASONS, Windows, cut_windows
from .features import FREQUENCIES
from .training import WORST_BAND

LONGEST, SHORTEST = 20.0, 10.0
"""s; of a window."""

_SLOWEST = 100.0  # Hz, of samples
_LARGEST, _SMALLEST = 1.0, 1e-4  # mV; standard deviations of what was recorded from a brain
_LINES = (50.0, 60.0)  # Hz, where nobody says which
_LINE_WIDTH = 0.25  # Hz to both sides, for what waxes and wanes


class Prepared(eqx.Module):
    """Windows of one recording or of several."""

    values: Float[np.ndarray, "channel window time"]
    """mV, less the mean and the line; gaps are interpolated."""
    measured: Bool[np.ndarray, "channel window time"]
    windows: Windows
    names: tuple[str, ...] = eqx.field(static=True)
    band: tuple[float, float] = eqx.field(static=True)
    """The frequencies between which the recording is usable, Hz."""
    samples: int = eqx.field(static=True)
    """Of the recording."""

    @property
    def dt(self) -> float:
        """Seconds between samples."""
        return self.windows.dt

    @property
    def seconds(self) -> float:
        """Of a window."""
        return self.values.shape[-1] * self.dt


def prepare(recording: Recording, name: str = "recording") -> Prepared:
    """Cut a recording into as few windows of one length of at most 20 s as there can be, and clean them.

    `name` is that of the argument, for errors.

    **Raises:** `ValueError` for a recording that is too short, too slow, filtered too much, or in units that no brain
        has.
    """
    check_type(Recording, **{name: recording})
    if recording.observed.names != ("eeg",):
        raise ValueError(f"`{name}` must be of an EEG alone, got {', '.join(recording.observed.names)}")
    dt, samples = recording.dt, recording.values.shape[-2]
    if samples * dt < SHORTEST:
        raise ValueError(f"`{name}` must be at least {SHORTEST:g} s long, got {samples * dt:.4g} s")
    if dt > (1 + 1e-6) / _SLOWEST:
        raise ValueError(f"`{name}` must have at least {_SLOWEST:g} samples a second, got {1 / dt:.4g} Hz")
    count = int(np.ceil(samples * dt / LONGEST - 1e-6))
    windows = cut_windows(recording, samples // count * dt)
    _check_size(recording, windows, name)
    measured = np.isfinite(windows.values)
    values = np.where(windows.used[..., None], windows.values, 0.0)
    lines = _LINES if recording.info is None or recording.info.line_freq is None else (recording.info.line_freq,)
    simulated = recording.info is not None and recording.info.unit == SIMULATED
    waves = _line_waves(values.shape[-1], dt, () if simulated else lines)
    for row in values:
        for window in row:
            window -= np.nanmean(window)
            gaps = np.isnan(window)
            if gaps.any():
                window[gaps] = np.interp(np.flatnonzero(gaps), np.flatnonzero(~gaps), window[~gaps])
            window -= waves @ (waves.T @ window)
    return Prepared(values, measured, windows, _names(recording), _band(recording, name), samples)


def _check_size(recording: Recording, windows: Windows, name: str) -> None:
    simulated = recording.info is not None and recording.info.unit == SIMULATED
    # Those also that are refused because they are large.
    others = [i for i, reason in enumerate(REASONS) if reason != "large"]
    used = windows.values[np.logical_not(windows.refused[others].any(axis=0))]
    if simulated or not len(used):
        return
    std = float(np.median(np.nanstd(used, axis=-1)))
    if not _SMALLEST <= std <= _LARGEST:
        raise ValueError(
            f"`{name}` must vary by 0.1 uV to 1 mV as what a brain makes does, got a standard deviation of "
            f'{std:.3g} mV: is its `unit` wrong, or is this a simulated column, `unit="column"`?'
        )


def _band(recording: Recording, name: str) -> tuple[float, float]:
    """The usable one, of filters that are known and of the rate."""
    low, high = (0.0, np.inf) if recording.info is None or recording.info.band is None else recording.info.band
    # A header often gives half of the rate where there is no filter.
    high = np.inf if high >= 0.5 / recording.dt - 1e-6 else high
    if low > WORST_BAND[0] or high < WORST_BAND[1]:
        raise ValueError(
            f"`{name}` must contain {WORST_BAND[0]:g} to {WORST_BAND[1]:g} Hz, got filters of {low:g} to {high:g} Hz"
        )
    high = max(EDGES[1] * min(high, 0.5 / recording.dt), CORE[1])
    return max(EDGES[0] * low, float(FREQUENCIES[0])), min(high, float(FREQUENCIES[-1]))


def _names(recording: Recording) -> tuple[str, ...]:
    names: Sequence[str] = () if recording.info is None else recording.info.names
    rows = recording.batch or 1
    if len(names) == rows and len(set(names)) == rows:
        return tuple(names)
    return ("eeg",) if recording.batch is None else tuple(f"eeg {row}" for row in range(rows))


def _line_waves(samples: int, dt: float, lines: Sequence[float]) -> Float[np.ndarray, "time wave"]:
    """An orthonormal basis of what is within a quarter of a hertz of a line or a multiple of it."""
    resolution = 1 / (samples * dt)
    near = np.arange(-np.floor(_LINE_WIDTH / resolution), np.floor(_LINE_WIDTH / resolution) + 1) * resolution
    multiples = [line * k for line in lines for k in range(1, int(0.5 / dt / line) + 1) if line * k < 0.49 / dt]
    angles = 2 * np.pi * dt * np.outer(np.arange(samples), np.add.outer(np.asarray(multiples), near).ravel())
    return np.linalg.qr(np.concatenate([np.cos(angles), np.sin(angles)], axis=1))[0]
