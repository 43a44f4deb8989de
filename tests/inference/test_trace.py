import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

import jrae_jax as jrae

STANDARD = jrae.JansenRitParameters()
INPUT = jrae.ConstantInput(220.0)
FREE = {"A": (2.0, 4.9), "C": (81.0, 202.0)}
TRUE = {"A": 3.6, "C": 120.0}
DT = 2e-3


def recorded(seconds=1.0, dt=DT, **changed):
    column = dataclasses.replace(STANDARD, **TRUE | changed)
    return np.asarray(jrae.eeg(jrae.simulate(column, INPUT, t1=seconds, dt=dt).ys))


@pytest.fixture(scope="module")
def fitted():
    return jrae.fit_trace(recorded(), STANDARD, INPUT, dt=DT, free=FREE, starts=8, key=jax.random.key(0))


def test_parameters_and_initial_state_come_back(fitted):
    np.testing.assert_allclose(fitted.values, list(TRUE.values()), rtol=1e-3)
    np.testing.assert_allclose(fitted.y0[:3], 0, atol=0.05)
    assert fitted.converged
    assert fitted.explained == pytest.approx(1, abs=1e-6)
    assert fitted.agreeing >= 1
    assert float(fitted.parameters.C) == pytest.approx(120.0, rel=1e-3)
    assert float(fitted.parameters.B) == 22.0
    np.testing.assert_allclose(fitted.simulated, fitted.recorded, atol=1e-2)
    np.testing.assert_allclose(fitted.axis, DT * np.arange(1, 501))


def test_it_tells_what_it_found(fitted):
    told = str(fitted)
    assert "A = 3.6" in told
    assert "NOT" not in told
    assert "100.00% of the variance explained" in told


def test_errors_are_of_the_size_told():
    v = recorded()
    draws = [v + 0.3 * np.random.default_rng(seed).normal(size=v.shape) for seed in range(6)]
    given: dict[str, Any] = {"dt": DT, "free": FREE, "y0": np.zeros(6), "starts": 4, "key": jax.random.key(1)}
    fits = [jrae.fit_trace(draw, STANDARD, INPUT, **given) for draw in draws]
    z = np.array([(fit.values - list(TRUE.values())) / fit.std for fit in fits])
    assert 0.5 < np.sqrt(np.mean(z**2)) < 1.7
    np.testing.assert_array_equal(fits[0].y0, 0)


@pytest.mark.slow
def test_a_slower_recording_is_integrated_in_smaller_steps():
    v = recorded(dt=1e-3)[4::5]
    given: dict[str, Any] = {"dt": 5e-3, "free": FREE, "y0": np.zeros(6), "starts": 4, "key": jax.random.key(0)}
    np.testing.assert_allclose(jrae.fit_trace(v, STANDARD, INPUT, **given).values, [3.6, 120.0], rtol=1e-3)


@pytest.mark.slow
def test_a_gain_and_an_input_can_be_found():
    free = {"gain": (0.1, 100.0), "p": (150.0, 300.0)}
    v = 20.0 * recorded(A=3.25, C=135.0)
    fit = jrae.fit_trace(v, STANDARD, INPUT, dt=DT, free=free, y0=np.zeros(6), starts=8, key=jax.random.key(0))
    assert fit.gain == pytest.approx(20.0, rel=1e-3)
    assert isinstance(fit.input, jrae.ConstantInput)
    assert float(fit.input.p) == pytest.approx(220.0, rel=1e-3)


def test_a_fit_that_ends_at_a_bound_is_flagged():
    free = FREE | {"C": (140.0, 200.0)}
    given: dict[str, Any] = {"dt": DT, "free": free, "y0": np.zeros(6), "starts": 4, "key": jax.random.key(0)}
    fit = jrae.fit_trace(recorded(), STANDARD, INPUT, **given)
    assert not fit.converged
    assert "NOT converged" in str(fit)


def with_nan(v):
    return np.where(np.arange(len(v)) == 3, np.nan, v)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recording": with_nan(np.sin(np.arange(500.0)))}, "`recording` must be finite, got nan"),
        ({"recording": np.full(500, 3.0)}, "`recording` must change, got 3 mV throughout"),
        ({"recording": np.sin(np.arange(50.0))}, "`recording` must have at least 125 samples of 0.002 s, got 50"),
        ({"recording": np.zeros((2, 500))}, r"`recording` must have shape \(time,\), got \(2, 500\)"),
        ({"dt": 0.02}, "`dt` must be at most 0.01 s, as columns move that fast, got 0.02 s"),
        ({"dt": 0.0}, "`dt` must be positive, got 0.0"),
        ({"free": {}}, "`free` must name at least one quantity"),
        ({"free": {"X": (1.0, 2.0)}}, "`free` must be one of 'A', .*, 'p', 'gain', got 'X'"),
        ({"free": {"A": (2.0, 1.0)}}, r"`free\['A'\]` must have a range that rises, got 2 to 1"),
        ({"free": {"e0": (1.0, 4.0), "C": (90.0, 180.0)}}, "`free` must hold what an EEG can tell, got e0 multiplied"),
        ({"input": jrae.WhiteNoiseInput(220.0, 6.0)}, "`input` must not be random to be followed, got a WhiteNoise"),
        ({"y0": np.zeros(3)}, r"`y0` must have shape \(6,\), got \(3,\)"),
        ({"starts": 0}, "`starts` must be a whole number of at least 1, got 0"),
        (
            {"parameters": jrae.JansenRitParameters(C=np.ones(2))},
            "`parameters` and `input` must be of one column, got a batch of them",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    given: dict[str, Any] = {
        "recording": np.sin(np.arange(500.0)),
        "parameters": STANDARD,
        "input": INPUT,
        "dt": DT,
        "free": FREE,
    }
    given |= {"key": jax.random.key(0)} | changes
    with pytest.raises(ValueError, match=message):
        jrae.fit_trace(given.pop("recording"), given.pop("parameters"), given.pop("input"), **given)


@pytest.mark.slow
def test_nine_of_ten_random_problems_are_solved_to_a_percent():
    generator = np.random.default_rng(0)
    names = ("A", "B", "C")
    standard = np.array([3.25, 22.0, 135.0])
    free = {name: (0.6 * value, 1.5 * value) for name, value in zip(names, standard, strict=True)}
    solved = 0
    for problem in range(10):
        true = standard * generator.uniform(0.7, 1.3, 3)
        v = recorded(seconds=4.0, dt=1e-3, **dict(zip(names, true, strict=True)))
        fit = jrae.fit_trace(v, STANDARD, INPUT, dt=1e-3, free=free, key=jax.random.key(problem))
        solved += bool(np.all(np.abs(fit.values / true - 1) < 0.01))
    assert solved >= 9
