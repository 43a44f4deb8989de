"""Random command lines and damaged files end with a result or a refusal in one line; any other end is noticed."""

import warnings
from pathlib import Path

import pytest

from benchmarks.fuzzing import KINDS, fuzzed, outcome
from benchmarks.fuzzing.outcome import DONE, REFUSED
from jrae_jax.cli import scan

pytestmark = pytest.mark.usefixtures("without_type_checker")

FEW = {"command lines": 15, "tables": 30, "trainings": 15, "stores": 15, "reports": 15}


@pytest.mark.parametrize("kind", FEW)
def test_some_of_each_kind(kind):
    found = fuzzed(kind, FEW[kind])
    assert found["faults"] == []
    assert found["cases"] > FEW[kind] // 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_of_each_kind(kind):
    assert fuzzed(kind, 300, seed=1)["faults"] == []


def writes(options):
    options.plot.write_text("half")
    raise ValueError("`--plot` must be something else")


def names_an_argument(options):
    raise ValueError("`resolution` must be larger")


def loops(options):
    while True:
        pass


def warns(options):
    warnings.warn("overflow", RuntimeWarning, stacklevel=1)
    return 0


def writes_elsewhere(options):
    options.store.write_text("lost")
    return 0


@pytest.mark.parametrize(
    ("work", "name"),
    [
        (lambda options: {}["x"], "traceback"),
        (lambda options: int("x"), "unclear"),
        (names_an_argument, "names"),
        (lambda options: 3, "exit code"),
        (writes, "altered"),
        (writes_elsewhere, "altered"),
        (warns, "warning"),
        (loops, "hang"),
        (lambda options: 0, DONE),
    ],
)
def test_a_fault_of_a_command_is_noticed(tmp_path, monkeypatch, work, name):
    if work is loops:  # the others may take longer on a busy machine
        monkeypatch.setattr(outcome, "_SECONDS", 1)
    monkeypatch.setattr(scan, "_show", work)
    (tmp_path / "x").write_text("old")
    assert outcome.of_command(["scan-show", "x", "--plot", "x.png"], tmp_path).name == name


@pytest.mark.parametrize(
    ("work", "name"),
    [
        (lambda: {}["x"], "traceback"),
        (lambda: b"\xff".decode(), "traceback"),
        (lambda: int("x"), "unclear"),
        (lambda: Path("x").write_text("new"), "altered"),
        (lambda: Path("y").read_text(), REFUSED),
    ],
)
def test_a_fault_of_a_call_is_noticed(tmp_path, work, name):
    (tmp_path / "x").write_text("old")
    assert outcome.of_call(work, tmp_path).name == name
