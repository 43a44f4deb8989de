"""The Wiener filter, against least squares on all windows, and what it reaches."""

import numpy as np
import pytest

from jrae_jax.column import CHANNELS
from jrae_jax.estimators import ColumnStatistics, WienerFilter
from jrae_jax.recording import FULL, Recording

DT = 1e-3


@pytest.fixture
def fitted(recorded):
    """A filter of the column's statistics and of sensors with so many times their noise."""

    def fit(observed, noise=1.0, *, past, future=0.0):
        noise_std = noise * recorded.noise_std
        return WienerFilter.fit(recorded.statistics, observed=observed, noise_std=noise_std, past=past, future=future)

    return fit


REFERENCE = [("y0", [1, 0.764, 0.997, 0.995, 0.308, 0.999]), ("eeg", [0.992, 0.827, 0.988, 0.993, 0.708, 0.998])]


@pytest.mark.parametrize(("observed", "expected"), REFERENCE)
def test_reference_correlations(recorded, fitted, observed, expected):
    r = recorded.r(fitted(observed, past=0.128)(recorded.recording(observed)).mean)
    assert np.all(np.abs(r - expected) < [0.003, 0.03, 0.005, 0.004, 0.1, 0.002]), r


@pytest.mark.parametrize("observed", ["y0", "eeg"])
def test_samples_to_come_help(recorded, fitted, observed):
    recording = recorded.recording(observed)
    causal, centred = (recorded.r(fitted(observed, past=0.16, future=future)(recording).mean) for future in (0.0, 0.16))
    better = centred - causal
    assert np.all(better > -1e-3)
    assert better[4] > 0.1


def random_states(seed, trajectories=3, time=400):
    """Six signals that are correlated with their past and with each other."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(6, 6)) / 4 + np.eye(6)
    white = rng.normal(size=(trajectories, time + 5, 6))
    return sum(white[:, 5 - k : 5 - k + time] * 0.8**k for k in range(6)) @ mixing + np.arange(6.0)


@pytest.mark.parametrize(("past", "future"), [(5, 0), (1, 0), (4, 3)])  # samples, which are a second apart
def test_weights_are_those_of_least_squares_on_all_windows(to_channels, past, future):
    states, observed, noise_std = random_states(0), ("y0", "y4", "eeg"), np.linspace(0.1, 0.7, 7)
    chosen = [CHANNELS.index(name) for name in observed]
    hidden = [CHANNELS.index(name) for name in CHANNELS if name not in observed]
    taps = past + future
    mean = states.mean(axis=(0, 1))

    def windows_of(states):
        channels = np.pad(to_channels(states - mean)[..., chosen], ((0, 0), (taps, taps), (0, 0)))
        return np.stack([np.roll(channels, tap - future, axis=1) for tap in range(taps)], axis=2)

    targets = np.pad(states - mean, ((0, 0), (taps, taps), (0, 0)))
    # A noisy sensor is as good as an exact one and one more row a weight, which pulls it to zero.
    penalty = np.diag(np.tile(noise_std[chosen], taps)) * np.sqrt(states.shape[0] * states.shape[1])
    rows = np.vstack([windows_of(states).reshape(-1, taps * 3), penalty])
    expected, *_ = np.linalg.lstsq(rows, np.vstack([targets.reshape(-1, 6), np.zeros((taps * 3, 6))]))

    statistics = ColumnStatistics.from_states(states, dt=1.0, longest_lag=taps + 2.0)
    window = {"past": float(past), "future": float(future)}
    fitted = WienerFilter.fit(statistics, observed=observed, noise_std=noise_std, **window)
    np.testing.assert_allclose(fitted.weights[:, chosen].reshape(-1, 6), expected, atol=1e-10)
    assert not np.any(fitted.weights[:, hidden])

    others = random_states(1, trajectories=2, time=50)
    estimate = fitted(Recording.from_array(others, observed=observed, dt=1.0))
    by_windows = windows_of(others)[:, taps:-taps].reshape(2, 50, -1) @ expected + mean
    np.testing.assert_allclose(estimate.mean, by_windows, rtol=1e-4, atol=1e-4)


def test_all_states_without_noise_are_given_back(recorded, fitted):
    estimate = fitted(FULL, noise=0.0, past=0.02)(recorded.recording(FULL, 0.0))
    errors = (np.asarray(estimate.mean) - recorded.states) / recorded.states.std(axis=(0, 1))
    np.testing.assert_allclose(errors, 0, atol=1e-3)


def test_missing_samples_count_as_the_mean(recorded, fitted):
    estimator = fitted("eeg", past=0.02, future=0.005)
    eeg = np.asarray(recorded.recording("eeg").values)[..., CHANNELS.index("eeg")].copy()
    eeg[:, 100:130] = np.nan
    filled = np.where(np.isnan(eeg), np.float32(estimator.mean[CHANNELS.index("eeg")]), eeg)
    found, expected = (np.asarray(estimator(Recording.of(eeg=values, dt=DT)).mean) for values in (eeg, filled))
    size = recorded.states.std(axis=(0, 1))
    np.testing.assert_allclose((found - expected) / size, 0, atol=1e-5)
    nothing = estimator(Recording.of(eeg=np.full(40, np.nan), dt=DT))
    np.testing.assert_allclose(nothing.mean, np.tile(estimator.mean[:6], (40, 1)), rtol=1e-6)


def test_a_recording_of_a_batch_is_estimated_as_alone(recorded, fitted):
    estimator, recording = fitted("y0", past=0.02), recorded.recording("y0")
    alone = estimator(recording[3]).mean
    assert alone.shape == recorded.states.shape[1:]
    np.testing.assert_allclose(estimator(recording).mean[3], alone, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(estimator(recording[3:4]).mean[0], alone, rtol=1e-4, atol=1e-4)
