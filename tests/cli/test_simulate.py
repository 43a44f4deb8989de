"""The command line's `simulate`."""

from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr

import jrae_jax as jrae
from jrae_jax.cli import main as cli
from jrae_jax.column import StrangSplitting

WHITE = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220, 2000 / 325))
SHORT = ["--duration", "0.05", "--burn-in", "0"]

pytestmark = pytest.mark.usefixtures("here")


def test_simulate_writes_what_simulate_returns(capsys):
    assert cli.main(["simulate", *SHORT, "--columns", "3", "--every", "5", "--set", "C=120", "--out", "x.csv"]) == 0
    assert capsys.readouterr().out == "10 samples of 3 columns in x.csv\n"
    lines = [line.split(",") for line in Path("x.csv").read_text().splitlines()]
    names = ["y0 (mV)", "y1 (mV)", "y2 (mV)", "y3 (mV/s)", "y4 (mV/s)", "y5 (mV/s)", "eeg (mV)"]
    assert lines[0] == ["column", "time (s)", *names]
    written = np.array(lines[1:], float)
    wanted = jrae.simulate(
        WHITE.replace(C=120),
        t1=0.05,
        dt=1e-3,
        solver=StrangSplitting(),
        batch=3,
        key=jax.random.key(0),
    )
    ys = np.asarray(wanted.ys[:, 4::5])
    np.testing.assert_array_equal(written[:, 0], np.repeat([0, 1, 2], 10))
    np.testing.assert_allclose(written[:, 1], np.tile(wanted.ts[4::5], 3), rtol=1e-6)
    np.testing.assert_allclose(written[:, 2:8], ys.reshape(30, 6), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(written[:, 8], np.asarray(wanted.eeg[:, 4::5]).ravel(), rtol=1e-4, atol=1e-4)
    Path("first.csv").write_text("\n".join(map(",".join, lines[:11])))
    recording = jrae.read_recording("first.csv")
    np.testing.assert_allclose(recording.values[:, 6], written[:10, 8], rtol=1e-6)
    np.testing.assert_allclose(recording.ts, written[:10, 1], rtol=1e-9)
    with pytest.raises(ValueError, match=r"`time \(s\)` must rise evenly, .* after sample 9: cut out one"):
        jrae.read_recording("x.csv")


def test_simulate_says_how_far_it_is_where_it_takes_long(monkeypatch, capsys):
    assert cli.main(["simulate", *SHORT, "--columns", "3", "--out", "short.csv"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("jrae_jax.column.pieces._PIECE_WORK", 60.0)  # 20 steps of 50
    assert cli.main(["simulate", *SHORT, "--columns", "3", "--out", "x.csv"]) == 0
    first, last = capsys.readouterr().err.splitlines()
    assert first == "  0% of 50  steps of 3 columns"
    assert last.startswith("100% of 50, ")


def test_simulate_writes_zarr_and_a_picture(capsys):
    arguments = ["--columns", "3", "--every", "5", "--set", "C=120", "--out", "x.zarr", "--plot", "x.png"]
    assert cli.main(["simulate", *SHORT, *arguments]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "picture in x.png"
    written = xr.open_zarr("x.zarr", chunks=None)
    assert dict(written.sizes) == {"column": 3, "time": 10}
    assert written.y3.attrs["units"] == "mV/s"
    assert Path("x.png").read_bytes().startswith(b"\x89PNG")


def test_simulate_writes_netcdf():
    arguments = ["--columns", "3", "--every", "5", "--set", "C=120", "--seed", "2"]
    for name in ("x.nc", "x.zarr"):
        assert cli.main(["simulate", *SHORT, *arguments, "--out", name]) == 0
    with xr.open_dataset("x.nc") as written:
        xr.testing.assert_identical(written.load(), xr.open_zarr("x.zarr", chunks=None).load())
