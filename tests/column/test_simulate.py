from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from jrae_jax.column import (
    Column,
    ConstantInput,
    EvokedPulseInput,
    FixedStepHeun,
    JansenRitParameters,
    UniformNoiseInput,
    simulate,
)

AT_THE_END = diffrax.SaveAt(t1=True)
SHORT: dict[str, Any] = dict(t1=0.1, dt=1e-3)
ADAPTIVE: dict[str, Any] = dict(solver=diffrax.Tsit5(), rtol=1e-6, atol=1e-6)


def noise(hold=1e-3):
    return UniformNoiseInput(120, 320, hold=hold)


def noisy(input=None, *, parameters=None, **settings: Any):
    """A tenth of a second of the study's noise, if nothing else is given."""
    column = Column(parameters or JansenRitParameters(), input or noise())
    settings = {**SHORT, "key": jax.random.key(0), **settings}
    return simulate(column, **settings)


def steady(parameters=None, p: Any = 220, **settings: Any):
    """A tenth of a second of constant input, if nothing else is given."""
    return simulate(Column(parameters or JansenRitParameters(), ConstantInput(p)), **(SHORT | settings))


def assert_close(actual, expected, tolerance):
    """Equal to within `tolerance` of the largest value of each state."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    largest = np.max(abs(expected), axis=tuple(range(expected.ndim - 1)))
    assert np.all(abs(actual - expected) <= tolerance * largest)


def assert_times(trajectories, expected):
    """In double precision, and equal to within its rounding."""
    assert trajectories.ts.dtype == np.float64
    np.testing.assert_allclose(trajectories.ts, expected, rtol=1e-14)


@pytest.fixture(scope="module")
def trajectory():
    """A tenth of a second of one column with noise."""
    return noisy()


@pytest.fixture(scope="module")
def fine_trajectory():
    """The same in steps of a quarter of a millisecond."""
    return noisy(dt=2.5e-4)


# What is simulated


def test_one_column(trajectory):
    assert trajectory.ys.shape == (100, 6)
    assert trajectory.ys.dtype == jnp.float32
    assert np.all(np.isfinite(trajectory.ys))
    assert_times(trajectory, 1e-3 * np.arange(1, 101))
    assert trajectory.result == diffrax.RESULTS.successful


def test_evoked_response_is_that_of_scipy(x64, numpy_right_hand_side):
    y0 = np.array([0.08, 18.0, 12.0, -0.5, 30.0, -20.0])

    def right_hand_side(t, y):
        s = max((t - 0.55) / 0.005, 0.0)
        return numpy_right_hand_side(y, 90 + 0.5 * s**7 * np.exp(-s), C=150.0, B=20.0)

    trajectory = simulate(
        Column(JansenRitParameters(C=150, B=20), EvokedPulseInput(0.55, ConstantInput(90))),
        t0=0.5,
        t1=0.8,
        dt=1e-4,
        y0=y0,
        saveat=diffrax.SaveAt(steps=100),
    )
    reference = solve_ivp(
        right_hand_side, (0.5, 0.8), y0, "DOP853", trajectory.ts, rtol=1e-11, atol=1e-11, max_step=5e-3
    )
    assert trajectory.ys.shape == (30, 6)
    assert_close(trajectory.ys, reference.y.T, 1e-7)


def test_euler_with_the_noise_of_the_study_is_the_loop_of_the_study(x64, key, numpy_right_hand_side, held_values):
    trajectory = noisy(solver=diffrax.Euler(), t1=1.0)
    held = held_values(noise(), 1000, key)
    ys = [np.zeros(6)]
    for p in held:
        ys.append(ys[-1] + 1e-3 * numpy_right_hand_side(ys[-1], p))
    assert_close(trajectory.ys, ys[1:], 1e-9)


def frequency_and_height(ts, v):
    """Of the last two thirds of an oscillation, from the times at which it crosses its mean upwards."""
    settled = ts > ts[0] + (ts[-1] - ts[0]) / 3
    ts, v = np.asarray(ts, dtype=float)[settled], np.asarray(v, dtype=float)[settled]
    level = (v.max() + v.min()) / 2
    before = np.flatnonzero((v[:-1] < level) & (v[1:] >= level))
    crossings = ts[before] + (ts[1] - ts[0]) * (level - v[before]) / (v[before + 1] - v[before])
    return (len(crossings) - 1) / (crossings[-1] - crossings[0]), np.ptp(v)


def test_alpha_cycle():
    """With the default solver and a step of 1 ms: the limit cycle's own numbers."""
    hertz = {200: 10.862488, 220: 10.938029, 260: 11.054984}
    trajectories = steady(p=list(hertz), t1=9.0)
    vs = trajectories.eeg
    measured = {p: frequency_and_height(trajectories.ts, v) for p, v in zip(hertz, vs, strict=True)}
    for p, expected in hertz.items():
        assert measured[p][0] == pytest.approx(expected, rel=1e-3), p
    assert measured[220][1] == pytest.approx(2.956, rel=0.01)
    cycle = np.asarray(vs[1, -1000:])
    assert [cycle.min(), cycle.max()] == pytest.approx([6.0836, 9.0392], abs=0.01)


def test_euler_at_the_step_of_the_study_is_slow_and_twice_too_large():
    trajectory = steady(t1=9.0, solver=diffrax.Euler())
    assert frequency_and_height(trajectory.ts, trajectory.eeg) == pytest.approx([10.043, 6.08], rel=0.01)


def test_stable_equilibria_are_reached_and_the_saddle_is_left():
    stable, saddle, focus = -1.90380153, 4.56871293, 6.06499359

    def near(v):
        y0 = 3.25 / 100 * 5 / (1 + np.exp(0.56 * (6 - v)))
        y2 = 22 / 50 * 33.75 * 5 / (1 + np.exp(0.56 * (6 - 33.75 * y0)))
        return [y0, v + y2 + 0.05, y2, 0, 0, 0]

    trajectories = steady(p=0, t1=5.0, y0=np.array([[0.0] * 6, near(saddle), near(focus)]))
    ends = trajectories.eeg[:, -1]
    assert ends[0] == pytest.approx(stable, abs=1e-4)
    assert abs(ends[1] - saddle) > 1
    assert ends[2] == pytest.approx(focus, abs=1e-3)


def test_exact_scale_invariances(x64):
    e0_and_C = dict(e0=[2.5, 5.0, 2.5], C=[135.0, 67.5, 135.0])
    gain = {name: [value, value, 3 * value] for name, value in dict(A=3.25, B=22.0, v0=6.0).items()}
    parameters = JansenRitParameters(**e0_and_C, **gain, r=[0.56, 0.56, 0.56 / 3])
    reference, rates, gained = steady(parameters, t1=0.5).ys
    doubled = jnp.array([[2.0, 1.0, 1.0, 2.0, 1.0, 1.0]])
    assert_close(rates, doubled * reference, 1e-10)
    assert_close(gained, 3 * reference, 1e-10)


def test_y0_and_t0_carry_a_trajectory_on():
    column = Column(JansenRitParameters(), EvokedPulseInput(0.08, ConstantInput(120)))
    whole = simulate(column, t1=0.2, dt=1e-3)
    first = simulate(column, **SHORT)
    second = simulate(column, t0=0.1, t1=0.2, dt=1e-3, y0=first.ys[-1])
    assert_close(jnp.concatenate([first.ys, second.ys]), whole.ys, 1e-5)
    assert_times(second, whole.ts[100:])


# Batches


BATCHED: dict[str, Any] = dict(C=[120.0, 135.0, 150.0], a=[90.0, 100.0, 110.0])


@pytest.fixture(scope="module")
def batch_and_loop():
    y0 = np.random.default_rng(0).normal(size=(3, 6))
    ps = [200.0, 220.0, 240.0]
    batch = steady(JansenRitParameters(**BATCHED), ps, y0=y0)
    loop = [
        steady(JansenRitParameters(C=C, a=a), p, y0=y).ys for C, a, p, y in zip(*BATCHED.values(), ps, y0, strict=True)
    ]
    return batch.ys, jnp.stack(loop)


def test_batch_is_the_loop(batch_and_loop):
    batch, loop = batch_and_loop
    assert batch.shape == (3, 100, 6)
    assert_close(batch, loop, 1e-5)


def test_adaptive_batch_is_the_loop(batch_and_loop):
    y0 = np.random.default_rng(0).normal(size=(3, 6))
    batch = steady(JansenRitParameters(**BATCHED), [200, 220, 240], y0=y0, **ADAPTIVE)
    assert_close(batch.ys, batch_and_loop[1], 1e-3)
    alone = steady(JansenRitParameters(C=150, a=110), 240, y0=y0[2], **ADAPTIVE)
    assert_close(batch.ys[2], alone.ys, 1e-5)


@pytest.mark.parametrize(("parameters", "p"), [({"C": [120, 135, 150]}, 220), ({}, [200, 220, 240])])
def test_scalar_and_batched_leaves_mix(parameters, p):
    batch = steady(JansenRitParameters(**parameters), p, batch=3)
    for index, (C, own_p) in enumerate(zip(parameters.get("C", [135] * 3), np.broadcast_to(p, 3), strict=True)):
        alone = steady(JansenRitParameters(C=C), own_p)
        assert_close(batch.ys[index], alone.ys, 1e-5)


def test_vmap_of_simulate_is_the_batch():
    Cs = jnp.array([120.0, 135.0, 150.0])
    batch = steady(JansenRitParameters(C=Cs))
    vmapped = jax.vmap(lambda C: steady(JansenRitParameters(C=C)).ys)(Cs)
    assert_close(vmapped, batch.ys, 1e-5)


# Noise


def drawn(ys, dt=1e-3):
    """The external input that Euler steps from zero must have had, from the equation of `y4`."""
    ys = np.concatenate([np.zeros((1, 6)), np.asarray(ys, dtype=float)])
    firing_rate = 5 / (1 + np.exp(0.56 * (6 - 135 * ys[:-1, 0])))
    slope = np.diff(ys[:, 4]) / dt
    return (slope + 200 * ys[:-1, 4] + 1e4 * ys[:-1, 1]) / 325 - 108 * firing_rate


@pytest.mark.parametrize("hold", [1e-3, 5e-3])
def test_noise_is_held_and_then_drawn_anew(key, hold, held_values):
    steps = round(hold / 1e-3)
    values = drawn(noisy(noise(hold), solver=diffrax.Euler()).ys).reshape(-1, steps)
    np.testing.assert_allclose(values, np.repeat(values[:, :1], steps, axis=1), atol=0.1)
    expected = held_values(noise(hold), 100 // steps, key)
    np.testing.assert_allclose(values[:, 0], expected, atol=0.1)


def test_noise_and_times_are_exact_after_many_steps(key, held_values):
    n = 200_000
    trajectory = noisy(solver=diffrax.Euler(), t1=n * 1e-3)
    assert_times(trajectory, 1e-3 * np.arange(1, n + 1))
    expected = held_values(noise(), n, key)
    np.testing.assert_allclose(drawn(trajectory.ys), expected, atol=0.2)


def test_noise_does_not_depend_on_the_batch(trajectory):
    three, two = noisy(batch=3), noisy(batch=2)
    assert_close(three.ys[:2], two.ys, 1e-5)
    assert_close(three.ys[0], trajectory.ys, 1e-5)
    assert not np.allclose(three.ys[0], three.ys[1], rtol=0.01)


def test_noise_does_not_depend_on_the_duration(trajectory):
    assert_close(noisy(t1=0.2).ys[:100], trajectory.ys, 1e-5)


def test_noise_does_not_depend_on_the_step_or_the_solver(trajectory, fine_trajectory):
    assert_close(fine_trajectory.ys[3::4], trajectory.ys, 1e-4)
    assert_close(noisy(**ADAPTIVE).ys, trajectory.ys, 1e-4)


def test_noise_depends_on_the_key(trajectory):
    np.testing.assert_array_equal(noisy().ys, trajectory.ys)
    assert not np.allclose(noisy(key=jax.random.key(1)).ys, trajectory.ys, rtol=0.01)


def test_each_column_can_have_its_own_noise():
    input = UniformNoiseInput([120, 900], [320, 1000], hold=1e-3)
    values = [drawn(ys) for ys in noisy(input, solver=diffrax.Euler()).ys]
    assert 119 < values[0].min() < values[0].max() < 321
    assert 899 < values[1].min() < values[1].max() < 1001


def test_pulse_comes_on_top_of_its_background(key):
    pulse = EvokedPulseInput(0.02, noise())
    on_top = drawn(noisy(pulse, solver=diffrax.Euler()).ys) - drawn(noisy(solver=diffrax.Euler()).ys)
    s = np.maximum((1e-3 * np.arange(100) - 0.02) / 0.005, 0)
    np.testing.assert_allclose(on_top, 0.5 * s**7 * np.exp(-s), atol=0.2)


# What is saved


def test_every_nth_step_can_be_saved(trajectory):
    n = 7
    saved = noisy(saveat=diffrax.SaveAt(steps=n))
    assert_times(saved, trajectory.ts[n - 1 :: n])
    assert_close(saved.ys, trajectory.ys[n - 1 :: n], 1e-5)


def test_the_end_can_be_saved(trajectory):
    end = noisy(saveat=AT_THE_END)
    assert end.ys.shape == (1, 6)
    assert_times(end, trajectory.ts[-1:])
    assert_close(end.ys, trajectory.ys[-1:], 1e-5)


def test_given_times_can_be_saved(trajectory):
    steps = np.array([0, 1, 50, 51, 100])
    ts = 1e-3 * steps
    saved = noisy(saveat=diffrax.SaveAt(ts=ts.tolist()))
    np.testing.assert_allclose(saved.ts, ts, rtol=1e-7)
    assert saved.times == tuple(saved.ts)
    assert trajectory.times is None
    np.testing.assert_array_equal(saved.ys[0], np.zeros(6))
    assert_close(saved.ys[1:], trajectory.ys[steps[1:] - 1], 1e-5)


@pytest.mark.parametrize("settings", [{}, ADAPTIVE])
def test_times_between_steps_are_interpolated(fine_trajectory, settings):
    quarters = np.array([41, 222, 333, 390, 399])
    between = noisy(saveat=diffrax.SaveAt(ts=(2.5e-4 * quarters).tolist()), **settings)
    assert_close(between.ys, fine_trajectory.ys[quarters - 1], 1e-4)


def test_burn_in_is_not_saved(trajectory):
    late = noisy(burn_in=0.075)
    assert_times(late, trajectory.ts[75:])
    np.testing.assert_array_equal(late.ys, trajectory.ys[75:])
    sparse = noisy(burn_in=0.075, saveat=diffrax.SaveAt(steps=7))
    assert_times(sparse, trajectory.ts[np.array([77, 84, 91, 98]) - 1])
    assert_close(sparse.ys, trajectory.ys[np.array([77, 84, 91, 98]) - 1], 1e-5)


def test_double_precision_comes_and_goes(trajectory):
    with jax.enable_x64(True):
        double = noisy()
    assert double.ys.dtype == jnp.float64
    np.testing.assert_array_equal(noisy().ys, trajectory.ys)


# Runs that are carried on, and solvers of Diffrax's own


def test_noise_carries_on_where_it_was_left():
    whole = noisy(t1=0.2)
    first = noisy(t1=0.1)
    second = noisy(t0=0.1, t1=0.2, y0=first.ys[-1])
    np.testing.assert_allclose(second.ys, whole.ys[100:], rtol=1e-5, atol=1e-3)
    adaptive = noisy(t0=0.1, t1=0.2, y0=first.ys[-1], **ADAPTIVE)
    np.testing.assert_allclose(adaptive.ys, whole.ys[100:], rtol=1e-3, atol=0.05)


@pytest.mark.parametrize("t0", [pytest.param(8388.0, marks=pytest.mark.slow), 20_000.0])
def test_steps_are_even_hours_after_the_start(t0):
    """Where a float32 counts time in steps of 1 to 2 ms."""
    later = noisy(t0=t0, t1=t0 + 0.1)
    assert later.t0 == pytest.approx(t0 + 1e-3, abs=1e-11)
    assert_times(later, t0 + 1e-3 * np.arange(1, 101))
    np.testing.assert_allclose(np.diff(later.ts), 1e-3, rtol=0, atol=4 * np.spacing(t0))
    assert not np.allclose(later.ys, noisy().ys, rtol=0.01)


@pytest.mark.parametrize("solver", [FixedStepHeun(), pytest.param(diffrax.Tsit5(), marks=pytest.mark.slow)])
def test_solvers_with_stages_of_their_own_take_a_noisy_batch(solver):
    np.testing.assert_allclose(noisy(solver=solver, batch=3).ys, noisy(batch=3).ys, rtol=2e-2, atol=2)
