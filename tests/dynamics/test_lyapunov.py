import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import (
    ConstantInput,
    JansenRitParameters,
    UniformNoiseInput,
    WhiteNoiseInput,
    equilibria,
    lyapunov_exponents,
    simulate,
)
from jrae_jax.dynamics.lyapunov import propagator

INPUTS = {
    "constant": lambda: ConstantInput(220.0),
    "uniform noise": lambda: UniformNoiseInput(120.0, 320.0, hold=1e-3),
    "white noise": lambda: WhiteNoiseInput(220.0, 6.0),
}
"""Made in the test's own precision."""
SHORT: dict[str, Any] = {"blocks": 2, "block": 0.5, "settle": 0.5}


@pytest.mark.usefixtures("x64")
def test_on_the_alpha_cycle():
    found = lyapunov_exponents(JansenRitParameters(), ConstantInput(220.0), settle=20.0)
    assert abs(found.values[0]) < 0.005
    assert found.values[1] == pytest.approx(-1.62, abs=0.01)
    assert found.values[2] == pytest.approx(-84, abs=0.5)
    assert np.all(found.standard_error[:2] < 0.01)


@pytest.mark.usefixtures("x64")
def test_at_rest_they_are_the_real_parts_of_the_eigenvalues():
    found = lyapunov_exponents(JansenRitParameters(), ConstantInput(400.0), settle=20.0)
    expected = -np.sort(-np.asarray(equilibria(JansenRitParameters(), 400.0).eigenvalues[0].real))
    np.testing.assert_allclose(found.values, expected, atol=0.02)


@pytest.mark.parametrize("input", INPUTS)
def test_their_sum_is_the_trace(input):
    parameters = JansenRitParameters(a=jnp.array([80.0, 120.0]), b=40.0)
    found = lyapunov_exponents(parameters, INPUTS[input](), **SHORT, key=jax.random.key(0))
    np.testing.assert_allclose(found.values.sum(axis=-1), [-400, -560], rtol=2e-5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("input", INPUTS)
def test_deviations_grow_as_those_of_two_simulations(input):
    """One of which starts a little off, with the same noise."""
    parameters, input = JansenRitParameters(), INPUTS[input]()
    settings: dict[str, Any] = {"dt": 1e-3, "key": jax.random.key(1)}
    start = simulate(parameters, input, t1=1.0, **settings).ys[-1]
    off = 1e-6 * jnp.array([0.1, 1.0, 1.0, 10.0, 100.0, 50.0])
    ys, others = (
        jnp.concatenate([y0[None], simulate(parameters, input, t0=1.0, t1=1.2, y0=y0, **settings).ys])
        for y0 in (start, start + off)
    )
    units = jnp.array([1.0, 1.0, 1.0, 100.0, 100.0, 50.0])
    step = eqx.filter_jit(propagator)
    deviation = off / units
    for before, after in itertools.pairwise(ys):
        deviation = step(parameters, before, after, 1e-3) @ deviation
    expected = (others - ys)[-1] / units
    np.testing.assert_allclose(deviation, expected, atol=2e-4 * float(jnp.max(jnp.abs(expected))))


def test_a_batch_is_its_columns_one_by_one():
    C = jnp.array([100.0, 135.0])
    together = lyapunov_exponents(JansenRitParameters(C=C), ConstantInput(220.0), **SHORT)
    assert together.blocks.shape == (2, 2, 6)
    for row, value in enumerate(C):
        alone = lyapunov_exponents(JansenRitParameters(C=value), ConstantInput(220.0), **SHORT)
        np.testing.assert_allclose(together.values[row], alone.values, rtol=1e-3, atol=1e-2)


def test_standard_errors_are_those_of_the_blocks():
    noise = INPUTS["uniform noise"]()
    found = lyapunov_exponents(JansenRitParameters(), noise, blocks=4, block=0.5, settle=0.5, key=jax.random.key(0))
    expected = found.blocks.std(axis=0, ddof=1) / 2
    np.testing.assert_allclose(found.standard_error, expected)
    assert np.all(found.standard_error > 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks": 1}, "`blocks` must be a whole number of at least 2, got 1"),
        ({"block": 0.0}, "`block` must be positive, got 0"),
        ({"settle": -1.0}, "`settle` must be positive, got -1"),
        ({"dt": np.nan}, "`dt` must be positive, got nan"),
    ],
)
def test_arguments_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        lyapunov_exponents(JansenRitParameters(), ConstantInput(220.0), **change)
