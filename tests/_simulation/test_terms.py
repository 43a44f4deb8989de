import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import ConstantInput, JansenRitParameters, UniformNoiseInput, jansen_rit_vector_field
from jrae_jax._simulation.terms import Clock, ColumnTerm, batch_axes


def clock(t0=0.0, dt=1e-3):
    return Clock(jnp.asarray(t0), jnp.asarray(dt))


@jax.jit
def held_over_each_step(term, steps):
    return jax.vmap(lambda step: term.contr(step, step + 1)[1])(steps)


@pytest.mark.parametrize(("dt", "ratio"), [(1e-3, 1), (5e-4, 2), (1e-3, 5), (1e-4, 10)])
def test_every_step_of_two_million_sees_its_own_hold(dt, ratio):
    steps = np.arange(2**21)
    held = jnp.arange(len(steps) // ratio + 1, dtype=jnp.float32)
    noise = UniformNoiseInput(120, 320, hold=ratio * dt)
    term = ColumnTerm(JansenRitParameters(), noise, held, clock(dt=dt), None)
    np.testing.assert_array_equal(held_over_each_step(term, jnp.asarray(steps, jnp.float32)), steps // ratio)


def test_clock_turns_steps_into_seconds():
    assert clock(t0=2.0, dt=5e-4).seconds(jnp.asarray(3000)) == pytest.approx(3.5)


def test_the_two_routes_to_an_increment_agree(key):
    held = jnp.array([130.0, 310.0])
    term = ColumnTerm(JansenRitParameters(C=170), UniformNoiseInput(120, 320, hold=1e-3), held, clock(), None)
    t0, t1, y = jnp.asarray(1.0), jnp.asarray(2.0), jax.random.normal(key, (6,))
    control = term.contr(t0, t1)
    expected = 1e-3 * jansen_rit_vector_field(0.0, y, (JansenRitParameters(C=170), held[1]))
    np.testing.assert_allclose(term.vf_prod(t0, y, None, control), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(term.prod(term.vf(t0, y, None), control), expected, rtol=1e-5, atol=1e-5)


def test_batch_axes_tell_batched_leaves_from_shared_ones():
    assert batch_axes(ConstantInput([1.0, 2.0])).p == 0
    assert batch_axes(ConstantInput(1.0)).p is None
