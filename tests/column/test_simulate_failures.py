"""Trajectories that fail, and invalid arguments of `simulate`."""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import (
    Column,
    ConstantInput,
    EvokedPulseInput,
    FixedStepHeun,
    JansenRitParameters,
    LongStepWarning,
    OrnsteinUhlenbeckInput,
    StrangSplitting,
    UniformNoiseInput,
    WhiteNoiseInput,
    simulate,
)


def noise(hold=1e-3):
    return UniformNoiseInput(120, 320, hold=hold)


def attempt(input=None, parameters=None, **changed: Any):
    """A tenth of a second of noise, with something changed that should not be."""
    column = Column(parameters or JansenRitParameters(), input or noise())
    settings: dict[str, Any] = dict(column=column, t1=0.1, dt=1e-3, key=jax.random.key(0)) | changed
    return simulate(**settings)


ADAPTIVE: dict[str, Any] = dict(solver=diffrax.Tsit5(), rtol=1e-6, atol=1e-6)


def steady(parameters=None, p: Any = 220, **settings: Any):
    return attempt(ConstantInput(p), parameters, **settings)


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
    failed = steady(p=1e38, throw=False)
    assert failed.result == diffrax.RESULTS.nonfinite


def test_failures_raise_one_line_that_says_which_when_and_what_to_do():
    message = (
        r"^`simulate`: 2 of 3 trajectories failed, the first is 1 \(it had left the range that a column can reach by "
        r"0\.00\d s\); take a smaller `dt` .* `throw=False`"
    )
    with pytest.raises(RuntimeError, match=message) as caught:
        steady(p=[220, 1e38, 1e38])
    assert "\n" not in str(caught.value)


def test_a_single_failure_raises():
    with pytest.raises(RuntimeError, match="`simulate`: 1 of 1 trajectories failed, the first is 0 "):
        steady(p=1e38)


def test_a_traced_failure_raises():
    @eqx.filter_jit
    def run(a):
        return steady(JansenRitParameters(a=a)).ys

    assert np.all(np.isfinite(run(jnp.asarray(100.0))))
    with pytest.raises(RuntimeError, match="`simulate`: a trajectory failed; take a smaller `dt`"):
        run(jnp.asarray(TOO_FAST))


# Steps that are too long


@pytest.mark.parametrize(
    ("solver", "dt", "below", "name"),
    [
        (None, 0.025, "0.02367", "RK4"),
        (StrangSplitting(), 0.02, "0.02", "StrangSplitting"),
        (diffrax.Euler(), 0.02, "0.017", "Euler"),
        (FixedStepHeun(), 0.02, "0.017", "FixedStepHeun"),
        (diffrax.Tsit5(), 0.04, "0.02981", "Tsit5"),
    ],
)
def test_a_step_beyond_the_stability_limit_is_refused(solver, dt, below, name):
    message = (
        rf"^`dt` must be below {below} s, where {name}\(\) becomes unstable for a synapse with a rate of 100 /s, got "
        rf"{dt} s: take a tenth of its time constant, 0.001 s, or less$"
    )
    for throw in (True, False):
        with pytest.raises(ValueError, match=message):
            steady(dt=dt, t1=1.0, solver=solver, throw=throw)


def test_the_fastest_synapse_of_the_fastest_column_decides():
    with pytest.raises(
        ValueError, match=r"`dt` must be below 0.0005919 s, .* a rate of 4000 /s, got 0.001 s: take .* 2e-05 s"
    ):
        steady(JansenRitParameters(b=[50, 4000]))


def test_a_step_longer_than_any_that_was_measured_is_reported_and_taken():
    with pytest.warns(
        LongStepWarning, match=r"`dt` = 0.01 s is longer than half a time constant .*, 0.005 s; .* halve it"
    ):
        trajectory = steady(dt=0.01, t1=2.0)
    assert trajectory.result == diffrax.RESULTS.successful
    assert np.max(trajectory.ys[..., 1]) == pytest.approx(24.65, abs=0.01)
    steady(dt=0.005)


@pytest.mark.parametrize("every", [1, 5])
def test_a_trajectory_out_of_bounds_fails_with_the_time(every):
    """RK4 with steps of 20 ms stays finite, with an y1 of 68.6 mV that is at most 24.65 mV."""
    settings = dict(dt=0.02, t1=2.0, saveat=diffrax.SaveAt(steps=every))
    with (
        pytest.warns(LongStepWarning),
        pytest.raises(RuntimeError, match=r"the range that a column can reach by 0\.\d+ s"),
    ):
        steady(**settings)
    with pytest.warns(LongStepWarning):
        failed = steady(**settings, throw=False)
    assert failed.result == diffrax.RESULTS.nonfinite
    good = np.all(np.isfinite(failed.ys), axis=-1)
    assert not good[-1]
    assert np.all(np.diff(good.astype(int)) <= 0)


def test_traced_columns_are_checked_as_well():
    @eqx.filter_jit
    def run(column, dt):
        return simulate(column, t1=1.0, dt=dt, throw=False)

    a = jnp.array([10.0, 100.0, 150.0])
    found = jax.vmap(lambda a: run(Column(JansenRitParameters(a=a, b=a / 2), ConstantInput(220.0)), 0.02))(a)
    np.testing.assert_array_equal(np.isfinite(found.ys[:, -1, 0]), [True, False, False])
    np.testing.assert_array_equal(found.result == diffrax.RESULTS.successful, [True, False, False])


# Invalid arguments


def on_pulse(background):
    return EvokedPulseInput(0.02, background)


WHITE, SLOW_NOISE = WhiteNoiseInput(220, 6.0), OrnsteinUhlenbeckInput(220, 50, 0.02, hold=7e-3)
RANDOM_INPUTS = noise(), WHITE, SLOW_NOISE, on_pulse(WHITE), on_pulse(SLOW_NOISE)
NOT_FOR_WHITE_NOISE = "`rtol` and `atol` are not for white noise, which has no smooth path, got a "
NO_ERROR_ESTIMATE = r"`solver` must estimate its error .* got StrangSplitting\(\): take diffrax.Tsit5"


@pytest.mark.usefixtures("without_type_checker")
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
        (dict(t1=1e300, dt=1e-300), "`dt` = 1e-300 s makes inf steps, at most 8388608 fit one call"),
        (dict(burn_in=-0.01), "`burn_in` must be from 0 to less than the 0.1 s simulated, got -0.01 s"),
        (dict(burn_in=0.1), "`burn_in` must be from 0 to less than the 0.1 s simulated, got 0.1 s"),
        (dict(burn_in=np.nan), "`burn_in` must be from 0 .* got nan s"),
        (dict(rtol=1e-6), "`rtol` and `atol` go together, got rtol=1e-06 and atol=None"),
        (dict(atol=1e-6), "`rtol` and `atol` go together, got rtol=None and atol=1e-06"),
        (dict(solver=diffrax.Tsit5(), rtol=0.0, atol=1e-6), "`rtol` must be positive, got 0.0"),
        (dict(solver=diffrax.Tsit5(), rtol=1e-6, atol=-1.0), "`atol` must be positive, got -1.0"),
        (dict(rtol=1e-6, atol=1e-6), r"`solver` must estimate its error .* got RK4\(\): take diffrax.Tsit5"),
        (dict(solver=diffrax.Euler(), rtol=1e-6, atol=1e-6), r"`solver` must estimate its error .* got Euler\(\)"),
        (dict(solver=diffrax.Kvaerno5()), r"`rtol` and `atol` must be given for the implicit Kvaerno5\(\), got none"),
        (dict(input=noise(2.5e-4)), "`dt` must divide the input's `hold` = 0.00025 s, got 0.001 s"),
        (dict(input=noise(1.5e-3)), "`dt` must divide the input's `hold` = 0.0015 s, got 0.001 s"),
        (dict(batch=0), "`batch` must be a whole number of at least 1, got 0"),
        (dict(batch=2, y0=np.zeros((3, 6))), "`batch` must be the same everywhere, got 2 from `batch`, 3 from `y0`"),
        (dict(batch=2, input=ConstantInput([1, 2, 3])), "got 2 from `batch`, 3 from `column`"),
        (dict(y0=np.zeros((2, 6)), input=ConstantInput([1, 2, 3])), "got 3 from `column`, 2 from `y0`"),
        (dict(y0=np.zeros(5)), r"`y0` must have shape \(6,\) or \(batch, 6\), got \(5,\)"),
        (dict(y0=np.zeros(())), r"`y0` must have shape \(6,\) or \(batch, 6\), got \(\)"),
        (dict(y0=np.zeros((1, 2, 6))), r"`y0` must have shape \(6,\) or \(batch, 6\), got \(1, 2, 6\)"),
        (dict(y0=np.full(6, np.nan)), "`y0` must be finite, got nan in an array of shape"),
        (dict(input=WHITE, **ADAPTIVE), NOT_FOR_WHITE_NOISE + "WhiteNoiseInput"),
        (dict(input=on_pulse(WHITE), **ADAPTIVE), NOT_FOR_WHITE_NOISE + "EvokedPulseInput"),
        (dict(input=SLOW_NOISE, dt=2e-3), "`dt` must divide the input's `hold` = 0.007 s, got 0.002 s"),
        (dict(t0=-0.1, **ADAPTIVE), "`t0` must not be negative for a UniformNoiseInput"),
        *[
            (
                dict(input=input, key=None),
                f"`key` must be one key of jax.random.key for a {type(input).__name__}, got None",
            )
            for input in RANDOM_INPUTS
        ],
        *[
            (
                dict(input=input, t0=5e-4, t1=0.1005),
                f"`t0` must be a whole number of `dt` = 0.001 s for a {type(input).__name__}, got 0.0005 s",
            )
            for input in RANDOM_INPUTS
        ],
        (dict(key=jax.random.split(jax.random.key(0))), r"`key` must be one key of jax.random.key, .* got \(2,\) keys"),
        (dict(column=JansenRitParameters()), r"`column` must be an instance of Column, got JansenRitParameters\("),
        (dict(solver=diffrax.Euler), "`solver` must be an instance of AbstractSolver, got <class "),
        (dict(input=ConstantInput(220), solver=StrangSplitting(), rtol=1e-3, atol=1e-3), NO_ERROR_ESTIMATE),
    ],
)
def test_invalid_arguments_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        attempt(**settings)


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
def test_invalid_times_to_save_are_refused(saveat, message):
    with pytest.raises(ValueError, match=message):
        attempt(saveat=diffrax.SaveAt(**saveat))


@pytest.mark.parametrize(
    ("saveat", "message"),
    [
        (dict(ts=np.array([0.03125, 0.0625])), "`saveat` must have increasing times from 0.06 to 0.1 s"),
        (dict(steps=60), "`saveat` saves nothing: every 60 steps of 100, after 0.06 s of burn-in"),
    ],
)
def test_saving_within_the_burn_in_is_refused(saveat, message):
    with pytest.raises(ValueError, match=message):
        attempt(burn_in=0.06, saveat=diffrax.SaveAt(**saveat))
