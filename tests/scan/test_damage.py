"""Scans on disk that are damaged, of another version, or on a full disk."""

import importlib
import json
import shutil
from pathlib import Path

import pytest
import zarr

from jrae_jax.scan import open_scan
from jrae_jax.scan.store import values_read
from tests.scan.stored import RESULTS, files, scan

stores = importlib.import_module("jrae_jax.scan.store")

pytestmark = pytest.mark.usefixtures("small_chunks")


def flip(file: Path):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def truncate(file: Path):
    file.write_bytes(file.read_bytes()[:-3])


def empty(file: Path):
    file.write_bytes(b"")


DAMAGES = [flip, truncate, empty, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_chunk_is_named_with_its_remedy_and_heals(uninterrupted, store, computed, damage):
    damage(store / "eeg_mean" / "c" / "1")
    damaged = files(store)
    marker = store / "chunk_complete" / "c" / "1"
    with pytest.raises(ValueError, match=rf"chunk 1 of eeg_mean is damaged \(.*\); delete {marker} and run") as caught:
        scan(store)
    assert "\n" not in str(caught.value)
    assert files(store) == damaged
    marker.unlink()
    scan(store)
    assert computed == [4, 5, 6, 7]
    assert files(store) == files(uninterrupted)


@pytest.mark.parametrize("name", ["failed", "failure_time"])
def test_even_a_chunk_without_failures_can_be_told_from_a_lost_one(store, name):
    """A file is there for every chunk, also where all values are those of an empty array."""
    (store / name / "c" / "0").unlink(missing_ok=True)
    with pytest.raises(ValueError, match=f"chunk 0 of {name} is damaged"):
        scan(store)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_coordinate_is_not_taken_for_true(store, damage):
    damage(store / "C" / "c" / "0")
    with pytest.raises(ValueError, match=r"`store`.* C is damaged"):
        scan(store)


@pytest.mark.parametrize("damage", [flip, truncate, empty])
def test_a_damaged_mark_that_a_chunk_is_complete(store, damage):
    damage(store / "chunk_complete" / "c" / "1")
    with pytest.raises(ValueError, match=r"`store`.*chunk_complete"):
        scan(store)


@pytest.mark.parametrize("name", ["eeg_mean", "chunk_complete"])
def test_a_whole_variable_that_is_lost(store, name):
    shutil.rmtree(store / name)
    with pytest.raises(ValueError, match=f"`store`.*{name}"):
        scan(store)


def test_what_else_lies_in_a_store_is_nothing_to_warn_of(store):
    (store / ".DS_Store").touch()
    (store / "eeg_sd" / "zarr.json").write_text("{}")
    assert open_scan(store).load().attrs["points_done"] == 10


def test_a_damaged_description_is_one_line(store):
    described = json.loads((store / "zarr.json").read_text())
    described["attributes"]["chunk"] = "x"
    (store / "zarr.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match=r"`store` \S+: zarr.json is damaged \(it is not of the form in which it was"):
        open_scan(store)


def test_opening_misses_a_chunk_that_is_gone_and_reading_one_that_is_damaged(store):
    flip(store / "eeg_sd" / "c" / "1")
    with pytest.raises(ValueError, match=r"`store` .*: chunk 1 of eeg_sd is damaged"), values_read(store):
        open_scan(store).load()
    (store / "eeg_sd" / "c" / "1").unlink()
    with pytest.raises(ValueError, match=r"`store` .*: chunk 1 of eeg_sd is damaged \(it is not there\); delete .*/1 "):
        open_scan(store)


# Another version, a cut description, a full disk


def test_a_store_of_another_version(store):
    metadata = store / "zarr.json"
    described = json.loads(metadata.read_text())
    described["attributes"]["jrae_jax_store"] = 1
    metadata.write_text(json.dumps(described))
    before = files(store)
    for use in (scan, open_scan):
        with pytest.raises(
            ValueError, match=f"`store` must be a store that jrae_jax wrote, of version 4, got version 1 at {store}"
        ):
            use(store)
    assert files(store) == before


def test_a_store_whose_description_is_cut_off(store):
    truncate(store / "zarr.json")
    for use in (scan, open_scan):
        with pytest.raises(ValueError, match=f"`store` must be a store that jrae_jax wrote, got {store}"):
            use(store)


@pytest.fixture
def dies_after(monkeypatch):
    """Let the writing of arrays fail after a number of them."""

    def arrange(writes, error):
        setitem = zarr.Array.__setitem__
        done = []

        def counted(self, *arguments):
            if len(done) >= writes:
                raise error
            done.append(self.name)
            setitem(self, *arguments)

        monkeypatch.setattr(zarr.Array, "__setitem__", counted)

    yield arrange
    monkeypatch.undo()


def test_a_full_disk_is_one_line_and_what_was_complete_stays_complete(uninterrupted, tmp_path, dies_after, monkeypatch):
    path = tmp_path / "scan.zarr"
    scan_made = stores.create
    monkeypatch.setattr(
        stores,
        "create",
        lambda *arguments: (
            scan_made(*arguments),
            dies_after(len(RESULTS) + 3, OSError(28, "No space left on device")),
        )[0],
    )
    message = (
        rf"^`store` {path}: chunk 1 could not be written \(No space left on device\); 1 of 3 chunks are complete, and "
        "the same call resumes there$"
    )
    with pytest.raises(OSError, match=message):
        scan(path)
    monkeypatch.undo()
    assert open_scan(path).attrs["points_done"] == 4
    scan(path)
    assert files(path) == files(uninterrupted)
