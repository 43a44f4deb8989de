"""The progress bar of the command line."""

import io
import sys

import pytest

from jrae_jax.cli import progress
from jrae_jax.cli.progress import ProgressBar


@pytest.fixture
def clock(monkeypatch):
    """A clock whose seconds are set by hand."""
    seconds = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: seconds[0])
    return seconds


def on_a_terminal(monkeypatch):
    """To be called in a test, as standard error is another before."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")


def test_what_is_said_now_and_then_where_there_is_no_terminal(clock, capsys):
    bar = ProgressBar()
    for second in range(41):
        clock[0] = second
        bar(10 * second, 400, f"points at {second} s")
    assert capsys.readouterr().err.splitlines() == [
        "  0% of 400  points at 0 s",
        " 25% of 400, 10/s, 30 s left  points at 10 s",
        " 50% of 400, 10/s, 20 s left  points at 20 s",
        " 75% of 400, 10/s, 10 s left  points at 30 s",
        "100% of 400, 40 s  points at 40 s",
    ]


def test_another_piece_of_work_has_a_speed_of_its_own(clock, capsys):
    bar = ProgressBar()
    for second in range(61):
        clock[0] = second
        bar(second, 30, "columns") if second <= 30 else bar(2 * (second - 30), 60, "windows")
    assert capsys.readouterr().err.splitlines()[4:] == [
        " 33% of 60, 2/s, 20 s left  windows",
        " 67% of 60, 2/s, 10 s left  windows",
        "100% of 60, 29 s  windows",
    ]


def test_one_line_that_is_rewritten_on_a_terminal(clock, monkeypatch, capsys):
    on_a_terminal(monkeypatch)
    bar = ProgressBar()
    for second, message in ((0, "compiling, which takes long"), (0.01, "too soon"), (1, "steps"), (8, "steps")):
        clock[0] = second
        bar(second, 8, message)
    _, *states = capsys.readouterr().err.split("\r")
    assert [state.rstrip() for state in states] == [
        "[........................]   0% of 8  compiling, which takes long",
        "[###.....................]  12% of 8, 1/s, 7 s left  steps",
        "[########################] 100% of 8, 8 s  steps",
    ]
    assert len(states[1]) >= len(states[0])  # nothing of the longer line is left
    assert states[-1].endswith("\n")


def test_a_line_is_never_longer_than_the_terminal(clock, monkeypatch, capsys):
    on_a_terminal(monkeypatch)
    ProgressBar()(0, 1, "x" * 200)
    assert len(capsys.readouterr().err.strip("\r")) == 99


@pytest.mark.parametrize(
    ("done", "seconds", "said"),
    [(4, 12, "3 s each, 48 s left"), (1, 90, "90 s each, 28 min left"), (1, 600, "600 s each, 3 h 10 min left")],
)
def test_how_long_slow_work_takes(clock, capsys, done, seconds, said):
    bar = ProgressBar()
    bar(0, 20, "sets")
    clock[0] = seconds
    bar(done, 20, "sets")
    assert said in capsys.readouterr().err


def test_what_was_done_before_does_not_count_in_the_rate(clock, capsys):
    bar = ProgressBar()
    bar(50, 100, "points")
    clock[0] = 10.0
    bar(60, 100, "points")
    assert capsys.readouterr().err.splitlines()[-1] == " 60% of 100, 1/s, 40 s left  points"


def test_it_can_be_silent(capsys):
    ProgressBar(silent=True)(0, 1, "work")
    assert capsys.readouterr().err == ""


def test_it_is_silent_without_standard_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    ProgressBar()(0, 1, "work")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    ProgressBar()(0, 1, "work")
    assert capsys.readouterr().out == ""
