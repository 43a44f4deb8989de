import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import Column, JansenRitParameters, UniformNoiseInput, WhiteNoiseInput, simulate
from jrae_jax.inference import FreeParameters, MatchSpectrum, fit_parameters
from jrae_jax.inference.least_squares import Minima
from jrae_jax.inference.spectrum import (
    SpectrumProblem,
    covariance_between_minima,
    independent_segments,
    log_density_variance,
    sample_covariance,
)
from jrae_jax.recording import Recording

COLUMN = Column(JansenRitParameters(), UniformNoiseInput(120.0, 320.0, hold=2e-3))
DT = 2e-3
SMALL = MatchSpectrum(resolution=1.0, starts=2, candidates=8, duration=5.0, repeats=1, draws=2)
LONGER = dataclasses.replace(SMALL, duration=10.0)


def recorded(column, gain=1.0):
    v = simulate(column, t1=31.0, dt=DT, burn_in=1.0, key=jax.random.key(9)).eeg
    return Recording.of(eeg=gain * v, dt=DT)


def test_parameters_come_back_within_their_errors():
    recording, stages = recorded(COLUMN.replace(C=120.0, A=3.5)), []
    fit = fit_parameters(
        COLUMN,
        recording,
        bounds={"C": (90.0, 180.0), "A": (2.3, 4.2)},
        method=SMALL,
        key=jax.random.key(0),
        progress=lambda *stage: stages.append(stage),
    )
    np.testing.assert_allclose(fit.values, [120.0, 3.5], rtol=0.06)
    assert np.all(np.abs(fit.values - [120.0, 3.5]) < 4 * fit.std)
    assert np.all(fit.std < [12.0, 0.35])
    assert fit.explained > 0.9
    assert fit.y0 is None
    assert fit.axis[0] == 1.0
    assert fit.axis[-1] == 40.0
    assert np.median(np.abs(np.log(fit.simulated / fit.recorded))) < 0.5
    assert stages == [(0, 3, "16 candidates"), (1, 3, "2 starts"), (2, 3, "2 draws of noise"), (3, 3, "fitted")]


@pytest.mark.slow
def test_a_gain_and_the_intensity_of_noise_can_be_found():
    column = COLUMN.replace(input=WhiteNoiseInput(400.0, 5.0))
    bounds = {"gain": (2.0, 100.0), "intensity": (1.0, 20.0)}
    known = column.replace(intensity=6.0)
    fit = fit_parameters(known, recorded(column, gain=20.0), bounds=bounds, method=LONGER, key=jax.random.key(0))
    product = fit.values[0] * fit.values[1]  # all that a column at rest, nearly linear, determines
    assert product == pytest.approx(100.0, rel=0.1)
    assert abs(fit.correlation[0, 1]) > 0.9


@pytest.mark.slow
def test_derivatives_are_differences_of_averages():
    free, key = FreeParameters.from_bounds(COLUMN, {"C": (90.0, 180.0)}), jax.random.key(0)
    problem = SpectrumProblem(free, jnp.zeros(40), jnp.ones(()), SMALL, DT)
    x, step = jnp.zeros(1), 0.1
    slope = jax.jacfwd(problem.residuals)(x, key)[:, 0]
    expected = (problem.residuals(x + step, key) - problem.residuals(x - step, key)) / (2 * step)
    np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-3)
    assert np.abs(slope).max() > 0.1


def test_a_spectrum_is_worth_its_segments():
    """Half overlapping, under a Hann window: 59 of 2 s in a minute, with 18/19 of the weight of independent ones."""
    assert independent_segments(60.0, 0.5) == pytest.approx(59 * 18 / 19, rel=1e-3)
    assert independent_segments(1.0, 0.5) == 1.0


def test_a_worse_fit_than_chance_has_larger_errors():
    by_chance = log_density_variance(np.full(40, 0.1), 50.0)
    assert by_chance == log_density_variance(np.zeros(40), 50.0)
    assert log_density_variance(np.full(40, 0.5), 50.0) == pytest.approx(by_chance * 0.25 * 50)


def test_other_minima_that_fit_about_as_well_widen_the_errors():
    minima = Minima(jnp.array([[0.0], [2.0], [4.0], [50.0]]), np.array([1.0, 1.2, 1.9, 2.1]), np.ones(4, dtype=bool))
    np.testing.assert_allclose(covariance_between_minima(minima), [[4.0]])
    alone = minima._replace(losses=np.array([1.0, 3.0, 4.0, 5.0]))
    np.testing.assert_array_equal(covariance_between_minima(alone), [[0.0]])


def test_the_scatter_of_minima_is_their_covariance():
    xs = np.random.default_rng(0).normal(size=(8, 2))
    np.testing.assert_allclose(np.diag(sample_covariance(xs)), xs.var(axis=0, ddof=1))
    np.testing.assert_allclose(sample_covariance(xs[:, :1]), [[xs[:, 0].var(ddof=1)]])
    np.testing.assert_array_equal(sample_covariance(xs[:1]), np.zeros((2, 2)))
