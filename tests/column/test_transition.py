"""One step of a column for estimators: against `simulate`, and against matrix exponentials."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from jrae_jax.column import (
    Column,
    ConstantInput,
    JansenRitParameters,
    OrnsteinUhlenbeckInput,
    Transition,
    UniformNoiseInput,
    WhiteNoiseInput,
    simulate,
)

DT = 1e-3
Y0 = np.array([0.08, 18.0, 12.0, -0.5, 30.0, -20.0])
INPUTS = {
    "constant": lambda: ConstantInput(220.0),
    "uniform": lambda: UniformNoiseInput(120.0, 320.0, hold=DT),
    "white": lambda: WhiteNoiseInput(220.0, 6.0),
}


def column(name="uniform"):
    return Column(JansenRitParameters(C=150.0), INPUTS[name]())


def one_step(column, p):
    """The states after one step of `simulate`, under constant input."""
    return simulate(column.replace(input=ConstantInput(p)), t1=DT, dt=DT, y0=Y0).ys[0]


@pytest.mark.parametrize("name", INPUTS)
def test_the_mean_is_one_step_of_simulate_at_the_mean_of_the_input(x64, name):
    transition = Transition(column(name), DT)
    mean = transition.mean(jnp.asarray(Y0) / transition.scale)
    np.testing.assert_allclose(mean * transition.scale, one_step(column(name), 220.0), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "standard_deviation"),
    [("constant", 0.0), ("uniform", 200 / np.sqrt(12)), ("white", 6 / np.sqrt(DT))],
)
def test_a_step_so_many_standard_deviations_from_the_mean(x64, name, standard_deviation):
    transition = Transition(column(name), DT)
    deviation = jnp.asarray([-1.5])
    p = 220 - 1.5 * standard_deviation
    assert transition.rate(deviation)[0] == pytest.approx(p, rel=1e-12)
    found = transition.step(jnp.asarray(Y0), deviation)
    np.testing.assert_allclose(found, one_step(column(name), p), rtol=1e-12)


@pytest.mark.parametrize("name", INPUTS)
def test_the_process_noise_is_that_of_the_exact_linear_flow(x64, name):
    """By van Loan (1978) for white noise; the response to a held value by the exponential of the driven system."""
    transition, gain = Transition(column(name), DT), 325.0
    damped = np.array([[0, 1], [-1e4, -200.0]])
    expected = np.zeros((2, 2))
    if name == "white":
        both = expm(DT * np.block([[-damped, np.diag([0, (gain * 6) ** 2])], [np.zeros((2, 2)), damped.T]]))
        expected = both[2:, 2:].T @ both[:2, 2:]
    if name == "uniform":
        driven = np.block([[damped, np.array([[0], [gain]])], [np.zeros((1, 3))]])
        response = expm(DT * driven)[:2, 2]
        expected = np.outer(response, response) * 200**2 / 12
    x = jnp.asarray(Y0) / transition.scale
    _, columns = transition.moved(x, jnp.zeros((6, 0)))
    assert columns.shape == (6, 2)
    np.testing.assert_array_equal(np.delete(columns, [1, 4], 0), 0)
    found = np.asarray(columns @ columns.T) * np.outer(transition.scale, transition.scale)
    np.testing.assert_allclose(found[np.ix_([1, 4], [1, 4])], expected, rtol=1e-6, atol=1e-12)


def test_no_state_of_a_simulation_exceeds_the_scale():
    columns = column().replace(C=[68.0, 135.0, 270.0])
    ys = np.abs(simulate(columns, t1=3.0, dt=DT, key=jax.random.key(0)).ys).max(axis=1)
    for index, largest in enumerate(ys):
        scale = Transition(columns[index].replace(input=ConstantInput(320.0)), DT).scale
        assert np.all(largest <= scale)
        assert np.all(largest[:3] > 1e-3 * scale[:3])


def test_unknowns_are_constant_factors(x64):
    transition = Transition(column(), DT, ("C", "p", "A"))
    np.testing.assert_allclose(transition.unknown_values, [150, 220, 3.25])
    logarithms = jnp.array([0.1, -0.2, 0.05])
    x = jnp.concatenate([jnp.asarray(Y0) / transition.scale, logarithms])
    mean, columns = transition.moved(x, jnp.eye(9))
    C, p, A = np.exp(logarithms) * [150, 220, 3.25]
    np.testing.assert_allclose(mean[:6] * transition.scale, one_step(column().replace(C=C, A=A), p), rtol=1e-12)
    np.testing.assert_array_equal(mean[6:], logarithms)
    np.testing.assert_array_equal(columns[6:], np.eye(9, 11, 0)[6:])


def test_nothing_is_unknown_by_default():
    assert Transition(column(), DT).unknown_values.shape == (0,)


def test_inputs_without_independent_values_are_refused():
    with pytest.raises(ValueError, match=r"`column` must have a ConstantInput, .*, got OrnsteinUhlenbeckInput"):
        Transition(column().replace(input=OrnsteinUhlenbeckInput(220, 50, 0.02, hold=DT)), DT)


@pytest.mark.parametrize("name", INPUTS)
def test_an_interval_is_so_many_steps_one_after_the_other(x64, name):
    """Mean, what becomes of deviations, and what each step adds: those of single steps, each of at most 1 ms."""
    long, short = Transition(column(name), 3.5 * DT), Transition(column(name), 3.5 / 4 * DT)
    assert (long.steps, short.steps) == (4, 1)
    x, covariance = jnp.asarray(Y0) / long.scale, jnp.diag(jnp.arange(1.0, 7.0))
    ahead, columns = long.moved(x, jnp.sqrt(covariance))
    assert columns.shape == (6, 6 + 2 * 4)
    mean = x
    for _ in range(4):
        mean, both = short.moved(mean, jnp.linalg.cholesky(covariance))
        covariance = both @ both.T
    np.testing.assert_allclose(ahead, mean, rtol=1e-12)
    np.testing.assert_allclose(long.mean(x), mean, rtol=1e-12)
    np.testing.assert_allclose(columns @ columns.T, covariance, rtol=1e-9, atol=1e-12)
    deviations = jnp.array([1.0, -2.0, 0.5, 0.0])
    y = jnp.asarray(Y0)
    for deviation in deviations:
        y = short.step(y, deviation[None])
    np.testing.assert_allclose(long.step(jnp.asarray(Y0), deviations), y, rtol=1e-12)


def test_held_values_are_exact_where_they_are_held_for_a_step_and_else_white_of_the_same_intensity():
    std = 200 / 12**0.5
    for hold, dt, expected in ((DT, 4 * DT, (std, 0.0)), (5 * DT, DT, (0.0, std * 0.005**0.5))):
        driven = Column(JansenRitParameters(), UniformNoiseInput(120.0, 320.0, hold=hold))
        _, held_std, white = Transition(driven, dt).input
        np.testing.assert_allclose((held_std, white), expected, rtol=1e-6)


def test_synapses_that_the_steps_cannot_follow_are_refused():
    with pytest.raises(ValueError, match=r"`column` must have synapses .* below 2367 /s, .* steps of 0.001 s"):
        Transition(column().replace(a=2500.0), DT)
