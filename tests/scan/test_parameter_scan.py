"""Whole scans: what they hold, that nothing depends on how they are divided, and failures."""

import importlib
import os
from typing import Any

import diffrax
import jax
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import StrangSplitting
from jrae_jax.scan import Moments, Samples, zipped
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


def test_double_precision_within_a_context():
    """What `with` sets is so for one thread alone."""
    with jax.enable_x64(True):
        white = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220.0, 6.0))
        found = scan(column=white, summaries=(Samples(),)).load()
        ys = jrae.simulate(white.replace(C=C), t1=0.05, dt=1e-3, solver=StrangSplitting(), key=jax.random.key(0)).ys
    assert found.eeg_samples.dtype == np.float64
    np.testing.assert_allclose(found.eeg_samples, ys[..., 1] - ys[..., 2], rtol=1e-9, atol=1e-9)


def test_nan_of_a_column_that_fails_does_not_stop_a_search_for_nan():
    jax.config.update("jax_debug_nans", True)
    try:
        found = scan({"a": np.array([90.0, 20_000.0])}, solver=diffrax.Euler()).load()
    finally:
        jax.config.update("jax_debug_nans", False)
    np.testing.assert_array_equal(found.failed, [False, True])


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
