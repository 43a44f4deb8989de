"""Scans on disk: killed and resumed, damaged, refused."""

import importlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import diffrax
import jax
import numpy as np
import pytest
import xarray as xr
import zarr

import jrae_jax as jrae
from jrae_jax.scan import Moments, open_scan, zipped
from jrae_jax.scan.layout import Layout
from jrae_jax.scan.store import ScanStore, values_read

scans, pieces, stores = (
    importlib.import_module(f"jrae_jax.scan.{name}") for name in ("parameter_scan", "pieces", "store")
)

WHITE = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220.0, 6.0))
AXES = {"C": np.linspace(100, 140, 10)}
RESULTS = ("failed", "failure", "failure_time", "eeg_mean", "eeg_sd", "eeg_min", "eeg_max")
CHUNKS = 3


def scan(store, **changed: Any):
    """Ten columns in three chunks of 4, 4 and 2."""
    settings: dict[str, Any] = dict(column=WHITE, axes=AXES, t1=0.05, dt=1e-3, store=store)
    settings |= dict(summaries=(Moments(),), key=jax.random.key(0))
    return jrae.parameter_scan(**settings | changed)


def files(folder: Path) -> dict[str, bytes]:
    """All there is in a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module", autouse=True)
def small_chunks(chunks_of):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Layout, "of_scan", chunks_of(4))
        yield patch


@pytest.fixture(scope="module")
def uninterrupted(small_chunks, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "scan.zarr"
    scan(path)
    return path


@pytest.fixture
def store(uninterrupted, tmp_path):
    """A finished store that a test may spoil."""
    return Path(shutil.copytree(uninterrupted, tmp_path / "copy.zarr"))


@pytest.fixture
def computed(monkeypatch):
    """The trajectories that are computed, in order."""
    numbers = []
    summarise = pieces.summarise

    def watched(points, *rest):
        numbers.extend(np.unique(points.trajectory).tolist())
        return summarise(points, *rest)

    monkeypatch.setattr(pieces, "summarise", watched)
    return numbers


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


# Killed and resumed


def test_a_store_holds_what_a_scan_in_memory_gives(uninterrupted):
    in_memory, on_disk = scan(None).load(), open_scan(uninterrupted).load()
    xr.testing.assert_identical(in_memory, on_disk)
    assert set(on_disk.data_vars) == set(RESULTS)
    assert (on_disk.attrs["points"], on_disk.attrs["points_done"]) == (10, 10)
    assert np.all(np.isfinite(on_disk.eeg_mean))


def test_anyone_can_open_a_store_with_xarray(uninterrupted):
    plain = xr.open_zarr(uninterrupted, chunks=None)  # without a warning, which would be an error here
    ours = open_scan(uninterrupted)
    for name in (*RESULTS, "C"):
        xr.testing.assert_identical(plain[name].load(), ours[name].load())
    assert plain.eeg_mean.attrs["units"] == "mV"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()], ids=["interrupted", "out of memory"])
@pytest.mark.parametrize("chunks", range(CHUNKS))
def test_a_scan_resumes_after_the_last_complete_chunk(uninterrupted, tmp_path, monkeypatch, computed, chunks, error):
    path = tmp_path / "scan.zarr"
    write = ScanStore.write

    def dying(self, number, results):
        if self.complete().sum() == chunks:
            raise error
        write(self, number, results)

    monkeypatch.setattr(ScanStore, "write", dying)
    with pytest.raises(type(error)):
        scan(path)
    assert open_scan(path).attrs["points_done"] == 4 * chunks
    monkeypatch.setattr(ScanStore, "write", write)
    computed.clear()
    scan(path)
    assert computed == list(range(4 * chunks, 10))
    assert files(path) == files(uninterrupted)


A_CHUNK = len(RESULTS) + 1  # writes: of the results, and of the mark that it is complete
FEW = (0, 1, A_CHUNK - 1, A_CHUNK, A_CHUNK + 3, CHUNKS * A_CHUNK - 1)


@pytest.mark.parametrize(
    "writes", [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in range(CHUNKS * A_CHUNK)]
)
def test_dead_after_any_number_of_writes_it_ends_with_the_same_bytes(uninterrupted, tmp_path, monkeypatch, writes):
    """Between the results of a chunk as well, and before it is marked as complete."""
    path = tmp_path / "scan.zarr"
    setitem, left = zarr.Array.__setitem__, iter(range(writes))

    def counted(self, *arguments):
        if self.metadata.dimension_names and self.name.strip("/") not in AXES and next(left, None) is None:
            raise KeyboardInterrupt
        setitem(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, "__setitem__", counted)
        with pytest.raises(KeyboardInterrupt):
            scan(path)
    assert open_scan(path).attrs["points_done"] == 4 * (writes // A_CHUNK)
    scan(path)
    assert files(path) == files(uninterrupted)


def test_a_finished_scan_is_not_computed_again(store, computed):
    before = files(store)
    scan(store)
    assert computed == []
    assert files(store) == before


@pytest.mark.usefixtures("without_type_checker")
def test_numbers_of_numpy_are_kept(tmp_path):
    axes = {"C": AXES["C"][:2]}
    assert scan(tmp_path / "scan.zarr", axes=axes, repeats=np.int64(2)).sizes == {"C": 2, "repeat": 2}


def test_a_running_scan_can_be_opened(tmp_path):
    found = []

    def look(done, total, message):
        running = open_scan(tmp_path / "scan.zarr").load()
        found.append((running.attrs["points_done"], int(np.isfinite(running.eeg_mean).sum()), done, total))

    scan(tmp_path / "scan.zarr", progress=look)
    assert found == [(0, 0, 0, 10), (4, 4, 4, 10), (8, 8, 8, 10), (10, 10, 10, 10)]


KILLED = """
import os, signal, sys
import jax
jax.config.update("jax_num_cpu_devices", 2)
import jrae_jax as jrae, numpy as np
import jrae_jax.scan.store as stores
from jrae_jax.scan.layout import Layout
of = Layout.of_scan
Layout.of_scan = lambda shape, steps: of(shape, steps, work=1.0, smallest=4)
array, write, written = stores._array, stores.ScanStore.write, []
def killing(group, name):
    if len(written) == 2 and name == "eeg_sd":
        os.kill(os.getpid(), signal.SIGKILL)
    return array(group, name)
def counted(store, number, results):
    written.append(number)
    write(store, number, results)
stores._array, stores.ScanStore.write = killing, counted
column = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220.0, 6.0))
jrae.parameter_scan(
    column, {"C": np.linspace(100, 140, 10)},
    t1=0.05, dt=1e-3, summaries=(jrae.scan.Moments(),), key=jax.random.key(0), store=sys.argv[1])
"""


@pytest.mark.posix
def test_killed_in_the_middle_of_a_chunk_another_process_completes_it(uninterrupted, tmp_path, computed):
    path = tmp_path / "scan.zarr"
    dead = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True, text=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert open_scan(path).attrs["points_done"] == 4
    scan(path)
    assert computed == list(range(4, 10))
    assert files(path) == files(uninterrupted)


def test_what_a_dead_process_left_while_it_made_a_store_disturbs_nobody(uninterrupted, tmp_path):
    shutil.copytree(uninterrupted / "C", tmp_path / ".jrae-dead" / "scan.zarr" / "C")
    scan(tmp_path / "scan.zarr")
    assert files(tmp_path / "scan.zarr") == files(uninterrupted)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".jrae-dead", "scan.zarr"]


@pytest.mark.parametrize("other", [{}, {"t1": 0.06}])
def test_another_process_that_makes_the_store_at_the_same_moment(uninterrupted, tmp_path, monkeypatch, other):
    """It is quicker, by a scan of its own, after this process found nothing there."""
    path, new_group = tmp_path / "scan.zarr", stores._new_group

    def overtaken(target, contents):
        monkeypatch.undo()
        scan(path, **other)
        return new_group(target, contents)

    monkeypatch.setattr(stores, "_new_group", overtaken)
    if other:
        with pytest.raises(ValueError, match=r"`store` .* was made with other settings: steps was 60, now 50"):
            scan(path)
    else:
        scan(path)
        assert files(path) == files(uninterrupted)
    assert [file.name for file in tmp_path.iterdir()] == ["scan.zarr"]


def test_a_chunk_that_another_process_completes_meanwhile_is_not_computed(uninterrupted, tmp_path, computed):
    path, reports = tmp_path / "scan.zarr", []

    def beside(*report):
        reports.append(report[:2])
        if len(reports) == 1:
            shutil.copytree(uninterrupted, path, dirs_exist_ok=True)
            (path / "chunk_complete" / "c" / "1").unlink()

    scan(path, progress=beside)
    assert computed == [4, 5, 6, 7]
    assert reports[0] == (0, 10)
    assert files(path) == files(uninterrupted)


# Other settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(dt=5e-4), r"other settings: dt was 0\.001, now 0\.0005; steps was 50, now 100"),
        (dict(t1=0.06), "other settings: steps was 50, now 60$"),
        (dict(burn_in=0.01), "other settings: burn_in_steps was 0, now 10$"),
        (dict(axes={"C": np.linspace(100, 141, 10)}), r"axes\.C was 100 to 140, 10 values, .*, now 100 to 141, 10 va"),
        (dict(axes={"C": np.append(AXES["C"][:-2], [137.0, 140.0])}), r"axes\.C was 100 to 140.* now 100 to 140, 10"),
        (dict(axes={"a": AXES["C"]}), r"axes\.C was 100 to 140.*, now None; .*axes\.a was None, now 100 to 140"),
        (dict(axes=[zipped("x", C=AXES["C"])]), r"dims was \['C'\], now \['x'\]$"),
        (dict(repeats=2), r"dims was \['C'\], now \['C', 'repeat'\]; axes\.repeat was None, now 0 to 1, 2 values,"),
        (dict(column=WHITE.replace(B=21.0)), r"other settings: column\.parameters\.B was 22\.0, now 21\.0$"),
        (dict(column=WHITE.replace(p=221.0)), r"other settings: column\.input\.p was 220\.0, now 221\.0$"),
        (
            dict(column=WHITE.replace(input=jrae.ConstantInput(220.0))),
            r"column\.input\.type was WhiteNoiseInput, now ConstantInput; column.input.intensity was 6.0, now None",
        ),
        (dict(y0=np.eye(6)[1]), r"other settings: y0\.y1 was 0\.0, now 1\.0$"),
        (dict(solver=diffrax.Euler()), "solver.type was StrangSplitting, now Euler"),
        (dict(summaries=(Moments(("y0",)),)), "other settings: summaries.* was .*eeg.*, now .*y0"),
        (
            dict(key=jax.random.key(1)),
            r"other settings: key was \['threefry2x32', 0, 0\], now \['threefry2x32', 0, 1\]$",
        ),
        (
            dict(key=jax.random.key(0, impl="rbg")),
            r"other settings: key was \['threefry2x32', 0, 0\], now \['rbg', 0, 0, 0, 0\]$",
        ),
    ],
)
def test_other_settings_are_refused_by_name(store, computed, settings, message):
    before = files(store)
    with pytest.raises(ValueError, match=message) as caught:
        scan(store, **settings)
    assert "\n" not in str(caught.value)
    assert str(store) in str(caught.value)
    assert computed == []
    assert files(store) == before


def test_quantities_that_change_along_other_axes_are_other_settings(tmp_path, monkeypatch):
    """The same quantities with the same values over axes of the same names, but otherwise together."""
    monkeypatch.setattr(scans, "_compute_chunks", lambda *_: None)
    values = np.array([100.0, 120.0])
    path = tmp_path / "scan.zarr"
    scan(path, axes=[zipped("x", C=values, p=values), zipped("y", a=values)])
    with pytest.raises(ValueError, match=r"was made with other settings: .*p"):
        scan(path, axes=[zipped("x", C=values), zipped("y", p=values, a=values)])


# Damage


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
            ValueError, match=f"`store` must be a parameter scan of version 4, got version 1 at {store}: scan anew"
        ):
            use(store)
    assert files(store) == before


def test_a_store_whose_description_is_cut_off(store):
    truncate(store / "zarr.json")
    for use in (scan, open_scan):
        with pytest.raises(ValueError, match=f"`store` must be a parameter scan, got {store}"):
            use(store)


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
