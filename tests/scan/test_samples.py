"""Samples that are kept: where the kernel puts them, and the memory that they are in."""

import importlib

import diffrax
import jax
import numpy as np
import pytest
import xarray as xr

import jrae_jax as jrae
from jrae_jax.scan import Moments, Samples
from tests.scan.stored import WHITE

C = np.linspace(68.0, 270.0, 300)
CHANNELS = ("y4", "eeg", "y0")


class OneOfYourOwn(Samples):
    """The same from blocks of samples, as a summary that the kernel does not know."""


def scan(*summaries, **changed):
    settings = {"t1": 2.505, "dt": 1e-3, "burn_in": 0.01, "key": jax.random.key(0)}
    return jrae.parameter_scan(WHITE, {"C": C[:3], "p": [100.0, 220.0]}, summaries=summaries, **settings | changed)


@pytest.fixture(scope="module")
def kept():
    """In two whole blocks and a part of one, whose last samples are no seventh one."""
    return scan(Samples(7, CHANNELS), Moments()).load()


def test_the_kernel_keeps_what_a_summary_would(kept):
    assert kept.sizes["time"] == 2495 // 7
    xr.testing.assert_equal(scan(OneOfYourOwn(7, CHANNELS), Moments()), kept)
    assert float(np.std(kept.y4_samples)) > 1


def test_in_memory_is_what_is_on_disk(kept, tmp_path):
    stored = scan(Samples(7, CHANNELS), Moments(), store=tmp_path / "scan.zarr").load()
    xr.testing.assert_identical(kept, stored)
    assert [kept[name].dtype for name in kept.variables] == [stored[name].dtype for name in kept.variables]


def test_a_trajectory_is_one_piece_of_memory(kept):
    values = kept.y4_samples.values
    assert values.strides[-1] == len(CHANNELS) * values.itemsize
    assert np.shares_memory(values.base, kept.eeg_samples.values.base)


def test_samples_of_a_column_that_fails_are_nan_and_of_no_other():
    """This one leaves the bounds with a step that is too long for it, and its states are finite to the end."""
    settings = {"t1": 0.3, "dt": 1e-3, "solver": diffrax.Euler(), "key": jax.random.key(0)}
    with pytest.warns(jrae.column.LongStepWarning):
        found = jrae.parameter_scan(WHITE, {"a": [90.0, 1600.0]}, summaries=(Samples(5), Moments()), **settings)
    assert found.failure.values.tolist() == [0, 2]
    np.testing.assert_array_equal(np.isnan(found.eeg_samples).any("time"), [False, True])
    np.testing.assert_array_equal(np.isnan(found.eeg_samples).all("time"), [False, True])


def test_as_many_columns_at_a_time_as_leave_the_samples_where_they_are(monkeypatch):
    """A tile, where the samples are many; their place in the results is that of one tile after the other."""
    pieces, sizes = importlib.import_module("jrae_jax.scan.pieces"), []
    summarise = pieces.summarise

    def watched(points, *rest):
        sizes.append(points.trajectory.size)
        return summarise(points, *rest)

    monkeypatch.setattr(pieces, "summarise", watched)
    settings = {"t1": 1.0, "dt": 1e-3, "summaries": (Samples(1, CHANNELS),), "key": jax.random.key(0)}
    found = jrae.parameter_scan(WHITE, {"C": np.repeat(C[:3], 1000) + np.arange(3000) * 1e-3}, **settings)
    assert set(sizes) == {256}
    assert len(sizes) == 12
    few = jrae.parameter_scan(WHITE, {"C": found.C.values[:2]}, **settings)
    xr.testing.assert_equal(found.isel(C=slice(2)), few)
    assert len(np.unique(found.y4_samples[:, -1])) > 2990
