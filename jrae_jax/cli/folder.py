"""The folder that a report is written to: a new one, an empty one, or one whose work was interrupted."""

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .._files import atomic_path, check_output

UNFINISHED = "unfinished"
"""What an interrupted run leaves in its folder, by which it is resumed."""

_NAME = "reproduce"
_MADE_WITH = "options.json"


@contextlib.contextmanager
def report_folder(out: str | None, made_with: Mapping[str, Any]) -> Iterator[Path]:
    """A folder for a report: that of `--out`, or the next of `reproduce-001`, `reproduce-002`, ... in this one.

    It is there, and known to be writable, before the work begins, with a folder `unfinished` in it for what resumes the
    work; that is removed at the end. If the work fails before anything is there, what was made here is removed. Loads
    nothing but the standard library, so that a folder is refused at once.

    **Arguments:**

    - `made_with`: options that make the report what it is; those of a run that is resumed must be the same.

    **Raises:** `ValueError` if the folder of `--out` holds something else already, or cannot be written.
    """
    made: list[Path] = []
    try:
        try:
            folder = _numbered(made) if out is None else _named(Path(out), made)
            check_output("--out", folder, folder=True)
            unfinished = _unfinished(folder, made_with, made)
        except OSError as error:
            came = f"{out or '.'}: {error.strerror}"
            raise ValueError(f"`--out` must be a folder that can be written, got {came}") from error
        yield folder
        shutil.rmtree(unfinished)
    except BaseException:
        with contextlib.suppress(OSError):
            for each in reversed(made):
                if list(each.iterdir()) == [each / _MADE_WITH]:
                    (each / _MADE_WITH).unlink()
                each.rmdir()
        raise


def _named(folder: Path, made: list[Path]) -> Path:
    """That folder, with those above it; `made` takes each that was not there."""
    for each in reversed((folder, *folder.parents)):
        if not each.exists():
            each.mkdir()
            made.append(each)
    if any(folder.iterdir()) and not (folder / UNFINISHED).is_dir():
        raise ValueError(f"`--out` must be a new or empty folder, got {folder}, which holds something already")
    return folder


def _numbered(made: list[Path]) -> Path:
    while True:
        taken = [int(match[1]) for path in Path().iterdir() if (match := re.fullmatch(rf"{_NAME}-(\d+)", path.name))]
        folder = Path(f"{_NAME}-{max(taken, default=0) + 1:03d}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue  # another run was quicker
        made.append(folder)
        return folder


def _unfinished(folder: Path, made_with: Mapping[str, Any], made: list[Path]) -> Path:
    """The folder of what resumes the work, new or that of a run with the same options."""
    unfinished, described = folder / UNFINISHED, folder / UNFINISHED / _MADE_WITH
    if not described.exists():
        unfinished.mkdir(exist_ok=True)
        made.append(unfinished)
        with atomic_path(described, "--out") as beside:
            beside.write_text(json.dumps(made_with), encoding="utf-8")
        return unfinished
    try:
        before = dict(json.loads(described.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"`--out`: {described} is damaged; delete {unfinished} to begin anew") from error
    differ = [f"{name} was {before.get(name)}, now {now}" for name, now in made_with.items() if before.get(name) != now]
    if differ:
        raise ValueError(
            f"`--out` {folder} holds what was interrupted with other options: {'; '.join(differ)}; give those, or "
            f"delete {unfinished} to begin anew"
        )
    return unfinished
