"""Trajectories that fail, and arguments of `simulate` that do not fit."""

import subprocess
import sys
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import (
    ConstantInput,
    Euler,
    JansenRitParameters,
    Kvaerno5,
    Trajectories,
    Tsit5,
    UniformNoiseInput,
    simulate,
)


def noise(hold=1e-3):
    return UniformNoiseInput(120, 320, hold=hold)


def attempt(parameters=None, **changed: Any):
    """A tenth of a second of noise, with something changed that should not be."""
    settings: dict[str, Any] = dict(input=noise(), t1=0.1, dt=1e-3, key=jax.random.key(0)) | changed
    return simulate(parameters or JansenRitParameters(), **settings)


ADAPTIVE: dict[str, Any] = dict(solver=Tsit5(), rtol=1e-6, atol=1e-6)


def steady(parameters=None, p: Any = 220, **settings: Any):
    return attempt(parameters, input=ConstantInput(p), **settings)


# Trajectories that fail


TOO_FAST = 1e5  # a rate constant for which steps of 1 ms are not stable


@pytest.mark.parametrize(("a", "p"), [([100, TOO_FAST, 100], 220), (100, [220, 1e37, 220])])
def test_a_failing_column_leaves_its_neighbours_alone(a, p):
    together = steady(JansenRitParameters(a=a), p, batch=3, throw=False)
    good = steady(batch=3)
    np.testing.assert_array_equal(together.result == diffrax.RESULTS.nonfinite, [False, True, False])
    np.testing.assert_array_equal(together.result == diffrax.RESULTS.successful, [True, False, True])
    assert not np.all(np.isfinite(together.ys[1, -1]))
    largest = np.max(abs(good.ys), axis=(0, 1), keepdims=True)
    np.testing.assert_allclose(together.ys[::2] / largest, good.ys[::2] / largest, rtol=0, atol=1e-5)


def test_an_adaptive_failure_leaves_its_neighbours_alone():
    together = steady(p=[220, 1e37, 220], throw=False, **ADAPTIVE)
    np.testing.assert_array_equal(together.result == diffrax.RESULTS.successful, [True, False, True])
    good = steady(**ADAPTIVE).ys
    largest = np.max(abs(good), axis=0, keepdims=True)
    np.testing.assert_allclose(together.ys[2] / largest, good / largest, rtol=0, atol=1e-5)


def test_a_single_failure_is_carried():
    failed = steady(JansenRitParameters(a=TOO_FAST), throw=False)
    assert failed.result == diffrax.RESULTS.nonfinite


def test_failures_raise_one_line_that_says_which_and_what_to_do():
    message = r"^`simulate`: 2 of 3 trajectories failed, the first is 1 \(.*\); take a smaller `dt` .* `throw=False`"
    with pytest.raises(RuntimeError, match=message) as caught:
        steady(JansenRitParameters(a=[100, TOO_FAST, TOO_FAST]))
    assert "\n" not in str(caught.value)


def test_a_single_failure_raises():
    with pytest.raises(RuntimeError, match="`simulate`: 1 of 1 trajectories failed, the first is 0 "):
        steady(JansenRitParameters(a=TOO_FAST))


def test_a_traced_failure_raises():
    @eqx.filter_jit
    def run(a):
        return steady(JansenRitParameters(a=a)).ys

    assert np.all(np.isfinite(run(jnp.asarray(100.0))))
    with pytest.raises(RuntimeError, match="`simulate`: a trajectory failed; take a smaller `dt`"):
        run(jnp.asarray(TOO_FAST))


# Arguments that do not fit


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(dt=0.0), "`dt` must be positive, got 0.0"),
        (dict(dt=-1e-3), "`dt` must be positive, got -0.001"),
        (dict(dt=np.nan), "`dt` must be positive, got nan"),
        (dict(t1=0.0), "`t1 - t0` must be positive, got 0.0"),
        (dict(t1=0.1, t0=0.2), "`t1 - t0` must be positive, got -0.1"),
        (dict(t1=np.inf), "`t1` must be finite, got inf"),
        (dict(t0=np.nan), "`t0` must be finite, got nan"),
        (dict(dt=3e-4), "`t1 - t0` must be a whole number of steps of `dt` = 0.0003 s, got 0.1 s"),
        (dict(dt=1e-8), "`dt` = 1e-08 s makes 10000000 steps, at most 8388608 fit one call"),
        (dict(burn_in=-0.01), "`burn_in` must be from 0 to less than the 0.1 s simulated, got -0.01 s"),
        (dict(burn_in=0.1), "`burn_in` must be from 0 to less than the 0.1 s simulated, got 0.1 s"),
        (dict(burn_in=np.nan), "`burn_in` must be from 0 .* got nan s"),
        (dict(rtol=1e-6), "`rtol` and `atol` go together, got rtol=1e-06 and atol=None"),
        (dict(atol=1e-6), "`rtol` and `atol` go together, got rtol=None and atol=1e-06"),
        (dict(solver=Tsit5(), rtol=0.0, atol=1e-6), "`rtol` must be positive, got 0.0"),
        (dict(solver=Tsit5(), rtol=1e-6, atol=-1.0), "`atol` must be positive, got -1.0"),
        (dict(rtol=1e-6, atol=1e-6), r"`solver` must estimate its error .* got RK4\(\): take Tsit5"),
        (dict(solver=Euler(), rtol=1e-6, atol=1e-6), r"`solver` must estimate its error .* got Euler\(\)"),
        (dict(solver=Kvaerno5()), r"`rtol` and `atol` must be given for the implicit Kvaerno5\(\), got none"),
        (dict(key=None), "`key` must be one PRNG key for a UniformNoiseInput, got None"),
        (dict(input=noise(2.5e-4)), "`dt` must divide the input's `hold` = 0.00025 s, got 0.001 s"),
        (dict(input=noise(1.5e-3)), "`dt` must divide the input's `hold` = 0.0015 s, got 0.001 s"),
        (dict(batch=0), "`batch` must be a whole number of at least 1, got 0"),
        (dict(batch=2, y0=np.zeros((3, 6))), "`batch` must be the same everywhere, got 2 from `batch`, 3 from `y0`"),
        (dict(batch=2, input=ConstantInput([1, 2, 3])), "got 2 from `batch`, 3 from `parameters and input`"),
        (dict(y0=np.zeros((2, 6)), input=ConstantInput([1, 2, 3])), "got 3 from `parameters and input`, 2 from `y0`"),
        (dict(y0=np.zeros(5)), r"`y0` must have shape \(6,\) or \(batch, 6\), got \(5,\)"),
        (dict(y0=np.zeros(())), r"`y0` must have shape \(6,\) or \(batch, 6\), got \(\)"),
        (dict(y0=np.zeros((1, 2, 6))), r"`y0` must have shape \(6,\) or \(batch, 6\), got \(1, 2, 6\)"),
        (dict(y0=np.full(6, np.nan)), "`y0` must be finite, got nan in an array of shape"),
    ],
)
def test_arguments_that_do_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        attempt(**settings)


def test_trajectories_have_at_most_one_batch_axis():
    with pytest.raises(ValueError, match=r"`ys` must have shape \(time, 6\) or \(batch, time, 6\), got \(1, 2, 3, 6\)"):
        Trajectories(jnp.zeros(3), jnp.zeros((1, 2, 3, 6)))


OF_THE_WRONG_KIND = """
import jrae_jax as jrae
parameters, drive = jrae.JansenRitParameters(), jrae.ConstantInput(220.0)
for arguments in (3.0, drive, None), (parameters, 220.0, None), (parameters, drive, jrae.Euler):
    try:
        jrae.simulate(*arguments[:2], solver=arguments[2], t1=0.1, dt=1e-3)
    except ValueError as error:
        print(error)
"""


def test_records_of_the_wrong_kind():
    """In a process without the type hints that these tests enforce."""
    told = subprocess.run([sys.executable, "-c", OF_THE_WRONG_KIND], capture_output=True, text=True, check=True).stdout
    assert [line.partition(",")[0] for line in told.splitlines()] == [
        "`parameters` must be an instance of JansenRitParameters",
        "`input` must be an instance of AbstractExternalInput",
        "`solver` must be an instance of AbstractSolver",
    ]


def test_leaves_that_do_not_fit():
    with pytest.raises(ValueError, match=r"`input\.p` has a batch axis of 3, but 2 columns were given before it"):
        attempt(JansenRitParameters(C=[120, 135]), input=ConstantInput([1, 2, 3]))


ONE_WAY = r"`saveat` must be SaveAt\(steps=n\), SaveAt\(t1=True\) or SaveAt\(ts=\.\.\.\), one of them, no more"
INCREASING = "`saveat` must have increasing times from 0.0 to 0.1 s"


@pytest.mark.parametrize(
    ("saveat", "message"),
    [
        (dict(t0=True), ONE_WAY),
        (dict(t1=True, dense=True), ONE_WAY),
        (dict(t1=True, fn=lambda t, y, args: y[:1]), ONE_WAY),
        (dict(t0=True, steps=1), ONE_WAY),
        (dict(dense=True), ONE_WAY),
        (dict(t1=True, steps=2), ONE_WAY),
        (dict(ts=np.array([0.05]), steps=2), ONE_WAY),
        (dict(subs=[diffrax.SubSaveAt(t1=True), diffrax.SubSaveAt(steps=1)]), ONE_WAY),
        (dict(steps=-1), "`saveat.steps` must be a whole number of at least 1, got -1"),
        (dict(steps=101), "`saveat` saves nothing: every 101 steps of 100, after 0.0 s of burn-in"),
        (dict(ts=np.array([0.0625, 0.03125])), f"{INCREASING}, got 0.0625 to 0.03125 s"),
        (dict(ts=np.array([0.0625, 0.0625])), f"{INCREASING}, got 0.0625 to 0.0625 s"),
        (dict(ts=np.array([-0.25, 0.0625])), f"{INCREASING}, got -0.25 to 0.0625 s"),
        (dict(ts=np.array([0.0625, 0.125])), f"{INCREASING}, got 0.0625 to 0.125 s"),
    ],
)
def test_saving_that_does_not_fit(saveat, message):
    with pytest.raises(ValueError, match=message):
        attempt(saveat=diffrax.SaveAt(**saveat))


@pytest.mark.parametrize(
    ("saveat", "message"),
    [
        (dict(ts=np.array([0.03125, 0.0625])), "`saveat` must have increasing times from 0.06 to 0.1 s"),
        (dict(steps=60), "`saveat` saves nothing: every 60 steps of 100, after 0.06 s of burn-in"),
    ],
)
def test_saving_within_the_burn_in(saveat, message):
    with pytest.raises(ValueError, match=message):
        attempt(burn_in=0.06, saveat=diffrax.SaveAt(**saveat))
