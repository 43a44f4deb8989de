import json

import numpy as np
import pandas as pd
import pytest

from jrae_jax.cli import main as _cli


@pytest.fixture(autouse=True)
def jax_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(_cli, "_configure_jax", lambda device, cores=None: None)


def written(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return str(path)


def test_what_was_simulated_is_found(tmp_path, capsys):
    recording, found, plot = (tmp_path / name for name in ("recording.csv", "found.json", "fit.png"))
    column = ["--input", "constant", "--set", "C=120", "--dt", "2e-3"]
    assert _cli.main(["simulate", *column, "--duration", "1", "--burn-in", "0", "--out", str(recording)]) == 0
    options = ["--input", "constant", "--free", "C=90:180", "--json", str(found), "--plot", str(plot)]
    assert _cli.main(["fit", str(recording), *options]) == 0
    out = capsys.readouterr().out
    assert "\nC = 1" in out
    assert "\nconverged" in out
    told = json.loads(found.read_text())
    assert told["found"]["C"]["value"] == pytest.approx(120.0, rel=1e-2)
    assert told["converged"]
    assert plot.read_bytes().startswith(b"\x89PNG")


EVEN = 2e-3 * np.arange(500)
SIGNAL = np.sin(60 * EVEN)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"time": EVEN, "eeg": np.where(EVEN == 0, np.nan, SIGNAL)}, [], "`recording` must be finite, got nan"),
        ({"time": EVEN, "eeg": 0 * EVEN}, [], "`recording` must change, got 0 mV"),
        ({"time": EVEN**2, "eeg": SIGNAL}, [], "`time` must rise evenly, in seconds"),
        ({"time": EVEN[::-1], "eeg": SIGNAL}, [], "`time` must rise evenly, in seconds"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--rate", "256"], "`--rate` must be that of the column called time, 500 Hz"),
        ({"time": 10 * EVEN, "eeg": SIGNAL}, [], "`dt` must be at most 0.01 s"),
        ({"eeg": SIGNAL}, [], "`--rate` must be positive where there is no column called time, got None"),
        ({"time": EVEN, "Oz": SIGNAL, "Cz": SIGNAL}, [], "`--signal` must name the column to read, one of Oz, Cz"),
        ({"time": EVEN, "Oz": SIGNAL}, ["--signal", "Pz"], "`--signal` must be one of time, Oz, got Pz"),
        ({"time": EVEN, "Oz": ["a"] * 500}, [], "`Oz` must be a column of numbers, got 'a'"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--free", "C=a:2"], "`--free C` must be a number, got 'a'"),
        ({"time": EVEN, "eeg": SIGNAL}, ["--free", "e0=1:4"], "`free` must hold what an EEG can tell"),
    ],
)
def test_what_makes_no_sense_is_refused(columns, options, message, tmp_path, capsys):
    recording = written(tmp_path / "recording.csv", **columns)
    assert _cli.main(["fit", recording, "--input", "constant", "--free", "C=90:180", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert _cli.main(["fit", str(tmp_path / "none.csv"), "--free", "C=90:180"]) == 2
    assert "none.csv" in capsys.readouterr().err
