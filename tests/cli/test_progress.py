"""The progress bar of the command line."""

import sys

from jrae_jax.cli.progress import ProgressBar


def test_a_line_now_and_then_when_not_on_a_terminal(capsys):
    bar = ProgressBar()
    for epoch in range(5):
        bar(epoch, 5, f"train, epoch {epoch} of 5")
    bar(5, 5, "done")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("  0%")
    assert lines[0].endswith("train")
    assert lines[1].startswith("100%")


def test_one_line_that_is_rewritten_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = ProgressBar()
    bar(1, 4, "train, epoch 1 of 4")
    bar(4, 4, "train, epoch 4 of 4")
    printed = capsys.readouterr().err
    assert printed.count("\r") == 2
    assert printed.endswith("\n")
    assert " 25% " in printed
    assert "train, epoch 4 of 4" in printed
