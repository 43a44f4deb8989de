"""Recordings that the estimators of hidden states are tried on."""

from dataclasses import dataclass

import jax
import numpy as np
import pytest

import jrae_jax

DT = 1e-3
INPUT = jrae_jax.UniformNoiseInput(120.0, 320.0, hold=DT)


def simulated_states(batch, seconds, seed):
    trajectories = jrae_jax.simulate(
        jrae_jax.JansenRitParameters(),
        INPUT,
        t1=2.0 + seconds,
        dt=DT,
        burn_in=2.0,
        batch=batch,
        key=jax.random.key(seed),
    )
    return np.asarray(trajectories.ys, dtype=float)


def channels_of(states):
    return np.append(states, states[..., [1]] - states[..., [2]], axis=-1)


@dataclass(frozen=True)
class Recorded:
    """Held-out states and noisy recordings of them, and further states to fit to."""

    states: np.ndarray
    training: np.ndarray
    noise_std: np.ndarray

    @property
    def recordings(self):
        return self.with_noise(1.0)

    def with_noise(self, factor):
        channels = channels_of(self.states)
        return channels + factor * self.noise_std * np.random.default_rng(1).normal(size=channels.shape)

    def r(self, estimate, burn_in=500):
        truth, estimate = self.states[:, burn_in:], np.asarray(estimate, dtype=float)[:, burn_in:]
        return np.array([np.corrcoef(truth[..., i].ravel(), estimate[..., i].ravel())[0, 1] for i in range(6)])


def recorded_columns(batch, seconds):
    training = simulated_states(16, 6.0, seed=1)
    noise_std = 0.05 * channels_of(training).std(axis=(0, 1))
    return Recorded(simulated_states(batch, seconds, seed=2), training, noise_std)


@pytest.fixture(scope="session")
def recorded():
    """Standard columns, uniform noise held for 1 ms, sensor noise of 5 % of each signal's standard deviation."""
    return recorded_columns(8, 2.5)


@pytest.fixture(scope="session")
def long_recorded():
    """The same, long enough for three digits."""
    return recorded_columns(16, 10.0)
