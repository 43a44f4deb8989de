"""Kinds of cases: how one is drawn, and what comes of it."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from hypothesis import strategies as st

import jrae_jax as jrae
from jrae_jax.scan.store import open_scan

from . import damage, originals as files
from .command_lines import COMMAND_LINES
from .originals import originals, train
from .outcome import Outcome, of_call, of_command


class Kind(NamedTuple):
    """Cases, and what comes of one."""

    cases: st.SearchStrategy[Any]
    outcome: Callable[[Any], Outcome]


class _Folder(tempfile.TemporaryDirectory):
    """A new folder with copies of some files."""

    def __init__(self, *kinds: str):
        super().__init__()
        for kind in kinds:
            shutil.copytree(originals(kind), self.name, dirs_exist_ok=True)


def _command_line(arguments: Sequence[str]) -> Outcome:
    with _Folder("tables", "scan", "atlas", "report") as name:
        folder = Path(name)
        (folder / "folder").mkdir()
        (folder / "folder" / "file").write_text("data")
        (folder / "link.csv").symlink_to("nothing.csv")
        (folder / "loop.csv").symlink_to("loop.csv")
        return of_command(arguments, folder)


def _table(case: tuple[str, Sequence[damage.Damage], bool]) -> Outcome:
    name, changes, by_command = case
    with _Folder("tables") as folder:
        path = Path(folder) / name
        data = path.read_bytes()
        for change in changes:
            of_lines = change.how in ("field", "encoding", "line ends", "separators") or " " in change.how != "cut off"
            data = (damage.damaged_lines if of_lines else damage.damaged_bytes)(data, change)
        path.write_bytes(data)
        if by_command:
            return of_command(
                ["fit", name, "--free", "e0=1:4", *["--sfreq", "250"] * (name == "plain.txt")], Path(folder)
            )
        return of_call(
            lambda: jrae.read_recording(name, picks=None if name != "electrodes.csv" else "O1"), Path(folder)
        )


def _training(case: tuple[str, damage.Damage, bool]) -> Outcome:
    name, change, signed = case
    with _Folder("trainings") as folder:
        path = Path(folder) / name
        _damage_container(path, change, signed)
        return of_call(lambda: jrae.load(path.name), Path(folder))


def _unfinished(case: tuple[damage.Damage, bool]) -> Outcome:
    with _Folder("unfinished") as folder:
        path = Path(folder) / files.UNFINISHED
        _damage_container(path, *case)
        return of_call(lambda: train(Path(path.name)), Path(folder))


def _damage_container(path: Path, change: damage.Damage, signed: bool) -> None:
    """With a digest of what is in it then, or without, as by a disk."""
    data = path.read_bytes()
    changed = damage.damaged_container if signed or change.how in _JSON else damage.damaged_bytes
    path.write_bytes(changed(data, change))


_JSON = ("set", "delete", "rename")
_SHOW, _PLOT, _RESUME, _OPEN, _ATLAS = "show", "plot", "resume", "open", "atlas"


def _store(case: tuple[str, Sequence[damage.Damage]]) -> Outcome:
    how, changes = case
    with _Folder("atlas" if how == _ATLAS else "scan") as name:
        folder = Path(name)
        for change in changes:
            damage.damage_folder(folder / (files.ATLAS if how == _ATLAS else files.SCAN), change)
        if how == _OPEN:
            return of_call(lambda: open_scan(files.SCAN), folder)
        commands = {
            _SHOW: ["scan-show", files.SCAN],
            _PLOT: ["scan-show", files.SCAN, "--plot", "x.png"],
            _RESUME: ["scan", *files.SCAN_OPTIONS, "--store", files.SCAN, "--no-progress"],
            _ATLAS: ["atlas", "--quick", "--store", files.ATLAS, "--table", "x.csv"],
        }
        with mock.patch.object(files.atlas_module, "_Work", files.MadeUpScores):  # where cells are gone
            return of_command(commands[how], folder)


def _report(change: damage.Damage) -> Outcome:
    with _Folder("report") as folder:
        path = Path(folder) / files.REPORT / "unfinished" / "options.json"
        data = path.read_bytes()
        path.write_bytes((damage.damaged_json if change.how in _JSON else damage.damaged_bytes)(data, change))
        return of_command(["reproduce", *files.REPORT_OPTIONS, "--out", files.REPORT], Path(folder))


_DAMAGE = damage.OF_BYTES | damage.OF_JSON

KINDS = {
    "command lines": Kind(COMMAND_LINES, _command_line),
    "tables": Kind(
        st.tuples(
            st.sampled_from(files.TABLES),
            st.lists(damage.OF_BYTES | damage.OF_LINES, min_size=1, max_size=3),
            st.booleans(),
        ),
        _table,
    ),
    "trainings": Kind(st.tuples(st.sampled_from(files.TRAININGS), _DAMAGE, st.booleans()), _training),
    "unfinished trainings": Kind(st.tuples(_DAMAGE, st.booleans()), _unfinished),
    "stores": Kind(
        st.tuples(st.sampled_from([_SHOW, _PLOT, _RESUME, _OPEN, _ATLAS]), st.lists(_DAMAGE, min_size=1, max_size=2)),
        _store,
    ),
    "reports": Kind(_DAMAGE, _report),
}
"""Kinds of cases, by name."""
