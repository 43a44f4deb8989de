"""The bounds of potentials: no correct trajectory is out of them, and what is reported as out of them is wrong."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import (
    RK4,
    Column,
    ConstantInput,
    EvokedPulseInput,
    FixedStepHeun,
    JansenRitParameters,
    OrnsteinUhlenbeckInput,
    StrangSplitting,
    UniformNoiseInput,
    WhiteNoiseInput,
    potential_bounds,
    simulate,
)
from jrae_jax.column.bounds import longest_bounded, out_of_bounds

RANGES = dict(A=(2.6, 9.75), B=(17.6, 110), v0=(3.12, 6), e0=(1.25, 3.75), r=(0.28, 0.84), C=(65, 1350))
COLUMNS, DT, STEPS = 300, 5e-3, 200


def random_columns(input, seed=0, *, fastest=1.0):
    """Columns whose faster synapse has a rate constant of `fastest / DT` or less."""
    rng = np.random.default_rng(seed)
    own = {name: rng.uniform(*limits, COLUMNS) for name, limits in RANGES.items()}
    rates = {name: fastest / DT * rng.uniform(0.3, 1, COLUMNS) for name in "ab"}
    return Column(JansenRitParameters(**own, **rates), input)


def random_starts(seed=1):
    """Within, beside and far outside of the bounds, at rest and moving."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(COLUMNS, 6)) * [1, 50, 50, 100, 5000, 5000] * 10.0 ** rng.uniform(-2, 1)).astype(
        np.float32
    )


UNIFORM = UniformNoiseInput(120.0, 320.0, hold=DT)
SEVERAL = [
    (StrangSplitting(), WhiteNoiseInput(220.0, 60.0), (-np.inf, np.inf)),
    (RK4(), OrnsteinUhlenbeckInput(220.0, 500.0, 0.02, hold=DT), (-np.inf, np.inf)),
    (RK4(), EvokedPulseInput(0.1, UNIFORM), (120.0, 320.0 + 0.5 * 7**7 * np.exp(-7))),
    (FixedStepHeun(), UNIFORM, (120.0, 320.0)),
    (diffrax.Euler(), ConstantInput(-30.0), (-30.0, -30.0)),
]


@pytest.mark.parametrize(("solver", "input", "p"), SEVERAL, ids=lambda value: type(value).__name__)
@pytest.mark.filterwarnings("ignore::jrae_jax.column.LongStepWarning")
def test_no_trajectory_is_out_of_bounds_up_to_the_step_with_which_states_are_not_checked(solver, input, p):
    column, y0 = random_columns(input, fastest=min(1.0, longest_bounded(solver))), random_starts()
    trajectories = simulate(column, t1=STEPS * DT, dt=DT, y0=y0, solver=solver, key=jax.random.key(0))
    ys = np.asarray(trajectories.ys[..., :3], float)
    parameters = {name: np.asarray(value, float) for name, value in vars(column.parameters).items()}
    A, B, a, b, e0, C = (parameters[name] for name in ("A", "B", "a", "b", "e0", "C"))
    least = np.stack([0 * A, A / a * p[0], 0 * A], axis=-1)
    greatest = np.stack([2 * e0 * A / a, A / a * (p[1] + 2 * e0 * 0.8 * C), 2 * e0 * 0.25 * C * B / b], axis=-1)
    found = potential_bounds(column)
    np.testing.assert_allclose(found.least, least, rtol=1e-5)
    np.testing.assert_allclose(found.greatest, greatest, rtol=1e-5)
    from_rest = simulate(column, t1=STEPS * DT, dt=DT, solver=solver, key=jax.random.key(0)).ys[..., :3]
    for values, low, high in (
        (np.asarray(from_rest, float), np.minimum(least, 0)[:, None], np.maximum(greatest, 0)[:, None]),
        (ys[:, -1:], least[:, None], greatest[:, None]),
    ):
        rounding = 1e-5 * (1 + np.max(np.abs(values), axis=(0, 1)))
        assert np.all((low - rounding <= values) & (values <= high + rounding))
    accurate = np.maximum(a, b) * DT <= 0.5  # at longer steps Euler's start is wrong, as is what is reported of it
    elapsed, potentials = jnp.asarray(trajectories.ts, jnp.float32), jnp.moveaxis(trajectories.ys[..., :3], 0, -1)
    outside = out_of_bounds(column, jnp.asarray(y0.T), potentials, elapsed)
    assert not np.any(outside[:, accurate])


@pytest.mark.parametrize(("solver", "fastest"), [(diffrax.Euler(), 1.6), (RK4(), 2.2)], ids=["Euler", "RK4"])
@pytest.mark.filterwarnings("ignore::jrae_jax.column.LongStepWarning")
def test_what_is_out_of_bounds_is_wrong_and_most_of_what_is_wrong_is_found(solver, fastest):
    column = random_columns(ConstantInput(220.0), fastest=fastest)
    long = simulate(column, t1=STEPS * DT, dt=DT, solver=solver, throw=False)
    short = simulate(column, t1=STEPS * DT, dt=DT / 10, solver=RK4(), saveat=diffrax.SaveAt(steps=10)).ys
    size = np.max(np.abs(short[..., :3]), axis=(0, 1))
    failed = np.asarray(long.result != diffrax.RESULTS.successful)
    whole = np.nan_to_num(np.asarray(long.ys), nan=np.inf)
    error = np.max(np.abs(whole - short)[..., :3] / size, axis=(1, 2))
    assert 0.1 < np.mean(failed) < 0.9
    first = np.argmax(~np.isfinite(long.ys[failed, :, 0]), axis=1)
    assert np.all(first >= 0)
    assert np.mean(error[~failed] < 1.0) > 0.9


def test_the_start_is_taken_into_account_exactly():
    """A column at rest without any drive, far out: the exact solution is within, one that decays otherwise is not."""
    column = Column(JansenRitParameters(e0=0.0), ConstantInput(0.0))
    start = jnp.array([3.0, -200.0, 100.0, 0.0, 0.0, 4000.0])
    t = jnp.linspace(0.001, 0.5, 500)
    low, high = envelope_of_one(column, start, t)
    np.testing.assert_allclose(low, high)
    assert not np.any(out_of_bounds(column, start, jnp.asarray(low, jnp.float32), t))
    for potential in range(3):
        for factor in (0.0, 2.0):
            wrong = np.array(low, np.float32)
            wrong[:, potential] *= factor
            assert np.any(out_of_bounds(column, start, jnp.asarray(wrong), t))


def envelope_of_one(column, start, t):
    k = np.array([column.value(name) for name in "aab"], float)
    x, slope, t = np.asarray(start[:3], float), np.asarray(start[3:], float), np.asarray(t, float)[:, None]
    begun = np.exp(-k * t) * (x + (slope + k * x) * t)
    return begun, begun


def test_adaptive_steps_that_leave_the_bounds_fail():
    column = Column.preset("jansen_rit_1995", ConstantInput(220.0))
    for tolerance in (1e-4, 1e9):  # the latter lets steps of 20 ms pass, whatever they make
        loose = {"solver": diffrax.Heun(), "rtol": tolerance, "atol": tolerance}
        states = simulate(column, t1=1.0, dt=0.02, throw=False, **loose).ys
        assert bool(jnp.all(jnp.isfinite(states))) == (tolerance < 1)
    with pytest.raises(RuntimeError, match="left the range that a column can reach by"):
        simulate(column, t1=1.0, dt=0.02, **loose)
