import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.autoencoder.calibration import Calibration, calibration


def told_and_off(samples, seed=0):
    """Standard deviations too large where they are small, as after training with a noisy latent, and errors."""
    random = np.random.default_rng(seed)
    true = np.exp(random.uniform(-5, 0, (samples, 6)))
    told = np.sqrt(true**2 + np.linspace(0.0, 0.1, 6) ** 2)
    return true, *(jnp.asarray(values, dtype=jnp.float32) for values in (told, true * random.normal(size=true.shape)))


def test_what_is_told_is_put_right():
    true, told, _ = told_and_off(20_000, seed=1)
    right = np.asarray(calibration(*told_and_off(200_000)[1:])(told, 0))
    clear = true > 0.03  # far below what was added, the one number told stands for many
    np.testing.assert_allclose(np.log(right[clear] / true[clear]), 0, atol=0.35)
    assert np.abs(np.log(right[clear] / true[clear])).mean() < 0.05
    np.testing.assert_allclose(right[:, 0], true[:, 0], rtol=0.1)


@pytest.mark.parametrize(("share", "quantile"), [(0.5, 0.67449), (0.9, 1.64485)])
def test_intervals_hold_their_share_of_new_errors(share, quantile):
    _, told, error = told_and_off(50_000, seed=1)
    right = np.asarray(calibration(*told_and_off(200_000)[1:])(told, 0))
    inside = np.abs(np.asarray(error)) < quantile * right
    np.testing.assert_allclose(inside.mean(axis=0), share, atol=0.03)


def test_factors_lie_on_straight_lines_and_go_on_flat():
    log_std = jnp.tile(jnp.asarray([-2.0, 0.0])[None], (6, 1))
    factor = jnp.tile(jnp.asarray([1.0, 3.0])[None], (6, 1)) * jnp.arange(1.0, 7.0)[:, None]
    std = jnp.exp(jnp.asarray([[-5.0], [-2.0], [-1.0], [0.0], [4.0]])) * jnp.ones((1, 6))
    expected = np.asarray(std) * np.array([[1.0], [1.0], [2.0], [3.0], [3.0]]) * np.arange(1.0, 7.0)
    two = Calibration(jnp.stack([log_std, log_std]), jnp.stack([factor, 2 * factor]))
    np.testing.assert_allclose(two(std, 0), expected, rtol=1e-5)
    np.testing.assert_allclose(two(std, 1), 2 * expected, rtol=1e-5)
