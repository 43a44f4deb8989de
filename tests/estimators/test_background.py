"""Coloured noise and an offset as states, and intervals of several steps: two routes, and what they reach."""

from dataclasses import dataclass

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import Column, Trajectories, Transition, WhiteNoiseInput, simulate
from jrae_jax.estimators import FourDVar, KalmanFilter, KalmanSmoother, posterior_cramer_rao
from jrae_jax.estimators.state_space import StateSpace
from jrae_jax.recording import Background, InconsistentRecordingWarning, Recording

DT = 4e-3


def column():
    return Column.preset("jansen_rit_1995", WhiteNoiseInput(220.0, 1.8))


def background():
    return Background.one_over_f(std=1.0, exponent=1.0, offset_std=3.0)


NOISE_STD = 0.2


@dataclass(frozen=True)
class Recorded:
    """Recordings of 250 Hz with a background as the estimators are told, and an offset."""

    trajectories: Trajectories
    recording: Recording

    @property
    def states(self):
        return np.asarray(self.trajectories.ys, float)


def background_of(samples, batch, rng):
    """A draw of each part, by its autoregression, and of the offset."""
    std, time = np.asarray(background().std, float), np.asarray(background().correlation_time, float)
    decay, values = np.exp(-DT / time), [std * rng.normal(size=(batch, 2))]
    for _ in range(samples - 1):
        values.append(decay * values[-1] + std * np.sqrt(1 - decay**2) * rng.normal(size=(batch, 2)))
    return np.sum(values, axis=-1).T + 3.0 * rng.normal(size=(batch, 1))


@pytest.fixture(scope="module")
def coloured():
    saveat = diffrax.SaveAt(steps=4)
    trajectories = simulate(column(), t1=8.0, dt=1e-3, burn_in=2.0, batch=8, saveat=saveat, key=jax.random.key(0))
    rng = np.random.default_rng(0)
    ys = np.asarray(trajectories.ys, float)
    added = background_of(ys.shape[1], len(ys), rng)
    values = ys[..., 1] - ys[..., 2] + added + NOISE_STD * rng.normal(size=added.shape)
    return Recorded(trajectories, Recording.of(eeg=values, dt=DT, noise_std=NOISE_STD))


@pytest.fixture(scope="module")
def smoothed(coloured):
    return KalmanSmoother(column(), background=background())(coloured.recording)


def test_the_standard_deviation_is_that_of_the_error(coloured, smoothed):
    errors = (np.asarray(smoothed.mean) - coloured.states) / np.asarray(smoothed.std)
    np.testing.assert_allclose(np.sqrt(np.mean(errors[:, 100:] ** 2, axis=(0, 1))), 1, atol=0.15)
    assert smoothed.mean.shape == coloured.states.shape
    assert smoothed.consistency.within.all()


def test_taken_for_white_noise_a_background_misleads(coloured):
    """As it did when a sensor's noise could not be coloured: this is what the background is for."""
    added = float(np.hypot(NOISE_STD, 1.6))
    recording = Recording.of(eeg=coloured.recording.values[..., 6], dt=DT, noise_std=added)
    with pytest.warns(InconsistentRecordingWarning):
        mistaken = KalmanSmoother(column())(recording)
    errors = (np.asarray(mistaken.mean) - coloured.states) / np.asarray(mistaken.std)
    assert np.sqrt(np.mean(errors[:, 100:] ** 2, axis=(0, 1))).max() > 3


@pytest.mark.parametrize("causal", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_bound_is_reached_and_not_undercut(coloured, smoothed, causal):
    estimate = KalmanFilter(column(), background=background())(coloured.recording) if causal else smoothed
    bound = posterior_cramer_rao(
        column(), coloured.trajectories, observed="eeg", noise_std=NOISE_STD, background=background(),
        causal=causal,
    )  # fmt: skip
    errors = (np.asarray(estimate.mean) - coloured.states) / np.asarray(bound.std)
    ratio = np.sqrt(np.mean(errors[:, 100:] ** 2, axis=(0, 1)))
    assert np.all((ratio > 0.9) & (ratio < 1.25)), ratio


def test_4d_var_finds_what_the_smoother_finds(coloured, smoothed):
    found = FourDVar(column(), background=background())(coloured.recording[:2])
    assert np.all(found.result == diffrax.RESULTS.successful)
    off = (np.asarray(found.mean) - np.asarray(smoothed.mean)[:2]) / np.asarray(smoothed.std)[:2]
    assert np.sqrt(np.mean(off[:, 100:-10] ** 2, axis=(0, 1))).max() < 0.35
    np.testing.assert_allclose(2 * found.stats["cost"] / found.stats["measured"], 1, atol=0.1)
    assert found.input is not None
    assert found.consistency is not None
    assert found.input.shape == (2, coloured.states.shape[1])
    assert found.consistency.within.all()


def beginning(coloured, samples):
    """Of the first recording, in the precision that is in force."""
    values = np.asarray(coloured.recording.values, float)[0, :samples, 6]
    return Recording.of(eeg=values, dt=DT, noise_std=NOISE_STD)


def dense(coloured, path):
    """Filtered mean and standard deviation of the augmented system linearised about `path`, with full covariances."""
    model = StateSpace(Transition(column(), DT), jnp.full(7, NOISE_STD), background())
    start = model.prior(jnp.ones(()))
    sensor = np.asarray(model.rows(model.sensors.noise)[6])
    unit = float(model.sensors.scale[6] * model.sensors.noise[6])
    decay, spread = np.asarray(model.decay), np.asarray(model.spread)
    kicks = np.concatenate([spread[:2] * np.sqrt(1 - decay[:2] ** 2), [0.0]])
    mean, covariance = np.asarray(start.mean), np.asarray(start.factor @ start.factor.T)
    factors = jax.jit(jax.vmap(lambda x: model.column.moved(x, jnp.eye(6))))(jnp.asarray(path))
    means, stds = [], []
    for k, sample in enumerate(np.asarray(coloured.recording.values)[0, : len(path), 6]):
        ahead, columns = (np.asarray(part[k]) for part in factors)
        matrix, noise = np.diag(np.append(np.zeros(6), decay)), np.diag(np.append(np.zeros(6), kicks**2))
        matrix[:6, :6], noise[:6, :6] = columns[:, :6], columns[:, 6:] @ columns[:, 6:].T
        mean = matrix @ (mean - np.append(path[k], np.zeros(3))) + np.append(ahead, np.zeros(3))
        covariance = matrix @ covariance @ matrix.T + noise
        gain = covariance @ sensor / (1 + sensor @ covariance @ sensor)
        mean = mean + gain * (sample / unit - sensor @ mean)
        covariance = covariance - np.outer(gain, sensor @ covariance)
        means.append(mean[:6])
        stds.append(np.sqrt(np.diag(covariance))[:6])
    return np.array(means), np.array(stds)


@pytest.mark.usefixtures("x64")
def test_the_filter_is_that_of_full_matrices(coloured):
    """Linearised about the same path: the filter's own estimates."""
    recording = beginning(coloured, 60)
    found = KalmanFilter(column(), background=background())(recording)
    scale = np.asarray(Transition(column(), DT).scale)
    start = StateSpace(Transition(column(), DT), jnp.full(7, NOISE_STD), background()).prior(jnp.ones(()))
    before = np.concatenate([np.asarray(start.mean)[None, :6], np.asarray(found.mean)[:-1] / scale])
    mean, std = dense(coloured, before)
    np.testing.assert_allclose((np.asarray(found.mean) / scale - mean) / std, 0, atol=1e-3)
    np.testing.assert_allclose(np.asarray(found.std) / scale / std, 1, atol=1e-3)


def test_several_steps_between_samples_are_as_samples_that_are_missing(coloured):
    recording = coloured.recording[:2]
    values = np.full((2, recording.values.shape[1], 4), np.nan)
    values[..., 3] = np.asarray(recording.values)[..., 6]
    fine = Recording.of(eeg=values.reshape(2, -1), dt=DT / 4, noise_std=NOISE_STD)
    smoother = KalmanSmoother(column(), background=background())
    coarse, missing = smoother(recording), smoother(fine)
    late = slice(100, None)
    off = (np.asarray(missing.mean)[:, 3::4] - np.asarray(coarse.mean)) / np.asarray(coarse.std)
    # Samples between are where the filter linearises anew.
    np.testing.assert_allclose(off[:, late], 0, atol=0.02)
    np.testing.assert_allclose((np.asarray(missing.std)[:, 3::4] / np.asarray(coarse.std))[:, late], 1, atol=0.01)


@pytest.mark.filterwarnings("ignore::jrae_jax.recording.InconsistentRecordingWarning")
def test_a_batch_of_columns_and_backgrounds_is_estimated_as_one_by_one(coloured):
    columns = column().replace(C=jnp.array([130.0, 135.0, 140.0, 145.0, 120.0, 125.0, 150.0, 155.0]))
    backgrounds = Background.one_over_f(
        std=jnp.linspace(0.5, 1.5, 8), exponent=jnp.linspace(0.5, 2.0, 8), offset_std=jnp.full(8, 2.0)
    )
    together = KalmanSmoother(columns, background=backgrounds)(coloured.recording[0])
    assert together.std is not None
    for row in (0, 7):
        one = jax.tree.map(lambda leaf, row=row: leaf[row], backgrounds)
        alone = KalmanSmoother(columns[row], background=one.broadcast(8))(coloured.recording[0])
        assert alone.std is not None
        np.testing.assert_allclose((alone.mean[0] - together.mean[row]) / together.std[row], 0, atol=5e-3)
        np.testing.assert_allclose(alone.std[0], together.std[row], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_the_slope_by_the_background_is_that_of_finite_differences(coloured):
    recording = beginning(coloured, 40)

    @jax.jit
    def last(std):
        changed = Background.one_over_f(std=std, exponent=1.0, offset_std=3.0)
        return jnp.sum(jnp.asarray(KalmanSmoother(column(), background=changed)(recording).std)[20])

    slope = jax.jit(jax.grad(last))(1.0)
    assert float(slope) == pytest.approx(float(last(1.001) - last(0.999)) / 0.002, rel=1e-3)
    assert float(slope) > 0
