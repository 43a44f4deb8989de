"""The best linear estimate of the states from a window of the recording: the Wiener filter with finite response.

Wiener (1949), Extrapolation, Interpolation, and Smoothing of Stationary Time Series. What an autoencoder gains over it
is due to being nonlinear. In double precision, by NumPy and SciPy.
"""

import equinox as eqx
import numpy as np
import scipy.fft
import scipy.linalg
from jaxtyping import ArrayLike, Float

from .._checks import as_float, as_number, as_numbers, check_finite, check_not_negative, check_type, of_numbers
from ..column.states import CHANNELS, STATES
from ..recording.estimate import AbstractEstimator, Estimate, check_concrete, check_dt, check_observed
from ..recording.mask import ObservationMask, Observed, as_mask
from ..recording.recording import Recording
from .statistics import ColumnStatistics

# Of a channel's standard deviation: without noise the equations of smooth signals are singular.
_LEAST_NOISE = 1e-5

_DIRECTIONS = np.vstack([np.eye(len(STATES)), [1.0 * (name == "y1") - 1.0 * (name == "y2") for name in STATES]])
"""Each channel as a combination of the states."""


class WienerFilter(AbstractEstimator):
    """A linear estimate of the states from the samples about each instant; made by `WienerFilter.fit`."""

    weights: Float[np.ndarray, "tap 7 6"]
    """From the sample `future` samples ahead to the farthest in the past; zero for channels that are not observed."""
    mean: Float[np.ndarray, "7"]
    """Of the channels, mV and mV/s."""
    observed: ObservationMask
    future: int = eqx.field(static=True)
    """Samples after each instant that are used."""
    dt: float = eqx.field(static=True)

    @classmethod
    def fit(
        cls, statistics: ColumnStatistics, *, observed: Observed, noise_std: ArrayLike, past: float, future: float = 0.0
    ) -> "WienerFilter":
        """Solve the normal equations.

        **Arguments:**

        - `statistics`: with lags up to `past + future`.
        - `observed`: which channels are observed.
        - `noise_std`: standard deviation of each sensor's white noise, mV and mV/s, seven numbers or one for all.
            Less than 1e-5 of the signal's own counts as that.
        - `past`: seconds up to the present sample, and with it, that are used.
        - `future`: seconds after the present sample; 0 for a causal filter.

        **Raises:** `ValueError` for a mask, noise or window out of range.
        """
        mask = as_mask(observed)
        check_type(ColumnStatistics, statistics=statistics)
        past, future = as_number("past", past), as_number("future", future)
        check_finite(past=past, future=future)
        samples, ahead = round(past / statistics.dt), round(future / statistics.dt)
        taps, lags = samples + ahead, len(statistics.lagged)
        if samples < 1 or ahead < 0 or taps > lags:
            raise ValueError(
                f"`past` and `future` must be from one sample and from 0 on, at most {(lags - 1) * statistics.dt:g} s "
                f"together, the longest lag of `statistics`; got {past} s and {future} s"
            )
        noise = as_numbers("noise_std", noise_std).astype(float)
        if noise.shape not in ((), (len(CHANNELS),)):
            raise ValueError(f"`noise_std` must be one number or {len(CHANNELS)}, one a channel, got {noise.shape}")
        check_not_negative(noise_std=noise)
        noise = np.broadcast_to(noise, len(CHANNELS))
        shown = np.flatnonzero(np.asarray(mask.channels))
        weights = np.zeros((taps, len(CHANNELS), len(STATES)))
        weights[:, shown] = _normal_equations(statistics.lagged, _DIRECTIONS[shown], noise[shown], taps, ahead)
        return cls(weights, _DIRECTIONS @ statistics.mean, mask, ahead, statistics.dt)

    def __call__(self, recording: Recording) -> Estimate:
        """The states, given all samples in the window; samples that were not measured count as the mean.

        **Raises:** `ValueError` for a recording with other channels or another `dt` than the filter was fitted to.
        """
        check_concrete(recording, "this WienerFilter")
        check_observed(recording, self.observed, "this WienerFilter")
        check_dt(recording, self.dt, "this WienerFilter")
        deviations = np.nan_to_num(recording.batched().with_missing_as_nan() - self.mean)
        time, taps = deviations.shape[1], len(self.weights)
        size = scipy.fft.next_fast_len(time + taps - 1, real=True)
        signal, response = (np.fft.rfft(x, size, axis=-2) for x in (deviations, self.weights.swapaxes(0, 1)))
        filtered = np.fft.irfft(np.einsum("bfc,cfs->bfs", signal, response), size, axis=1)
        mean = as_float(filtered[:, self.future : self.future + time] + self.mean[: len(STATES)])
        return Estimate(mean if recording.batch is not None else mean[0], dt=recording.dt, start=recording.start)

    @of_numbers
    def __repr__(self) -> str:
        past, future = ((len(self.weights) - self.future) * self.dt, self.future * self.dt)
        return f"WienerFilter({', '.join(self.observed.names)}: {past:g} s past, {future:g} s future)"


def _normal_equations(
    lagged: Float[np.ndarray, "lag 6 6"],
    directions: Float[np.ndarray, "channel 6"],
    noise_std: Float[np.ndarray, " channel"],
    taps: int,
    future: int,
) -> Float[np.ndarray, "tap channel 6"]:
    """The weights, by Cholesky: the covariance of the samples in a window is a block Toeplitz matrix."""
    both_ways = np.concatenate([lagged[:0:-1].swapaxes(1, 2), lagged])
    zero = len(lagged) - 1
    std = np.sqrt(np.einsum("ci,ij,cj->c", directions, lagged[0], directions))
    directions = directions / std[:, None]
    # Tap k is sample t + future - k, so that tap k is l - k samples later than tap l.
    between = np.subtract.outer(np.arange(taps), np.arange(taps))
    blocks = (directions @ both_ways @ directions.T)[zero - between]
    matrix = blocks.transpose(0, 2, 1, 3).reshape(taps * len(std), -1)
    variance = np.maximum(noise_std / std, _LEAST_NOISE) ** 2
    matrix[np.diag_indices_from(matrix)] += np.tile(variance, taps)
    with_states = (directions @ both_ways)[zero + future - np.arange(taps)].reshape(taps * len(std), -1)
    weights = scipy.linalg.solve(matrix, with_states, assume_a="pos")
    return weights.reshape(taps, len(std), -1) / std[None, :, None]
