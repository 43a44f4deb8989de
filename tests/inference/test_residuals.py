import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.signal

from jrae_jax.column import Column, ConstantInput, EvokedPulseInput, JansenRitParameters, UniformNoiseInput, simulate
from jrae_jax.inference import power_spectrum, shooting_residuals, spectral_residuals, summary_residuals

CONSTANT = Column(JansenRitParameters(), ConstantInput(220.0))
NOISY = CONSTANT.replace(input=UniformNoiseInput(120.0, 320.0, hold=1e-3))
PULSE = CONSTANT.replace(input=EvokedPulseInput(0.1, ConstantInput(1.0)))


@pytest.fixture(scope="module")
def noisy():
    return simulate(NOISY, t1=21.0, dt=1e-3, burn_in=1.0, batch=4, key=jax.random.key(0)).eeg


def test_the_spectrum_is_that_of_scipy(noisy):
    frequencies, density = power_spectrum(noisy, dt=1e-3, resolution=0.5, band=(2.0, 30.0))
    expected, theirs = scipy.signal.welch(np.asarray(noisy, float), 1000.0, nperseg=2000)
    inside = (expected >= 2.0) & (expected <= 30.0)
    np.testing.assert_allclose(frequencies, expected[inside])
    np.testing.assert_allclose(density, theirs[:, inside], rtol=1e-3)


def test_spectral_residuals_are_logarithms_of_ratios(noisy):
    twice = spectral_residuals(2 * noisy, noisy[0], dt=1e-3)
    once = spectral_residuals(noisy, noisy[0], dt=1e-3)
    np.testing.assert_allclose(twice - once, np.log(4), rtol=1e-4)
    np.testing.assert_allclose(spectral_residuals(noisy[:1], noisy[0], dt=1e-3), 0, atol=1e-6)
    assert spectral_residuals(noisy, noisy[0, :6000], dt=1e-3).shape == once.shape


def test_summaries_are_hjorths():
    dt, f, size = 1e-3, 10.0, 3.0
    v = size * jnp.sin(2 * jnp.pi * f * dt * jnp.arange(10_000.0))
    faster = 2 * size * jnp.sin(2 * jnp.pi * 1.5 * f * dt * jnp.arange(10_000.0)) + 1.0
    mean, activity, mobility, complexity = summary_residuals(faster[None], v, dt=dt)
    assert float(mean) == pytest.approx(1 / (size / 2**0.5), rel=1e-3)
    assert float(activity) == pytest.approx(np.log(4), rel=1e-3)
    assert float(mobility) == pytest.approx(np.log(1.5), rel=1e-2)
    assert float(complexity) == pytest.approx(0, abs=1e-2)


def test_shooting_residuals_vanish_on_a_trajectory_and_nowhere_else():
    trajectories = simulate(CONSTANT, t1=2.0, dt=1e-3)
    recorded, starts = trajectories.eeg[500:1500], trajectories.ys[499:1499:250]
    misfit, gaps = shooting_residuals(CONSTANT, starts, recorded, dt=1e-3)
    assert misfit.shape == (4, 250)
    assert gaps.shape == (3, 6)
    np.testing.assert_allclose(misfit, 0, atol=1e-3)
    np.testing.assert_allclose(gaps, 0, atol=0.1)
    _, apart = shooting_residuals(CONSTANT, starts.at[1].add(1.0), recorded, dt=1e-3)
    np.testing.assert_allclose(apart[0], -1, atol=1e-3)
    assert np.abs(apart[1]).max() > 0.5


@pytest.mark.slow
def test_the_slope_of_a_trace_grows_with_its_length_and_that_of_its_spectrum_does_not():
    def eeg(C, seconds):
        column, forward = CONSTANT.replace(C=C), diffrax.ForwardMode()
        return simulate(column, t1=2.0 + seconds, dt=2e-3, burn_in=2.0, adjoint=forward).eeg

    def slopes(seconds):
        recorded = eeg(130.0, seconds)

        def measures(C):
            v = eeg(C, seconds)
            spectral = spectral_residuals(v, recorded, dt=2e-3, resolution=1.0, band=(8.0, 13.0))
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
        simulated = simulate(NOISY.replace(C=C), t1=6.0, dt=1e-3, burn_in=1.0, batch=8, key=key).eeg
        return jnp.sum(summary_residuals(simulated, noisy.reshape(-1), dt=1e-3) ** 2)

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
        (lambda v: power_spectrum(v[:100], dt=1e-3), "`resolution` = 0.5 Hz needs 2 s, got 0.1 s"),
        (
            lambda v: power_spectrum(v, dt=1e-3, band=(30.0, 10.0)),
            "`band` must rise, from 0 Hz or more, got 30.0 to 10.0 Hz",
        ),
        (lambda v: power_spectrum(v, dt=0.0), "`dt` must be positive, got 0.0"),
        (lambda v: summary_residuals(v, v, dt=-1.0), "`dt` must be positive, got -1.0"),
        (
            lambda v: shooting_residuals(CONSTANT, jnp.zeros((3, 6)), v[:100], dt=1e-3),
            "`recorded` must have a multiple of 3 samples, as many as `y0`, got 100",
        ),
        (
            lambda v: shooting_residuals(CONSTANT.replace(C=np.ones(2)), jnp.zeros((2, 6)), v[:100], dt=1e-3),
            "`column` must be one column, got a batch of 2: take jax.vmap over it",
        ),
        (
            lambda v: shooting_residuals(PULSE, jnp.zeros((2, 6)), v[:100], dt=1e-3),
            "`column` must have a ConstantInput, got a EvokedPulseInput",
        ),
    ],
)
def test_invalid_arguments(call, message, noisy):
    with pytest.raises(ValueError, match=message):
        call(noisy[0])
