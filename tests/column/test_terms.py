import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import Column, JansenRitParameters, UniformNoiseInput, jansen_rit_vector_field, noise_stream
from jrae_jax.column.terms import Clock, ColumnTerm, RandomInput


def clock(t0=0.0, dt=1e-3, steps=0):
    return Clock(jnp.asarray(t0), jnp.asarray(dt), steps)


def column_term(parameters, values, *, origin, steps_per_hold):
    zero = jnp.zeros((), jnp.int32)
    stream = noise_stream(jax.random.key(0), 0)
    held = RandomInput(stream, zero, zero, jnp.asarray(float(origin)), float(steps_per_hold), values)
    column = Column(parameters, UniformNoiseInput(120, 320, hold=1e-3))
    return ColumnTerm(column, held, clock(), None)


@jax.jit
def held_over_each_step(term, steps):
    return jax.vmap(lambda step: term.contr(step, step + 1)[1])(steps)


@pytest.mark.parametrize("ratio", [1, 2, 5, 10])
def test_every_step_of_the_longest_simulation_has_its_own_hold(ratio):
    steps = np.arange(2**23)
    values = jnp.arange(len(steps) // ratio + 1, dtype=jnp.float32)
    term = column_term(JansenRitParameters(), values, origin=len(steps), steps_per_hold=ratio)
    times = jnp.asarray(steps - len(steps), jnp.float32)
    np.testing.assert_array_equal(held_over_each_step(term, times), steps // ratio)


def test_clock_runs_up_to_the_end():
    running = clock(t0=2.0, dt=5e-4, steps=3000)
    assert running.seconds(jnp.asarray(-3000)) == pytest.approx(2.0)
    assert running.seconds(jnp.asarray(0)) == pytest.approx(3.5)


def test_the_two_routes_to_an_increment_agree(key):
    values = jnp.array([130.0, 310.0])
    term = column_term(JansenRitParameters(C=170), values, origin=0, steps_per_hold=1)
    t0, t1, y = jnp.asarray(1.0), jnp.asarray(2.0), jax.random.normal(key, (6,))
    control = term.contr(t0, t1)
    expected = 1e-3 * jansen_rit_vector_field(0.0, y, (JansenRitParameters(C=170), values[1]))
    np.testing.assert_allclose(term.vf_prod(t0, y, None, control), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(term.prod(term.vf(t0, y, None), control), expected, rtol=1e-5, atol=1e-5)
