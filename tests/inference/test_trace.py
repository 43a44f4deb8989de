import jax
import numpy as np
import pytest

from jrae_jax.column import Column, ConstantInput, EvokedPulseInput, JansenRitParameters, simulate
from jrae_jax.inference import MatchTrace, fit_parameters
from jrae_jax.recording import Recording, RecordingInfo, observe

COLUMN = Column(JansenRitParameters(), ConstantInput(220.0))
BOUNDS = {"A": (2.0, 4.9), "C": (81.0, 202.0)}
TRUE = {"A": 3.6, "C": 120.0}
DT = 2e-3
FROM_REST = MatchTrace(y0=np.zeros(6), starts=4)


def recorded(seconds=1.0, dt=DT, **changed):
    return observe(simulate(COLUMN.replace(**TRUE | changed), t1=seconds, dt=dt), observed="eeg")


def voltages(recording):
    return recording.with_missing_as_nan()[:, -1]


@pytest.fixture(scope="module")
def fitted():
    return fit_parameters(COLUMN, recorded(), bounds=BOUNDS, method=MatchTrace(starts=8), key=jax.random.key(0))


def test_parameters_and_initial_state_come_back(fitted):
    np.testing.assert_allclose(fitted.values, list(TRUE.values()), rtol=1e-3)
    np.testing.assert_allclose(fitted.y0[:3], 0, atol=0.05)
    assert fitted.converged
    assert fitted.explained == pytest.approx(1, abs=1e-6)
    assert fitted.agreeing >= 1
    assert float(fitted.column.value("C")) == pytest.approx(120.0, rel=1e-3)
    assert float(fitted.column.value("B")) == 22.0
    np.testing.assert_allclose(fitted.simulated, fitted.recorded, atol=1e-2)
    np.testing.assert_allclose(fitted.axis, DT * np.arange(1, 501))
    assert "100.00% of the variance explained" in repr(fitted)


@pytest.mark.slow
def test_errors_have_the_size_that_is_reported():
    exact, fits = recorded(), []
    for seed in range(6):
        v = voltages(exact) + 0.3 * np.random.default_rng(seed).normal(size=500)
        noisy = Recording.of(eeg=v, dt=DT, info=exact.info)
        fits.append(fit_parameters(COLUMN, noisy, bounds=BOUNDS, method=FROM_REST, key=jax.random.key(1)))
    z = np.array([(fit.values - list(TRUE.values())) / fit.std for fit in fits])
    assert 0.5 < np.sqrt(np.mean(z**2)) < 1.7
    np.testing.assert_array_equal(fits[0].y0, 0)


@pytest.mark.slow
def test_the_time_of_the_input_is_that_of_the_recording():
    column = COLUMN.replace(input=EvokedPulseInput(0.5, ConstantInput(60.0), q=2.0))
    trajectories = simulate(column, t1=1.0, dt=DT)
    later = Recording.of(eeg=trajectories.eeg[200:], dt=DT, info=RecordingInfo(start=float(trajectories.ts[200])))
    method = MatchTrace(y0=trajectories.ys[199], starts=4)
    fit = fit_parameters(column, later, bounds={"onset": (0.41, 0.7)}, method=method, key=jax.random.key(0))
    assert fit.values[0] == pytest.approx(0.5, abs=1e-3)
    np.testing.assert_allclose(fit.axis, trajectories.ts[200:])


@pytest.mark.slow
def test_a_slower_recording_is_integrated_in_smaller_steps():
    slower = Recording.of(eeg=voltages(recorded(dt=1e-3))[4::5], dt=5e-3)
    fit = fit_parameters(COLUMN, slower, bounds=BOUNDS, method=FROM_REST, key=jax.random.key(0))
    np.testing.assert_allclose(fit.values, [3.6, 120.0], rtol=1e-3)


@pytest.mark.slow
def test_a_gain_and_an_input_can_be_found():
    recording = Recording.of(eeg=20.0 * voltages(recorded(A=3.25, C=135.0)), dt=DT)
    bounds, method = {"gain": (0.1, 100.0), "p": (150.0, 300.0)}, MatchTrace(y0=np.zeros(6), starts=8)
    fit = fit_parameters(COLUMN, recording, bounds=bounds, method=method, key=jax.random.key(0))
    assert fit.gain == pytest.approx(20.0, rel=1e-3)
    assert float(fit.column.value("p")) == pytest.approx(220.0, rel=1e-3)


def test_from_a_known_state_a_quarter_of_a_second_is_enough_and_a_fit_at_a_bound_is_flagged():
    """No shorter window comes before so short a recording, so that there is one program to compile."""
    short = recorded(seconds=0.25)
    fit, at_bound = (
        fit_parameters(COLUMN, short, bounds=BOUNDS | changed, method=FROM_REST, key=jax.random.key(0))
        for changed in ({}, {"C": (140.0, 200.0)})
    )
    np.testing.assert_allclose(fit.values, list(TRUE.values()), rtol=1e-3)
    np.testing.assert_array_equal(fit.y0, 0)
    assert fit.converged
    assert not at_bound.converged
    assert "NOT converged" in repr(at_bound)


def test_a_recording_that_is_too_long_is_refused_on_entry():
    """At most 2^23 steps, of which four are taken from sample to sample."""
    long = Recording.of(eeg=np.sin(0.06 * np.arange(2**21 + 1, dtype=np.float32)), dt=4e-3)
    with pytest.raises(ValueError, match=r"`recording` must have at most 2,097,152 samples of 0\.004 s .*: cut out"):
        fit_parameters(COLUMN, long, bounds=BOUNDS, key=jax.random.key(0))


@pytest.mark.slow
def test_nine_of_ten_random_problems_are_solved_to_a_percent():
    generator = np.random.default_rng(0)
    names = ("A", "B", "C")
    standard = np.array([3.25, 22.0, 135.0])
    bounds = {name: (0.6 * value, 1.5 * value) for name, value in zip(names, standard, strict=True)}
    solved = 0
    for problem in range(10):
        true = standard * generator.uniform(0.7, 1.3, 3)
        recording = recorded(seconds=4.0, dt=1e-3, **dict(zip(names, true, strict=True)))
        fit = fit_parameters(COLUMN, recording, bounds=bounds, key=jax.random.key(problem))
        solved += bool(np.all(np.abs(fit.values / true - 1) < 0.01))
    assert solved >= 9
