"""What a command does before its work begins: choose devices, keep compiled programs, report progress."""

import argparse
import contextlib
import hashlib
import os
import platform
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from .interrupts import print_error
from .progress import ProgressBar

_PLATFORMS = {"cpu": "cpu", "gpu": "cuda"}

_CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"
_LEAST_COMPILE_TIME = 0.03  # s; to read a program back takes a fraction of that
_LARGEST_CACHE = 1 << 29  # bytes, some thousand programs; those that were not used for longest are dropped
_LOCK_TIMEOUT = 10.0  # s, as long as JAX waits for another process


def start(
    options: argparse.Namespace, *, cores: int | None = None, join: Callable[[], None] | None = None
) -> ProgressBar:
    """Make JAX ready for a command; to be called before anything starts a backend of JAX.

    **Arguments:**

    - `options`: those of the command, with `device` and `progress` among them.
    - `cores`: how many of the CPU's cores are used; if `None`, those that this process may use.
    - `join`: joins other processes, which has to be done before JAX looks for devices.

    **Returns:** what reports progress.

    **Raises:** `ValueError` for a device that is not there.
    """
    bar = ProgressBar(silent=not options.progress)
    configure_jax(options.device, cores)
    if join is not None:
        join()
    check_device(options.device)
    return bar


def configure_jax(device: str | None, cores: int | None = None) -> None:
    """Devices and the compilation cache."""
    import jax

    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None  # not on macOS
    if cores is None:
        cores = (os.cpu_count() or 1) if available is None else len(available)
    check_cores(cores)
    if available is not None and cores < len(available):
        os.sched_setaffinity(0, available[:cores])  # a scan takes all that it may use
    jax.config.update("jax_num_cpu_devices", cores)
    if device is not None:
        jax.config.update("jax_platforms", _PLATFORMS[device])
    _keep_compiled_programs()


def check_cores(cores: int | None) -> None:
    """Raise if `--devices` is more cores than there are, or fewer than one; JAX would make threads for each."""
    most = os.cpu_count() or 1
    if cores is not None and not 1 <= cores <= most:
        raise ValueError(f"`--devices` must be from 1 to {most}, the cores of this machine, got {cores}")


def check_device(device: str | None) -> None:
    """Raise if `--device`, or `JAX_PLATFORMS` of the environment, is one that JAX does not find."""
    import jax

    name, chosen = "--device", device
    if device is None:
        name, chosen = "JAX_PLATFORMS", os.environ.get("JAX_PLATFORMS")
    if chosen:
        try:
            jax.devices()
        except (AssertionError, RuntimeError) as error:  # an assertion that fails without a message, in some versions
            raise ValueError(
                f"`{name}` must be one that JAX finds here, got {chosen}: leave it out to use what there is; an NVIDIA "
                "GPU needs its driver and pip install 'jrae-jax[cuda]'"
            ) from error


def _keep_compiled_programs() -> None:
    """Let JAX keep compiled programs in the user's cache folder, or where the environment says.

    Several commands may use it at once. A program that cannot be read is compiled anew.
    """
    import jax
    import platformdirs

    chosen = os.environ.get(_CACHE_VARIABLE)
    # An empty name is none, and one such as gs://bucket/folder is JAX's to open.
    if chosen == "" or "://" in (chosen or "") or not jax.config.jax_enable_compilation_cache:  # pyright: ignore[reportAttributeAccessIssue]
        return
    folder = Path(chosen or platformdirs.user_cache_path("jrae_jax", appauthor=False) / f"xla-{_instruction_set()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        if chosen is None:
            _drop_unfinished(folder)
    except OSError as error:
        jax.config.update("jax_enable_compilation_cache", False)
        named = "" if chosen is None else f", which {_CACHE_VARIABLE} names,"
        print_error(f"jrae: compiled programs are not kept: {folder}{named} cannot be written ({error.strerror})")
        return
    warnings.filterwarnings("ignore", r"Error (reading|writing) persistent compilation cache")
    if chosen is None:  # a folder of the user's own is kept as the user has set JAX up
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_compilation_cache_max_size", _LARGEST_CACHE)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_COMPILE_TIME)


def _instruction_set() -> str:
    """A name for what the CPU can do: programs of one machine of a cluster need not run on another of the same home."""
    abilities = platform.machine()
    with contextlib.suppress(OSError, StopIteration):  # Linux
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        abilities += next(line for line in lines if line.lower().startswith(("flags", "features")))
    return hashlib.sha256(abilities.encode()).hexdigest()[:8]


def _drop_unfinished(folder: Path) -> None:
    """Delete programs that a process died in the middle of writing.

    JAX writes the time of last use behind each program, and fails to make room if one has none.

    **Raises:** `OSError` if the folder cannot be written.
    """
    import filelock

    with contextlib.suppress(filelock.Timeout), filelock.FileLock(folder / ".lockfile", timeout=_LOCK_TIMEOUT):
        times = {path.name.removesuffix("-atime") for path in folder.glob("*-atime")}
        for path in folder.glob("*-cache"):
            if path.name.removesuffix("-cache") not in times:
                path.unlink(missing_ok=True)
