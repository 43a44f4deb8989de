"""What signals do: work stops, one line says how to resume, and the exit code is that of a shell."""

import gc
import signal
import subprocess
import sys
import time

import pytest

from jrae_jax.cli.interrupts import Interrupts

RUNNING = """
import hashlib, sys, threading, time
from pathlib import Path
from jrae_jax.cli import main

def work(options):
    options.interrupts.kept = Path("kept")
    threading.Timer(0.5, print, ["ready"], {{"flush": True}}).start()  # once the work has begun for sure
    {work}

main.scan._show = work
main.run()
"""
WAITING = "time.sleep(60)"
COMPILED = "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"  # minutes without Python


@pytest.fixture
def start(tmp_path):
    """A command in a process of its own, whose work has begun; whatever is left of it is killed after the test."""
    running = []

    def started(work):
        command = [sys.executable, "-c", RUNNING.format(work=work), "scan-show", "x"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, cwd=tmp_path, **pipes))
        assert running[-1].stdout.readline() == "ready\n"
        return running[-1]

    yield started
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_work_is_interrupted(start, number, code):
    process = start(WAITING)
    process.send_signal(number)
    assert process.communicate(timeout=30) == ("", "jrae: interrupted\n")
    assert process.returncode == code


@pytest.mark.posix
def test_it_says_how_to_resume_what_is_kept(start, tmp_path):
    (tmp_path / "kept").touch()
    process = start(WAITING)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30)[1] == (
        "jrae: interrupted; kept holds what is done, and the same command resumes\n"
    )


@pytest.mark.posix
def test_a_second_signal_leaves_a_compiled_program_behind(start):
    process = start(COMPILED)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == "jrae: stopping; once more to leave at once\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "jrae: interrupted\n")
    assert process.returncode == 130


@pytest.mark.posix
def test_a_compiled_program_is_left_behind_after_a_while(start):
    process = start(f"from jrae_jax.cli import interrupts; interrupts._PATIENCE = 0.1; {COMPILED}")
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30) == ("", "jrae: stopping; once more to leave at once\njrae: interrupted\n")
    assert process.returncode == 143


@pytest.mark.posix
def test_work_that_unwinds_is_waited_for_and_further_signals_do_not_disturb_it(start, tmp_path):
    process = start("try: time.sleep(60)\n    finally: time.sleep(0.5); Path('done').touch()")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert (tmp_path / "done").exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_within_a_callback_of_the_garbage_collector_is_not_lost():
    def callback(phase, info):
        if phase == "start" and interrupts.number is None:
            signal.raise_signal(signal.SIGINT)

    interrupts, before = Interrupts(), time.monotonic()
    gc.callbacks.append(callback)

    def work():
        with interrupts.caught():
            gc.collect()
            while time.monotonic() < before + 30:
                sum(range(1000))

    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        gc.callbacks.remove(callback)
    assert interrupts.code == 130


def test_everything_is_as_it_was_afterwards():
    state = lambda: (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), sys.unraisablehook)  # noqa: E731
    before = state()
    with Interrupts().caught():
        assert state() != before
    assert state() == before
