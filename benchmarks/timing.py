"""Timing that the benchmarks share: rivals and ours take turns at the same work, compilation is told apart.

Imported by `integrators.py`, `training.py` and `figures.py`; nothing to run here.
"""

import argparse
import gc
import importlib
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax

PACKAGES = ("jrae-jax", "jax", "jaxlib", "diffrax", "equinox", "optax", "numpy", "scipy", "torch", "torchdiffeq")
REPEATS = 7


def optional(name: str) -> Any:
    """The module of a rival, or `None`, with one line that says so, where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: going on without it (pip install 'jrae-jax[bench]')", file=sys.stderr)
        return None


torch: Any = optional("torch")
TORCH_DEVICE = "cuda" if torch is not None and torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Contender:
    """One way to do the work."""

    labels: dict[str, Any]
    """What distinguishes it from the others, as in the results."""
    run: Callable[[], Any]
    """Does all of the work once."""
    compiled: bool = True
    """Whether its first call traces and compiles."""


@dataclass(frozen=True)
class Timing:
    """What one contender took, per call."""

    first_s: float
    """The first call: whatever is compiled is compiled there."""
    compile_s: float | None
    """What the first call took more than the median of the others; `None` if nothing is compiled."""
    median_s: float
    min_s: float
    max_s: float
    seconds: list[float] = field(repr=False)
    """One number for each repeat; repeats of one index ran one after the other, all contenders in turn."""


@dataclass(frozen=True)
class Measured:
    """A contender, its timing, and what its first call gave."""

    contender: Contender
    timing: Timing
    outcome: Any

    def row(self, **more: Any) -> dict[str, Any]:
        """One row of the results."""
        return {**self.contender.labels, **more, **asdict(self.timing)}


def time_in_turns(contenders: Sequence[Contender], *, repeats: int = REPEATS, least_s: float = 0.02) -> list[Measured]:
    """Time all contenders in turn, A B C A B C ..., so that what else the machine does falls on all of them.

    Each turn is as many calls as take `least_s` seconds, and every call is waited for.
    """
    firsts = [_timed(contender.run) for contender in contenders]
    warm = [_timed(contender.run)[0] for contender in contenders]
    calls = [math.ceil(least_s / max(seconds, 1e-6)) for seconds in warm]
    turns: list[list[float]] = [[] for _ in contenders]
    gc.collect()
    gc.disable()
    try:
        for _ in range(repeats):
            for contender, number, seconds in zip(contenders, calls, turns, strict=True):
                seconds.append(_timed(contender.run, number)[0])
    finally:
        gc.enable()
    return [
        Measured(contender, _timing(first, seconds, contender.compiled), outcome)
        for contender, (first, outcome), seconds in zip(contenders, firsts, turns, strict=True)
    ]


def _timed(run: Callable[[], Any], calls: int = 1) -> tuple[float, Any]:
    outcome = None
    start = time.perf_counter()
    for _ in range(calls):
        outcome = finished(run)
    return (time.perf_counter() - start) / calls, outcome


def finished(run: Callable[[], Any]) -> Any:
    """What a call gives, once all devices have done their work."""
    outcome = jax.block_until_ready(run())
    if TORCH_DEVICE == "cuda":
        torch.cuda.synchronize()
    return outcome


def _timing(first: float, seconds: list[float], compiled: bool) -> Timing:
    median = statistics.median(seconds)
    compile_s = max(first - median, 0.0) if compiled else None
    return Timing(first, compile_s, median, min(seconds), max(seconds), seconds)


def times_slower(rival: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """How many times as long the rival takes as we do.

    Median, least and most of the ratios of paired repeats; and `best`, the ratio of the fastest repeats, which a
    busy machine disturbs least.
    """
    ratios = [theirs / own for theirs, own in zip(rival, ours, strict=True)]
    return {
        "median": statistics.median(ratios),
        "min": min(ratios),
        "max": max(ratios),
        "best": min(rival) / min(ours),
    }


def environment() -> dict[str, Any]:
    """Versions, machine and device, and how busy the machine is; no host name and no path."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "instructions": vector_instructions(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "jax_platform": jax.default_backend(),
        "device_kind": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "torch_device": TORCH_DEVICE if torch is not None else None,
        "torch_threads": torch.get_num_threads() if torch is not None else None,
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    return _cpuinfo("model name") or platform.processor()


def vector_instructions() -> str:
    """The widest that the processor has, as far as a scan is concerned."""
    flags = _cpuinfo("flags").split()
    return "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else platform.machine()


def _cpuinfo(field: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")


def write(record: dict[str, Any], path: Path) -> None:
    """Results as JSON, with numbers to six digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(record), indent=1) + "\n")
    print(f"wrote {path}")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None  # JSON has no NaN


def arguments_parser(doc: str | None, script: str) -> argparse.ArgumentParser:
    """The command line that the benchmarks have in common."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path(script).parent / "results" / Path(script).with_suffix(".json").name
    )
    parser.add_argument("--quick", action="store_true", help="few sizes and repeats, to try the script out")
    return parser


def run_apart(module: str, *arguments: str, quick: bool, **environment: str) -> dict[str, Any]:
    """The results of a benchmark run in a process of its own: some of JAX is settled once in a process."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results.json"
        command = [sys.executable, "-m", module, *arguments, *["--quick"] * quick, "--out", str(out)]
        subprocess.run(command, check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())
