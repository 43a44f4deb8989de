"""Scans on disk: killed and resumed, and refused for other settings."""

import importlib
import shutil
import signal
import subprocess
import sys

import diffrax
import jax
import numpy as np
import pytest
import xarray as xr
import zarr

import jrae_jax as jrae
from jrae_jax.scan import Moments, open_scan, zipped
from jrae_jax.scan.store import ScanStore
from tests.scan.stored import AXES, RESULTS, WHITE, files, scan

scans, stores = (importlib.import_module(f"jrae_jax.scan.{name}") for name in ("parameter_scan", "store"))

CHUNKS = 3

pytestmark = pytest.mark.usefixtures("small_chunks")


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
