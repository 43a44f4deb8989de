"""Whole scans: what they hold, that nothing depends on how they are divided, failures, and arguments refused."""

import importlib
import os
from types import SimpleNamespace
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import StrangSplitting
from jrae_jax.scan import AbstractSummary, Blocks, Moments, Samples, Variable, zipped
from jrae_jax.scan.layout import Layout

scans = importlib.import_module("jrae_jax.scan.parameter_scan")

WHITE = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220.0, 6.0))
C = np.array([60.0, 110.0, 135.0, 200.0])
BURN_IN, STEPS = 20, 300


def scan(axes: Any = None, **changed: Any):
    """Four columns, a twentieth of a second."""
    settings: dict[str, Any] = dict(column=WHITE, t1=0.05, dt=1e-3, summaries=(Moments(),), key=jax.random.key(0))
    return jrae.parameter_scan(axes={"C": C} if axes is None else axes, **settings | changed)


def assert_same_bits(found, wanted):
    assert set(found.data_vars) == set(wanted.data_vars)
    for name in wanted.data_vars:
        np.testing.assert_array_equal(found[name].values, wanted[name].values)


@pytest.fixture(scope="module")
def plain():
    return scan().load()


@pytest.fixture
def small_chunks(monkeypatch, chunks_of):
    monkeypatch.setattr(Layout, "of_scan", chunks_of(3))


# What a scan holds


@pytest.fixture(scope="module")
def simulated():
    """The columns of the next two tests one by one in a batch, by `simulate`."""
    places = np.meshgrid(C, [150.0, 250.0, 350.0], [0, 1], indexing="ij")
    return jrae.simulate(
        WHITE.replace(C=places[0].ravel(), p=places[1].ravel(), intensity=np.full(24, 6.0)),
        t1=STEPS * 1e-3,
        dt=1e-3,
        solver=StrangSplitting(),
        key=jax.random.key(7),
    )


@pytest.fixture(scope="module")
def scanned():
    return scan(
        {"C": C, "p": np.array([150.0, 250.0, 350.0])},
        repeats=2,
        t1=STEPS * 1e-3,
        burn_in=BURN_IN * 1e-3,
        summaries=(Moments(("y0", "eeg")), Samples(7, ("eeg", "y3"))),
        key=jax.random.key(7),
    ).load()


def test_each_point_is_the_trajectory_of_its_place_in_the_grid(simulated, scanned):
    ys = np.asarray(simulated.ys)[:, BURN_IN + 6 :: 7]
    wanted = {"eeg_samples": ys[..., 1] - ys[..., 2], "y3_samples": ys[..., 3]}
    for name, values in wanted.items():
        found = scanned[name].values.reshape(24, -1)
        np.testing.assert_allclose(found, values, rtol=0, atol=2e-4 * abs(values).max())
    np.testing.assert_allclose(scanned.time, np.asarray(simulated.ts)[BURN_IN + 6 :: 7], rtol=1e-6)


def test_moments_are_those_that_numpy_finds(simulated, scanned):
    ys = np.asarray(simulated.ys, float)[:, BURN_IN:]
    for channel, values in {"y0": ys[..., 0], "eeg": ys[..., 1] - ys[..., 2]}.items():
        for name in ("mean", "std", "min", "max"):
            found = scanned[f"{channel}_{name.replace('std', 'sd')}"].values.ravel()
            np.testing.assert_allclose(found, getattr(np, name)(values, axis=1), rtol=1e-3, atol=1e-4)


def test_results_are_labelled(scanned):
    assert dict(scanned.sizes) == {"C": 4, "p": 3, "repeat": 2, "time": 40}
    assert scanned.eeg_mean.dims == ("C", "p", "repeat")
    assert scanned.eeg_samples.dims == ("C", "p", "repeat", "time")
    np.testing.assert_array_equal(scanned.C, C)
    np.testing.assert_array_equal(scanned.p, [150, 250, 350])
    np.testing.assert_array_equal(scanned.repeat, [0, 1])
    units = {name: scanned[name].attrs.get("units") for name in ("C", "p", "time", "eeg_sd", "y3_samples", "failed")}
    assert units == {"C": "1", "p": "1/s", "time": "s", "eeg_sd": "mV", "y3_samples": "mV/s", "failed": "1"}
    assert scanned.eeg_sd.attrs["long_name"] == "standard deviation of eeg"
    assert (scanned.attrs["points"], scanned.attrs["points_done"], scanned.attrs["integrator"]) == (24, 24, "kernel")
    assert not scanned.failed.any()
    assert scanned.failure_time.isnull().all()


def test_quantities_together_label_their_axis(monkeypatch):
    monkeypatch.setattr(scans, "_compute_chunks", lambda *_: None)
    together = scan([zipped("pair", C=C, p=C + 100)])
    assert together.eeg_mean.dims == ("pair",)
    assert set(together.coords) == {"C", "p"}
    np.testing.assert_array_equal(together.p, C + 100)


def test_results_come_in_the_order_in_which_they_were_asked_for(scanned):
    failures = ["failed", "failure", "failure_time"]
    names = [f"{c}_{m}" for c in ("y0", "eeg") for m in ("mean", "sd", "min", "max")]
    assert list(scanned.data_vars) == [*failures, *names, "eeg_samples", "y3_samples"]


def test_repetitions_alone_and_a_single_column(plain):
    repeated = scan({}, repeats=3, column=WHITE.replace(C=C[0])).load()
    assert repeated.eeg_mean.dims == ("repeat",)
    assert repeated.eeg_mean.values[0] == pytest.approx(plain.eeg_mean.values[0], rel=1e-5)
    assert len(set(repeated.eeg_mean.values.tolist())) == 3
    alone = scan({}, column=WHITE.replace(C=C[0])).load()
    assert alone.eeg_mean.dims == ()
    assert alone.eeg_mean.values == repeated.eeg_mean.values[0]


def test_a_background_and_the_states_at_the_start_can_be_scanned():
    """Ornstein-Uhlenbeck noise, of which two leaves change, under a pulse."""
    background = jrae.OrnsteinUhlenbeckInput(220.0, 57.0, 0.01, hold=2e-3)
    column = WHITE.replace(input=jrae.EvokedPulseInput(0.02, background))
    sd, onset, start = np.array([0.0, 100.0]), np.array([0.0, 0.03]), np.array([18.0, 5.0])
    axes = [zipped("point", **{"background.sd": sd, "onset": onset, "initial_y1": start})]
    y0 = np.array([0.1, 1.0, 15.0, -0.5, 30.0, -20.0])
    key = jax.random.key(3)
    found = scan(axes, column=column, y0=y0, summaries=(Samples(),), key=key)
    backgrounds = jrae.OrnsteinUhlenbeckInput(np.full(2, 220.0), sd, np.full(2, 0.01), hold=2e-3)
    columns = WHITE.replace(input=jrae.EvokedPulseInput(onset, backgrounds, q=np.full(2, 0.5), w=np.full(2, 0.005)))
    starts = np.stack([y0, y0])
    starts[:, 1] = start
    wanted = jrae.simulate(columns, y0=starts, t1=0.05, dt=1e-3, solver=StrangSplitting(), key=key)
    np.testing.assert_allclose(found.eeg_samples, wanted.eeg, rtol=1e-4, atol=1e-5)
    assert found.initial_y1.attrs["units"] == "mV"


@pytest.mark.parametrize(("burn_in", "t1"), [(1.0, 2.0), (1.0, 3.5)])
def test_a_burn_in_of_one_block(burn_in, t1):
    """XLA makes a constant of the first step of a loop with one turn, and may fail on that."""
    found = scan(burn_in=burn_in, t1=t1, summaries=(Moments(), Samples(500))).load()
    ys = np.asarray(
        jrae.simulate(WHITE.replace(C=C), t1=t1, dt=1e-3, solver=StrangSplitting(), key=jax.random.key(0)).ys
    )
    eeg = (ys[..., 1] - ys[..., 2])[:, 1000:]
    np.testing.assert_allclose(found.eeg_samples, eeg[:, 499::500], rtol=1e-2)
    np.testing.assert_allclose(found.eeg_mean, eeg.mean(axis=1), rtol=1e-3)


def test_what_the_kernel_does_not_have_is_left_to_diffrax(plain):
    class Other(StrangSplitting):
        pass

    found = scan(solver=Other()).load()
    assert (found.attrs["integrator"], plain.attrs["integrator"]) == ("diffrax", "kernel")
    assert not any(np.array_equal(found[name], plain[name]) for name in ("eeg_mean", "eeg_sd"))  # rounding
    for name in ("eeg_mean", "eeg_sd", "eeg_min", "eeg_max"):
        np.testing.assert_allclose(found[name], plain[name], rtol=2e-5, atol=2e-6)


# Nothing depends on how a scan is divided


def test_results_do_not_depend_on_chunks(plain, small_chunks):
    assert_same_bits(scan().load(), plain)


@pytest.mark.parametrize("cores", [1, 3])
def test_results_do_not_depend_on_devices_and_cores(plain, monkeypatch, cores):
    """A thousand columns are pieces for each core; the suite has two devices."""
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    more = scan({"C": np.append(C, np.linspace(80.0, 90.0, 1000))}).load()
    assert_same_bits(more.isel(C=slice(4)), plain)


def test_results_do_not_depend_on_what_else_is_scanned(plain):
    more = scan({"C": np.append(C, np.linspace(80.0, 90.0, 1500))}).load()
    assert_same_bits(more.isel(C=slice(4)), plain)


def test_another_key_is_other_noise(plain):
    assert not np.any(scan(key=jax.random.key(1)).eeg_mean.values == plain.eeg_mean.values)


# Progress


def test_progress_reports_points_speed_and_failures(small_chunks):
    reports = []
    a = np.array([90.0, 20_000.0, 100.0, 30_000.0, 95.0])
    scan({"a": a}, solver=diffrax.Euler(), progress=lambda *report: reports.append(report))
    assert [(done, total) for done, total, _ in reports] == [(0, 5), (3, 5), (5, 5)]
    messages = [message for *_, message in reports]
    assert messages[0] == "points, compiling"
    assert messages[1].startswith("points, 1 failed, ")
    assert messages[2].startswith("points, 2 failed, ")
    assert messages[2].endswith(" million column-steps/s")


# Failures


def test_a_failing_column_is_located_and_its_neighbours_are_as_without_it():
    """With explicit Euler at 1 ms a rate constant of 20 000 /s grows 19-fold at each step."""
    with_failure = scan({"a": np.array([90.0, 20_000.0, 110.0])}, solver=diffrax.Euler()).load()
    without = scan({"a": np.array([90.0, 100.0, 110.0])}, solver=diffrax.Euler()).load()
    np.testing.assert_array_equal(with_failure.failed, [False, True, False])
    assert_same_bits(with_failure.isel(a=[0, 2]), without.isel(a=[0, 2]))
    fast = WHITE.replace(a=np.array([90.0, 20_000.0, 110.0]))
    settings: dict[str, Any] = dict(t1=0.05, dt=1e-3, solver=diffrax.Euler(), key=jax.random.key(0))
    reference = jrae.simulate(fast, **settings, throw=False)
    first = np.flatnonzero(~np.isfinite(reference.ys[1, :, :]).all(axis=-1))[0]
    assert with_failure.failure_time.values[1] == pytest.approx(float(reference.ts[first]), abs=1.1e-3)
    assert not np.isfinite(with_failure.eeg_mean.values[1])


# Summaries of one's own


class Above(AbstractSummary):
    """How many samples lie above a level."""

    level: jax.Array
    name: str = eqx.field(static=True, default="above")
    described: tuple[str, ...] = eqx.field(static=True, default=("above",))
    channels = ("eeg",)  # pyright: ignore

    def blocks(self, dt):
        return Blocks()

    def variables(self, info):
        label = f"samples above a level, {info.start:g} s on, {info.samples} of {info.dt:g} s"
        return {name: Variable("1", label) for name in self.described}

    def init(self, info):
        return jnp.zeros(info.batch, jnp.int32)

    def update(self, info, state, samples):
        return state + jnp.sum(samples[:, 0] > self.level, axis=0, dtype=jnp.int32)

    def result(self, info, state):
        return {self.name: state}


def above(**fields: Any):
    return Above(jnp.asarray(8.0), **fields)


def test_a_summary_of_ones_own():
    found = scan(burn_in=0.01, summaries=(above(), Samples())).load()
    assert found.above.dtype == np.int32
    np.testing.assert_array_equal(found.above, (found.eeg_samples > 8).sum("time"))
    assert found.above.attrs["long_name"] == "samples above a level, 0.01 s on, 40 of 0.001 s"


class Along(Above):
    """With an axis of its own."""

    length: int = eqx.field(static=True, default=2)

    def variables(self, info):
        return {self.name: Variable("1", "twice", ("twice",), {"twice": np.arange(2) * 10.0})}

    def result(self, info, state):
        return {self.name: jnp.stack([state] * self.length)}


def test_a_summary_with_an_axis_of_its_own():
    found = scan(summaries=(Along(jnp.asarray(8.0)),)).load()
    assert found.above.dims == ("C", "twice")
    np.testing.assert_array_equal(found.twice, [0, 10])
    np.testing.assert_array_equal(found.above[:, 0], found.above[:, 1])


# Arguments that do not fit


@pytest.mark.parametrize(
    ("summaries", "message"),
    [
        ((), "`summaries` must .* got none"),
        ((above(described=("below",)),), "`summaries`: Above must give what it describes, below; got above"),
        (
            (above(described=("above", "more")),),
            "`summaries`: Above must give what it describes, above, more; got above",
        ),
        ((above(), above()), "`summaries` must have different results, got above twice"),
        (
            (Moments(), Moments(("eeg", "y0"))),
            "must have different results, got eeg_max, eeg_mean, eeg_min, eeg_sd twice",
        ),
        ((above(name="failed", described=("failed",)),), "`summaries` must have different results, got failed twice"),
        ((above(name="C", described=("C",)),), "`axes` must have .*, got C"),
        ((Samples(10), Samples(5, ("y0",))), "`summaries` must agree on what lies along time"),
        ((Samples(211), Samples(199, ("y0",))), "`summaries` must have blocks .* 20000 samples, got Samples 211, Sam"),
        ((Along(jnp.asarray(8.0), length=3),), "`summaries` must agree on what lies along twice"),
        ((Samples(51),), "`every` must be at most the 50 samples there are, got 51"),
    ],
)
def test_summaries_that_do_not_fit(summaries, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        scan(summaries=summaries, store=tmp_path / "scan.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dim", ["failed", "eeg_mean", "time", "chunk", "chunk_complete"])
def test_an_axis_cannot_be_called_as_something_else_in_the_dataset(dim, tmp_path):
    with pytest.raises(ValueError, match=f"`axes` must have .*, got {dim}$"):
        scan([zipped(dim, C=C)], summaries=(Moments(), Samples()), store=tmp_path / "scan.zarr")
    assert not list(tmp_path.iterdir())


def test_an_axis_cannot_be_called_as_a_quantity_of_another_axis():
    with pytest.raises(ValueError, match=r"`axes` must have .*, got p$"):
        scan([zipped("p", C=C), zipped("x", p=C)])


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(dt=3e-4), "`t1 - t0` must be a whole number of steps of `dt` = 0.0003 s, got 0.05 s"),
        (dict(dt=0.0), "`dt` must be positive, got 0.0"),
        (dict(t1=-1.0), "`t1 - t0` must be positive, got -1.0"),
        (dict(burn_in=0.05), "`burn_in` must be from 0 to less than the 0.05 s simulated, got 0.05 s"),
        (dict(burn_in=-0.01), "`burn_in` must be from 0 to less than the 0.05 s simulated, got -0.01 s"),
        (dict(burn_in=0.0497), "`burn_in` must be .* got 0.0497 s"),
        (dict(burn_in=0.0104), "`burn_in` must be a whole number of steps of `dt` = 0.001 s, got 0.0104 s"),
        (dict(key=0), r"`key` must be one key of jax.random.key, as in jax.random.key\(0\), got 0"),
        (dict(dt="1e-3"), "`dt` must be a number, got '1e-3'"),
        (dict(summaries=Moments()), "`summaries` must be a list, got Moments: put it into brackets"),
        (dict(axes={"C": ["a", "b"]}), r"`C` must be a number or an array of numbers, got \['a', 'b'\]"),
        (dict(axes=zipped(C=[1, 2])), "`axes` must be a mapping or a list, got Axis: put it into brackets"),
        (dict(axes=[{"C": [1, 2]}]), r"`axes` must be an instance of Axis, got \{'C': \[1, 2\]\}"),
        (
            dict(dt=0.025, t1=0.05),
            r"`dt` must be below 0.02 s, where StrangSplitting\(\) becomes unstable for a synapse",
        ),
        (dict(axes={"a": [2e3, 3e3]}), "`dt` must be below 0.001 s, .* for a synapse with a rate of 2000 /s"),
        (dict(key=None), "`key` must be one key of jax.random.key for a WhiteNoiseInput, got None"),
        (dict(solver=diffrax.Kvaerno5()), r"`solver` must be explicit in a parameter scan, got Kvaerno5\(\)"),
        (dict(column=WHITE.replace(B=C)), "`column` must be one column, got a batch of 4: give what changes as `axes`"),
        (
            dict(y0=np.zeros((4, 6))),
            r"`y0` must have shape \(6,\), got \(4, 6\): give what changes as `axes`",
        ),
        (dict(y0=np.full(6, np.nan)), r"`y0` must be finite, got nan"),
        (
            dict(column=WHITE.replace(input=jrae.OrnsteinUhlenbeckInput(220, 50, 0.01, hold=1.5e-3))),
            "`dt` must divide the input's `hold` = 0.0015",
        ),
    ],
)
def test_arguments_that_do_not_fit(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        scan(store=tmp_path / "scan.zarr", **settings)
    assert not list(tmp_path.iterdir())


def test_a_scan_without_noise_needs_no_key():
    still = scan(column=WHITE.replace(input=jrae.ConstantInput(220.0)), key=None, repeats=2)
    np.testing.assert_array_equal(still.eeg_sd[:, 0], still.eeg_sd[:, 1])


def test_results_that_do_not_fit_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(scans.shutil, "disk_usage", lambda path: SimpleNamespace(free=50))
    message = (
        rf"`axes` must make results that fit, got 4 points, 8\.8e-08 GB; there are 5e-08 GB on the disk of {tmp_path}"
    )
    with pytest.raises(ValueError, match=message):
        scan(store=tmp_path / "scan.zarr")
    assert not list(tmp_path.iterdir())


def test_results_that_do_not_fit_into_memory(monkeypatch):
    monkeypatch.setattr("jrae_jax._checks.free_memory", lambda: 68_000_000)
    message = (
        "`axes` must be such that results of all points without a `store` fit into memory, got 4000000: they take "
        r"0\.088 GB, and there are 0\.068 GB"
    )
    with pytest.raises(ValueError, match=message):
        scan(repeats=1_000_000)


def test_a_folder_called_tilde_is_not_the_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_same_bits(scan(store="~").load(), scan())
    assert (tmp_path / "~").is_dir()


def test_several_processes_need_a_store(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="`store` must be given when several processes take part in a scan, got None"):
        scan()
