"""What `simulate` and the records that it takes say to arguments of a wrong type, or traced ones."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import (
    Column,
    ConstantInput,
    EvokedPulseInput,
    JansenRitParameters,
    Trajectories,
    UniformNoiseInput,
    WhiteNoiseInput,
    simulate,
    suggest_dt,
)

CONSTANT = Column.preset("jansen_rit_1995", ConstantInput(220.0))
NOISY = CONSTANT.replace(input=UniformNoiseInput(120.0, 320.0, hold=1e-3))
KEY = jax.random.key(0)
pytestmark = pytest.mark.usefixtures("without_type_checker")


def attempt(column=CONSTANT, **changed: Any):
    return simulate(column, **(dict[str, Any](t1=0.01, dt=1e-3) | changed))


def traced(name, value, **more: Any):
    return jax.jit(lambda value: attempt(**{name: value}, **more).ys)(value)


KNOWN = "must be known before tracing, as it decides on the program, got a traced value: make it a static argument"
NUMBERS = "must be a number or an array of numbers, got"
ONE_KEY = r"`key` must be one key of jax.random.key, as in jax.random.key\(0\), got"
WRONG = {
    "y0 of text": (lambda: attempt(y0=["a"] * 6), f"`y0` {NUMBERS} \\['a', 'a'"),
    "y0 ragged": (lambda: attempt(y0=[[1.0] * 6, [2.0] * 5]), f"`y0` {NUMBERS}"),
    "key number": (lambda: attempt(NOISY, key=0), f"{ONE_KEY} 0"),
    "key raw": (lambda: attempt(NOISY, key=jax.random.PRNGKey(0)), f"{ONE_KEY} Array"),
    "dt traced": (lambda: traced("dt", 1e-3), f"`dt` {KNOWN}"),
    "t0 traced": (lambda: traced("t0", 0.0), f"`t0` {KNOWN}"),
    "t1 traced": (lambda: traced("t1", 0.01), f"`t1` {KNOWN}"),
    "burn_in traced": (lambda: traced("burn_in", 0.0), f"`burn_in` {KNOWN}"),
    "dt text": (lambda: attempt(dt="1e-3"), "`dt` must be a number, got '1e-3'"),
    "dt several": (lambda: attempt(dt=np.array([1e-3])), r"`dt` must be a number, got array"),
    "t1 none": (lambda: attempt(t1=None), "`t1` must be a number, got None"),
    "rtol text": (lambda: attempt(solver=diffrax.Tsit5(), rtol="a", atol=1.0), "`rtol` must be a number, got 'a'"),
    "saveat number": (lambda: attempt(saveat=10), "`saveat` must be an instance of SaveAt, got 10"),
    "ts square": (
        lambda: attempt(saveat=diffrax.SaveAt(ts=jnp.full((2, 2), 0.005))),
        r"`saveat` must have a row of times, got shape \(2, 2\)",
    ),
    "ts traced": (
        lambda: jax.jit(lambda ts: attempt(saveat=diffrax.SaveAt(ts=ts)).ys)(jnp.array([0.005])),
        "`saveat` must have times that are known before tracing",
    ),
    "late": (
        lambda: attempt(NOISY, t0=2147484.0, t1=2147484.01, key=KEY),
        r"`t1` must be at most 2.14748e\+06 s for a UniformNoiseInput, .* a 32-bit number of `dt` = 0.001 s",
    ),
    "jacfwd": (
        lambda: jax.jacfwd(lambda C: attempt(CONSTANT.replace(C=C)).ys[-1])(135.0),
        r"`adjoint` must be diffrax.ForwardMode\(\) for jax.jvp and jax.jacfwd, got RecursiveCheckpointAdjoint\(\)",
    ),
    "adjoint class": (lambda: attempt(adjoint=diffrax.ForwardMode), "`adjoint` must be an instance of AbstractAdjoint"),
    "parameter": (
        lambda: JansenRitParameters(A="much"),
        f"`A` {NUMBERS} 'much'",
    ),  # pyright: ignore[reportArgumentType]
    "replace": (lambda: CONSTANT.replace(C=None), f"`C` {NUMBERS} None"),  # pyright: ignore[reportArgumentType]
    "replace text": (lambda: CONSTANT.replace(C="135"), f"`C` {NUMBERS} '135'"),  # pyright: ignore[reportArgumentType]
    "input": (lambda: WhiteNoiseInput(220, None), f"`intensity` {NUMBERS} None"),  # pyright: ignore[reportArgumentType]
    "hold several": (
        lambda: UniformNoiseInput(1, 2, hold=np.array([1e-3, 2e-3])),
        "`hold` must be a number, got array",
    ),  # pyright: ignore[reportArgumentType]
    "hold traced": (lambda: jax.jit(lambda hold: UniformNoiseInput(1, 2, hold=hold))(1e-3), f"`hold` {KNOWN}"),
    "n": (lambda: EvokedPulseInput(0.1, ConstantInput(1), n=7.0), "`n` must be a whole number of at least 1, got 7.0"),  # pyright: ignore[reportArgumentType]
    "trajectories": (lambda: Trajectories(np.zeros((3, 6)), dt="a"), "`dt` must be a number, got 'a'"),  # pyright: ignore[reportArgumentType]
    "tolerance": (lambda: suggest_dt(CONSTANT, "a"), "`tolerance` must be a number, got 'a'"),  # pyright: ignore[reportArgumentType]
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_taken_is_one_line_that_names_it(wrong):
    call, message = WRONG[wrong]
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_lists_are_taken_where_arrays_are():
    columns = CONSTANT.replace(C=[120, 135])
    found = attempt(columns, y0=[0, 0, 0, 0, 0, 0], dt=np.float64(1e-3), t1=jnp.asarray(0.01))
    np.testing.assert_array_equal(found.ys, attempt(columns, y0=np.zeros(6)).ys)
    assert Trajectories([[0.0] * 6] * 3, dt=1e-3).eeg.shape == (3,)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("t0", [8388.0, 20_000.0, 1e5])
def test_times_of_a_late_start_are_a_grid_in_double_precision(t0):
    found = attempt(t0=t0, t1=t0 + 1.0)
    for ts in (found.ts, found.to_dataset().time.values):
        assert ts.dtype == np.float64
        np.testing.assert_allclose(ts, t0 + 1e-3 * np.arange(1, 1001), rtol=0, atol=1e-10)
