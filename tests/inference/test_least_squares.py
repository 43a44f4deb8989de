from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.inference import spectrum as fit_spectrum
from jrae_jax.inference.free_parameters import Unknowns
from jrae_jax.inference.least_squares import Ends, covariance_of, described


def test_the_covariance_is_the_inverse_of_the_information():
    slopes = np.random.default_rng(0).normal(size=(50, 3)) * [1e-6, 1.0, 1e6]
    np.testing.assert_allclose(covariance_of(slopes, 0.25), 0.25 * np.linalg.inv(slopes.T @ slopes), rtol=1e-8)


def test_what_the_residuals_do_not_depend_on_is_not_known():
    slopes = np.random.default_rng(0).normal(size=(50, 1)) * [1.0, 1.0, 0.0]
    variance = np.diag(covariance_of(slopes, 1.0))
    assert np.all(variance > 1e10)
    together = covariance_of(slopes[:, :2], 1.0)
    assert together[0, 1] / together[0, 0] == pytest.approx(-1, abs=1e-6)


def described_with(covariance, x=(0.0, 0.0), losses=(1.0, 1.05, 3.0)):
    unknowns = Unknowns.of(
        jrae.JansenRitParameters(), jrae.ConstantInput(220.0), {"A": (2.0, 4.0), "C": (100.0, 200.0)}
    )
    xs = jnp.broadcast_to(jnp.array(x), (len(losses), 2))
    ends = Ends(xs, np.array(losses), np.ones(len(losses), bool))
    compared: Any = (np.zeros(1),) * 3
    return described(unknowns, ends, np.array(covariance), explained=0.5, compared=compared)


def test_errors_are_carried_through_the_bounds():
    found = described_with([[0.04, 0.0], [0.0, 0.01]])
    np.testing.assert_allclose(found.values, [3.0, 150.0])
    np.testing.assert_allclose(found.std, [0.25 * 2 * 0.2, 0.25 * 100 * 0.1], rtol=1e-6)
    assert found.converged
    assert found.agreeing == 2
    assert "only together" not in str(found)
    assert not described_with(np.eye(2), x=(0.0, 9.0)).converged


def test_what_is_known_only_together_is_told():
    told = str(described_with([[1.0, 0.995], [0.995, 1.0]]))
    assert "only together: C and A, whose errors have a correlation of 0.995" in told


def test_a_spectrum_is_worth_its_segments():
    """Half overlapping, under a Hann window: 59 of 2 s in a minute, with 18/19 of the weight of independent ones."""
    assert fit_spectrum._segments(60.0, 0.5) == pytest.approx(59 * 18 / 19, rel=1e-3)
    assert fit_spectrum._segments(1.0, 0.5) == 1.0


def test_a_worse_fit_than_chance_makes_what_is_told_wider():
    by_chance = fit_spectrum._variance(np.full(40, 0.1), 50.0)
    assert by_chance == fit_spectrum._variance(np.zeros(40), 50.0)
    assert fit_spectrum._variance(np.full(40, 0.5), 50.0) == pytest.approx(by_chance * 0.25 * 50)


def test_other_ends_that_fit_about_as_well_widen_what_is_told():
    xs = jnp.array([[0.0], [2.0], [4.0], [50.0]])
    ends = Ends(xs, np.array([1.0, 1.2, 1.9, 2.1]), np.ones(4, bool))
    np.testing.assert_allclose(fit_spectrum._between_ends(ends), [[4.0]])
    assert fit_spectrum._between_ends(ends._replace(losses=np.array([1.0, 3.0, 4.0, 5.0]))) == 0.0


def test_the_scatter_of_ends_is_their_covariance():
    xs = np.random.default_rng(0).normal(size=(8, 2))
    np.testing.assert_allclose(np.diag(fit_spectrum._scatter(xs)), xs.var(axis=0, ddof=1))
    np.testing.assert_allclose(fit_spectrum._scatter(xs[:, :1]), xs[:, :1].var(ddof=1) * np.ones((1, 1)))
    assert fit_spectrum._scatter(xs[:1]) == 0.0
