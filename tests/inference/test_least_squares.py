import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import Column, ConstantInput, JansenRitParameters
from jrae_jax.inference import FreeParameters, ParameterFit
from jrae_jax.inference.least_squares import AbstractProblem, Comparison, Minima, error_covariance, minimise

FREE = FreeParameters.from_bounds(
    Column(JansenRitParameters(), ConstantInput(220.0)), {"A": (2.0, 4.0), "C": (100.0, 200.0)}
)


def test_the_covariance_is_the_inverse_of_the_information():
    slopes = np.random.default_rng(0).normal(size=(50, 3)) * [1e-6, 1.0, 1e6]
    np.testing.assert_allclose(error_covariance(slopes, 0.25), 0.25 * np.linalg.inv(slopes.T @ slopes), rtol=1e-8)


def test_what_the_residuals_do_not_depend_on_is_unknown():
    slopes = np.random.default_rng(0).normal(size=(50, 1)) * [1.0, 1.0, 0.0]
    variance = np.diag(error_covariance(slopes, 1.0))
    assert np.all(variance > 1e10)
    together = error_covariance(slopes[:, :2], 1.0)
    assert together[0, 1] / together[0, 0] == pytest.approx(-1, abs=1e-6)


class Parabola(AbstractProblem):
    """A least of 0.04 at (1, 2), and residuals that are not finite above x[0] = 50."""

    free: FreeParameters

    def residuals(self, x, key):
        shift = 0.0 if key is None else jax.random.normal(key)
        return jnp.stack([x[0] - 1 - shift, 3 * (x[1] - 2), jnp.where(x[0] > 50, jnp.nan, 0.2)])


def test_every_start_comes_to_its_minimum_the_best_first():
    minima = minimise(Parabola(FREE), jnp.array([[60.0, 0.0], [9.0, 9.0], [-3.0, 1.0]]))
    np.testing.assert_allclose(minima.xs[:2], [[1.0, 2.0]] * 2, atol=1e-3)
    np.testing.assert_allclose(minima.losses[:2], 0.04, rtol=1e-4)
    assert np.all(minima.converged[:2])
    assert np.isnan(minima.losses[2])
    assert not minima.converged[2]


def test_every_start_has_noise_of_its_own_key():
    keys = jax.random.split(jax.random.key(0), 2)
    minima = minimise(Parabola(FREE), jnp.zeros((2, 2)), keys)
    expected = np.sort(1 + np.asarray(jax.vmap(jax.random.normal)(keys)))
    np.testing.assert_allclose(np.sort(minima.xs[:, 0]), expected, atol=1e-3)


def fit_with(covariance, x=(0.0, 0.0), losses=(1.0, 1.05, 3.0)):
    minima = Minima(
        jnp.broadcast_to(jnp.array(x), (len(losses), 2)), np.array(losses), np.ones(len(losses), dtype=bool)
    )
    compared = Comparison(np.zeros(1), np.zeros(1), np.zeros(1))
    return ParameterFit.from_minima(FREE, minima, np.array(covariance), compared, explained=0.5)


def test_errors_are_carried_through_the_bounds():
    fit = fit_with([[0.04, 0.0], [0.0, 0.01]])
    np.testing.assert_allclose(fit.values, [3.0, 150.0])
    np.testing.assert_allclose(fit.std, [0.25 * 2 * 0.2, 0.25 * 100 * 0.1], rtol=1e-6)
    assert fit.converged
    assert fit.agreeing == 2
    assert not np.any(fit.at_bound)


@pytest.mark.parametrize("x", [9.0, -9.0])
def test_a_value_at_its_bound_has_no_interval(x):
    fit = fit_with([[0.04, 0.0399], [0.0399, 0.04]], x=(0.0, x))
    assert not fit.converged
    assert fit.at_bound.tolist() == [False, True]
    assert np.isnan(fit.std).tolist() == [False, True]
    lines = repr(fit).split("\n")
    assert lines[:2] == ["A = 3 +- 0.1 mV", f"C = {150 + 49.99 * np.sign(x):.5g}, at its bound"]
    assert len(lines) == 3
    assert fit.to_dataframe().at_bound.tolist() == [False, True]


def test_a_fit_prints_itself():
    fit = fit_with([[0.04, 0.0], [0.0, 0.01]])
    lines = ["A = 3 +- 0.1 mV", "C = 150 +- 2.5", "converged; 2 of 3 starts agree; 50.00% of the variance explained"]
    assert repr(fit).split("\n") == lines
    together = "only together: C and A, whose errors have a correlation of 0.995"
    assert together in str(fit_with([[1.0, 0.995], [0.995, 1.0]]))
    table = fit.to_dataframe()
    assert table.loc["A", "value"] == 3.0
    assert table.loc["C"].to_list() == [150.0, pytest.approx(2.5), False, "1"]
