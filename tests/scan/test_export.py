"""Scans as netCDF and as tables, from memory and from a store."""

from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import jrae_jax as jrae
from jrae_jax.scan import Moments, Regime, Samples, zipped

WHITE = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220.0, 6.0))
TOGETHER = zipped("point", C=np.array([100.0, 135.0, 150.0]), p=np.array([100.0, 110.0, 120.0]))


@pytest.mark.parametrize("store", [False, True], ids=["memory", "store"])
def test_a_scan_is_written_as_netcdf_and_read_back_equal(store, tmp_path):
    kept = Moments(), Regime(), Samples(every=10)
    arguments: dict[str, Any] = {"t1": 0.05, "dt": 1e-3, "repeats": 2, "summaries": kept, "key": jax.random.key(0)}
    scan = jrae.parameter_scan(WHITE, [TOGETHER], **arguments, store=tmp_path / "x.zarr" if store else None)
    scan.to_netcdf(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc") as read:
        xr.testing.assert_equal(read, scan)
        assert read.attrs["settings"] == scan.attrs["settings"]
        assert set(read.coords) == {"C", "p", "repeat", "time"}
        assert read.failed.dtype == bool
    table = scan[["eeg_mean", "failed"]].to_dataframe()
    table.to_csv(tmp_path / "x.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "x.csv", index_col=[0, 1]), table, check_dtype=False)
