import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.dynamics import equilibria, lyapunov_exponents
from jrae_jax.dynamics.lyapunov import propagator, units

INPUTS = {
    "constant": lambda: jrae.ConstantInput(220.0),
    "uniform noise": lambda: jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3),
    "white noise": lambda: jrae.WhiteNoiseInput(220.0, 6.0),
}
"""Made in the test's own precision."""
SHORT: dict[str, Any] = {"blocks": 2, "block": 0.5, "burn_in": 0.5}


def standard(input="constant"):
    return jrae.Column(jrae.JansenRitParameters(), INPUTS[input]())


@pytest.mark.usefixtures("x64")
def test_on_the_alpha_cycle():
    found = lyapunov_exponents(standard(), burn_in=20.0)
    assert abs(found.values[0]) < 0.005
    assert found.values[1] == pytest.approx(-1.62, abs=0.01)
    assert found.values[2] == pytest.approx(-84, abs=0.5)
    assert np.all(found.standard_error[:2] < 0.01)


@pytest.mark.usefixtures("x64")
def test_at_rest_they_are_the_real_parts_of_the_eigenvalues():
    column = standard().replace(p=400.0)
    found = lyapunov_exponents(column, burn_in=20.0)
    expected = -np.sort(-np.asarray(equilibria(column).eigenvalues[0].real))
    np.testing.assert_allclose(found.values, expected, atol=0.02)


@pytest.mark.parametrize("input", INPUTS)
def test_their_sum_is_the_trace(input):
    columns = standard(input).replace(a=jnp.array([80.0, 120.0]), b=40.0)
    found = lyapunov_exponents(columns, **SHORT, key=jax.random.key(0))
    np.testing.assert_allclose(found.values.sum(axis=-1), [-400, -560], rtol=2e-5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("input", INPUTS)
def test_deviations_grow_as_those_of_two_simulations(input):
    """One of which starts a little off, with the same noise."""
    column = standard(input)
    settings: dict[str, Any] = {"dt": 1e-3, "key": jax.random.key(1)}
    start = jrae.simulate(column, t1=1.0, **settings).ys[-1]
    off = 1e-6 * jnp.array([0.1, 1.0, 1.0, 10.0, 100.0, 50.0])
    ys, others = (
        jnp.concatenate([y0[None], jrae.simulate(column, t0=1.0, t1=1.2, y0=y0, **settings).ys])
        for y0 in (start, start + off)
    )
    own = jnp.array([1.0, 1.0, 1.0, 100.0, 100.0, 50.0])
    np.testing.assert_array_equal(units(column.parameters), own)
    step = eqx.filter_jit(propagator)
    deviation = off / own
    for before, after in itertools.pairwise(ys):
        deviation = step(column.parameters, before, after, 1e-3) @ deviation
    expected = (others - ys)[-1] / own
    np.testing.assert_allclose(deviation, expected, atol=2e-4 * float(jnp.max(jnp.abs(expected))))


def test_a_batch_is_its_columns_one_by_one():
    C = jnp.array([100.0, 135.0])
    together = lyapunov_exponents(standard().replace(C=C), **SHORT)
    assert together.blocks.shape == (2, 2, 6)
    for row, value in enumerate(C):
        alone = lyapunov_exponents(standard().replace(C=value), **SHORT)
        np.testing.assert_allclose(together.values[row], alone.values, rtol=1e-3, atol=1e-2)


def test_standard_errors_are_those_of_the_blocks():
    column = standard("uniform noise")
    found = lyapunov_exponents(column, blocks=4, block=0.5, burn_in=0.5, key=jax.random.key(0))
    expected = found.blocks.std(axis=0, ddof=1) / 2
    np.testing.assert_allclose(found.standard_error, expected)
    assert np.all(found.standard_error > 0)
    assert repr(found).startswith(f"LyapunovExponents({found.values[0]:.4g} +- {found.standard_error[0]:.2g}, ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks": 1}, "`blocks` must be a whole number of at least 2, got 1"),
        ({"block": 0.0}, "`block` must be positive, got 0"),
        ({"burn_in": -1.0}, "`burn_in` must be positive, got -1"),
        ({"dt": np.nan}, "`dt` must be positive, got nan"),
    ],
)
def test_invalid_arguments_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        lyapunov_exponents(standard(), **change)
