"""What `jrae reproduce` costs and gives: wall time, peak memory, scores; and what importing the package adds.

    python -m benchmarks.reproduce [--out benchmarks/results/reproduce.json] [--quick]

Everything runs in processes of its own, as a user would start it. The main figure of the report is kept beside the
JSON.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .timing import environment, times_slower

HERE = Path(__file__).parent
BASE = "import jax, equinox, diffrax"


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "reproduce.json")
    parser.add_argument("--quick", action="store_true", help="the quick form of the command, fewer imports")
    options = parser.parse_args()
    results = {
        "environment": environment(),
        "import": time_imports(repeats=3 if options.quick else 15),
        "reproduce": run_command(["--quick"] if options.quick else [], options.out.with_suffix(".png")),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps({name: results[name] for name in ("import", "reproduce")}, indent=2))


def time_imports(repeats: int) -> dict[str, Any]:
    """Seconds to import jax, equinox and diffrax, and with jrae_jax on top, in turns."""
    base, ours = [], []
    for _ in range(repeats):
        base.append(_seconds([sys.executable, "-c", BASE]))
        ours.append(_seconds([sys.executable, "-c", f"{BASE}, jrae_jax"]))
    return {
        "base_s": statistics.median(base),
        "with_jrae_jax_s": statistics.median(ours),
        "added_s": statistics.median(ours) - statistics.median(base),
        "ratio": times_slower(ours, base),
        "repeats": repeats,
    }


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def run_command(arguments: list[str], picture: Path) -> dict[str, Any]:
    """Run `jrae reproduce` once; its cost, its answer and its verdicts."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "report"
        command = [sys.executable, "-m", "jrae_jax", "reproduce", *arguments, "--out", str(folder)]
        start = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        picture.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "figures" / "recovery.png", picture)
        manifest = json.loads((folder / "manifest.json").read_text())
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "command": " ".join(["jrae reproduce", *arguments]),
        "wall_s": seconds,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "folder_mb": size / 1e6,
        "settings": manifest["settings"],
        "findings": manifest["findings"],
        "answer": done.stdout.strip().splitlines(),
    }


if __name__ == "__main__":
    main()
