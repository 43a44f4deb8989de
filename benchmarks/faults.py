"""What survives: work that is killed at random moments, and resumed until it is done; nonsense and damaged files.

    python -m benchmarks.faults [--out benchmarks/results/faults.json] [--kills 50] [--cases 500] [--quick]

Scans, trainings and the atlas run in processes of their own, which SIGKILL ends at moments drawn uniformly from the
time that one takes without it; the same call then resumes. Whenever the work comes to its end, what it wrote is
compared, byte by byte, with what was written without interruption, and it begins anew, until there were so many kills.
Command lines and files are those of `benchmarks.fuzzing`, which says what is right of them.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .fuzzing import KINDS, fuzzed
from .timing import arguments_parser, environment, write

Work = Callable[[Path], None]
"""Work whose result is a file or a folder, and which resumes what the same call left there."""


def scan(path: Path) -> None:
    """A parameter scan in twelve chunks."""
    import jax
    import numpy as np

    import jrae_jax as jrae
    from jrae_jax.scan.layout import Layout

    whole = Layout.of_scan
    Layout.of_scan = partial(whole, work=1.0, smallest=1024)  # pyright: ignore[reportAttributeAccessIssue]
    column = jrae.Column.preset("jansen_rit_1995", jrae.WhiteNoiseInput(220.0, 6.0))
    axes = {"C": np.linspace(68.0, 270.0, 96), "p": np.linspace(0.0, 400.0, 128)}
    summaries = [jrae.scan.Moments()]
    jrae.parameter_scan(column, axes, t1=0.5, dt=1e-3, summaries=summaries, key=jax.random.key(0), store=path)


def training(path: Path) -> None:
    """A training on simulated recordings, which is written after every draw of them."""
    import jax

    import jrae_jax as jrae
    from jrae_jax.autoencoder import unfinished

    unfinished._EVERY, unfinished._COST, unfinished._ADVANCE = 0.0, 0, 0.0
    column = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
    recordings = jrae.SimulatedRecordings(
        column, kinds=[("y0", "y1", "y2")], noise=0.05, columns=64, samples=1024, key=jax.random.key(0)
    )
    autoencoder, checkpoint = jrae.Autoencoder(key=jax.random.key(1)), path.with_suffix(".unfinished")
    done = jrae.train(autoencoder, recordings, steps=1280, key=jax.random.key(2), checkpoint=checkpoint)
    jrae.save(path, done)
    checkpoint.unlink()


def atlas(path: Path) -> None:
    """An atlas of three kinds of recordings and two held-out sets."""
    from jrae_jax.studies import AtlasSettings, atlas

    masks = ("y0", "eeg", "y0,y1,y2")
    settings = AtlasSettings(masks=masks, noise=(0.05,), seeds=2, trajectories=1, duration=2.0)
    atlas(settings, autoencoders={}, store=path)


KILLED: dict[str, Work] = {"scan": scan, "training": training, "atlas": atlas}
"""What is killed, by name."""


def kills(name: str, number: int, *, seed: int = 0) -> dict[str, Any]:
    """How work fares that is killed so many times."""
    moments, folder = random.Random(f"{name} {seed}"), Path(tempfile.mkdtemp())
    try:
        path, programs = folder / "result.jrae", folder / "programs"
        _ended(name, path, programs)  # compiles, which those that are timed and killed need not
        path.rename(folder / "first")
        start = time.perf_counter()
        errors = [_ended(name, path, programs)]
        seconds = time.perf_counter() - start
        expected, same, runs, killed = _content(path), 0, 0, 0
        _remove(path)
        while killed < number or path.exists():
            patience = moments.uniform(0, seconds) if killed < number else None
            error = _ended(name, path, programs, patience)
            if error is None:
                killed += 1
                continue
            errors.append(error)
            runs, same = runs + 1, same + (path.exists() and _content(path) == expected)
            _remove(path)
        if _ended(name, path, programs) == "" and killed:  # what the last kill left
            runs, same = runs + 1, same + (_content(path) == expected)
        left = sorted(each.name for each in folder.iterdir() if each not in (path, programs, folder / "first"))
        return {
            "kills": killed,
            "seconds_uninterrupted": seconds,
            "runs_resumed_to_the_end": runs,
            "of_them_identical": same,
            "errors": [error for error in errors if error],
            "left_beside": left,
        }
    finally:
        shutil.rmtree(folder)


def _ended(name: str, path: Path, programs: Path, patience: float | None = None) -> str | None:
    """What work in a process of its own wrote to standard error if it failed, else nothing; `None` if it was killed."""
    own = {"JAX_COMPILATION_CACHE_DIR": str(programs), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    command = [sys.executable, "-c", f"from benchmarks.faults import *; KILLED[{name!r}](Path({str(path)!r}))"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | own)
    try:
        _, printed = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return None
    return printed if process.returncode else ""


def _content(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    # What a killed process was writing has another name, and stays.
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.suffix != ".partial"}


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def main() -> None:
    """Kill work of every kind, try cases of every kind, and write the counts."""
    parser = arguments_parser(__doc__, __file__)
    parser.add_argument("--kills", type=int, default=50, help="of each kind (50)")
    parser.add_argument("--cases", type=int, default=500, help="of each kind (500)")
    options = parser.parse_args()
    number, cases = (3, 20) if options.quick else (options.kills, options.cases)
    killed = {name: kills(name, number) for name in KILLED}
    record = {"environment": environment(), "kills": killed, "cases": {kind: fuzzed(kind, cases) for kind in KINDS}}
    write(record, options.out)


if __name__ == "__main__":
    main()
