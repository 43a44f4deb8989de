import json

import numpy as np
import pandas as pd
import pytest

from jrae_jax.cli import main as _cli, runtime
from jrae_jax.column import Column, ConstantInput, JansenRitParameters, simulate


@pytest.fixture(autouse=True)
def unchanged_jax(monkeypatch):
    monkeypatch.setattr(runtime, "configure_jax", lambda device, cores, flags: None)


def written(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return str(path)


def test_a_simulated_parameter_is_found(tmp_path, capsys):
    recording, result, plot = (tmp_path / name for name in ("recording.csv", "found.json", "fit.png"))
    trajectories = simulate(Column(JansenRitParameters(C=120.0), ConstantInput(220.0)), t1=1.0, dt=2e-3)
    trajectories.to_dataset().to_dataframe().to_csv(recording)
    options = ["--input", "constant", "--free", "C=90:180", "--json", str(result), "--plot", str(plot)]
    assert _cli.main(["fit", str(recording), *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("C = 1")
    assert "\nconverged" in out
    record = json.loads(result.read_text())
    assert record["found"]["C"]["value"] == pytest.approx(120.0, rel=1e-2)
    assert record["converged"]
    assert plot.read_bytes().startswith(b"\x89PNG")


EVEN = 2e-3 * np.arange(500)
SIGNAL = np.sin(60 * EVEN)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"time": EVEN, "eeg": np.where(EVEN == 0, np.nan, SIGNAL)}, [], "the first is sample 0"),
        ({"time": EVEN, "eeg": np.where(EVEN == 0, np.inf, SIGNAL)}, [], "`eeg` must be finite, or NaN where nothing"),
        ({"time": EVEN, "eeg": 0 * EVEN}, [], "`recording` must change, got 0 mV"),
        ({"time": EVEN**2, "eeg": SIGNAL}, [], "`time` must rise evenly, in seconds"),
        ({"time": EVEN[::-1], "eeg": SIGNAL}, [], "`time` must rise evenly, in seconds"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--rate", "256"], "`--rate` must be that of the column called time, 500 Hz"),
        ({"time": 10 * EVEN, "eeg": SIGNAL}, [], "`recording` must have a dt of at most 0.01 s"),
        ({"eeg": SIGNAL}, [], "`--rate` must be positive where there is no column called time, got None"),
        ({"time": EVEN, "Oz": SIGNAL, "Cz": SIGNAL}, [], "`--signal` must name the column to read, one of Oz, Cz"),
        ({"time": EVEN, "Oz": SIGNAL}, ["--signal", "Pz"], "`--signal` must be one of time, Oz, got Pz"),
        ({"time": EVEN, "Oz": ["a"] * 500}, [], "`Oz` must be a column of numbers, got 'a'"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--free", "C=a:2"], "`--free C` must be a number, got 'a'"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--free", "B"], "`--free` must be NAME=LOW:HIGH, got B"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--free", "B=2:1"], "`--free B` must rise, got 2 to 1"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--free", "X=1:4"], "`--free` must name some of A, B"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--free", "C=1:4"], "`--free` must name each quantity once, got C 2 times"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--free", "e0=1:4"], "`--free` must name quantities that an EEG can"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--set", "X=1"], "`--set` must name some of A, B"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--preset", "none"], "`--preset` must be one of 'jansen_rit_1995'"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--seed", "-1"], "`--seed` must be from 0 to"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--plot", "fit.xyz"], "`--plot` must end in"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--json", "none/fit.json"], "`--json` must lie in a folder that exists"),
        (
            {"time": np.arange(1000) / 256, "eeg": np.sin(np.arange(1000))},
            ["--input", "uniform"],
            "`--input` must hold its input for a whole number of steps",
        ),
    ],
)
def test_invalid_arguments(columns, options, message, tmp_path, capsys):
    recording = written(tmp_path / "recording.csv", **columns)
    assert _cli.main(["fit", recording, "--input", "constant", "--free", "C=90:180", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_does_not_exist(tmp_path, capsys):
    assert _cli.main(["fit", str(tmp_path / "none.csv"), "--free", "C=90:180"]) == 2
    assert "none.csv" in capsys.readouterr().err
