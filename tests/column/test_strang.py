"""The splitting solver: its exact linear flow, its noise, its cost, and what it gives in the long run."""

from decimal import Decimal, localcontext
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline
from scipy.linalg import expm

from jrae_jax.column import (
    Column,
    ConstantInput,
    EvokedPulseInput,
    FixedStepHeun,
    JansenRitParameters,
    NoiseStream,
    StrangSplitting,
    UniformNoiseInput,
    WhiteNoiseInput,
    equations,
    noise_stream,
    simulate,
    solvers,
)

Y0 = np.array([0.08, 18.0, 12.0, -0.5, 30.0, -20.0])
AT_THE_END = diffrax.SaveAt(t1=True)


def steady():
    return Column(JansenRitParameters(), ConstantInput(220))


def white():
    return Column(JansenRitParameters(), WhiteNoiseInput(220, 6.0))


# The linear part


def exact_flow(k, h):
    """The closed forms in sixty digits: the flow of (x, x') with what x loses in its corner, the
    Cholesky factor of unit noise, and its covariance."""
    with localcontext() as context:
        context.prec = 60
        k, h = Decimal(k), Decimal(h)
        x, decay = 2 * k * h, (-k * h).exp()
        flow = [1 - decay * (1 + k * h), decay * h, -(k**2) * decay * h, decay * (1 - k * h)]
        c11 = (1 - decay**2 * (1 + x + x**2 / 2)) / (4 * k**3)
        c12, c22 = h**2 * decay**2 / 2, (1 - decay**2 * (1 - x + x**2 / 2)) / (4 * k)
        factor = [c11.sqrt(), c12 / c11.sqrt(), (c22 - c12**2 / c11).sqrt()]
        return np.array(flow, dtype=float), np.array(factor, dtype=float), np.array([c11, c12, c22], dtype=float)


def matrix_flow(k, h):
    """The same by matrix exponentials (van Loan 1978): the flow, and the covariance of unit noise."""
    damped = np.array([[0, 1], [-(k**2), -2 * k]])
    both = expm(h * np.block([[-damped, np.diag([0.0, 1.0])], [np.zeros((2, 2)), damped.T]]))
    return both[2:, 2:].T, both[2:, 2:].T @ both[:2, 2:]


@jax.jit
def linear_flow(k, h):
    flow = solvers.LinearFlow(equations.Coefficients.from_parameters(JansenRitParameters(a=k, A=1 / k, b=2 * k)), h)
    return flow.excitatory, flow.inhibitory, flow.response, flow.spread


def solver_flow(k, h):
    """Flow, response and spread of the solver for rates `k` and `2 k` and a gain of 1."""
    return [np.array(numbers, dtype=float) for numbers in linear_flow(jnp.asarray(float(k)), jnp.asarray(h))]


def as_matrix(oscillator):
    lost, *others = oscillator
    return np.array([1 - lost, *others]).reshape(2, 2)


RATES_AND_STEPS = [(100, 1e-5), (25, 1e-6), (100, 1e-3), (50, 5e-3), (1000, 2e-2), (150, 0.1)]


@pytest.mark.parametrize(("k", "h"), RATES_AND_STEPS)
@pytest.mark.parametrize(("x64", "tolerance"), [(False, 3e-6), (True, 1e-14)])
def test_flow_and_spread_are_the_closed_forms(k, h, x64, tolerance):
    with jax.enable_x64(x64):
        excitatory, inhibitory, response, spread = solver_flow(k, h)
    flow, factor, _ = exact_flow(k, h)
    np.testing.assert_allclose(spread, factor, rtol=tolerance)
    np.testing.assert_allclose(excitatory, flow, rtol=tolerance)
    np.testing.assert_allclose(inhibitory, exact_flow(2 * k, h)[0], rtol=tolerance)
    np.testing.assert_allclose(response, [flow[0] / k**2, flow[1]], rtol=tolerance)


@pytest.mark.parametrize(("k", "h"), RATES_AND_STEPS[2:])
def test_the_closed_forms_are_those_of_matrix_exponentials(k, h):
    flow, _, (c11, c12, c22) = exact_flow(k, h)
    by_matrix, covariance = matrix_flow(k, h)
    np.testing.assert_allclose(as_matrix(flow), by_matrix, rtol=1e-9, atol=1e-15)
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose([[c11, c12], [c12, c22]] / np.outer(sd, sd), covariance / np.outer(sd, sd), atol=1e-9)


@pytest.mark.parametrize(("step", "steps"), [(1e-4, 50), (1e-3, 5), (2.5e-3, 2)])
def test_many_small_steps_are_one_large_step_in_distribution(x64, step, steps):
    def moments(h):
        excitatory, _, response, (l11, l21, l22) = solver_flow(100, h)
        factor = np.array([[l11, 0], [l21, l22]])
        return as_matrix(excitatory), response, factor @ factor.T

    flow, response, covariance = moments(step)
    mean, spread = np.zeros(2), np.zeros((2, 2))
    for _ in range(steps):
        mean, spread = flow @ mean + response, flow @ spread @ flow.T + covariance
    large = moments(step * steps)
    np.testing.assert_allclose(np.linalg.matrix_power(flow, steps), large[0], rtol=1e-11)
    np.testing.assert_allclose(mean, large[1], rtol=1e-11)
    np.testing.assert_allclose(spread, large[2], rtol=1e-11)


@pytest.mark.slow
def test_without_sigmoids_any_step_has_the_exact_mean_and_covariance(key):
    """After one step of 4 ms, and after five."""
    n = 20_000
    settings: dict[str, Any] = dict(t1=0.02, dt=4e-3, y0=Y0, solver=StrangSplitting(), key=key)
    ys = simulate(white().replace(e0=0), batch=n, **settings).ys
    for steps in (1, 5):
        h, states = 4e-3 * steps, np.asarray(ys[:, steps - 1], dtype=float)
        (excitatory, covariance), (inhibitory, _) = matrix_flow(100, h), matrix_flow(50, h)
        input = (np.eye(2) - excitatory) @ [325 * 220 / 1e4, 0]
        covariance *= (325 * 6.0) ** 2
        sd = np.sqrt(np.diag(covariance))
        mean = excitatory @ Y0[[1, 4]] + input
        assert np.all(abs(states[:, [1, 4]].mean(axis=0) - mean) < 5 * sd / np.sqrt(n))
        measured = np.cov(states[:, 1], states[:, 4])
        np.testing.assert_allclose(np.diag(measured), sd**2, rtol=5 * np.sqrt(2 / n))
        assert abs(measured[0, 1] - covariance[0, 1]) < 5 * np.sqrt(2 / n) * sd[0] * sd[1]
        for pair, flow in (([0, 3], excitatory), ([2, 5], inhibitory)):
            np.testing.assert_allclose(states[:, pair], np.tile(flow @ Y0[pair], (n, 1)), rtol=1e-5, atol=1e-5)


# The whole step


def splitting_in_numpy(y, h, ps, noise):
    """Half a kick, the linear flow by matrix exponentials, half a kick; `noise` is white of (y1, y4), a row a step."""
    linear = np.zeros((6, 6))
    linear[[0, 1, 2], [3, 4, 5]] = 1
    linear[[3, 4, 5], [0, 1, 2]] = [-1e4, -1e4, -2500]
    linear[[3, 4, 5], [3, 4, 5]] = [-200, -200, -100]
    direction = 325 * np.eye(6)[:, 4:5]
    both = expm(h * np.block([[linear, direction], [np.zeros((1, 7))]]))
    _, covariance = matrix_flow(100, h)
    factor = np.linalg.cholesky(covariance * 325**2)

    def kicked(y):
        def firing_rate(v):
            return 5 / (1 + np.exp(0.56 * (6 - v)))

        drive = [325 * firing_rate(y[1] - y[2]), 325 * 108 * firing_rate(135 * y[0])]
        return y + h / 2 * np.array([0, 0, 0, *drive, 1100 * 33.75 * firing_rate(33.75 * y[0])])

    ys = []
    for p, numbers in zip(ps, noise, strict=True):
        y = both[:6, :6] @ kicked(y) + both[:6, 6] * p
        y[[1, 4]] += factor @ numbers
        y = kicked(y)
        ys.append(y)
    return np.array(ys)


@pytest.mark.parametrize("background", [UniformNoiseInput(120, 320, hold=4e-3), WhiteNoiseInput(220, 6.0)])
def test_a_step_is_kick_flow_kick_with_the_input_of_its_middle(x64, key, background):
    """From the 50th step on, in the middle of a hold, of a trajectory that is not the first."""
    dt, first, steps = 2e-3, 25, 20
    input = EvokedPulseInput(0.06, jax.tree.map(lambda leaf: jnp.asarray(leaf, float), background))
    settings: dict[str, Any] = dict(t0=first * dt, t1=(first + steps) * dt, dt=dt, y0=Y0, batch=2, key=key)
    ys = simulate(Column(JansenRitParameters(), input), solver=StrangSplitting(), **settings).ys[1]

    stream, numbers = noise_stream(key, 1), np.arange(first, first + steps)
    s = np.maximum(((numbers + 0.5) * dt - 0.06) / 0.005, 0)
    ps, noise = 0.5 * s**7 * np.exp(-s), np.zeros((steps, 2))
    if isinstance(background, UniformNoiseInput):
        ps = ps + 120 + 200 * np.asarray(jax.vmap(stream.uniform)(jnp.asarray(numbers // 2)))
    else:
        swapped = NoiseStream(stream.second, stream.first)
        ps, noise = ps + 220, 6 * np.stack(jax.vmap(swapped.normal_pair)(jnp.asarray(numbers)), axis=1)
    np.testing.assert_allclose(ys, splitting_in_numpy(Y0, dt, ps, noise), rtol=1e-9, atol=1e-9)


def test_states_between_steps_are_interpolated_by_the_slopes_at_both_ends(x64, numpy_right_hand_side):
    ts = 1e-3 * np.array([3.0, 3.5, 4.0, 49.0, 49.25, 50.0])
    settings: dict[str, Any] = dict(t1=0.05, dt=1e-3, y0=Y0, saveat=diffrax.SaveAt(ts=ts.tolist()))
    ys = np.asarray(simulate(steady(), solver=StrangSplitting(), **settings).ys)
    for start, middle, end in ((0, 1, 2), (3, 4, 5)):
        ends = [start, end]
        slopes = [numpy_right_hand_side(y, 220.0) for y in ys[ends]]
        between = CubicHermiteSpline(ts[ends], ys[ends], slopes)(ts[middle])
        np.testing.assert_allclose(ys[middle], between, rtol=1e-8)


@pytest.mark.parametrize(("solver", "evaluations"), [(StrangSplitting, 38), (FixedStepHeun, 74)])
def test_the_sigmoids_are_evaluated_once_a_step(monkeypatch, solver, evaluations):
    """37 steps and one to begin with; Heun's method, which takes two a step, shows that the count counts."""
    calls, original = [], solvers.synaptic_drive

    def called(y0):
        calls.append(y0)
        return y0

    def counted(y, coefficients):
        y0 = jax.pure_callback(called, jax.ShapeDtypeStruct((), jnp.float32), y.y0)
        return original(y._replace(y0=y0), coefficients)

    monkeypatch.setattr(solvers, "synaptic_drive", counted)
    monkeypatch.setattr(equations, "synaptic_drive", counted)
    settings: dict[str, Any] = dict(t1=0.037, dt=1e-3, key=jax.random.key(0), saveat=AT_THE_END)
    settings |= dict(adjoint=diffrax.ForwardMode())  # Diffrax's own loop
    jax.block_until_ready(simulate(white(), solver=solver(), **settings).ys)
    assert len(calls) == evaluations


# In the long run


def frequency(ts, v):
    """Of an oscillation, from the times at which it crosses its middle upwards."""
    ts, v = np.asarray(ts, dtype=float), np.asarray(v, dtype=float)
    level = (v.max() + v.min()) / 2
    before = np.flatnonzero((v[:-1] < level) & (v[1:] >= level))
    crossings = ts[before] + (ts[1] - ts[0]) * (level - v[before]) / (v[before + 1] - v[before])
    return (len(crossings) - 1) / (crossings[-1] - crossings[0])


def test_alpha_cycle_is_off_by_an_error_of_second_order():
    """At 1 and 2 ms a step; the true frequency is 10.938029 Hz."""
    errors = []
    for dt in (1e-3, 2e-3):
        settings: dict[str, Any] = dict(t1=6000 * dt, burn_in=2000 * dt, dt=dt, solver=StrangSplitting())
        trajectory = simulate(steady(), **settings)
        errors.append(frequency(trajectory.ts, trajectory.eeg) - 10.938029)
    assert abs(errors[0]) < 0.02
    assert errors[1] / errors[0] == pytest.approx(4, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(("solver", "mean", "sd"), [(FixedStepHeun, 7.56, 2.158), (diffrax.Euler, None, 2.855)])
def test_white_noise_at_1_ms_spreads_the_signal_as_measured_elsewhere(solver, mean, sd):
    """At sigma = 2000; what the splitting gives is tested with the summaries. Euler's method is 32 % off."""
    settings: dict[str, Any] = dict(t1=10.0, dt=1e-3, burn_in=1.0, batch=256, saveat=diffrax.SaveAt(steps=40))
    column = white().replace(intensity=2000 / 325)
    v = simulate(column, solver=solver(), key=jax.random.key(0), **settings).eeg
    assert np.std(v) == pytest.approx(sd, abs=0.05)
    if mean is not None:
        assert np.mean(v) == pytest.approx(mean, abs=0.02)


@pytest.mark.slow
def test_gradients_through_white_noise_are_those_of_differences(x64, key):
    @jax.jit
    @jax.value_and_grad
    def score(values):
        C, intensity, a = values
        column = Column(JansenRitParameters(C=C, a=a), WhiteNoiseInput(220, intensity))
        settings: dict[str, Any] = dict(t1=0.04, dt=2e-3, y0=Y0, solver=StrangSplitting(), saveat=AT_THE_END)
        return simulate(column, key=key, **settings).eeg[0]

    values = np.array([135.0, 6.0, 100.0])
    gradient = score(jnp.asarray(values))[1]
    assert np.all(np.isfinite(gradient))
    for index, value in enumerate(values):
        step = np.eye(3)[index] * 1e-5 * value
        ends = [score(jnp.asarray(values + sign * step))[0] for sign in (1, -1)]
        difference = float(ends[0] - ends[1]) / (2e-5 * value)
        assert gradient[index] == pytest.approx(difference, rel=1e-6), index
        assert abs(difference) > 1e-4
