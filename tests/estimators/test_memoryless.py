import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from jrae_jax.estimators.memoryless import MemorylessPredictor


def fitted_to(states, **changes):
    known: dict[str, Any] = dict(mask="y0", noise_std=0.0, key=jax.random.key(0))
    return MemorylessPredictor.fitted_to(states, **(known | changes))


def test_reference_correlations(recorded):
    some = dataclasses.replace(recorded, states=recorded.states[:, ::5])
    r = some.r(fitted_to(recorded.training)(some.with_noise(0.0)), burn_in=0)
    assert np.all(np.abs(r - [1, 0.32, 0.26, 0, 0.24, 0.95]) < [0.001, 0.08, 0.08, 0.1, 0.08, 0.02]), r


def gaussian_states(seed, samples=40_000):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(samples, 6)) @ rng.normal(size=(6, 6)) + np.arange(6.0))[None]


CHANNELS = np.vstack([np.eye(6), [0.0, 1.0, -1.0, 0.0, 0.0, 0.0]])


@pytest.mark.parametrize("mask", [("y0",), ("y1", "eeg"), ("y0", "y3", "y5", "eeg")])
def test_gaussian_states_have_a_linear_conditional_mean(mask):
    states, noise_std = gaussian_states(0), np.full(7, 0.5)
    seen = [[*"012345", "g"].index(name[-1]) for name in mask]
    sensors = CHANNELS[seen]
    covariance = np.cov(states[0].T)
    gain = np.linalg.solve(sensors @ covariance @ sensors.T + 0.25 * np.eye(len(seen)), sensors @ covariance).T
    rng = np.random.default_rng(1)
    recordings = states[:, :300] @ CHANNELS.T + 0.5 * rng.normal(size=(1, 300, 7))
    mean = states.mean(axis=(0, 1))
    expected = mean + (recordings - CHANNELS @ mean)[..., seen] @ gain.T
    estimate = np.asarray(fitted_to(states, mask=mask, noise_std=noise_std)(recordings))
    spread = np.sqrt(np.diag(covariance - gain @ sensors @ covariance))
    # The mean of 300 neighbours is known to 1/sqrt(300) of the spread among them.
    assert np.sqrt(np.mean(((estimate - expected) / spread) ** 2)) < 2 / np.sqrt(300)


def test_all_states_without_noise_are_given_back(recorded):
    estimate = fitted_to(recorded.training, mask=[True] * 6)(recorded.with_noise(0.0)[:, ::10])
    error = (np.asarray(estimate) - recorded.states[:, ::10]) / recorded.states.std(axis=(0, 1))
    assert np.sqrt(np.mean(error**2)) < 1e-4


def test_hidden_channels_do_not_matter(recorded):
    predictor = fitted_to(recorded.training, mask="eeg")
    changed = recorded.with_noise(0.0)[:, ::50]
    expected = predictor(changed)
    changed[..., :6] = np.random.default_rng(0).normal(size=changed[..., :6].shape)
    np.testing.assert_array_equal(predictor(changed), expected)


def test_where_a_channel_is_missing_the_others_are_used(recorded):
    gappy = recorded.with_noise(0.0)[:1, ::50]
    only_y0 = np.asarray(fitted_to(recorded.training, mask="y0")(gappy))
    whole = np.asarray(fitted_to(recorded.training, mask=("y0", "y2"))(gappy))
    gappy[0, 3:6, 2] = np.nan
    gappy[0, 8] = np.nan
    estimate = np.asarray(fitted_to(recorded.training, mask=("y0", "y2"))(gappy))
    np.testing.assert_allclose(estimate[0, 3:6], only_y0[0, 3:6], rtol=1e-6)
    np.testing.assert_allclose(estimate[0, [0, 7, 9]], whole[0, [0, 7, 9]], rtol=1e-6)
    np.testing.assert_allclose(estimate[0, 8], recorded.training.mean(axis=(0, 1)), rtol=0.01, atol=0.5)


def test_a_row_of_a_batch_is_the_same_alone_and_the_key_decides(recorded):
    rows = recorded.recordings[:, ::100]
    known = dict(mask=("y0", "eeg"), noise_std=recorded.noise_std)
    predictor = fitted_to(recorded.training, **known)
    np.testing.assert_allclose(predictor(rows)[2], predictor(rows[[2]])[0], rtol=1e-5)
    np.testing.assert_array_equal(predictor(rows), fitted_to(recorded.training, **known)(rows))
    assert np.any(predictor(rows) != fitted_to(recorded.training, **known, key=jax.random.key(1))(rows))


@pytest.mark.parametrize(
    ("states", "changes", "message"),
    [
        (np.zeros((5, 6)), {}, r"`states` must have shape \(trajectory, time, 6\), got \(5, 6\)"),
        (np.zeros((1, 299, 6)), {}, "`states` must hold at least 300 samples, got 299"),
        (np.zeros((1, 300, 6)), dict(mask="y9"), "`observed` must be one of"),
        (np.zeros((1, 300, 6)), dict(noise_std=np.nan), "`noise_std` must be finite and not negative"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(states, changes, message):
    with pytest.raises(ValueError, match=message):
        fitted_to(states, **changes)
