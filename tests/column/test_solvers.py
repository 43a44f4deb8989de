import diffrax
import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from jrae_jax.column import RK4, Column, ConstantInput, FixedStepHeun, StrangSplitting, UniformNoiseInput, simulate

Y0 = np.array([0.08, 18.0, 12.0, -0.5, 30.0, -20.0])
HOLD, HOLDS = 2e-3, 50
SLOW_TSIT5 = pytest.param(diffrax.Tsit5, 5, marks=pytest.mark.slow)


def noise():
    return UniformNoiseInput(120, 320, hold=HOLD)


def column(input):
    return Column.preset("jansen_rit_1995", input)


def scipy_end(right_hand_side, y0, duration, p):
    solution = solve_ivp(lambda t, y: right_hand_side(y, p), (0, duration), y0, method="DOP853", rtol=1e-12, atol=1e-13)
    return solution.y[:, -1]


@pytest.fixture(scope="module")
def constant_reference(numpy_right_hand_side):
    """The state after a tenth of a second of constant input."""
    return scipy_end(numpy_right_hand_side, Y0, HOLD * HOLDS, 220.0)


@pytest.fixture(scope="module")
def noisy_reference(numpy_right_hand_side, held_values):
    """The state after each hold of a tenth of a second of noise."""
    with jax.enable_x64(True):
        held = held_values(noise(), HOLDS, jax.random.key(0))
    ys = [Y0]
    for p in held:
        ys.append(scipy_end(numpy_right_hand_side, ys[-1], HOLD, p))
    return np.array(ys[1:])


def relative_error(ys, reference):
    return np.max(abs(np.asarray(ys) - reference) / np.max(abs(reference), axis=0))


def assert_order(order, error, dt):
    # Tsit5's error comes down faster than its order until the step is far smaller than any in use.
    assert order - 0.2 < np.log2(error(dt) / error(dt / 2)) < order + 0.7


@pytest.mark.parametrize(
    ("solver", "order", "dt"),
    [
        (diffrax.Euler, 1, 1e-4),
        (FixedStepHeun, 2, 5e-4),
        (StrangSplitting, 2, 1e-3),
        (RK4, 4, 1e-3),
        pytest.param(diffrax.Tsit5, 5, 1e-3, marks=pytest.mark.slow),
    ],
)
def test_order_of_convergence(x64, constant_reference, solver, order, dt):
    def error(dt):
        end = diffrax.SaveAt(t1=True)
        trajectory = simulate(column(ConstantInput(220)), t1=0.1, dt=dt, y0=Y0, solver=solver(), saveat=end)
        return relative_error(trajectory.ys[0], constant_reference)

    assert_order(order, error, dt)


@pytest.mark.parametrize(("solver", "order"), [(StrangSplitting, 2), (RK4, 4), SLOW_TSIT5])
def test_held_noise_keeps_the_order(x64, key, noisy_reference, solver, order):
    def error(dt):
        each_hold = diffrax.SaveAt(steps=round(HOLD / dt))
        trajectory = simulate(column(noise()), t1=0.1, dt=dt, y0=Y0, solver=solver(), saveat=each_hold, key=key)
        return relative_error(trajectory.ys, noisy_reference)

    assert_order(order, error, 1e-3)


@pytest.mark.parametrize(
    ("solver", "holds_per_dt"),
    [
        (diffrax.Tsit5, 5),
        (diffrax.Kvaerno5, 5),
        pytest.param(diffrax.Tsit5, 1, marks=pytest.mark.slow),
        pytest.param(diffrax.Dopri8, 5, marks=pytest.mark.slow),
    ],
)
def test_adaptive_solvers_agree_with_scipy(x64, key, noisy_reference, solver, holds_per_dt):
    """`dt` is no more than the grid to save on: as many values as there are holds are drawn within it."""
    trajectory = simulate(
        column(noise()),
        t1=0.1,
        dt=HOLD * holds_per_dt,
        y0=Y0,
        solver=solver(),
        rtol=1e-9,
        atol=1e-9,
        key=key,
    )
    on_the_grid = slice(holds_per_dt - 1, None, holds_per_dt)
    np.testing.assert_allclose(trajectory.ts, HOLD * np.arange(1, HOLDS + 1)[on_the_grid], rtol=1e-12)
    assert relative_error(trajectory.ys, noisy_reference[on_the_grid]) < 1e-6
