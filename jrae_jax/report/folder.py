"""The folder that a report is written to: a new one, or an empty one."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

_NAME = "reproduce"


@contextlib.contextmanager
def new_folder(out: str | None, *, parent: Path | None = None) -> Iterator[Path]:
    """A folder for a report: `out`, or the next of `reproduce-001`, `reproduce-002`, ...

    It is there, and known to be writable, before the work begins; if the work fails and it is still empty, it goes.

    **Raises:** `ValueError` if `out` holds something already or cannot be written.
    """
    try:
        folder = _numbered(Path.cwd() if parent is None else parent) if out is None else _named(Path(out))
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"`out` must be a folder that can be written, got {out or '.'}: {error.strerror}") from error
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise


def _named(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"`out` must be a new or empty folder, got {folder}, which holds something already")
    return folder


def _numbered(parent: Path) -> Path:
    while True:
        taken = [int(match[1]) for path in parent.iterdir() if (match := re.fullmatch(rf"{_NAME}-(\d+)", path.name))]
        folder = parent / f"{_NAME}-{max(taken, default=0) + 1:03d}"
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            continue  # another run was quicker
