"""Trajectories of systems whose exponents and dimensions are known."""

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import jrae_jax as jrae


def standardised(points):
    return (points - points.mean(axis=0)) / points.std(axis=0)


@pytest.fixture(scope="session")
def rotated():
    """Rotates points in all their dimensions."""

    def turned(points):
        dimension = points.shape[-1]
        rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(dimension, dimension)))
        return points @ rotation

    return turned


@pytest.fixture(scope="session")
def lorenz():
    """Lorenz 63 on its attractor, 0.02 of its time units apart: exponent 0.906, dimension 2.05."""
    ts = 20 + 0.02 * np.arange(10_000)

    def flow(_, y):
        return [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]

    return standardised(
        solve_ivp(flow, (0, ts[-1]), [1.0, 1.0, 25.0], t_eval=ts, method="DOP853", rtol=1e-8, atol=1e-8).y.T
    )


def standard_column(input, seconds, burn_in):
    with jax.enable_x64(True):
        times = {"t1": burn_in + seconds, "dt": 1e-3, "burn_in": burn_in}
        trajectory = jrae.simulate(jrae.Column(jrae.JansenRitParameters(), input()), **times, key=jax.random.key(0))
        return standardised(np.asarray(trajectory.ys))


@pytest.fixture(scope="session")
def cycle():
    """The column at p = 220, 1 ms apart: exponent 0, dimension 1."""
    return standard_column(lambda: jrae.ConstantInput(220.0), 6.0, 15.0)


@pytest.fixture(scope="session")
def focus():
    """The column at p = 400 on its way to rest, 1 ms apart: exponent -1.7398 /s."""
    return standard_column(lambda: jrae.ConstantInput(400.0), 8.0, 0.5)


@pytest.fixture(scope="session")
def noisy_column():
    """The column under the study's noise, 1 ms apart."""
    return standard_column(lambda: jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3), 10.0, 1.0)


@pytest.fixture(scope="session")
def linear_filter():
    """Position and velocity of an oscillator of 10 Hz, driven by white noise, 1 ms apart: no exponent, dimension 2."""

    def filtered(seed, samples=10_000, damping=50.0):
        rates = np.array([[0.0, 1.0], [-((20 * np.pi) ** 2) - damping**2, -2 * damping]])
        step, states = expm(1e-3 * rates), np.zeros((samples + 500, 2))
        for index, noise in enumerate(np.random.default_rng(seed).normal(size=len(states) - 1)):
            states[index + 1] = step @ states[index] + [0.0, noise]
        return standardised(states[500:])

    return filtered


@pytest.fixture(scope="session")
def line():
    """A straight line, one way, at a random pace: dimension 1, straightness 1."""
    return np.cumsum(np.random.default_rng(0).exponential(size=5000))[:, None] * [1.0, -2.0, 0.5]
