"""Commands that are interrupted, started again, and end as if nothing had happened."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.posix]

# Of all 64 kinds the calibration that ends a training goes through two hours of recordings, which takes minutes.
# Every report of progress is a line, so that what is quick can be interrupted.
COMMAND = """
from jrae_jax.cli import progress
from jrae_jax.cli.main import run
from jrae_jax.studies import pretraining

pretraining.ALL_KINDS = pretraining.ALL_KINDS[-2:]
progress._QUIET = 0
run()
"""


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """`jrae` in a process of its own, with compiled programs in common."""
    monkeypatch.chdir(tmp_path)
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "programs")}

    def start(*arguments):
        command = [sys.executable, "-c", COMMAND, *arguments]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    return start


def run(process):
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said


def interrupt(process, progress):
    """When a line of progress has this text."""
    for line in process.stderr:
        if progress in line:
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 130, said
    return said


def test_a_pretraining_is_resumed(commands, tmp_path):
    training = "pretrain", "--steps", "128"
    run(commands(*training, "--out", "whole.jrae"))
    said = interrupt(commands(*training, "--out", "x.jrae"), "training, loss")
    assert "holds what is done, and the same command resumes" in said
    assert not (tmp_path / "x.jrae").exists()
    run(commands(*training, "--out", "x.jrae"))
    assert (tmp_path / "x.jrae").read_bytes() == (tmp_path / "whole.jrae").read_bytes()


def test_a_study_is_resumed(commands, tmp_path):
    study = "reproduce", "--quick"
    run(commands(*study, "--out", "whole"))
    said = interrupt(commands(*study, "--out", "report"), "training, loss")
    assert "holds what is done, and the same command resumes" in said
    run(commands(*study, "--out", "report"))
    assert (tmp_path / "report/scores.csv").read_bytes() == (tmp_path / "whole/scores.csv").read_bytes()
