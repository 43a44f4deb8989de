"""Files appear whole or not at all, and a path that cannot be written is refused before the work."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from jrae_jax._files import atomic_path, check_output


def test_a_file_appears_once_it_is_whole_and_replaces_another(tmp_path):
    target = tmp_path / "x.csv.gz"
    target.write_text("old")
    with atomic_path(target) as unfinished:
        assert unfinished.name == target.name
        unfinished.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_appears_whole(tmp_path):
    with atomic_path(tmp_path / "x.zarr") as unfinished:
        (unfinished / "a").mkdir(parents=True)
        assert not (tmp_path / "x.zarr").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["x.zarr", "a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_was_there_stays_and_nothing_else_if_the_block_raises(tmp_path, error):
    (tmp_path / "x").write_text("old")

    def write():
        with atomic_path(tmp_path / "x") as unfinished:
            unfinished.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


KILLED = """
import os, signal, sys
from jrae_jax._files import atomic_path

with atomic_path(sys.argv[1]) as unfinished:
    unfinished.write_text("half")
    print(flush=True)
    if sys.argv[2] == "waits":
        input()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.posix
def test_what_a_killed_process_left_is_removed_when_the_same_path_is_written(tmp_path):
    for name in ("x", "y"):
        killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / name, ""], stdout=subprocess.DEVNULL)
        assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    with atomic_path(tmp_path / "x") as unfinished:
        unfinished.write_text("new")
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["x", "y"]  # that of y may be wanted yet
    assert (tmp_path / "x").read_text() == "new"


@pytest.mark.posix
def test_what_another_process_is_writing_is_left_to_it(tmp_path):
    command = [sys.executable, "-c", KILLED, tmp_path / "x", "waits"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        with atomic_path(tmp_path / "x") as unfinished:
            unfinished.write_text("new")
        assert [path.read_text() for path in tmp_path.glob(".jrae-*/x")] == ["half"]
        other.communicate(b"\n")
    with atomic_path(tmp_path / "x") as unfinished:
        unfinished.write_text("newer")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_full_disk_leaves_what_was_there_and_names_the_argument(tmp_path, small_files_only):
    (tmp_path / "x").write_text("old")

    def write():
        with atomic_path(tmp_path / "x", "--json") as unfinished:
            unfinished.write_bytes(bytes(20_000))

    with pytest.raises(OSError, match=r"`--json` cannot be written \(File too large\): .*x'") as raised:
        write()
    assert raised.value.errno == errno.EFBIG
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


def test_a_link_is_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "x").symlink_to(tmp_path / "elsewhere" / "y")
    check_output("out", tmp_path / "x")
    with atomic_path(tmp_path / "x") as unfinished:
        unfinished.write_text("new")
    assert (tmp_path / "x").is_symlink()
    assert (tmp_path / "elsewhere" / "y").read_text() == "new"


@pytest.mark.posix
def test_a_device_or_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (
        pytest.raises(OSError, match=r"`path` cannot be written \(a device or a pipe\)"),
        atomic_path(tmp_path / "pipe"),
    ):
        pass
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.posix
@pytest.mark.parametrize(
    ("path", "options", "why"),
    [
        ("x.txt", {"suffixes": (".csv", ".zarr")}, "must end in .csv or .zarr, got .*x.txt"),
        (".csv", {"suffixes": (".csv",)}, "must end in .csv, got"),
        ("no/x", {}, "must lie in a folder that exists, got .*no/x"),
        ("file/x", {}, "must lie in a folder that exists, got .*file/x"),
        ("file", {"new": True}, "must not exist yet, got .*file"),
        ("link", {"new": True}, "must not exist yet, got .*link"),
        ("folder", {}, "must be a file, got the folder .*folder"),
        ("file", {"folder": True}, "must be a folder, got the file .*file"),
        ("x" * 300, {}, "must be a path that can be written, got .*: File name too long"),
        ("/dev/full", {}, "must be a file, got /dev/full, a device or a pipe"),
        ("/proc/x", {}, "must be a path that can be written, got /proc/x: "),
    ],
)
def test_a_path_that_cannot_be_written_is_refused(tmp_path, path, options, why):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=f"`--out` {why}"):
        check_output("--out", tmp_path / path, **options)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_disk_without_room_is_noticed_before_the_work(tmp_path, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def write(self, content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: Full())
    with pytest.raises(
        ValueError, match=r"`--out` must be a path that can be written, got .*: No space left on device"
    ):
        check_output("--out", tmp_path / "x")


def test_a_path_that_can_be_written_is_left_as_it_is(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    check_output("--out", tmp_path / "file")
    check_output("--out", tmp_path / "new.csv", suffixes=(".csv",), new=True)
    check_output("--store", tmp_path / "folder", folder=True)
    check_output("--store", tmp_path / "new", folder=True)
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
