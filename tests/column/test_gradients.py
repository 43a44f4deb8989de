"""Derivatives through whole simulations, against finite differences and against each other."""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from jrae_jax.column import (
    Column,
    ConstantInput,
    EvokedPulseInput,
    FixedStepHeun,
    JansenRitParameters,
    OrnsteinUhlenbeckInput,
    StrangSplitting,
    UniformNoiseInput,
    WhiteNoiseInput,
    simulate,
)

FIXED = {"Heun": FixedStepHeun(), "Strang": StrangSplitting()}
INPUTS = {
    "constant": lambda: ConstantInput(220.0),
    "uniform": lambda: UniformNoiseInput(120.0, 320.0, hold=2e-3),
    "white": lambda: WhiteNoiseInput(220.0, 6.0),
    "Ornstein-Uhlenbeck": lambda: OrnsteinUhlenbeckInput(220.0, 60.0, 0.01, hold=2e-3),
    "pulse": lambda: EvokedPulseInput(0.05, ConstantInput(150.0)),
}
STEP = 1e-4  # of a value; of finite differences


class Given(NamedTuple):
    column: Column
    y0: Array


def everything(input):
    return Given(Column(JansenRitParameters(), input), jnp.array([0.1, 15.0, 10.0, 1.0, -100.0, 50.0]))


def loss_of(given, **options):
    found = simulate(given.column, y0=given.y0, t1=0.3, dt=1e-3, key=jax.random.key(0), **options)
    return jnp.mean(jnp.sin(found.ys @ jnp.array([1.0, 0.3, 0.2, 0.01, 0.001, 0.001])))


def central_differences(given, **options):
    """All of them, of fourth order, from one batch that has for each number columns with more and with less of it."""
    flat, restore = ravel_pytree(given)
    steps = jnp.diag(STEP * jnp.maximum(jnp.abs(flat), 1.0))
    columns = jax.vmap(restore)(jnp.concatenate([flat[None] + count * steps for count in (-2, -1, 1, 2)]))
    found = jax.vmap(lambda column: loss_of(column, **options))(columns).reshape(4, -1)
    return jnp.array([1.0, -8.0, 8.0, -1.0]) @ found / (12 * jnp.diag(steps))


def assert_derivatives_are(expected, given, **options):
    backward, _ = ravel_pytree(jax.grad(lambda given: loss_of(given, **options))(given))
    forward, _ = ravel_pytree(jax.jacfwd(lambda given: loss_of(given, adjoint=diffrax.ForwardMode(), **options))(given))
    np.testing.assert_allclose(backward, forward, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(backward, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).min())


SLOW = ("uniform", "white", "Ornstein-Uhlenbeck", "pulse")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in INPUTS]
)
def test_backward_forward_and_finite_differences_agree_for_every_input(name, x64):
    given = everything(INPUTS[name]())
    expected = central_differences(given)
    assert np.all(expected != 0)
    assert_derivatives_are(expected, given)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIXED)
def test_and_for_every_solver(name, x64):
    given = everything(ConstantInput(220.0))
    options = {"solver": FIXED[name]}
    assert_derivatives_are(central_differences(given, **options), given, **options)


@pytest.mark.slow
@pytest.mark.parametrize("solver", [diffrax.Dopri8(), diffrax.Kvaerno5()])
def test_adaptive_steps_have_the_derivatives_of_fine_ones(solver, x64):
    given = everything(ConstantInput(220.0))
    expected, _ = ravel_pytree(jax.grad(loss_of)(given))
    found, _ = ravel_pytree(jax.grad(lambda given: loss_of(given, solver=solver, rtol=1e-9, atol=1e-9))(given))
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 8, 128])
def test_a_batch_of_gradients_is_the_gradients_one_by_one(size):
    @jax.jit
    def gradient(C):
        given = everything(INPUTS["white"]())
        return jax.grad(lambda C: loss_of(given._replace(column=given.column.replace(C=C))))(C)

    values = jnp.linspace(100.0, 170.0, size)
    together = jax.jit(jax.vmap(gradient))(values)
    some = [0, size // 2, size - 1]
    np.testing.assert_allclose(together[jnp.array(some)], [gradient(values[i]) for i in some], rtol=1e-4)
    assert len(np.unique(together)) == size


@pytest.mark.parametrize("potential", [-1e6, -1e3, 1e3, 1e6])
def test_gradients_are_finite_at_extreme_potentials(potential):
    given = everything(ConstantInput(220.0))._replace(y0=jnp.full(6, potential))

    def last(given):
        return jnp.sum(simulate(given.column, y0=given.y0, t1=0.05, dt=1e-3).ys[-1])

    gradient, _ = ravel_pytree(jax.grad(last)(given))
    assert gradient.dtype == jnp.float32
    assert np.all(np.isfinite(gradient))
    assert np.any(gradient != 0)


@pytest.mark.slow
def test_the_memory_of_a_gradient_grows_with_the_root_of_the_steps_at_most():
    columns = 128

    def memory(steps):
        def last(C):
            column = Column(JansenRitParameters(C=C), ConstantInput(220.0))
            options: dict[str, Any] = {"t1": steps * 1e-3, "dt": 1e-3, "saveat": diffrax.SaveAt(t1=True)}
            return jnp.sum(simulate(column, **options).ys)

        compiled = jax.jit(jax.grad(last)).lower(jnp.full(columns, 135.0)).compile()
        found = compiled.memory_analysis()
        assert found is not None
        return found.temp_size_in_bytes

    assert memory(25_600) < 20 * memory(100)
    assert memory(25_600) < 25_600 * 6 * columns * 4 / 10


@pytest.mark.slow
def test_sensitivity_on_a_cycle_grows_with_time():
    def end(C, seconds):
        column = Column(JansenRitParameters(C=C), ConstantInput(220.0))
        times: dict[str, Any] = {"t1": seconds, "dt": 1e-3, "burn_in": seconds - 0.2}
        return simulate(column, adjoint=diffrax.ForwardMode(), **times).ys

    def swing(seconds):
        return float(jnp.max(jnp.abs(jax.jacfwd(end)(135.0, seconds))))

    assert swing(20.0) == pytest.approx(2 * swing(10.0), rel=0.1)
