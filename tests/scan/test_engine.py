"""The engine of a parameter scan: its summaries are those of what `simulate` returns, however columns are divided."""

import math
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import LongStepWarning, States, StrangSplitting
from jrae_jax.scan import REGIMES, AbstractSummary, Blocks, Moments, Regime, Samples, Spectrum, TrajectoryInfo, Variable
from jrae_jax.scan.engine import FAILURES, ScanPlan, ScanPoints, samples_name, summarise

KEY = jax.random.key(0)


TILE = ScanPlan(diffrax.Euler(), (), 1e-3, 1, 0).tile


def each(values, columns=TILE):
    """One value for each column: those given, and the last of them for all others."""
    return np.concatenate([values, np.full(columns - len(values), values[-1])])


def summarised(summaries, column, *, steps, trajectory=None, y0=None, **settings: Any):
    """The results of columns whose noise is that of the trajectories given, by default 0, 1, 2 and so on."""
    trajectory = jnp.asarray(np.arange(TILE) if trajectory is None else trajectory, jnp.uint32)
    points = ScanPoints(column, ScanPoints(column).y0 if y0 is None else y0, trajectory)
    settings = dict(solver=StrangSplitting(), dt=1e-3, burn_in=0) | settings
    plan = ScanPlan(summaries=summaries, steps=steps, **settings)
    points = jax.device_put(points, jax.devices()[0])
    found = {name: np.array(values) for name, values in summarise(points, plan, KEY).items()}
    for place, summary in enumerate(summaries):
        together = found.pop(samples_name(place), None)
        if together is not None:
            together[found["failed"]] = np.nan
            found |= {f"{channel}_samples": together[..., i] for i, channel in enumerate(summary.channels)}
    return found


def simulated(column, *, steps, solver=None, **settings: Any):
    """The trajectories of the first few columns by `simulate`: `(columns, time, state)`."""
    solver = StrangSplitting() if solver is None else solver
    return jrae.simulate(column, t1=steps * 1e-3, dt=1e-3, solver=solver, key=KEY, throw=False, **settings).ys


def eeg(ys):
    return ys[..., 1] - ys[..., 2]


def assert_close(actual, expected, tolerance):
    """Equal to within `tolerance` of the largest value."""
    assert np.shape(actual) == np.shape(expected)
    assert np.max(abs(actual - expected)) <= tolerance * np.max(abs(expected))


# What it gives is what `simulate` gives


class LongestAbove(AbstractSummary):
    """A summary as a user would write it: the longest time above a threshold, which lies across blocks."""

    threshold: float = eqx.field(static=True)
    channels = ("eeg",)  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def blocks(self, dt):
        return Blocks()

    def variables(self, info):
        return {"longest_above": Variable("s", "longest time above the threshold")}

    def init(self, info):
        return jnp.zeros(info.batch), jnp.zeros(info.batch)

    def update(self, info, state, samples):
        def count(state, v):
            now, longest = state
            now = jnp.where(v > self.threshold, now + 1, 0)
            return (now, jnp.maximum(now, longest)), None

        return jax.lax.scan(count, state, samples[:, 0])[0]

    def result(self, info, state):
        return {"longest_above": state[1] * info.dt}


WHITE = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220, 6.0))
ALL_SUMMARIES = (Samples(5, ("y4", "eeg")), Moments(("y0", "eeg")), Spectrum(resolution=1.0), Regime(), LongestAbove(7))
BURN_IN = 150  # steps, and then two blocks of a thousand


@pytest.fixture(scope="module")
def results():
    return summarised(ALL_SUMMARIES, WHITE, steps=2150, burn_in=BURN_IN)


@pytest.fixture(scope="module")
def ys():
    return np.asarray(simulated(WHITE, steps=2150, batch=4))[:, BURN_IN:]


def fed(summary, values):
    """The results of a summary for whole trajectories, `(columns, time)`."""
    info = TrajectoryInfo(WHITE, len(values), 1e-3, BURN_IN * 1e-3, values.shape[1])

    @jax.jit
    def results(samples):
        return summary.result(info, summary.update(info, summary.init(info), samples))

    every = summary.blocks(1e-3).every
    return results(values.T[every - 1 :: every, None])


def test_nothing_failed(results):
    assert not np.any(results["failed"])
    assert np.all(np.isnan(results["failure_time"]))


def test_samples_are_the_trajectory_after_the_burn_in(results, ys):
    assert_close(results["y4_samples"][:4], ys[:, 4::5, 4], 1e-4)
    assert_close(results["eeg_samples"][:4], eeg(ys)[:, 4::5], 1e-4)


def test_moments_are_those_of_the_trajectory(results, ys):
    for channel, values in {"y0": ys[..., 0], "eeg": eeg(ys)}.items():
        for name, function in dict(mean=np.mean, sd=np.std, min=np.min, max=np.max).items():
            np.testing.assert_allclose(results[f"{channel}_{name}"][:4], function(values, axis=1), rtol=1e-4)


@pytest.mark.parametrize("summary", ALL_SUMMARIES[2:])
def test_other_summaries_are_those_of_the_trajectory(results, ys, summary):
    for name, values in fed(summary, eeg(ys)).items():
        np.testing.assert_allclose(results[name][:4].T, values, rtol=1e-3)


def test_a_summary_of_the_user_finds_what_lies_across_blocks(results, ys):
    above = np.pad(eeg(ys) > 7, [(0, 0), (1, 1)])
    edges = [np.flatnonzero(np.diff(row)) for row in above]
    np.testing.assert_allclose(results["longest_above"][:4], [np.diff(e)[::2].max() * 1e-3 for e in edges], rtol=1e-5)


ONSET = 1.2
START = np.array([[0.08, 18.0, 15.0, -0.5, 30.0, -20.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 6])


@pytest.mark.parametrize(
    ("x64", "background"),
    [
        pytest.param(
            *(False, jrae.UniformNoiseInput([100.0, 120.0, 140.0], [300.0, 320.0, 380.0], hold=7e-3)),
            marks=pytest.mark.slow,
        ),
        (True, jrae.OrnsteinUhlenbeckInput([200.0, 220.0, 240.0], [20.0, 50.0, 80.0], [0.01, 0.02, 0.05], hold=7e-3)),
    ],
)
def test_held_noise_and_pulses_continue_from_block_to_block(x64, background):
    """Blocks end in the middle of holds of 7 ms. Each column has an input and a start of its own."""
    with jax.enable_x64(x64):
        pulse = jrae.EvokedPulseInput(
            ONSET, jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), float), background)
        )
        few = jrae.Column(jrae.JansenRitParameters(), pulse)
        many = jax.tree.map(lambda leaf: jnp.asarray(each(leaf)) if leaf.ndim else leaf, few)
        y0 = States.unstack(jnp.asarray([each(state) for state in START.T], float))
        results = summarised((Samples(1, ("y1", "y4")),), many, steps=2000, y0=y0)
        ys = np.asarray(simulated(few, steps=2000, y0=START))
        assert results["y1_samples"].dtype == jnp.result_type(float)
    tolerance = 1e-10 if x64 else 1e-4
    assert_close(results["y1_samples"][:3], ys[..., 1], tolerance)
    assert_close(results["y4_samples"][:3], ys[..., 4], tolerance)


# However the columns are divided

PLAIN: dict[str, Any] = dict(summaries=(Moments(), Samples(30, ("y4",))), column=WHITE, steps=120)


@pytest.fixture(scope="module")
def plain():
    return summarised(**PLAIN)


def assert_equal(results, expected, columns: Any = slice(None)):
    assert results.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(results[name], values[columns])


def test_a_column_does_not_depend_on_its_place_or_its_neighbours(plain):
    order = np.random.default_rng(0).permutation(TILE)
    assert_equal(summarised(**PLAIN, trajectory=order), plain, order)
    strangers = np.where(np.arange(TILE) == 17, 17, 5_000 + np.arange(TILE))
    among_strangers = summarised(**PLAIN, trajectory=strangers)
    assert_equal({name: values[17] for name, values in among_strangers.items()}, plain, 17)
    assert len(np.unique(plain["eeg_mean"])) > 0.9 * TILE


def test_a_column_does_not_depend_on_how_many_tiles_there_are(plain):
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(TILE), 2))
    assert_equal(summarised(**PLAIN, trajectory=order), plain, order)


@pytest.mark.slow
def test_a_column_does_not_depend_on_the_sizes_of_tiles_and_blocks(plain):
    cut = summarised(**PLAIN, tile=64, shortest_block=60)
    np.testing.assert_allclose(cut["eeg_mean"], plain["eeg_mean"], rtol=1e-6)
    np.testing.assert_array_equal(cut["y4_samples"], plain["y4_samples"])


def test_blocks_are_whole_multiples_of_what_each_summary_asks_for():
    spectrum = Spectrum(resolution=2.0)
    plan = ScanPlan(diffrax.Euler(), (Samples(7), spectrum, Moments()), 1e-3, 5000, 0)
    assert plan.block % 7 == 0
    assert plan.block % math.prod(spectrum.blocks(1e-3)) == 0


# Columns that fail


FAST = {5: 1600.0, 9: 4000.0}  # rate constants for which Euler steps of 1 ms leave the bounds, and are not stable
OVERFLOW = 13  # the column whose input overflows in the end, after the burn-in
FAILED = [*FAST, OVERFLOW]
FAILING: dict[str, Any] = dict(
    summaries=(Moments(("y4", "eeg")), Samples(10), Regime(), LongestAbove(7)),
    steps=300,
    solver=diffrax.Euler(),
    burn_in=100,
    check_bounds=True,
)
QUIET = jrae.Column(jrae.JansenRitParameters(), jrae.ConstantInput(220.0))
LATE_PULSE = QUIET.replace(input=jrae.EvokedPulseInput(0.15, jrae.ConstantInput(220.0), q=0.0))


def explosive(rates, q):
    a, qs = np.full(TILE, 100.0), np.zeros(TILE)
    a[list(rates)], qs[OVERFLOW] = list(rates.values()), q
    return summarised(column=LATE_PULSE.replace(a=a, C=each(np.linspace(120, 150, 50)), q=qs), **FAILING)


@pytest.fixture(scope="module")
def exploded():
    return explosive(FAST, 1e38)


def test_only_the_columns_that_fail_fail_with_the_time_and_the_reason(exploded):
    np.testing.assert_array_equal(np.flatnonzero(exploded["failed"]), FAILED)
    reasons = [FAILURES[code] for code in exploded["failure"][FAILED]]
    assert reasons == ["out_of_bounds", "step_too_long", "not_finite"]
    assert np.sum(exploded["failure"] != 0) == len(FAILED)
    Cs = np.linspace(120, 150, 50)[FAILED]
    few = LATE_PULSE.replace(a=np.array([*FAST.values(), 100.0]), C=Cs, q=np.array([0.0, 0.0, 1e38]))
    with pytest.warns(LongStepWarning):
        ys = simulated(few, steps=300, solver=diffrax.Euler())
    first = np.argmax(~np.isfinite(ys).all(axis=-1), axis=1)
    assert first[0] < 100 < first[2]
    times = exploded["failure_time"]
    np.testing.assert_allclose(times[FAILED], [(first[0] + 1) * 1e-3, 0.0, (first[2] + 1) * 1e-3], rtol=1e-6)
    assert np.sum(np.isnan(times)) == TILE - len(FAILED)


def test_neighbours_of_columns_that_fail_are_as_they_would_be_without_them(exploded):
    good = np.delete(np.arange(TILE), FAILED)
    fine = explosive({}, 0.0)
    assert not np.any(fine["failed"])
    assert_equal({name: values[good] for name, values in exploded.items()}, fine, good)


def test_numbers_of_a_column_that_failed_are_nan(exploded):
    for name in ("y4_mean", "y4_sd", "y4_min", "y4_max", "eeg_mean", "eeg_sd", "eeg_min", "eeg_max", "spike_rate"):
        assert np.all(np.isnan(exploded[name][FAILED])), name
    np.testing.assert_array_equal(exploded["regime"][FAILED], [-1, -1, -1])
    assert np.all(np.isnan(exploded["eeg_samples"][FAILED]))
    assert np.all(np.isnan(exploded["longest_above"][FAILED]))


# What is known of the model


@pytest.fixture(scope="module")
def known():
    """18 s with constant input in the first three columns, and with noise of sigma = 2000 in the others."""
    input = jrae.WhiteNoiseInput(each([50.0, 220.0, 120.0, 220.0]), each([0.0, 0.0, 0.0, 2000 / 325]))
    return summarised((Moments(), Spectrum(), Regime()), QUIET.replace(input=input), steps=20_000, burn_in=2000)


@pytest.mark.slow
def test_known_regimes_at_constant_input(known):
    assert [REGIMES[code] for code in known["regime"][:3]] == ["rest", "alpha", "spike"]
    assert known["spike_rate"][0] == known["spike_rate"][1] == 0
    assert 1 < known["spike_rate"][2] < 4


@pytest.mark.slow
def test_known_frequencies_at_constant_input(known):
    assert np.isnan(known["dominant_frequency"][0])
    assert known["dominant_frequency"][1] == pytest.approx(10.938029, abs=0.1)
    assert known["eeg_min"][1] == pytest.approx(6.0836, abs=0.05)
    assert known["eeg_max"][1] == pytest.approx(9.0392, abs=0.05)


@pytest.mark.slow
def test_known_statistics_in_white_noise(known):
    """Mean 7.56, standard deviation 2.165 at a step of 1 ms, and a fraction of .745 of the power from 8 to 13 Hz."""
    mean, variance = known["eeg_mean"][3:].astype(float), known["eeg_sd"][3:].astype(float) ** 2
    assert np.mean(mean) == pytest.approx(7.56, abs=0.012)
    assert np.sqrt(np.mean(variance) + np.var(mean)) == pytest.approx(2.165, abs=0.02)
    assert np.mean(known["band_power"][3:, 2]) / np.mean(variance) == pytest.approx(0.745, abs=0.015)
