import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.autoencoder import Calibration


def reported_and_errors(samples, seed=0):
    """Standard deviations too large where they are small, as after training with a noisy latent, and errors."""
    random = np.random.default_rng(seed)
    true = np.exp(random.uniform(-5, 0, (samples, 6)))
    reported = np.sqrt(true**2 + np.linspace(0.0, 0.1, 6) ** 2)
    return true, *(
        jnp.asarray(values, dtype=jnp.float32) for values in (reported, true * random.normal(size=true.shape))
    )


def test_reported_standard_deviations_are_corrected():
    true, reported, _ = reported_and_errors(20_000, seed=1)
    calibrated = np.asarray(Calibration.fit(*reported_and_errors(200_000)[1:])(reported, 0))
    clear = true > 0.03  # far below what was added, one reported number stands for many
    np.testing.assert_allclose(np.log(calibrated[clear] / true[clear]), 0, atol=0.35)
    assert np.abs(np.log(calibrated[clear] / true[clear])).mean() < 0.05
    np.testing.assert_allclose(calibrated[:, 0], true[:, 0], rtol=0.1)


@pytest.mark.parametrize(("fraction", "quantile"), [(0.5, 0.67449), (0.9, 1.64485)])
def test_intervals_hold_their_fraction_of_new_errors(fraction, quantile):
    _, reported, error = reported_and_errors(50_000, seed=1)
    calibrated = np.asarray(Calibration.fit(*reported_and_errors(200_000)[1:])(reported, 0))
    inside = np.abs(np.asarray(error)) < quantile * calibrated
    np.testing.assert_allclose(inside.mean(axis=0), fraction, atol=0.03)


def test_factors_are_linear_between_knots_and_constant_beyond():
    log_std = jnp.tile(jnp.asarray([-2.0, 0.0])[None], (6, 1))
    factor = jnp.tile(jnp.asarray([1.0, 3.0])[None], (6, 1)) * jnp.arange(1.0, 7.0)[:, None]
    std = jnp.exp(jnp.asarray([[-5.0], [-2.0], [-1.0], [0.0], [4.0]])) * jnp.ones((1, 6))
    expected = np.asarray(std) * np.array([[1.0], [1.0], [2.0], [3.0], [3.0]]) * np.arange(1.0, 7.0)
    two = Calibration(jnp.stack([log_std, log_std]), jnp.stack([factor, 2 * factor]))
    np.testing.assert_allclose(two(std, 0), expected, rtol=1e-5)
    np.testing.assert_allclose(two(std, 1), 2 * expected, rtol=1e-5)
