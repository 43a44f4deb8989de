"""Files that are written: a path that is tried before the work, and one beside it that is moved there once it is whole.

Loads nothing but the standard library, so that a path is refused at once.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_PREFIX = ".jrae-"  # of what is being written
_PROBE = bytes(4096)  # a block: on a full disk an empty file can still be made


def as_path(name: str, path: Any) -> Path:
    """A named argument as a path.

    **Raises:** `ValueError` for what cannot be one.
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"`{name}` must be a path, got {' '.join(repr(path).split()):.60}")
    return Path(path)


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike, name: str = "path") -> Iterator[Path]:
    """A path of the same name in a folder of its own beside `path`: what is written there is then moved to `path`.

    A file or a folder appears whole or not at all. A file that is there already is replaced, a folder is not. Where the
    block raises, what it wrote is removed; where the process is killed, that is done when `path` is next written.

    ```python
    with atomic_path(options.table, "--table") as unfinished:
        table.to_csv(unfinished)
    ```

    **Arguments:**

    - `path`: where it is to be; a link is followed.
    - `name`: of the argument or option, for errors.

    **Raises:** `OSError` that names the argument if it cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        if _is_special(target):  # root could put a file in its place
            raise OSError(errno.EINVAL, "a device or a pipe")
        with _folder_beside(target) as folder:
            unfinished = folder / target.name
            yield unfinished
            if unfinished.is_file():
                # Else the name may reach the disk before the content does, and a loss of power leave an empty file.
                with unfinished.open("r+b") as file:  # not only for reading: Windows asks for more
                    os.fsync(file.fileno())
            unfinished.rename(target) if unfinished.is_dir() else unfinished.replace(target)
    except OSError as error:
        why = error.strerror or str(error)
        raise OSError(error.errno, f"`{name}` cannot be written ({why})", os.fspath(path)) from error


@contextlib.contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """A folder for what will be `target`, locked; those that processes left for it which were killed are removed."""
    prefix = f"{_PREFIX}{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]}-"
    with contextlib.ExitStack() as stack:
        with _locked(target.parent):  # so that nobody comes upon a folder between its making and its lock
            for left in target.parent.glob(f"{prefix}*"):
                with _locked(left, wait=False) as abandoned:
                    if abandoned:
                        shutil.rmtree(left, ignore_errors=True)
            made = tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent, ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
            stack.enter_context(_locked(folder))
        yield folder


@contextlib.contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Lock a folder against the other users of this function; the system unlocks it if this process dies.

    **Returns:** whether it is locked; never where the file system knows no locks of folders.
    """
    try:
        import fcntl  # not on Windows

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            locked = True
        except OSError:
            locked = False
        yield locked
    finally:
        os.close(descriptor)


def check_output(
    name: str, path: str | os.PathLike, *, suffixes: Sequence[str] = (), new: bool = False, folder: bool = False
) -> None:
    """Raise if `path` cannot be written, as far as can be known before it is.

    **Arguments:**

    - `name`: of the argument or option, for errors.
    - `suffixes`: that it may have, such as `.csv`; any if there are none.
    - `new`: whether nothing may be there yet; else a file that is there will be replaced.
    - `folder`: whether it is a folder, which may be there already, unless `new`, and is then written into.

    **Raises:** `ValueError`.
    """
    path = as_path(name, path)
    if suffixes and not any(path.name.endswith(suffix) and path.name != suffix for suffix in suffixes):
        raise ValueError(f"`{name}` must end in {' or '.join(suffixes)}, got {path}")
    try:
        _check_place(name, path, new, folder)
        inside = path if folder and path.exists() else Path(os.path.realpath(path)).parent
        with tempfile.TemporaryFile(dir=inside) as file:
            file.write(_PROBE)
    except OSError as error:
        raise ValueError(f"`{name}` must be a path that can be written, got {path}: {error.strerror}") from error


def _check_place(name: str, path: Path, new: bool, folder: bool) -> None:
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise ValueError(f"`{name}` must lie in a folder that exists, got {path}")
    try:
        os.lstat(path)
    except FileNotFoundError:
        return
    if new:
        raise ValueError(f"`{name}` must not exist yet, got {path}")
    if folder and path.exists() and not path.is_dir():
        raise ValueError(f"`{name}` must be a folder, got the file {path}")
    if not folder and path.is_dir():
        raise ValueError(f"`{name}` must be a file, got the folder {path}")
    if _is_special(path):
        raise ValueError(f"`{name}` must be a file, got {path}, a device or a pipe")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"`{name}` must be a path that can be written, got {path}, which is read-only")


def _is_special(path: Path) -> bool:
    """Whether it is a device, a pipe or a socket."""
    return path.exists() and not path.is_file() and not path.is_dir()
