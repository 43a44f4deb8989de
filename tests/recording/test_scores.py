import re

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from jrae_jax.recording import nrmse, pearson_r, r_squared

SAMPLES = 40


SIZES, OFFSETS = np.array([0.1, 5, 3, 10, 900, 80]), np.array([0.2, 20, 12, 0, -3, -1])


def noisy_estimate(seed=0):
    """Truth of several sizes and offsets, and an estimate that is more or less wrong."""
    rng = np.random.default_rng(seed)
    truth = OFFSETS + SIZES * rng.normal(size=(SAMPLES, 6))
    errors = np.array([0.01, 5, 1, 2, 2000, 40]) * rng.normal(size=(SAMPLES, 6)) + np.array([0, 1, -2, 0, -50, 3])
    return truth, truth + errors


def in_jax(*values):
    return tuple(jnp.asarray(value, dtype=float) for value in values)


samples = arrays(int, (SAMPLES, 6), elements=st.integers(-1000, 1000), unique=True).map(lambda values: values / 100)


def test_pearson_r_is_that_of_numpy(x64):
    truth, estimate = noisy_estimate()
    expected = [np.corrcoef(truth[:, state], estimate[:, state])[0, 1] for state in range(6)]
    np.testing.assert_allclose(pearson_r(*in_jax(truth, estimate)), expected, rtol=1e-10)


def test_pearson_r_in_single_precision_survives_a_large_mean():
    truth, estimate = noisy_estimate()
    shifted = truth + 1000
    expected = [np.corrcoef(truth[:, state], estimate[:, state])[0, 1] for state in range(6)]
    np.testing.assert_allclose(pearson_r(*in_jax(shifted, estimate)), expected, atol=2e-3)


def test_r_squared_is_one_minus_the_unexplained_fraction_of_the_variance(x64):
    truth, estimate = noisy_estimate()
    expected = 1 - np.mean((truth - estimate) ** 2, axis=0) / np.var(truth, axis=0)
    np.testing.assert_allclose(r_squared(*in_jax(truth, estimate)), expected, rtol=1e-10)


def test_nrmse_is_in_units_of_the_true_standard_deviation(x64):
    truth, estimate = noisy_estimate()
    expected = np.sqrt(np.mean((truth - estimate) ** 2, axis=0)) / np.std(truth, axis=0)
    np.testing.assert_allclose(nrmse(*in_jax(truth, estimate)), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("estimate_of", "r", "r2", "error"),
    [
        (lambda truth: truth, 1, 1, 0),
        (lambda truth: 2 * truth.mean(axis=0) - truth, -1, -3, 2),
        (lambda truth: truth + truth.std(axis=0), 1, 0, 1),
        (lambda truth: truth.mean(axis=0) + 3 * (truth - truth.mean(axis=0)), 1, -3, 2),
    ],
    ids=["perfect", "mirrored", "shifted", "three times as large"],
)
def test_scores_in_closed_form(x64, estimate_of, r, r2, error):
    truth, _ = noisy_estimate()
    pair = in_jax(truth, estimate_of(truth))
    np.testing.assert_allclose(pearson_r(*pair), r, atol=1e-10)
    np.testing.assert_allclose(r_squared(*pair), r2, atol=1e-10)
    np.testing.assert_allclose(nrmse(*pair), error, atol=1e-10)


def test_the_mean_explains_nothing_and_has_no_correlation(x64):
    truth, _ = noisy_estimate()
    pair = in_jax(truth, np.broadcast_to(truth.mean(axis=0), truth.shape))
    np.testing.assert_allclose(r_squared(*pair), 0, atol=1e-10)
    np.testing.assert_allclose(nrmse(*pair), 1, atol=1e-10)


def test_a_constant_estimate_has_an_r_of_nan():
    truth, _ = noisy_estimate()
    assert np.all(np.isnan(pearson_r(*in_jax(truth, np.zeros_like(truth)))))


@pytest.mark.parametrize("factor", [-7.0, -0.01, 0.5, 300.0])
def test_r_is_invariant_under_affine_maps_but_for_the_sign(x64, factor):
    truth, estimate = noisy_estimate()
    before = np.asarray(pearson_r(*in_jax(truth, estimate)))
    mapped = in_jax(truth * 4 + 11, estimate * factor - 5)
    np.testing.assert_allclose(pearson_r(*mapped), np.sign(factor) * before, rtol=1e-9)


@settings(max_examples=50, deadline=None)
@given(samples, samples)
def test_relations_between_the_scores(truth, estimate):
    pair = in_jax(truth, estimate)
    r, r2, error = (np.asarray(score(*pair), dtype=float) for score in (pearson_r, r_squared, nrmse))
    np.testing.assert_allclose(r2, 1 - error**2, rtol=1e-3, atol=1e-3)
    assert np.all(np.abs(r) <= 1 + 1e-5)
    # No affine correction of the estimate is applied, so nothing explains more than the best one would.
    assert np.all(r2 <= r**2 + 1e-3)
    np.testing.assert_allclose(pearson_r(*reversed(pair)), r, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize("score", [pearson_r, r_squared, nrmse])
@pytest.mark.parametrize(
    ("truth", "estimate"),
    [((5, 6), (1, 6)), ((1, 6), (5, 6)), ((5, 6), (6,)), ((6, 5), (6, 5)), ((2, 5, 6), (2, 5, 6)), ((6,), (6,))],
)
def test_other_shapes_are_refused(score, truth, estimate):
    remedy = "states come last" if truth == (6, 5) else r"reshape\(-1, 6\) pools"
    shapes = re.escape(f"{truth} and {estimate}")
    message = rf"`truth` and `estimate` must both have shape \(sample, 6\), got {shapes}: {remedy}"
    with pytest.raises(ValueError, match=message):
        score(jnp.ones(truth), jnp.ones(estimate))
