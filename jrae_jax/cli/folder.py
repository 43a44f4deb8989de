"""The folder that a report is written to: a new one, or an empty one."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

_NAME = "reproduce"


@contextlib.contextmanager
def new_folder(out: str | None) -> Iterator[Path]:
    """A folder for a report: that of `--out`, or the next of `reproduce-001`, `reproduce-002`, ... in this one.

    It is there, and known to be writable, before the work begins. If the work fails, what was made here and is still
    empty is removed. Loads nothing but the standard library, so that a folder is refused at once.

    **Raises:** `ValueError` if the folder of `--out` holds something already, or cannot be written.
    """
    made: list[Path] = []
    try:
        try:
            folder = _numbered(made) if out is None else _named(Path(out), made)
            probe = folder / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            came = f"{out or '.'}: {error.strerror}"
            raise ValueError(f"`--out` must be a folder that can be written, got {came}") from error
        yield folder
    except BaseException:
        with contextlib.suppress(OSError):
            for each in reversed(made):
                each.rmdir()
        raise


def _named(folder: Path, made: list[Path]) -> Path:
    """That folder, with those above it; `made` takes each that was not there."""
    for each in reversed((folder, *folder.parents)):
        if not each.exists():
            each.mkdir()
            made.append(each)
    if any(folder.iterdir()):
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
