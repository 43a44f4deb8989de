"""`jrae --help` and the help of each command: groups, options, and an example that runs."""

import argparse
import shlex

import edfio
import numpy as np
import pytest

from jrae_jax.cli import main as cli, runtime

(_ACTION,) = (action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction))
COMMANDS = _ACTION.choices
FILES = {"scan": ("scan.zarr", "scan.png"), "scan-show": ("scan.csv",)}
SLOW_FILES = {
    "simulate": ("eeg.csv", "eeg.png"),
    "decode": ("states.zarr", "rest.html"),
    "fit": ("fit.png",),
    "dynamics": ("diagram.csv", "diagram.png"),
    "reproduce": ("look/report.html",),
    "atlas": ("atlas.zarr", "atlas.png", "atlas.csv"),
    "pretrain": ("causal.jrae",),
}


def help_of(capsys, *command: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        cli.main([*command, "--help"])
    assert stopped.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("reproduce", ["--seeds", "--latent-size", "size of the latent (3)", "--quick", "--out", "--device {cpu,gpu}"]),
        ("atlas", ["--store", "resume", "--masks", "at a glance, at 5 % noise", "heat maps of all r", "--quick"]),
        ("pretrain", ["--causal", "--steps", "--out"]),
        ("simulate", ["--columns", "--every", "--out", "--input {white,uniform,ou,constant}", "seconds (10)"]),
        ("scan", ["--axis", "start:stop:count:log", "--sample", "--repeats", "--store", "--coordinator", "--devices"]),
        ("scan-show", ["store", "--plot PLOT a picture of it"]),
        ("dynamics", ["--along", "--range", "--table"]),
        ("fit", ["--free", "--pick", "--unit", "--sfreq", "--missing", "--separator", "--no-header", "--json"]),
    ],
)
def test_help_explains_every_option(capsys, command, words):
    help = " ".join(help_of(capsys, command).split())
    assert [word for word in words if word not in help] == []


def test_help_lists_the_commands_by_groups(capsys):
    lines = help_of(capsys).splitlines()
    heads = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert heads == ["recordings:", "simulations:", "studies:", "options:"]
    listed = [line.split()[0] for line in lines if line.startswith("  ") and line[2].isalpha()]
    assert sorted(listed) == sorted(COMMANDS)
    assert "  fit        Find parameters of a column in an EEG." in lines
    options = {option for action in cli._parser()._actions for option in action.option_strings}
    assert [option for option in options if option not in " ".join(lines)] == []


@pytest.mark.parametrize("columns", [1, 60, 250])
def test_help_fits_the_terminal(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert max(map(len, help_of(capsys).splitlines())) <= max(columns, 72)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all examples are run, as one reads what another wrote."""
    path = tmp_path_factory.mktemp("examples")
    alpha = np.sin(2 * np.pi * 10 * np.arange(10240) / 256) + np.random.default_rng(0).normal(size=10240)
    signal = edfio.EdfSignal(20 * alpha, 256, label="O1", physical_dimension="uV", physical_range=(-200, 200))
    edfio.Edf([signal]).write(path / "rest.edf")
    return path


def test_every_command_has_an_example_that_is_run():
    assert FILES.keys() | SLOW_FILES.keys() == COMMANDS.keys()


@pytest.mark.parametrize(
    "command", [*FILES, *(pytest.param(command, marks=pytest.mark.slow) for command in SLOW_FILES)]
)
def test_the_example_at_the_end_of_the_help_runs(folder, monkeypatch, capsys, command):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(runtime, "configure_jax", lambda device, cores: None)
    program, *arguments = shlex.split(help_of(capsys, command).rpartition("\nexample:\n  ")[2])
    assert (program, arguments[0]) == ("jrae", command)
    assert cli.main(arguments) == 0
    assert [name for name in (FILES | SLOW_FILES)[command] if not (folder / name).exists()] == []
