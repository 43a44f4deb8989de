"""Summaries of one's own in a scan, and arguments that are refused."""

import importlib
from types import SimpleNamespace
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jrae_jax as jrae
from jrae_jax.scan import AbstractSummary, Blocks, Moments, Samples, Variable, zipped

scans = importlib.import_module("jrae_jax.scan.parameter_scan")

WHITE = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220.0, 6.0))
C = np.array([60.0, 110.0, 135.0, 200.0])


def scan(axes: Any = None, **changed: Any):
    """Four columns, a twentieth of a second."""
    settings: dict[str, Any] = dict(column=WHITE, t1=0.05, dt=1e-3, summaries=(Moments(),), key=jax.random.key(0))
    return jrae.parameter_scan(axes={"C": C} if axes is None else axes, **settings | changed)


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
    xr.testing.assert_equal(scan(store="~").load(), scan())
    assert (tmp_path / "~").is_dir()


def test_several_processes_need_a_store(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="`store` must be given when several processes take part in a scan, got None"):
        scan()
