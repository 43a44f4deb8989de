"""The best linear estimate of the states from a window of the recording: the Wiener filter with finite response.

Wiener (1949), Extrapolation, Interpolation, and Smoothing of Stationary Time Series. What a network gains over it is
owed to the network being nonlinear. In double precision, by NumPy and SciPy.
"""

from typing import Any

import equinox as eqx
import numpy as np
import scipy.fft
import scipy.linalg
from jaxtyping import Array, Float

from .._checks import as_float, check_count
from ..column.states import CHANNELS, STATES
from ..recording.mask import ObservationMask, as_mask
from ..recording.recording_model import checked_states, seen, sensor_noise

_LEAST_NOISE = 1e-5  # of a channel's standard deviation; smooth signals without noise make singular equations


class LaggedCovariances(eqx.Module):
    """How the states go along with each other at a distance in time; made once for all masks and noise levels."""

    mean: Float[np.ndarray, "6"]
    """mV and mV/s."""
    lagged: Float[np.ndarray, "lag 6 6"]
    """The covariance of state i, `lag` samples later, with state j, from lag 0 on."""

    @classmethod
    def of(cls, states: Any, most_lag: int) -> "LaggedCovariances":
        """Estimate them from noise-free simulated states of shape `(trajectory, time, 6)`, mV and mV/s.

        What lies outside a trajectory counts as the mean, so that no combination of states has a negative variance;
        a trajectory is to be many times as long as `most_lag` samples.

        **Raises:** `ValueError` for another shape, or a `most_lag` as long as a trajectory.
        """
        check_count(0, most_lag=most_lag)
        values = checked_states(states)
        trajectories, time, _ = values.shape
        if most_lag >= time:
            raise ValueError(f"`most_lag` must be less than the {time} samples of a trajectory, got {most_lag}")
        mean = values.mean(axis=(0, 1))
        size = scipy.fft.next_fast_len(time + most_lag, real=True)
        spectra = np.fft.rfft(values - mean, size, axis=1)
        products = np.einsum("bfi,bfj->fij", spectra, spectra.conj())
        lagged = np.fft.irfft(products, size, axis=0)[: most_lag + 1]
        return cls(mean, lagged / (trajectories * time))


class WienerFilter(eqx.Module):
    """Weights of the samples about an instant, by which the states at that instant are estimated."""

    weights: Float[np.ndarray, "tap 7 6"]
    """From the sample `future` samples ahead to the one `past - 1` back; zero for channels that are not seen."""
    mean: Float[np.ndarray, "7"]
    """Of the channels, mV and mV/s."""
    mask: ObservationMask
    future: int = eqx.field(static=True)

    @classmethod
    def fitted_to(
        cls, covariances: LaggedCovariances, *, mask: Any, noise_std: Any, past: int, future: int = 0
    ) -> "WienerFilter":
        """Solve the normal equations.

        **Arguments:**

        - `covariances`: of lags up to `past + future - 1` at least.
        - `mask`: which channels are seen.
        - `noise_std`: standard deviation of each sensor's white noise, mV and mV/s, seven numbers or one for all.
            Less than 1e-5 of the signal's own counts as that.
        - `past`: how many samples up to the present one, and with it, are used: 128 for a causal filter.
        - `future`: how many samples after the present one.

        **Raises:** `ValueError` for a mask, noise or window out of range.
        """
        check_count(1, past=past)
        check_count(0, future=future)
        mask = as_mask(mask)
        taps = past + future
        if taps > len(covariances.lagged):
            raise ValueError(
                f"`past` + `future` must be at most {len(covariances.lagged)}, as the covariances have lags up to "
                f"{len(covariances.lagged) - 1}, got {past} + {future}"
            )
        shown = np.flatnonzero(np.asarray(mask.channels))
        weights = np.zeros((taps, len(CHANNELS), len(STATES)))
        weights[:, shown] = _solved(
            covariances.lagged, _DIRECTIONS[shown], sensor_noise(noise_std)[shown], taps, future
        )
        return cls(weights, _DIRECTIONS @ covariances.mean, mask, future)

    def __call__(self, recordings: Any) -> Float[Array, "trajectory time 6"]:
        """The estimated states, mV and mV/s.

        What was not measured counts as the mean: samples that are NaN, and all before the start and after the end.

        **Arguments:**

        - `recordings`: mV and mV/s, shape `(trajectory, time, 7)`.
        """
        deviations = np.nan_to_num(seen(recordings, self.mask) - self.mean)
        time, taps = deviations.shape[1], len(self.weights)
        size = scipy.fft.next_fast_len(time + taps - 1, real=True)
        signal, response = (np.fft.rfft(x, size, axis=-2) for x in (deviations, self.weights.swapaxes(0, 1)))
        filtered = np.fft.irfft(np.einsum("bfc,cfs->bfs", signal, response), size, axis=1)
        return as_float(filtered[:, self.future : self.future + time] + self.mean[: len(STATES)])


def _solved(
    lagged: Float[np.ndarray, "lag 6 6"],
    directions: Float[np.ndarray, "seen 6"],
    noise_std: Float[np.ndarray, " seen"],
    taps: int,
    future: int,
) -> Float[np.ndarray, "tap seen 6"]:
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


_DIRECTIONS = np.vstack([np.eye(6), np.array([0.0, 1.0, -1.0, 0.0, 0.0, 0.0])])
"""Each channel as a combination of the states."""
