"""Several processes that take part in one scan and write one store."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jrae_jax.scan import open_scan

POINTS = 400_000  # in four chunks
SCAN = ["scan", "--duration", "0.02", "--burn-in", "0", "--summaries", "moments", "--axis", "C=100:140:1000"]
SCAN = [*SCAN, "--repeats", str(POINTS // 1000), "--store"]


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    path = tmp_path_factory.mktemp("alone") / "scan.zarr"
    alone = [sys.executable, "-m", "jrae_jax", *SCAN, str(path), "--devices", "2", "--device", "cpu"]
    subprocess.run(alone, check=True, capture_output=True, env=_alone())
    return path


@pytest.fixture
def start():
    """Two processes joined over the loopback interface; whatever is left of them is killed after the test."""
    running = []

    def two(path: Path) -> list[subprocess.Popen]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        joined = ["--coordinator", address, "--processes", "2", "--devices", "1", "--device", "cpu", "--process"]
        command = [sys.executable, "-m", "jrae_jax", *SCAN, str(path), *joined]
        log = subprocess.PIPE
        pair = [subprocess.Popen([*command, str(i)], stdout=log, stderr=log, text=True, env=_alone()) for i in (0, 1)]
        running.extend(pair)
        return pair

    yield two
    for process in running:
        process.kill()
        process.communicate()


def _alone() -> dict[str, str]:
    """Nothing by which JAX would take these tests for a part of a job on a cluster."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "OMPI_"))}


@pytest.mark.slow
def test_two_processes_make_the_store_of_one(one_process, tmp_path, start):
    pair = start(tmp_path / "scan.zarr")
    printed = [process.communicate(timeout=120) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], printed
    assert f"{POINTS} of {POINTS} points done, 0 failed" in printed[0][0]
    assert "points done" not in printed[1][0]
    assert files(tmp_path / "scan.zarr") == files(one_process)


@pytest.mark.posix
@pytest.mark.slow
def test_one_of_two_killed_and_both_started_again(one_process, tmp_path, start):
    """The other waits for it until JAX ends it, after a minute or two, and takes no notice of SIGTERM before."""
    path = tmp_path / "scan.zarr"
    first, second = start(path)
    while not path.exists() or not (path / "chunk_complete" / "c").exists():
        assert (first.poll(), second.poll()) == (None, None)
        time.sleep(0.02)
    second.send_signal(signal.SIGKILL)
    first.kill()
    assert (second.wait(), first.wait()) == (-signal.SIGKILL, -signal.SIGKILL)
    assert 0 < open_scan(path).attrs["points_done"] < POINTS
    pair = start(path)
    printed = [process.communicate(timeout=120) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], printed
    assert files(path) == files(one_process)
