import dataclasses
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.signal

import jrae_jax as jrae

STANDARD = jrae.JansenRitParameters()
NOISE = jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3)


@pytest.fixture(scope="module")
def noisy():
    ys = jrae.simulate(STANDARD, NOISE, t1=21.0, dt=1e-3, burn_in=1.0, batch=4, key=jax.random.key(0)).ys
    return jrae.eeg(ys)


def test_the_spectrum_is_that_of_scipy(noisy):
    frequencies, density = jrae.power_spectrum(noisy, dt=1e-3, resolution=0.5, band=(2.0, 30.0))
    expected, theirs = scipy.signal.welch(np.asarray(noisy, float), 1000.0, nperseg=2000)
    inside = (expected >= 2.0) & (expected <= 30.0)
    np.testing.assert_allclose(frequencies, expected[inside])
    np.testing.assert_allclose(density, theirs[:, inside], rtol=1e-3)


def test_spectral_residuals_are_logarithms_of_ratios(noisy):
    twice = jrae.spectral_residuals(2 * noisy, noisy[0], dt=1e-3)
    once = jrae.spectral_residuals(noisy, noisy[0], dt=1e-3)
    np.testing.assert_allclose(twice - once, np.log(4), rtol=1e-4)
    np.testing.assert_allclose(jrae.spectral_residuals(noisy[:1], noisy[0], dt=1e-3), 0, atol=1e-6)
    assert jrae.spectral_residuals(noisy, noisy[0, :6000], dt=1e-3).shape == once.shape


def test_summaries_are_hjorths():
    dt, f, size = 1e-3, 10.0, 3.0
    v = size * jnp.sin(2 * jnp.pi * f * dt * jnp.arange(10_000.0))
    faster = 2 * size * jnp.sin(2 * jnp.pi * 1.5 * f * dt * jnp.arange(10_000.0)) + 1.0
    mean, activity, mobility, complexity = jrae.summary_residuals(faster[None], v, dt=dt)
    assert float(mean) == pytest.approx(1 / (size / 2**0.5), rel=1e-3)
    assert float(activity) == pytest.approx(np.log(4), rel=1e-3)
    assert float(mobility) == pytest.approx(np.log(1.5), rel=1e-2)
    assert float(complexity) == pytest.approx(0, abs=1e-2)


def test_shooting_residuals_vanish_on_a_trajectory_and_nowhere_else():
    input = jrae.ConstantInput(220.0)
    ys = jrae.simulate(STANDARD, input, t1=2.0, dt=1e-3).ys
    recorded = jrae.eeg(ys)[500:1500]
    starts = ys[499:1499:250]
    misfit, gaps = jrae.shooting_residuals(STANDARD, input, starts, recorded, dt=1e-3)
    assert misfit.shape == (4, 250)
    assert gaps.shape == (3, 6)
    np.testing.assert_allclose(misfit, 0, atol=1e-3)
    np.testing.assert_allclose(gaps, 0, atol=0.1)
    _, apart = jrae.shooting_residuals(STANDARD, input, starts.at[1].add(1.0), recorded, dt=1e-3)
    np.testing.assert_allclose(apart[0], -1, atol=1e-3)
    assert np.abs(apart[1]).max() > 0.5


def test_the_slope_of_a_trace_grows_with_its_length_and_that_of_its_spectrum_does_not():
    def eeg(C, seconds):
        parameters = dataclasses.replace(STANDARD, C=C)
        options: dict[str, Any] = {"t1": 2.0 + seconds, "dt": 2e-3, "burn_in": 2.0, "adjoint": diffrax.ForwardMode()}
        return jrae.eeg(jrae.simulate(parameters, jrae.ConstantInput(220.0), **options).ys)

    def slopes(seconds):
        recorded = eeg(130.0, seconds)

        def measures(C):
            v = eeg(C, seconds)
            spectral = jrae.spectral_residuals(v, recorded, dt=2e-3, resolution=1.0, band=(8.0, 13.0))
            return jnp.mean(jnp.abs(spectral)), v

        spectral, v = jax.jacfwd(measures)(135.0)
        return float(jnp.max(jnp.abs(v))), abs(float(spectral))

    (short_trace, short_spectrum), (long_trace, long_spectrum) = slopes(5.0), slopes(20.0)
    assert long_trace > 2.5 * short_trace
    assert long_spectrum < 1.5 * short_spectrum


@pytest.mark.slow
def test_any_optimiser_can_follow_them(noisy):
    @jax.jit
    def loss(C, key):
        parameters = dataclasses.replace(STANDARD, C=C)
        ys = jrae.simulate(parameters, NOISE, t1=6.0, dt=1e-3, burn_in=1.0, batch=8, key=key).ys
        residuals = jrae.summary_residuals(jrae.eeg(ys), noisy.reshape(-1), dt=1e-3)
        return jnp.sum(residuals**2)

    optimiser = optax.adam(2.0)
    C = jnp.asarray(120.0)
    state = optimiser.init(C)
    for step in range(30):
        slope = jax.grad(loss)(C, jax.random.key(step))
        with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to a whole power
            change, state = optimiser.update(slope, state)
        C = C + jnp.asarray(change)
    assert float(C) == pytest.approx(135.0, abs=4.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: jrae.power_spectrum(v[:100], dt=1e-3), "`resolution` = 0.5 Hz needs 2 s, got 0.1 s"),
        (lambda v: jrae.power_spectrum(v, dt=1e-3, band=(30.0, 10.0)), "`band` must rise, within 0.5 to 500 Hz"),
        (lambda v: jrae.power_spectrum(v, dt=0.0), "`dt` must be positive, got 0.0"),
        (lambda v: jrae.summary_residuals(v, v, dt=-1.0), "`dt` must be positive, got -1.0"),
        (
            lambda v: jrae.shooting_residuals(STANDARD, jrae.ConstantInput(1.0), jnp.zeros((3, 6)), v[:100], dt=1e-3),
            "`recorded` must have a multiple of 3 samples, as many as `y0`, got 100",
        ),
        (
            lambda v: jrae.shooting_residuals(
                STANDARD, jrae.EvokedPulseInput(0.1, jrae.ConstantInput(1.0)), jnp.zeros((2, 6)), v[:100], dt=1e-3
            ),
            "`input` must be an instance of ConstantInput",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message, noisy):
    with pytest.raises(ValueError, match=message):
        call(noisy[0])
