import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.inference import spectrum as module

STANDARD = jrae.JansenRitParameters()
INPUT = jrae.UniformNoiseInput(120.0, 320.0, hold=2e-3)
DT, STARTS = 2e-3, 2


def recorded(input: jrae.AbstractExternalInput = INPUT, **changed):
    column = dataclasses.replace(STANDARD, **changed)
    ys = jrae.simulate(column, input, t1=31.0, dt=DT, burn_in=1.0, key=jax.random.key(9)).ys
    return np.asarray(jrae.eeg(ys))


@pytest.fixture
def small(monkeypatch):
    for name, value in {"_SECONDS": 10.0, "_REPEATS": 1, "_CANDIDATES_PER_START": 8, "_DRAWS": STARTS}.items():
        monkeypatch.setattr(module, name, value)


def fit(v, free, **options):
    given: dict[str, Any] = {"dt": DT, "resolution": 1.0, "starts": STARTS, "key": jax.random.key(0)} | options
    return jrae.fit_spectrum(v, STANDARD, given.pop("input", INPUT), free=free, **given)


@pytest.mark.usefixtures("small")
def test_parameters_come_back_within_what_is_told():
    found = fit(recorded(C=120.0, A=3.5), {"C": (90.0, 180.0), "A": (2.3, 4.2)})
    np.testing.assert_allclose(found.values, [120.0, 3.5], rtol=0.06)
    assert np.all(np.abs(found.values - [120.0, 3.5]) < 4 * found.std)
    assert np.all(found.std < [12.0, 0.35])
    assert found.explained > 0.9
    assert found.y0 is None
    assert found.axis[0] == 1.0
    assert found.axis[-1] == 40.0
    assert np.median(np.abs(np.log(found.simulated / found.recorded))) < 0.5


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_gain_and_the_strength_of_noise_can_be_found():
    v = 20 * recorded(input=jrae.WhiteNoiseInput(400.0, 5.0))
    free = {"gain": (2.0, 100.0), "intensity": (1.0, 20.0)}
    found = fit(v, free, input=jrae.WhiteNoiseInput(400.0, 6.0))
    product = found.values[0] * found.values[1]  # all that a column at rest, nearly linear, tells
    assert product == pytest.approx(100.0, rel=0.1)
    assert abs(found.correlation[0, 1]) > 0.9


def test_derivatives_are_differences_of_averages():
    unknowns = module.Unknowns.of(STANDARD, INPUT, {"C": (90.0, 180.0)})
    problem = module._Spectrum(unknowns, jnp.zeros(40), jnp.ones(()), jax.random.key(0), DT, 1.0, (1.0, 40.0))
    x, step = jnp.zeros(1), jnp.asarray(module._STEP)
    slope = jax.jacfwd(problem.residuals)(x)[:, 0]
    expected = (problem.residuals(x + step) - problem.residuals(x - step)) / (2 * step)
    np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-3)
    assert np.abs(slope).max() > 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": jrae.ConstantInput(220.0)}, "`input` must be random to have a spectrum, got a ConstantInput"),
        ({"v": np.full(5000, 1.0)}, "`recording` must change, got 1 mV throughout"),
        ({"v": np.full(5000, np.nan)}, "`recording` must be finite, got nan"),
        ({"v": np.sin(np.arange(400.0))}, "`resolution` = 1.0 Hz needs 1 s, got 0.8 s"),
        ({"band": (40.0, 10.0)}, "`band` must rise"),
        ({"free": {"low": (100.0, 140.0), "nothing": (1.0, 2.0)}}, "`free` must be one of .* got 'nothing'"),
        ({"starts": 0}, "`starts` must be a whole number of at least 1, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    given: dict[str, Any] = {"v": np.sin(np.arange(5000.0)), "free": {"C": (90.0, 180.0)}} | changes
    with pytest.raises(ValueError, match=message):
        fit(**given)
