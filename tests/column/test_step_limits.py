"""How long steps may be: what the constants of `step_size` are made from, measured with random columns."""

import diffrax
import numpy as np
import pytest

from jrae_jax.column import RK4, Column, ConstantInput, FixedStepHeun, JansenRitParameters, StrangSplitting, simulate
from jrae_jax.column.step_size import longest_stable

RANGES = dict(A=(2.6, 9.75), B=(17.6, 110), a=(50, 150), b=(25, 75), v0=(3.12, 6), e0=(1.25, 3.75), r=(0.28, 0.84))


@pytest.mark.parametrize(
    ("solver", "interval"),
    [
        (diffrax.Euler(), 2.0),
        (FixedStepHeun(), 2.0),
        (RK4(), 2.785293563),
        (diffrax.Heun(), 2.0),
        (diffrax.Midpoint(), 2.0),
        (diffrax.Bosh3(), 2.512745327),
        (diffrax.Tsit5(), 3.506846994),
        (diffrax.Dopri5(), 3.306567893),
    ],
    ids=lambda value: type(value).__name__,
)
def test_limits_are_a_fraction_of_the_interval_of_stability(solver, interval):
    """Of the methods of orders 1 to 4 these are in textbooks: Hairer and Wanner (1996), Solving ODEs II, IV.2."""
    assert longest_stable(solver) == pytest.approx(0.85 * interval, rel=1e-6)


def test_solvers_without_a_known_limit_have_none():
    assert longest_stable(diffrax.LeapfrogMidpoint()) == longest_stable(diffrax.Kvaerno5()) == np.inf
    assert longest_stable(StrangSplitting()) == 2.0


@pytest.fixture(scope="module")
def columns():
    """Random columns whose faster synapse has a rate constant of 100 /s."""
    rng = np.random.default_rng(2)
    own = {name: rng.uniform(*limits, 500) for name, limits in RANGES.items()}
    fastest = np.maximum(own["a"], own["b"]) / 100
    own |= {name: own[name] / fastest for name in "ab"}
    C = np.exp(rng.uniform(np.log(65), np.log(1350), 500))
    return Column(JansenRitParameters(**own, C=C), ConstantInput(rng.uniform(50, 400, 500)))


def eeg_of(columns, solver, dt):
    steps = round(12 / dt)
    ys = simulate(columns, t1=steps * dt, dt=dt, burn_in=steps // 2 * dt, solver=solver, throw=False).ys
    return np.asarray(ys[..., 1] - ys[..., 2], float)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::jrae_jax.column.LongStepWarning")
@pytest.mark.parametrize("solver", [diffrax.Euler(), FixedStepHeun(), RK4(), diffrax.Tsit5(), diffrax.Midpoint()])
def test_next_to_no_column_is_right_beyond_the_limit(columns, solver):
    right = eeg_of(columns, RK4(), 1e-3)
    mean, sd = right.mean(axis=1), right.std(axis=1)
    found = eeg_of(columns, solver, 0.999 * longest_stable(solver) / 100)
    near = np.abs(found.mean(axis=1) - mean) < 0.05 * np.abs(mean) + 0.1
    near &= np.abs(found.std(axis=1) - sd) < 0.25 * sd + 0.05
    assert np.mean(near) <= 0.06


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::jrae_jax.column.LongStepWarning")
def test_rhythms_are_lost_beyond_the_limit_of_strang_splitting(columns):
    right = eeg_of(columns, RK4(), 1e-3)
    oscillates = np.ptp(right, axis=1) > 0.9
    right = right[oscillates]
    assert np.sum(oscillates) > 100

    def kept(dt):
        found = eeg_of(columns, StrangSplitting(), dt)[oscillates]
        same = np.abs(frequency(found, dt) / frequency(right, 1e-3) - 1) < 0.1
        same &= np.abs(np.ptp(found, axis=1) / np.ptp(right, axis=1) - 1) < 0.5
        return np.mean(same)

    assert kept(0.005) > 0.9
    assert kept(0.0199) < 0.25


def frequency(v, dt):
    """Where the power of each row peaks, Hz."""
    power = np.abs(np.fft.rfft(v - v.mean(axis=1, keepdims=True), axis=1))
    return np.argmax(power, axis=1) / (v.shape[1] * dt)
