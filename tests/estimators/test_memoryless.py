"""The conditional mean given one instant: linear for Gaussian states, and what it reaches."""

import jax
import numpy as np
import pytest

from jrae_jax.column import CHANNELS
from jrae_jax.estimators import ColumnStatistics, MemorylessPredictor
from jrae_jax.recording import FULL, Recording

DT = 1e-3


@pytest.fixture
def fitted(recorded):
    """A predictor from the column's statistics and sensors with so many times their noise."""

    def fit(observed, noise=0.0, seed=0):
        noise_std, key = noise * recorded.noise_std, jax.random.key(seed)
        return MemorylessPredictor.fit(recorded.statistics, observed=observed, noise_std=noise_std, key=key)

    return fit


def recording_of(recorded, observed, every, noise=0.0):
    """Every n-th sample of the recordings."""
    whole = recorded.recording(observed, noise)
    values, noise_std = np.asarray(whole.values)[:, ::every], noise * recorded.noise_std
    return Recording.from_array(values, observed=observed, dt=every * DT, noise_std=noise_std)


def test_reference_correlations(recorded, fitted):
    mean = np.asarray(fitted("y0")(recording_of(recorded, "y0", 5)).mean)
    truth = recorded.states[:, ::5].reshape(-1, 6)
    r = np.array([np.corrcoef(*pair)[0, 1] for pair in zip(truth.T, mean.reshape(-1, 6).T, strict=True)])
    assert np.all(np.abs(r - [1, 0.32, 0.26, 0, 0.24, 0.95]) < [0.001, 0.08, 0.08, 0.1, 0.08, 0.02]), r


@pytest.mark.parametrize("observed", [("y0",), ("y1", "eeg"), ("y0", "y3", "y5", "eeg")])
def test_gaussian_states_have_a_linear_conditional_mean(to_channels, observed):
    rng = np.random.default_rng(0)
    states = (rng.normal(size=(40_000, 6)) @ rng.normal(size=(6, 6)) + np.arange(6.0))[None]
    chosen = [CHANNELS.index(name) for name in observed]
    sensors = to_channels(np.eye(6)).T[chosen]
    covariance = np.cov(states[0].T)
    gain = np.linalg.solve(sensors @ covariance @ sensors.T + 0.25 * np.eye(len(chosen)), sensors @ covariance).T
    channels = to_channels(states[:, :300]) + 0.5 * np.random.default_rng(1).normal(size=(1, 300, 7))
    mean = states.mean(axis=(0, 1))
    expected = mean + (channels[..., chosen] - sensors @ mean) @ gain.T
    statistics = ColumnStatistics.from_states(states, dt=DT)
    fitted = MemorylessPredictor.fit(statistics, observed=observed, noise_std=0.5, key=jax.random.key(0))
    estimate = np.asarray(fitted(Recording.from_array(channels, observed=observed, dt=DT)).mean)
    spread = np.sqrt(np.diag(covariance - gain @ sensors @ covariance))
    # The mean of 300 neighbours is known to 1/sqrt(300) of the spread among them.
    assert np.sqrt(np.mean(((estimate - expected) / spread) ** 2)) < 2 / np.sqrt(300)


def test_all_states_without_noise_are_given_back(recorded, fitted):
    estimate = fitted(FULL)(recording_of(recorded, FULL, 10))
    errors = (np.asarray(estimate.mean) - recorded.states[:, ::10]) / recorded.states.std(axis=(0, 1))
    assert np.sqrt(np.mean(errors**2)) < 1e-4


def test_where_a_channel_is_missing_the_others_are_used(recorded, fitted):
    observed = ("y0", "y2")
    complete = recording_of(recorded, observed, 50)[:1]
    values = complete.with_missing_as_nan()
    values[0, 3:6, CHANNELS.index("y2")] = np.nan
    values[0, 8] = np.nan
    estimator = fitted(observed)
    gappy = estimator(Recording.from_array(values, observed=observed, dt=complete.dt)).mean
    only_y0 = fitted("y0")(recording_of(recorded, "y0", 50)[:1]).mean
    np.testing.assert_allclose(gappy[0, 3:6], only_y0[0, 3:6], rtol=1e-6)
    rows = np.array([0, 7, 9])
    np.testing.assert_allclose(gappy[0, rows], estimator(complete).mean[0, rows], rtol=1e-6)
    np.testing.assert_allclose(gappy[0, 8], recorded.statistics.mean, rtol=0.01, atol=0.5)


def test_a_recording_of_a_batch_is_estimated_as_alone_and_the_key_decides(recorded, fitted):
    observed = ("y0", "eeg")
    estimator, recording = fitted(observed, noise=1.0), recording_of(recorded, observed, 100, noise=1.0)
    together, alone = estimator(recording).mean, estimator(recording[2]).mean
    assert alone.shape == together.shape[1:]
    np.testing.assert_allclose(together[2], alone, rtol=1e-5)
    np.testing.assert_array_equal(together, fitted(observed, noise=1.0)(recording).mean)
    assert np.any(together != fitted(observed, noise=1.0, seed=1)(recording).mean)
