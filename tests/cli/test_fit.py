import importlib
import json

import jax
import numpy as np
import pandas as pd
import pytest

from jrae_jax.cli import main as _cli, runtime
from jrae_jax.column import Column, ConstantInput, JansenRitParameters, simulate
from jrae_jax.inference import ParameterFit


@pytest.fixture(autouse=True)
def unchanged_jax(monkeypatch):
    monkeypatch.setattr(runtime, "configure_jax", lambda device, cores: None)


def written(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize("converged", [True, False])
def test_what_is_asked_for_is_fitted_printed_written_and_drawn(tmp_path, monkeypatch, capsys, converged):
    asked = []

    def fit(column, recording, *, bounds, key, progress):
        asked.append((column, recording, bounds, jax.random.key_data(key).tolist()))
        v = np.asarray(recording.values)[:, 6]
        return ParameterFit(
            names=("C",),
            values=np.array([120.0]),
            std=np.array([np.inf]),
            at_bound=np.array([not converged]),
            correlation=np.ones((1, 1)),
            column=column,
            gain=1.0,
            y0=np.zeros(6),
            explained=0.9,
            converged=converged,
            agreeing=2,
            starts=3,
            axis=np.asarray(recording.ts),
            recorded=v,
            simulated=v,
        )

    monkeypatch.setattr(importlib.import_module("jrae_jax.inference.fit_parameters"), "fit_parameters", fit)
    recording, result, plot = (tmp_path / name for name in ("recording.csv", "found.json", "fit.png"))
    written(recording, **GOOD)
    options = ["--input", "constant", "--set", "A=3", "--free", "C=90:180", "--seed", "5"]
    arguments = [str(recording), *options, "--json", str(result), "--plot", str(plot)]
    assert _cli.main(["fit", *arguments]) == (0 if converged else 1)
    ((column, given, bounds, key),) = asked
    assert (column.input.random, float(column.value("A"))) == (False, 3.0)
    assert (bounds, key) == ({"C": (90.0, 180.0)}, [0, 5])
    np.testing.assert_allclose(given.values[:, 6], SIGNAL, rtol=1e-5, atol=1e-6)
    out = capsys.readouterr().out
    assert out.startswith("read eeg, 500 samples at 500 Hz, mV; commas, utf-8; clock time\nC = 120")
    record = json.loads(result.read_text())
    assert record["found"] == {"C": {"value": 120.0, "std": None, "at_bound": not converged}}
    assert (record["converged"], record["agreeing"], record["starts"]) == (converged, 2, 3)
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_simulated_parameter_is_found(tmp_path, capsys):
    recording, result, plot = (tmp_path / name for name in ("recording.csv", "found.json", "fit.png"))
    trajectories = simulate(Column(JansenRitParameters(C=120.0), ConstantInput(220.0)), t1=1.0, dt=2e-3)
    trajectories.to_dataset().to_dataframe().to_csv(recording)
    options = ["--unit", "mV", "--input", "constant", "--free", "C=90:180", "--json", str(result), "--plot", str(plot)]
    assert _cli.main(["fit", str(recording), *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("read eeg, 500 samples at 500 Hz, mV; commas, utf-8; clock time\nC = 1")
    assert "\nconverged" in out
    record = json.loads(result.read_text())
    assert record["found"]["C"]["value"] == pytest.approx(120.0, rel=1e-2)
    assert record["converged"]
    assert plot.read_bytes().startswith(b"\x89PNG")


EVEN = 2e-3 * np.arange(500)
SIGNAL = np.sin(60 * EVEN)
GOOD = {"time": EVEN, "eeg (mV)": SIGNAL}


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"eeg (mV)": np.where(EVEN == 0, np.nan, SIGNAL)}, ["--sfreq", "500"], "the first is sample 0"),
        ({"time": EVEN, "eeg (mV)": 0 * EVEN}, [], "`recording` must change, got 0 mV"),
        ({"time": EVEN**2, "eeg (mV)": SIGNAL}, [], "`time` must rise evenly, in seconds"),
        (GOOD, ["--sfreq", "256"], "`--sfreq` must be that of `time`, got 256 Hz"),
        ({"time": 10 * EVEN, "eeg (mV)": SIGNAL}, [], "`recording` must have a dt of at most 0.01 s"),
        ({"time": EVEN, "eeg": SIGNAL}, [], "`--unit` must be given, one of V, mV, uV, nV"),
        (
            {"time": EVEN, "eeg": SIGNAL},
            ["--unit", "pT"],
            "`--unit` must be one of V, mV, uV, nV, or column for the mV of a simulated column, got 'pT'",
        ),
        ({"eeg (mV)": SIGNAL}, [], "`--sfreq` must be given, samples a second, where no column is called time"),
        ({"time": EVEN, "Oz": SIGNAL, "Cz": SIGNAL}, [], "`--pick` must name the column to read, one of Oz, Cz"),
        ({"time": EVEN, "Oz": SIGNAL}, ["--pick", "Pz"], "`--pick` must name each column once, of Oz, got Pz"),
        ({"time": EVEN, "Oz": ["a"] * 500}, ["--unit", "uV"], "`recording` must have numbers in column Oz, got 'a'"),
        ({"eeg": ["1,5"] * 500}, ["--encoding", "utf-8", "--separator", "comma"], "give `--separator`, `--decimal` or"),
        (GOOD, ["--free", "C=a:2"], "`--free C` must be a number, got 'a'"),
        (GOOD, ["--free", "B"], "`--free` must be NAME=LOW:HIGH, got B"),
        (GOOD, ["--free", "B=2:1"], "`--free B` must rise, got 2 to 1"),
        (GOOD, ["--free", "X=1:4"], "`--free` must name some of A, B"),
        (
            GOOD,
            ["--free", "C=1:4"],
            "`--free` must name each quantity once, got C 2 times",
        ),
        (GOOD, ["--free", "e0=1:4"], "`--free` must name quantities that an EEG can"),
        (GOOD, ["--set", "X=1"], "`--set` must name some of A, B"),
        (GOOD, ["--preset", "none"], "`--preset` must be one of 'jansen_rit_1995'"),
        (GOOD, ["--seed", "-1"], "`--seed` must be from 0 to"),
        (GOOD, ["--plot", "fit.xyz"], "`--plot` must end in"),
        (GOOD, ["--json", "none/fit.json"], "`--json` must lie in a folder that exists"),
        (
            {"time": np.arange(1000) / 256, "eeg (mV)": np.sin(np.arange(1000))},
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


def test_how_a_file_was_read_is_printed_with_what_is_suspect(tmp_path, capsys):
    codes = np.where(EVEN < 0.1, -9999, SIGNAL)
    recording = written(tmp_path / "recording.csv", **{"O1 [uV]": codes})
    options = ["--sfreq", "500", "--free", "C=90:180", "--missing", "999"]
    assert _cli.main(["fit", recording, "--free", "e0=1:4", *options]) == 2
    out = capsys.readouterr().out
    assert out.startswith(
        "read O1, 500 samples at 500 Hz, uV; one column, utf-8; no clock\nnote: `O1` has 50 samples of"
    )
    assert _cli.main(["fit", recording, "--input", "constant", *options, "--missing", "-9999"]) == 2
    shown = capsys.readouterr()
    assert shown.out == "read O1, 500 samples at 500 Hz, uV, 50 missing; one column, utf-8; no clock\n"
    assert "50 missing samples, the first is sample 0" in shown.err


def test_files_of_amplifiers_are_read_by_the_same_options(tmp_path, capsys):
    mne = pytest.importorskip("mne")
    info = mne.create_info(["O1", "O2"], 500.0, "eeg")
    mne.io.RawArray(1e-6 * np.stack([SIGNAL, SIGNAL]), info, verbose="ERROR").save(
        tmp_path / "x_raw.fif", verbose="ERROR"
    )
    free = ["--free", "e0=1:4", "--sfreq", "500"]
    assert _cli.main(["fit", str(tmp_path / "x_raw.fif"), "--pick", "O2", *free]) == 2
    shown = capsys.readouterr()
    assert shown.out == "read O2, 500 samples at 500 Hz, V, band not known; FIF\n"
    assert "must be at least 2 s long" in shown.err
    for options, message in (
        ([], "`--pick` must name the channel to read, one of O1, O2"),
        (["--pick", "Oz"], "`--pick` must name channels of"),
        (["--pick", "O1", "--sfreq", "256"], "`--sfreq` must be that of"),
        (["--pick", "O1", "--separator", "comma"], "`--separator` must be left out of what is no table"),
    ):
        assert _cli.main(["fit", str(tmp_path / "x_raw.fif"), *free, *options]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "x.edf").write_bytes(b"0       ")
    assert _cli.main(["fit", str(tmp_path / "x.edf"), *free]) == 2
    assert "`recording` must be a whole recording" in capsys.readouterr().err
