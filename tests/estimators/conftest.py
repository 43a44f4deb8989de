"""A simulated column, and noisy recordings of it, that the estimators are tried on."""

import functools
from dataclasses import dataclass

import jax
import numpy as np
import pytest

from jrae_jax.column.column import Column
from jrae_jax.column.inputs import UniformNoiseInput
from jrae_jax.column.simulate import simulate
from jrae_jax.column.states import STATES
from jrae_jax.column.trajectories import Trajectories
from jrae_jax.estimators import ColumnStatistics, KalmanFilter, KalmanSmoother
from jrae_jax.recording.recording import Recording

DT = 1e-3


@pytest.fixture(scope="session")
def column():
    """The standard column, with uniform noise that is held for the interval between samples."""
    return Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=DT))


@pytest.fixture(scope="session")
def to_channels():
    """The seven channels of states, in NumPy's double precision."""

    def channels(states):
        return np.append(states, states[..., [1]] - states[..., [2]], axis=-1)

    return channels


@dataclass(frozen=True)
class Recorded:
    """Trajectories, the channels that sensors record of them, and statistics from other trajectories."""

    trajectories: Trajectories
    channels: np.ndarray
    noise: np.ndarray
    """Of standard deviation 1."""
    noise_std: np.ndarray
    statistics: ColumnStatistics

    @property
    def states(self):
        return self.channels[..., : len(STATES)]

    def recording(self, observed, noise=1.0):
        """A recording with so many times `noise_std`."""
        values = self.channels + noise * self.noise_std * self.noise
        return Recording.from_array(values, observed=observed, dt=DT, noise_std=noise * self.noise_std)

    def r(self, mean, burn_in=500, rows=slice(None)):
        """Pearson's r of each state."""
        truth, mean = self.states[rows, burn_in:], np.asarray(mean, dtype=float)[rows, burn_in:]
        return np.array([np.corrcoef(truth[..., i].ravel(), mean[..., i].ravel())[0, 1] for i in range(len(STATES))])

    def each_r(self, mean):
        """The same of every trajectory alone."""
        return np.array([self.r(mean, rows=slice(row, row + 1)) for row in range(len(self.states))])

    def errors(self, estimate, burn_in=500):
        """Errors in units of their expected standard deviation."""
        return ((np.asarray(estimate.mean, dtype=float) - self.states) / np.asarray(estimate.std))[:, burn_in:]


@pytest.fixture(scope="session")
def record(column, to_channels):
    """Record so many trajectories, with sensor noise of 5 % of each signal's standard deviation."""

    def simulated(batch, seconds, seed):
        return simulate(column, t1=2.0 + seconds, dt=DT, burn_in=2.0, batch=batch, key=jax.random.key(seed))

    def recorded(batch, seconds):
        statistics = ColumnStatistics.from_states(simulated(16, 6.0, seed=1).ys, dt=DT)
        noise_std = 0.05 * to_channels(np.asarray(statistics.states, dtype=float)).std(axis=(0, 1))
        trajectories = simulated(batch, seconds, seed=2)
        channels = to_channels(np.asarray(trajectories.ys, dtype=float))
        noise = np.random.default_rng(1).normal(size=channels.shape)
        return Recorded(trajectories, channels, noise, noise_std, statistics)

    return recorded


@pytest.fixture(scope="session")
def recorded(record):
    """The recordings of most tests: as they have one shape, they share compiled programs."""
    return record(8, 2.5)


@pytest.fixture(scope="session")
def long_recorded(record):
    """Long enough for three digits."""
    return record(16, 10.0)


@pytest.fixture(scope="session")
def kalman(column, recorded):
    """What the Kalman filter and the smoother make of the recordings, each computed once."""
    estimators = {"filter": KalmanFilter(column), "smoother": KalmanSmoother(column)}

    @functools.cache
    def estimate(kind, observed, noise=1.0):
        return estimators[kind](recorded.recording(observed, noise))

    return estimate
