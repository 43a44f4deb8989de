"""The square-root Kalman filter and smoother, against textbook formulas and one dense Gaussian vector, in NumPy."""

import copy

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from jrae_jax.estimators import square_root as square_root_module
from jrae_jax.estimators.square_root import AbstractTransition, Gaussian, Measurements, kalman, predict, update

STATES, CHANNELS, SAMPLES = 4, 3, 60

_kalman, _predict, _update = eqx.filter_jit(kalman), eqx.filter_jit(predict), eqx.filter_jit(update)


class LinearTransition(AbstractTransition):
    """A transition that is no column: `x` to `matrix x + offset`, with constant noise."""

    noisy: bool = eqx.field(static=True)
    matrix: Float[Array, "n n"]
    offset: Float[Array, " n"]
    noise: Float[Array, "n k"]

    def __call__(self, state):
        mean = jnp.sum(self.matrix * state.mean[None], axis=1) + self.offset
        return mean, jnp.concatenate([(self.matrix @ state.factor).T, self.noise.T])


class Problem:
    """A damped, coupled system, and what noisy sensors record of it, with samples missing; in double precision."""

    def __init__(self):
        rng = np.random.default_rng(0)
        rotation = np.linalg.qr(rng.normal(size=(STATES, STATES)))[0]
        self.matrix = 0.98 * rotation
        self.offset = rng.normal(size=STATES)
        self.noise = np.tril(0.3 * rng.normal(size=(STATES, STATES)))
        self.noise[1] = 1e-7 * np.eye(STATES)[1]  # a state that hardly any noise enters, as in a column
        self.start_mean = rng.normal(size=STATES)
        self.start_factor = np.tril(rng.normal(size=(STATES, STATES))) + 2 * np.eye(STATES)
        self.sensors = rng.normal(size=(CHANNELS, STATES)) * np.array([[0.3], [3.0], [30.0]])
        self.measured = rng.random((SAMPLES, CHANNELS)) > 0.3
        self.measured[20:30] = False
        self.measured[-1] = True
        state, samples = self.start_mean + self.start_factor @ rng.normal(size=STATES), []
        for _ in range(SAMPLES):
            state = self.matrix @ state + self.offset + self.noise @ rng.normal(size=STATES)
            samples.append(self.sensors @ state + rng.normal(size=CHANNELS))
        self.samples = np.array(samples)

    def found(self, path=None, *, smooth, noisy=True):
        """Mean and standard deviation by the package, in the precision that is in force."""
        dtype = jnp.result_type(float)
        matrix, offset, noise = (jnp.asarray(x, dtype) for x in (self.matrix, self.offset, self.noise))
        transition = LinearTransition(noisy, matrix, offset, noise)
        start = Gaussian(jnp.asarray(self.start_mean, dtype), jnp.asarray(self.start_factor, dtype))
        # A sample that was not measured must not matter, whatever stands in its place.
        samples = jnp.asarray(np.where(self.measured, self.samples, np.nan), dtype)
        measurements = Measurements(jnp.asarray(self.sensors, dtype), samples, jnp.asarray(self.measured))
        return _kalman(transition, start, measurements, path, smooth=smooth)

    def filtered(self):
        """Means and covariances by the textbook: Kalman (1960), with an inverse and in full matrices."""
        mean, covariance = self.start_mean, self.start_factor @ self.start_factor.T
        means, covariances = [], []
        for sample, there in zip(self.samples, self.measured, strict=True):
            mean = self.matrix @ mean + self.offset
            covariance = self.matrix @ covariance @ self.matrix.T + self.noise @ self.noise.T
            rows = self.sensors[there]
            gain = covariance @ rows.T @ np.linalg.inv(rows @ covariance @ rows.T + np.eye(len(rows)))
            mean = mean + gain @ (sample[there] - rows @ mean)
            covariance = covariance - gain @ rows @ covariance
            means.append(mean)
            covariances.append(covariance)
        return np.array(means), np.array(covariances)

    def filtered_std(self):
        """The same, with standard deviations."""
        means, covariances = self.filtered()
        return means, np.sqrt(np.einsum("kii->ki", covariances))

    def least_squares(self):
        """Mean and standard deviation given all samples: all equations, each divided by its noise, at once."""
        size = STATES * (SAMPLES + 1)
        rows, right = [], []
        whiten = np.linalg.inv(self.start_factor)
        rows.append(np.hstack([whiten, np.zeros((STATES, size - STATES))]))
        right.append(whiten @ self.start_mean)
        whiten = np.linalg.inv(self.noise)
        for k in range(SAMPLES):
            row = np.zeros((STATES, size))
            row[:, STATES * k : STATES * (k + 1)] = -whiten @ self.matrix
            row[:, STATES * (k + 1) : STATES * (k + 2)] = whiten
            rows.append(row)
            right.append(whiten @ self.offset)
            row = np.zeros((CHANNELS, size))
            row[:, STATES * (k + 1) : STATES * (k + 2)] = self.sensors
            rows.append(row[self.measured[k]])
            right.append(self.samples[k, self.measured[k]])
        orthogonal, triangle = np.linalg.qr(np.vstack(rows))
        inverse = np.linalg.inv(triangle)
        mean = (inverse @ orthogonal.T @ np.concatenate(right)).reshape(-1, STATES)
        variance = np.sum(inverse**2, axis=1).reshape(-1, STATES)
        return mean[1:], np.sqrt(variance[1:])


@pytest.fixture(scope="module")
def problem():
    return Problem()


@pytest.mark.usefixtures("x64")
def test_the_filter_is_the_one_of_the_textbook(problem):
    mean, std = problem.filtered_std()
    found = problem.found(smooth=False)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.std, std, rtol=1e-8)


@pytest.mark.usefixtures("x64")
def test_the_smoother_is_the_least_squares_solution_for_all_states_at_once(problem):
    mean, std = problem.least_squares()
    found = problem.found(smooth=True)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(found.std, std, rtol=1e-7)
    last = problem.found(smooth=False)
    np.testing.assert_allclose(found.mean[-1], last.mean[-1], rtol=1e-12)
    np.testing.assert_allclose(found.std[-1], last.std[-1], rtol=1e-12)


@pytest.mark.parametrize("smooth", [False, True])
def test_single_precision_is_enough(problem, smooth):
    mean, std = problem.least_squares() if smooth else problem.filtered_std()
    found = problem.found(smooth=smooth)
    assert found.mean.dtype == jnp.float32
    np.testing.assert_allclose((found.mean - mean) / std, 0, atol=1e-2)
    np.testing.assert_allclose(found.std, std, rtol=1e-3)


@pytest.mark.usefixtures("x64")
def test_factors_are_those_of_the_covariance_step_by_step(problem):
    matrix, offset, noise = (jnp.asarray(x) for x in (problem.matrix, problem.offset, problem.noise))
    transition = LinearTransition(True, matrix, offset, noise)
    state = Gaussian(jnp.asarray(problem.start_mean), jnp.asarray(problem.start_factor))
    _, covariances = problem.filtered()
    before = problem.start_factor @ problem.start_factor.T
    for k in range(25):
        state = _predict(transition, state)
        expected = problem.matrix @ before @ problem.matrix.T + problem.noise @ problem.noise.T
        np.testing.assert_allclose(state.factor @ state.factor.T, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(state.factor, np.tril(state.factor))
        state, *_ = _update(
            state, jnp.asarray(problem.sensors), jnp.asarray(problem.samples[k]), jnp.asarray(problem.measured[k])
        )
        np.testing.assert_allclose(state.factor @ state.factor.T, covariances[k], rtol=1e-9, atol=1e-9)
        before = covariances[k]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("smooth", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_of_a_linear_transition_the_standard_deviation_is_the_same_along_any_path(problem, smooth):
    path = jnp.asarray(np.random.default_rng(1).normal(size=(SAMPLES, STATES)))
    np.testing.assert_allclose(problem.found(path, smooth=smooth).std, problem.found(smooth=smooth).std, rtol=1e-10)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("smooth", [False, True])
def test_the_least_noise_counts_in_full_where_there_is_no_other(monkeypatch, problem, smooth):
    problem = copy.copy(problem)
    monkeypatch.setattr(square_root_module, "_LEAST_PROCESS_NOISE", 0.05)
    problem.noise = 0.05 * np.eye(STATES)
    mean, std = problem.least_squares() if smooth else problem.filtered_std()
    problem.noise = np.zeros((STATES, STATES))
    found = problem.found(smooth=smooth, noisy=False)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(found.std, std, rtol=1e-7)
