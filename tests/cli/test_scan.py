"""The command line's `scan` and `scan-show`, and what `simulate` refuses as they do."""

import importlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import jrae_jax as jrae
from jrae_jax.cli import main as cli
from jrae_jax.scan import Moments, open_scan
from jrae_jax.scan.layout import Layout
from jrae_jax.scan.store import ScanStore

WHITE = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220, 2000 / 325))
SHORT = ["--duration", "0.05", "--burn-in", "0"]
QUICK = [*SHORT, "--summaries", "moments"]
RUN = [sys.executable, "-m", "jrae_jax"]


pytestmark = pytest.mark.usefixtures("here")


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_nothing_is_said_without_progress(capsys):
    assert cli.main(["scan", *QUICK, "--axis", "C=100,135", "--store", "x.zarr", "--no-progress"]) == 0
    assert capsys.readouterr().err == ""


@pytest.fixture
def asked(monkeypatch):
    """The arguments that `parameter_scan` would be called with."""
    calls = []

    def pretend(*arguments, **settings):
        calls.append((*arguments, settings))
        raise ValueError("that is enough")

    monkeypatch.setattr(importlib.import_module("jrae_jax.scan.parameter_scan"), "parameter_scan", pretend)

    def call(*options):
        assert cli.main(["scan", *options, "--store", "x.zarr"]) == 2
        return calls[-1]

    return call


def test_axes_in_all_their_forms(asked):
    _, axes, _ = asked(
        "--axis", "C=68:270:5", "--axis", "b=1:100:3:log", "--axis", "a=50,100", "--axis", "e0=1,2+r=0.5,0.6"
    )
    assert [axis.dim for axis in axes][:3] == ["C", "b", "a"]
    np.testing.assert_allclose(axes[0].values["C"], [68, 118.5, 169, 219.5, 270])
    np.testing.assert_allclose(axes[1].values["b"], [1, 10, 100])
    np.testing.assert_array_equal(axes[2].values["a"], [50, 100])
    np.testing.assert_array_equal([axes[3].values["e0"], axes[3].values["r"]], [[1, 2], [0.5, 0.6]])


def test_two_axes_of_quantities_together(asked):
    _, axes, _ = asked("--axis", "C=1,2+p=3,4", "--axis", "a=1,2+b=3,4")
    assert len({axis.dim for axis in axes}) == 2


def test_samples_spread_over_ranges(asked):
    _, (axis,), _ = asked(
        "--sample", "50", "--seed", "4", "--axis", "C=68:270", "--axis", "b=1:100:log", "--method", "random"
    )
    assert (len(axis), set(axis.values)) == (50, {"C", "b"})
    assert np.median(axis.values["b"]) < 25
    assert (axis.values["C"].min() > 68, axis.values["C"].max() < 270) == (True, True)


@pytest.mark.parametrize(
    ("arguments", "input"),
    [
        ([], jrae.WhiteNoiseInput(220, 2000 / 325)),
        (["--input", "constant", "--set", "p=90"], jrae.ConstantInput(90)),
        (["--input", "uniform", "--hold", "0.005", "--set", "low=0"], jrae.UniformNoiseInput(0, 320, hold=5e-3)),
        (["--input", "ou", "--set", "sd=9"], jrae.OrnsteinUhlenbeckInput(220, 9, 0.01, hold=1e-3)),
    ],
)
def test_what_the_options_say_is_what_is_simulated(asked, arguments, input):
    options = ["--preset", "tvb", "--set", "C=140", "--set", "initial_y1=0.5", "--dt", "5e-4", "--solver", "heun"]
    column, _, settings = asked("--repeats", "3", *options, *arguments)
    assert (float(column.value("C")), float(column.value("v0"))) == (140, np.float32(5.52))
    assert type(column.input) is type(input)
    assert column.input.hold == input.hold
    assert [float(leaf) for leaf in jax.tree.leaves(column.input)] == [float(leaf) for leaf in jax.tree.leaves(input)]
    np.testing.assert_array_equal(settings["y0"], [0, 0.5, 0, 0, 0, 0])
    assert type(settings["solver"]).__name__ == "FixedStepHeun"
    assert (settings["t1"], settings["dt"], settings["burn_in"], settings["repeats"]) == (10, 5e-4, 1, 3)
    assert settings["store"] == Path("x.zarr")
    assert [type(summary).__name__ for summary in settings["summaries"]] == ["Moments", "Spectrum", "Regime"]


def test_summaries_and_channels(asked):
    _, _, settings = asked("--summaries", "samples,moments", "--channels", "y0,eeg", "--every", "4")
    samples, moments = settings["summaries"]
    assert (samples.every, samples.channels, moments.channels) == (4, ("y0", "eeg"), ("y0", "eeg"))


SCAN = ["scan", *QUICK, "--axis", "C=100:140:5", "--repeats", "2", "--seed", "6", "--store", "x.zarr"]


def test_a_scan_its_store_its_output_and_its_picture(capsys):
    assert cli.main([*SCAN, "--plot", "x.png"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[:3] == [
        "C: 5 values, C 100 to 140",
        "repeat: 2 values, repeat 0 to 1",
        "10 of 10 points done, 0 failed",
    ]
    assert lines[-2].endswith(" s; results in x.zarr")
    assert lines[-1] == "picture in x.png"
    assert printed.err.splitlines()[-1].startswith("100% of 10, ")
    wanted = jrae.parameter_scan(
        WHITE,
        {"C": np.linspace(100, 140, 5)},
        t1=0.05,
        dt=1e-3,
        repeats=2,
        summaries=(Moments(),),
        key=jax.random.key(6),
    ).load()
    xr.testing.assert_equal(open_scan("x.zarr").load(), wanted)
    eeg_mean = next(line for line in lines if "eeg_mean" in line)
    assert eeg_mean.split() == [
        "eeg_mean", f"{wanted.eeg_mean.min().item():.4g}", "to", f"{wanted.eeg_mean.max().item():.4g}", "mV"
    ]  # fmt: skip
    before = files(Path("x.zarr"))
    for name in ("x.nc", "x.csv"):
        assert cli.main(["scan-show", "x.zarr", "--out", name]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"results in {name}"
    with xr.open_dataset("x.nc") as exported:
        xr.testing.assert_equal(exported.load(), wanted)
    table = pd.read_csv("x.csv", index_col=["C", "repeat"])
    np.testing.assert_allclose(table.eeg_sd, wanted.eeg_sd.values.ravel(), rtol=1e-6)
    assert cli.main(["scan-show", "x.zarr", "--out", "x.txt"]) == 2
    assert capsys.readouterr().err == "jrae: error: `--out` must end in .csv or .nc, got x.txt\n"
    assert cli.main(["scan-show", "x.zarr"]) == 0
    assert capsys.readouterr().out.splitlines() == lines[:-2]
    assert cli.main(SCAN) == 0
    assert files(Path("x.zarr")) == before


@pytest.mark.filterwarnings("default")
def test_a_long_step_is_reported_in_one_line_that_names_the_option(here, capsys):
    assert cli.main(["simulate", *SHORT, "--dt", "0.01", "--out", "x.csv"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines == [next(line for line in lines if line.startswith("jrae: warning: `--dt` = 0.01 s is longer than"))]


def test_what_failed_is_printed_with_its_place(capsys):
    arguments = ["--solver", "euler", "--axis", "a=100,1600,20000", "--set", "C=130", "--store", "x.zarr"]
    assert cli.main(["scan", *QUICK, *arguments]) == 0
    printed = capsys.readouterr().out
    assert "3 of 3 points done, 2 failed" in printed
    failed = [line for line in printed.splitlines() if line.startswith("failed at ")]
    assert [line.partition(" s ")[2] for line in failed] == ["(out of bounds): a=1600", "(step too long): a=20000"]
    times = [float(line.split()[2]) for line in failed]
    assert 0.05 > times[0] > times[1] == 0


def test_show_of_a_running_scan(monkeypatch, capsys):
    of, write = Layout.of_scan, ScanStore.write

    def dying(self, number, results):
        if number:
            raise KeyboardInterrupt
        write(self, number, results)

    monkeypatch.setattr(Layout, "of_scan", lambda shape, steps: of(shape, steps, work=1.0, smallest=4))
    monkeypatch.setattr(ScanStore, "write", dying)
    assert cli.main(SCAN) == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("jrae: interrupted; x.zarr holds what is done")
    assert cli.main(["scan-show", "x.zarr", "--plot", "x.png"]) == 0
    assert "4 of 10 points done, 0 failed" in capsys.readouterr().out
    assert Path("x.png").exists()


# Bad input


NAMES = "must name some of A, B, a, b, e0, v0, r, C, alpha1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--axis C", "`--axis` must be NAME=start:stop:count or NAME=a,b,c, got C"),
        ("--axis =1,2", "`--axis` must be NAME=start:stop:count or NAME=a,b,c, got =1,2"),
        ("--axis C=", "`--axis C` must have a row of values along its axis"),
        ("--axis C=a,b", "`--axis C` must be a number, got 'a'"),
        ("--axis C=1:2", "`--axis C` must be start:stop:count or start:stop:count:log with a count from 2 on, got 1:2"),
        ("--axis C=1:2:1", "`--axis C` must be start:stop:count"),
        ("--axis C=1:2:-3", "`--axis C` must be start:stop:count"),
        ("--axis C=1:2:3:lin", "`--axis C` must be start:stop:count"),
        ("--axis C=2:1:3", "`--axis C` must have a range that rises, got 2 to 1"),
        ("--axis C=0:1:3:log", "`--axis C` must be positive to be spread in its logarithm, got 0 to 1"),
        ("--axis C=1:inf:3", "`--axis C` must be finite, got inf"),
        ("--axis C=1,nan", "`--axis C` must be finite, got nan"),
        ("--axis a=-1,2", "`--axis a` must be positive, got -1.0"),
        ("--axis Q=1,2", f"`--axis` {NAMES}"),
        ("--axis dim=1,2", f"`--axis` {NAMES}"),
        ("--axis C=1,2 --axis C=3,4", "`--axis` must name each quantity once, got C 2 times"),
        ("--axis C=1,2+C=3,4", "`--axis` must name each quantity once, got C 2 times"),
        ("--axis C=100,100", "`--axis` must have different values along an axis, got C = 100 2 times: `--repeats`"),
        ("--axis C=1e+2,x+p=1,2", "`--axis C` must be a number, got 'x'"),
        ("--axis C=1,2+p=1,2,3", "`--axis` must be as many for each quantity of axis"),
        ("--axis C=1:2:70000 --axis p=1:2:70000", "`--axis` must make at most 4294967296 points, got 4900000000"),
        (
            "--axis C=1:2:60000 --axis p=1:2:70000",
            "`--axis` must make results that fit, got 4200000000 points, 92",
        ),
        ("--sample 5", "`--axis` must name at least one quantity, got none"),
        ("--sample 5 --axis C=1", "`--axis C=1` must be NAME=start:stop or NAME=start:stop:log with --sample"),
        ("--sample 5 --axis C=1:2:3", "`--axis C=1:2:3` must be NAME=start:stop"),
        ("--sample 5 --axis C=2:1", "`--axis C` must have a range that rises, got 2 to 1"),
        ("--sample 5 --axis C=0:1:log", "`--axis C` must be positive to be spread in its logarithm"),
        ("--sample 0 --axis C=1:2", "`--sample` must be a whole number of at least 1, got 0"),
        ("--sample 5 --axis key=1:2", f"`--axis` {NAMES}"),
        ("--sample 5 --axis C=1:2 --axis C=3:4", "`--axis` must name each quantity once, got C 2 times"),
        ("--axis C=1,2 --repeats 0", "`--repeats` must be a whole number of at least 1, got 0"),
        ("--axis p=1,2 --set C", "`--set C` must be a number, got ''"),
        ("--axis p=1,2 --set C=x", "`--set C` must be a number, got 'x'"),
        ("--axis C=1,2 --set Q=1", f"`--set` {NAMES}"),
        ("--axis C=1,2 --set a=-1", "`--set a` must be positive, got -1.0"),
        ("--axis p=1,2 --set C=3 --set C=4", "`--set` must name each quantity once, got C 2 times"),
        ("--axis C=1,2 --set C=3", "`--set` must not name what changes along an `--axis`, got C=3"),
        ("--sample 5 --axis C=1:2 --set C=3", "`--set` must not name what changes along an `--axis`, got C=3"),
        ("--axis C=1,2 --preset none", "`--preset` must be one of 'jansen_rit_1995', 'tvb', 'hnpe', got 'none'"),
        ("--axis C=1,2 --summaries none", "`--summaries` must be one of 'moments', 'spectrum', 'regime', 'samples'"),
        ("--axis C=1,2 --summaries moments,moments", "`--summaries` must have different results"),
        (
            "--axis C=1,2 --summaries spectrum",
            "`--summaries`: Spectrum with a resolution of 0.5 Hz needs 2 s to summarise, got 0.05 s",
        ),
        ("--axis C=1,2 --channels y9", "`--channels` must name some of y0"),
        ("--axis C=1,2 --summaries samples --every 0", "`--every` must be a whole number of at least 1, got 0"),
        ("--axis C=1,2 --summaries samples --every 51", "`--every` must be at most the 50 samples there are, got 51"),
        ("--axis C=1,2 --dt 3e-4", "`--duration` must be a whole number of steps of `--dt` = 0.0003 s, got 0.05 s"),
        ("--axis C=1,2 --dt 0", "`--dt` must be positive, got 0.0"),
        ("--axis C=1,2 --burn-in 1", "`--burn-in` must be from 0 to less than the 0.05 s simulated, got 1.0 s"),
        (
            "--axis C=1,2 --input uniform --hold 0.0015",
            "`--dt` must divide the input's `--hold` = 0.0015 s",
        ),
        ("--axis C=1,2 --input uniform --set low=400", "`high - low` must be positive, got -80.0"),
        ("--axis C=1,2 --seed 99999999999999999999", "`--seed` must be from 0 to 2^63 - 1, got 99999999999999999999"),
        ("--axis C=1,2 --processes 2", "`--coordinator`, `--processes` and `--process` go together"),
        ("--axis C=1,2 --coordinator a:1 --process 0", "`--coordinator`, `--processes` and `--process` go together"),
        ("--axis C=1,2 --store no/x.zarr", "`--store` must lie in a folder that exists, got no/x.zarr"),
        ("--axis C=1,2 --plot no/x.png", "`--plot` must lie in a folder that exists, got no/x.png"),
        ("--axis C=1,2 --plot x.nonsense", "`--plot` must end in .eps or "),
        ("--axis C=1,2 --plot .", "`--plot` must end in .eps or "),
    ],
)
def test_a_scan_that_is_refused_is_one_line_and_leaves_nothing(here, capsys, arguments, message):
    assert cli.main(["scan", "--store", "x.zarr", *QUICK, *arguments.split()]) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert complaint.startswith("jrae: error: ")
    assert message in complaint
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "`--out` or `--plot` must say where the trajectories are to be written, got neither"),
        ("--out x.txt", "`--out` must end in .csv or .nc or .zarr, got x.txt"),
        ("--out x.csv --columns 0", "must be a whole number of at least 1, got 0"),
        ("--out x.csv --every 0", "must be a whole number of at least 1, got 0"),
        ("--out x.csv --every 51", "`--every` saves nothing: every 51 steps of 50"),
        ("--out x.csv --set Q=1", f"`--set` {NAMES}"),
        (
            "--out x.csv --duration 0.0505",
            "`--duration` must be a whole number of steps of `--dt` = 0.001 s",
        ),
        ("--out x.csv --input ou --hold 0", "`--hold` must be positive, got 0.0"),
        ("--out no/x.csv", "`--out` must lie in a folder that exists, got no/x.csv"),
        ("--out no/x.zarr", "`--out` must lie in a folder that exists, got no/x.zarr"),
        ("--plot no/x.png", "`--plot` must lie in a folder that exists, got no/x.png"),
        (
            "--out x.csv --solver euler --set a=20000 --set C=130",
            "`--dt` must be below 8.5e-05 s, where Euler() becomes",
        ),
        ("--out x.csv --solver rk4 --input constant --set p=1e38", "`simulate`: 1 of 1 trajectories failed"),
    ],
)
def test_a_simulation_that_is_refused_is_one_line_and_leaves_nothing(here, capsys, arguments, message):
    assert cli.main(["simulate", *SHORT, *arguments.split()]) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert message in complaint
    assert not list(here.iterdir())


def test_what_is_there_is_not_written_over(capsys):
    Path("x.csv").write_text("mine")
    assert cli.main(["simulate", *SHORT, "--out", "x.csv"]) == 2
    assert capsys.readouterr().err == "jrae: error: `--out` must not exist yet, got x.csv\n"
    assert Path("x.csv").read_text() == "mine"


def test_show_of_what_is_no_scan(capsys):
    Path("x.zarr").mkdir()
    for name in ("x.zarr", "y.zarr"):
        assert cli.main(["scan-show", name]) == 2
        assert capsys.readouterr().err.startswith(
            f"jrae: error: `store` must be a store that jrae_jax wrote, got {name} ("
        )


@pytest.mark.parametrize("arguments", [["scan"], ["scan-show"], ["scan", "--store", "x", "--method", "sobol"]])
def test_arguments_that_do_not_parse(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


# In processes of their own


def test_devices_must_be_some(here):
    failed = subprocess.run(
        [*RUN, *SCAN, "--devices", "0"], capture_output=True, text=True, cwd=here
    )  # where nobody stands in for the setting up of JAX
    assert failed.returncode == 2
    assert failed.stderr.startswith("jrae: error: `--devices` must be from 1 to ")
    assert failed.stderr.endswith(", the cores of this machine, got 0\n")
    assert not list(here.iterdir())


LONG = ["scan", "--duration", "0.5", "--burn-in", "0", "--summaries", "moments", "--axis", "C=100:140:1000"]


@pytest.mark.posix
@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_completes_it(here):
    command = [*RUN, *LONG, "--repeats", "1500", "--devices", "2", "--store"]
    running = subprocess.Popen([*command, "killed.zarr"], cwd=here, stderr=subprocess.DEVNULL)
    try:
        while not (here / "killed.zarr").exists() or open_scan(here / "killed.zarr").attrs["points_done"] == 0:
            assert running.poll() is None
            time.sleep(0.05)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    left = open_scan(here / "killed.zarr").attrs
    assert 0 < left["points_done"] < left["points"]
    again = subprocess.run([*command, "killed.zarr"], cwd=here, capture_output=True, text=True, check=True)
    assert "1500000 of 1500000 points done, 0 failed" in again.stdout
    subprocess.run([*command, "whole.zarr"], cwd=here, capture_output=True, check=True)
    assert files(here / "killed.zarr") == files(here / "whole.zarr")
