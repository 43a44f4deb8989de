"""What a background's power is, and what cannot be one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.recording import Background


def power(background, f):
    """One-sided power spectral density, mV^2/Hz."""
    std, time = np.asarray(background.std, float), np.asarray(background.correlation_time, float)
    return np.sum(4 * std**2 * time / (1 + (2 * np.pi * f[:, None] * time) ** 2), axis=1)


@pytest.mark.parametrize("exponent", [0.3, 0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("band", [(1.0, 45.0), (0.5, 30.0)])
def test_its_power_falls_off_as_1_over_f_within_the_band(exponent, band):
    f = np.geomspace(1.5 * band[0], 0.7 * band[1], 100)
    whole = np.geomspace(band[0], band[1], 5000)
    expected = 2.0**2 * f**-exponent / np.trapezoid(whole**-exponent, whole)
    found = power(Background.one_over_f(std=2.0, exponent=exponent, band=band), f)
    assert np.max(np.abs(10 * np.log10(found / expected))) < 1.0


def test_a_batch_is_made_as_one_by_one_and_under_tracing():
    std, exponent = jnp.array([1.0, 2.0]), jnp.array([0.5, 1.5])
    made = jax.jit(lambda std, exponent: Background.one_over_f(std=std, exponent=exponent, offset_std=3.0))
    together = made(std, exponent)
    assert (together.batch, together.parts) == (2, 2)
    assert together.offset_std is not None
    np.testing.assert_array_equal(together.offset_std, [3.0, 3.0])
    for i in range(2):
        alone = Background.one_over_f(std=std[i], exponent=exponent[i])
        assert alone.batch is None
        np.testing.assert_allclose(together.std[i], alone.std, rtol=1e-5)
        np.testing.assert_allclose(together.correlation_time[i], alone.correlation_time, rtol=1e-5)
    assert Background.one_over_f(std=1.0, exponent=1.0).broadcast(3).std.shape == (3, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Background([1.0, 2.0], [0.1]),
            r"`std` and `correlation_time` must have shape \(part,\) or \(batch, part\), .*, got \(2,\) and \(1,\)",
        ),
        (lambda: Background(1.0, 0.1), r"`std` and `correlation_time` must have shape .*, got \(\) and \(\)"),
        (lambda: Background([0.0], [0.1]), "`std` must be positive, got 0.0"),
        (lambda: Background([1.0], [-0.1]), "`correlation_time` must be positive, got -0.1"),
        (lambda: Background([1.0], [0.1], [1.0, 2.0]), r"`offset_std` must have shape \(\), got \(2,\)"),
        (lambda: Background([1.0], [0.1], 0.0), "`offset_std` must be positive, got 0.0"),
        (lambda: Background([1.0], [0.1], channel="O1"), "`channel` must be one of 'y0', .*, got 'O1'"),
        (lambda: Background.one_over_f(std=1.0, exponent=2.5), "`exponent` must be from 0 to 2, got 2.5"),
        (lambda: Background.one_over_f(std=1.0, exponent=-1.0), "`exponent` must be finite and not negative, got -1.0"),
        (lambda: Background.one_over_f(std=-1.0, exponent=1.0), "`std` must be positive, got -1.0"),
        (
            lambda: Background.one_over_f(std=1.0, exponent=1.0, band=(45.0, 1.0)),
            "`band` must rise from above 0 Hz, got 45 to 1 Hz",
        ),
    ],
)
def test_what_cannot_be_a_background_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
