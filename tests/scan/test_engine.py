"""The engine under a parameter scan: what its summaries say is what `simulate` gives, however the columns are cut."""

import inspect
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from jrae_jax import (
    REGIMES,
    STATES,
    AbstractSummary,
    ConstantInput,
    Euler,
    EvokedPulseInput,
    InitialState,
    JansenRitParameters,
    Moments,
    OrnsteinUhlenbeckInput,
    Regime,
    Run,
    Samples,
    Spectrum,
    StrangSplitting,
    UniformNoiseInput,
    Variable,
    WhiteNoiseInput,
    simulate,
)
from jrae_jax.scan import engine
from jrae_jax.scan.engine import Columns, Protocol, column_multiple, place

KEY = jax.random.key(0)


def mesh_of(devices):
    return Mesh(np.array(jax.devices()[:devices]), ("columns",))


TILE = column_multiple(mesh_of(1))


def each(values, columns=TILE):
    """One value for each column: those given, and the last of them for all others."""
    return np.concatenate([values, np.full(columns - len(values), values[-1])])


def summarised(summaries, input, *, steps, devices=1, trajectory=None, run: Any = engine.summarise, **settings: Any):
    """The results of columns whose noise is that of the trajectories given, by default 0, 1, 2 and so on."""
    trajectory = np.arange(TILE) if trajectory is None else trajectory
    parameters = settings.pop("parameters", JansenRitParameters())
    initial = settings.pop("initial", InitialState())
    columns = Columns(parameters, input, initial, jnp.asarray(trajectory, jnp.uint32))
    settings = dict(solver=StrangSplitting(), dt=1e-3, burn_in=0) | settings
    protocol = Protocol(summaries=summaries, steps=steps, **settings)
    mesh = mesh_of(devices)
    return {name: np.asarray(values) for name, values in run(place(columns, mesh), protocol, KEY, mesh).items()}


def simulated(input, *, steps, solver=None, **settings: Any):
    """The trajectories of the first few columns by `simulate`: `(columns, time, state)`."""
    dt = settings.pop("dt", 1e-3)
    parameters = settings.pop("parameters", JansenRitParameters())
    solver = StrangSplitting() if solver is None else solver
    settings = dict(t1=steps * dt, dt=dt, key=KEY, throw=False) | settings
    return np.asarray(simulate(parameters, input, solver=solver, **settings).ys)


def eeg(ys):
    return ys[..., 1] - ys[..., 2]


def assert_close(actual, expected, tolerance):
    """Equal to within `tolerance` of the largest value."""
    assert np.shape(actual) == np.shape(expected)
    assert np.max(abs(actual - expected)) <= tolerance * np.max(abs(expected))


# What it gives is what `simulate` gives


class LongestAbove(AbstractSummary):
    """A summary as a user would write it: the longest time above a threshold, which needs to look across blocks."""

    threshold: float = eqx.field(static=True)
    channels = ("eeg",)  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def variables(self, dt, start, samples):
        return {"longest_above": Variable("s", "longest time above the threshold")}

    def init(self, run):
        return jnp.zeros(run.columns), jnp.zeros(run.columns)

    def update(self, run, state, samples):
        def look(state, v):
            now, longest = state
            now = jnp.where(v > self.threshold, now + 1, 0)
            return (now, jnp.maximum(now, longest)), None

        return jax.lax.scan(look, state, samples[:, 0])[0]

    def result(self, run, state):
        return {"longest_above": state[1] * run.dt}


ALL_SUMMARIES = (Samples(5, ("y4", "eeg")), Moments(("y0", "eeg")), Spectrum(resolution=1.0), Regime(), LongestAbove(7))
BURN_IN = 150  # steps, and then two blocks of a thousand


@pytest.fixture(scope="module")
def results():
    return summarised(ALL_SUMMARIES, WhiteNoiseInput(220, 6.0), steps=2150, burn_in=BURN_IN)


@pytest.fixture(scope="module")
def ys():
    return simulated(WhiteNoiseInput(220, 6.0), steps=2150, batch=4)[:, BURN_IN:]


def fed(summary, values):
    """What a summary says of whole trajectories, `(columns, time)`."""
    run = Run(JansenRitParameters(), len(values), 1e-3, BURN_IN * 1e-3, values.shape[1])

    @jax.jit
    def results(samples):
        return summary.result(run, summary.update(run, summary.init(run), samples))

    return results(values.T[:, None])


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


def test_a_summary_of_the_user_sees_what_lies_across_blocks(results, ys):
    above = np.pad(eeg(ys) > 7, [(0, 0), (1, 1)])
    edges = [np.flatnonzero(np.diff(row)) for row in above]
    np.testing.assert_allclose(results["longest_above"][:4], [np.diff(e)[::2].max() * 1e-3 for e in edges], rtol=1e-5)


ONSET = 1.2
START = np.array([[0.08, 18.0, 15.0, -0.5, 30.0, -20.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 6])


@pytest.mark.parametrize(
    ("x64", "background"),
    [
        pytest.param(
            *(False, UniformNoiseInput([100.0, 120.0, 140.0], [300.0, 320.0, 380.0], hold=7e-3)), marks=pytest.mark.slow
        ),
        (True, OrnsteinUhlenbeckInput([200.0, 220.0, 240.0], [20.0, 50.0, 80.0], [0.01, 0.02, 0.05], hold=7e-3)),
    ],
)
def test_held_noise_and_pulses_go_on_from_block_to_block(x64, background):
    """Blocks end in the middle of holds of 7 ms. Each column has an input and a start of its own."""
    with jax.enable_x64(x64):
        few = EvokedPulseInput(ONSET, jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), float), background))
        many = jax.tree.map(lambda leaf: jnp.asarray(each(leaf)) if leaf.ndim else leaf, few)
        initial = InitialState(**{f"initial_{state}": each(START[:, i]) for i, state in enumerate(STATES)})
        results = summarised((Samples(1, ("y1", "y4")),), many, steps=2000, initial=initial)
        ys = simulated(few, steps=2000, y0=START)
        assert results["y1_samples"].dtype == jnp.result_type(float)
    tolerance = 1e-10 if x64 else 1e-4
    assert_close(results["y1_samples"][:3], ys[..., 1], tolerance)
    assert_close(results["y4_samples"][:3], ys[..., 4], tolerance)


# However the columns are cut

PLAIN: dict[str, Any] = dict(summaries=(Moments(), Samples(30, ("y4",))), input=WhiteNoiseInput(220, 6.0), steps=120)


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


def test_a_column_does_not_depend_on_tiles_and_devices(plain):
    """Four times as many columns are two tiles of each of two devices."""
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(TILE), 4))
    assert_equal(summarised(**PLAIN, trajectory=order, devices=2), plain, order)


@pytest.mark.slow
def test_a_column_does_not_depend_on_the_sizes_of_tiles_and_blocks(monkeypatch, plain):
    monkeypatch.setattr(engine, "_CPU_TILE", 64)
    monkeypatch.setattr(engine, "_BLOCK", 60)
    function = inspect.unwrap(engine.summarise)
    anew = eqx.filter_jit(lambda *arguments: function(*arguments))  # compiled anew, to see what is patched
    cut = summarised(**PLAIN, run=anew)
    np.testing.assert_allclose(cut["eeg_mean"], plain["eeg_mean"], rtol=1e-6)
    np.testing.assert_array_equal(cut["y4_samples"], plain["y4_samples"])


def test_blocks_are_whole_multiples_of_what_each_summary_asks_for():
    spectrum = Spectrum(resolution=2.0)
    protocol = Protocol(Euler(), (Samples(7), spectrum, Moments()), 1e-3, 5000, 0)
    assert protocol.block % 7 == 0
    assert protocol.block % spectrum.quantum(1e-3) == 0
    assert Protocol(Euler(), (Moments(("y4", "y0")), Regime()), 1e-3, 5000, 0).channels == ("y0", "y4", "eeg")


# Columns that fail


FAST = {5: 2500.0, 9: 4000.0}  # rate constants for which Euler steps of 1 ms explode, the second within the burn-in
FAILING: dict[str, Any] = dict(
    summaries=(Moments(("y4", "eeg")), Samples(10), Regime()), input=ConstantInput(220), steps=300, solver=Euler()
)


def explosive(rates):
    a = np.full(TILE, 100.0)
    a[list(rates)] = list(rates.values())
    return summarised(**FAILING, burn_in=100, parameters=JansenRitParameters(a=a, C=each(np.linspace(120, 150, 50))))


@pytest.fixture(scope="module")
def exploded():
    return explosive(FAST)


def test_only_the_columns_that_explode_fail_and_tell_when(exploded):
    np.testing.assert_array_equal(np.flatnonzero(exploded["failed"]), list(FAST))
    Cs = np.linspace(120, 150, 50)[list(FAST)]
    parameters = JansenRitParameters(a=list(FAST.values()), C=Cs)
    ys = simulated(ConstantInput(220), steps=300, solver=Euler(), parameters=parameters)
    seen = np.stack([ys[..., 4], eeg(ys)], axis=-1)
    first = np.argmax(~np.isfinite(seen).all(axis=-1), axis=1)
    assert first[1] < 100 < first[0]
    np.testing.assert_allclose(exploded["failure_time"][list(FAST)], (first + 1) * 1e-3, rtol=1e-6)
    assert np.sum(np.isnan(exploded["failure_time"])) == TILE - 2


def test_neighbours_of_a_column_that_explodes_are_as_they_would_be_without_it(exploded):
    good = np.delete(np.arange(TILE), list(FAST))
    fine = explosive({})
    assert not np.any(fine["failed"])
    assert_equal({name: values[good] for name, values in exploded.items()}, fine, good)


def test_numbers_of_a_column_that_exploded_are_nan(exploded):
    for name in ("y4_mean", "y4_sd", "y4_min", "y4_max", "eeg_mean", "eeg_sd", "eeg_min", "eeg_max", "spike_rate"):
        assert np.all(np.isnan(exploded[name][list(FAST)])), name
    np.testing.assert_array_equal(exploded["regime"][list(FAST)], [-1, -1])
    assert np.all(np.isnan(exploded["eeg_samples"][9]))


# What is known of the model


@pytest.fixture(scope="module")
def known():
    """18 s with constant input in the first three columns, and with noise of sigma = 2000 in the others."""
    input = WhiteNoiseInput(each([50.0, 220.0, 120.0, 220.0]), each([0.0, 0.0, 0.0, 2000 / 325]))
    return summarised((Moments(), Spectrum(), Regime()), input, steps=20_000, burn_in=2000)


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
    """Mean 7.56, standard deviation 2.165 at a step of 1 ms, and a share of .745 of the power from 8 to 13 Hz."""
    mean, variance = known["eeg_mean"][3:].astype(float), known["eeg_sd"][3:].astype(float) ** 2
    assert np.mean(mean) == pytest.approx(7.56, abs=0.012)
    assert np.sqrt(np.mean(variance) + np.var(mean)) == pytest.approx(2.165, abs=0.02)
    assert np.mean(known["band_power"][3:, 2]) / np.mean(variance) == pytest.approx(0.745, abs=0.015)
