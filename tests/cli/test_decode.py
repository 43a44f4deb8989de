"""The command `decode`: files in, files out, exit codes, and what is refused by the option that was written."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jrae_jax.cli import main as cli
from jrae_jax.decoding import STANDARD
from tests.made_decoded import made_decoded

RNG = np.random.default_rng(0)
FEW = {"time": np.arange(1280) / 128, "O1": 20 * RNG.normal(size=1280), "O2": 20 * RNG.normal(size=1280)}
BOTH = "--unit uV --pick O1 --pick O2"


@pytest.fixture
def files(here):
    """A recording of two channels, and another with the same names."""
    for name in ("rest.csv", "task.csv"):
        pd.DataFrame(FEW).to_csv(here / name, index=False, float_format="%.6f")
    return here


@pytest.fixture
def asked(monkeypatch):
    """What `decode` is asked for, where it answers with something made."""
    calls, answer = [], {}

    def decode(recordings, **options):
        calls.append((recordings, options))
        return [made_decoded(channels=recording.batch or 1, **answer) for recording in recordings]

    monkeypatch.setattr(importlib.import_module("jrae_jax.decoding.decode"), "decode", decode)
    return SimpleNamespace(calls=calls, answer=answer)


def run(line: str) -> int:
    return cli.main(["decode", *line.split(), "--no-progress"])


@pytest.mark.slow
def test_a_recording_is_decoded_beside_one_that_is_refused(files, capsys):
    signal = FEW["O1"].copy()
    signal[300:400] = np.nan
    pd.DataFrame({"time": FEW["time"], "O1": signal}).to_csv(files / "gaps.csv", index=False)
    code = run("gaps.csv rest.csv --unit uV --pick O1 --table windows.csv --seed 3")
    assert code == 0
    out = capsys.readouterr().out
    assert "O1: Nothing can be said of O1: every window was refused." in out
    assert "O1: One column explains O1, and so does a background alone" in out
    table = pd.read_csv(files / "windows.csv")
    assert table["recording"].tolist() == ["gaps", "rest"]
    assert table["used"].tolist() == [False, True]
    assert table["p"].isna().tolist() == [True, False]


def test_a_table_has_a_line_a_window(files, asked):
    assert run(f"rest.csv task.csv {BOTH} --table windows.csv") == 0
    table = pd.read_csv(files / "windows.csv")
    assert len(table) == 2 * 2 * 3
    assert set(table["recording"]) == {"rest", "task"}
    assert set(table["channel"]) == {"O1", "O2"}
    median = made_decoded(channels=2).draws
    for name in (*STANDARD, "gain", "column_fraction"):
        np.testing.assert_allclose(table[name][:6], np.median(median[name], axis=-1).ravel(), rtol=1e-3)
    np.testing.assert_allclose(table["check_p"][:6], made_decoded(channels=2).check.p.ravel(), rtol=1e-3)


@pytest.mark.parametrize("name", ["x.zarr", "x.nc", "x.csv", "x_raw.fif", "x.fif"])
@pytest.mark.filterwarnings("ignore:This filename:RuntimeWarning")
def test_all_of_it_in_a_file(files, asked, capsys, name):
    assert run(f"rest.csv {BOTH} --out {name}") == 0
    assert capsys.readouterr().out.endswith(f"all of it in {name}\n")
    expected = made_decoded(channels=2).states["mean"].values
    if name.endswith(".zarr"):
        with xr.open_datatree(files / name, engine="zarr") as tree:
            assert set(tree.children) == {"posterior", "check"}
            found = np.asarray(tree.to_dataset()["mean"])
    elif name.endswith(".nc"):
        with xr.open_dataset(files / name) as dataset:
            assert {"posterior_C", "check_words"} <= set(dataset.data_vars)
            found = dataset["mean"].values
    elif name.endswith(".csv"):
        found = np.asarray(pd.read_csv(files / name)["mean"]).reshape(expected.shape)
    else:
        mne = pytest.importorskip("mne")
        raw = mne.io.read_raw_fif(files / name, verbose="ERROR")
        names = [f"{channel}/y{i}" for channel in ("O1", "O2") for i in range(6)]
        found = 1e3 * raw.get_data(names).reshape(2, 6, -1).swapaxes(1, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert run(f"rest.csv {BOTH} --out {name}") == 2
    assert "jrae: error: `--out` must " in capsys.readouterr().err


def test_of_several_recordings_each_is_a_group_of_its_name(files, asked, capsys):
    assert run(f"rest.csv task.csv {BOTH} --out x.zarr") == 0
    with xr.open_datatree(files / "x.zarr", engine="zarr") as tree:
        assert set(tree.children) == {"rest", "task"}
        assert set(tree["task"].children) == {"posterior", "check"}
    assert run(f"rest.csv task.csv {BOTH} --out x.nc") == 2
    assert "`--out` must end in .zarr for 2 recordings, got x.nc" in capsys.readouterr().err
    (files / "a").mkdir()
    (files / "a" / "rest.csv").write_bytes((files / "rest.csv").read_bytes())
    assert run(f"rest.csv a/rest.csv {BOTH}") == 2
    assert "`recording` must be files of different names, got rest.csv, a/rest.csv" in capsys.readouterr().err


def test_exit_codes(files, asked):
    asked.answer["words"] = "One column does not explain O1: it has 3 times the power in the beta band."
    assert run("rest.csv --unit uV --pick O1") == 0
    asked.answer["refused"] = {"flat": [(0, 0), (0, 1)]}
    assert run("rest.csv --unit uV --pick O1") == 0
    asked.answer["refused"] = {"flat": [(0, 0), (0, 1), (0, 2)]}
    assert run("rest.csv --unit uV --pick O1") == 3


def test_a_report(files, asked):
    assert run(f"rest.csv task.csv {BOTH} --report x.html") == 0
    page = (files / "x.html").read_text()
    assert "One column explains this recording." in page
    assert "task" in page


def test_options_reach_the_verb(files, asked):
    import jax

    assert run("rest.csv --unit uV --pick O2 --pick O1 --share-gain --seed 7 --store w.zarr --band 1 40") == 0
    assert run("rest.csv --unit uV --pick O1") == 0
    (first, options), (second, others) = asked.calls
    assert first[0].info.names == ("O2", "O1")
    assert second[0].info.names == ("O1",)
    assert (first[0].info.band, second[0].info.band) == ((1.0, 40.0), None)
    assert (options["share"], others["share"]) == ("gain", None)
    assert (options["store"], others["store"]) == (Path("w.zarr"), None)
    assert (options["key"], others["key"]) == (jax.random.key(7), jax.random.key(0))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("none.csv", "No such file or directory: none.csv"),
        ("rest.csv --pick O1", "`--unit` must be given, one of V, mV, uV, nV"),
        ("rest.csv --unit uV", "`--pick` must name the column to read, one of O1, O2, in rest.csv"),
        ("rest.csv --pick O1 --unit pT", "`--unit` must be one of V, mV, uV, nV"),
        ("rest.csv --unit uV --pick O9", "`--pick` must name each column once, of O1, O2, got O9"),
        ("rest.csv --pick O1 --unit uV --sfreq 99", "`--sfreq` must be that of `time`, got 99 Hz"),
        ("rest.csv --pick O1 --unit V", "`rest.csv` must vary by 0.1 uV to 1 mV"),
        ("rest.csv --pick O1 --unit nV", "`rest.csv` must vary by 0.1 uV to 1 mV"),
        ("short.csv --pick O1 --unit uV", "`short.csv` must be at least 10 s long, got 5 s"),
        ("rest.csv --unit uV --out x.txt", "`--out` must end in .zarr or .nc or .csv or .fif or .fif.gz, got x.txt"),
        ("rest.csv --unit uV --report x.pdf", "`--report` must end in .html, got x.pdf"),
        ("rest.csv --unit uV --report old.html", "`--report` must not exist yet, got old.html"),
        ("rest.csv --unit uV --table no/x.csv", "`--table` must lie in a folder that exists, got no/x.csv"),
        ("rest.csv --unit uV --table rest.csv", "`--table` must be another path than that of `recording`"),
        ("rest.csv --pick O1 --unit uV --store rest.csv", "`--store` must be another path than that of `recording`"),
        ("rest.csv --pick O1 --unit uV --store task.csv", "`--store` must be a folder, got the file task.csv"),
        ("rest.csv --pick O1 --unit uV --band 40 1", "`--band` must rise from 0 Hz on, got 40 to 1 Hz"),
        ("rest.csv --pick O1 --unit uV --band 8 13", "`rest.csv` must contain 3 to 30 Hz, got filters of 8 to 13 Hz"),
        ("rest.csv --unit uV --seed -1", "`--seed` must be from 0 to 2^63 - 1, got -1"),
    ],
)
def test_bad_input_is_one_line_that_names_the_option(files, capsys, line, message):
    pd.DataFrame(FEW)[:640].to_csv(files / "short.csv", index=False)
    (files / "old.html").touch()
    assert run(line) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"jrae: error: {message}"), err
    assert err.count("\n") == 1
    assert {path.name for path in files.iterdir()} == {"rest.csv", "task.csv", "short.csv", "old.html"}


HELP = """
import sys
from jrae_jax.cli.main import main

try:
    main(["decode", "--help"])
except SystemExit as stopped:
    assert stopped.code == 0
heavy = {"jax", "flowjax", "mne", "pandas", "xarray", "scipy", "matplotlib", "equinox"} & set(sys.modules)
assert not heavy, heavy
"""


def test_help_loads_nothing_heavy():
    found: Any = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "--share-gain" in found.stdout
