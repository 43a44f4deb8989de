"""What the commands of the first minutes cost, and what `jrae reproduce` gives.

    python -m benchmarks.reproduce [--out benchmarks/results/reproduce.json] [--quick]

Every command runs in processes of its own, as a user would start it: cold, with an empty cache of compiled programs,
and from the cache of such a run. Seconds of wall time and of CPU, and peak memory, are medians of three runs. The main
figure of the report and its tables of scores and latents are kept beside the JSON.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from .timing import environment, times_slower

HERE = Path(__file__).parent
BASE = "import jax, equinox, diffrax"
COMMANDS = {
    "--help": "--help",
    "reproduce": "reproduce --out out",
    "reproduce --quick": "reproduce --quick --out out",
    "dynamics": "dynamics",
    "scan": "scan --axis C=68:270:40 --axis p=90:330:40 --repeats 5 --store out",
}
"""Commands by the name they have in the results; `scan` is one of 8,000 columns."""


class Cost(NamedTuple):
    """Of a process and its children."""

    wall_s: float
    cpu_s: float
    peak_memory_mb: float


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "reproduce.json")
    parser.add_argument("--quick", action="store_true", help="one run of each, and the quick form of the study alone")
    options = parser.parse_args()
    repeats = 1 if options.quick else 3
    commands = {name: text for name, text in COMMANDS.items() if not (options.quick and name == "reproduce")}
    found = {name: time_command(text.split(), repeats) for name, text in commands.items()}
    results = {
        "environment": environment(),
        "import": time_imports(repeats=3 if options.quick else 15),
        "commands": found,
        "reproduce": answer_of(["--quick"] if options.quick else [], options.out),
    }
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    for name, costs in found.items():
        print(name, *(f"{kind}: {cost['wall_s']:.2f} s, CPU {cost['cpu_s']:.2f} s" for kind, cost in costs.items()))


def time_imports(repeats: int) -> dict[str, Any]:
    """Seconds to import jax, equinox and diffrax, and with jrae_jax on top, in turns."""
    base, ours = [], []
    for _ in range(repeats):
        base.append(run([sys.executable, "-c", BASE]).wall_s)
        ours.append(run([sys.executable, "-c", f"{BASE}, jrae_jax"]).wall_s)
    return {
        "base_s": statistics.median(base),
        "with_jrae_jax_s": statistics.median(ours),
        "added_s": statistics.median(ours) - statistics.median(base),
        "ratio": times_slower(ours, base),
        "repeats": repeats,
    }


def time_command(arguments: list[str], repeats: int) -> dict[str, dict[str, Any]]:
    """The cost of a command without compiled programs, and with those of the run before."""
    cold, warm = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            for runs in (cold, warm):
                runs.append(run([sys.executable, "-m", "jrae_jax", *arguments], Path(folder)))
                shutil.rmtree(Path(folder) / "out", ignore_errors=True)
    return {"cold": _medians(cold), "from_cache": _medians(warm)}


def run(command: list[str], folder: Path | None = None) -> Cost:
    """Run a command in `folder`, which has its cache too."""
    caches = {} if folder is None else {"XDG_CACHE_HOME": str(folder / "cache")}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | caches, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # as nobody else waits for it now
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _medians(costs: list[Cost]) -> dict[str, Any]:
    medians = {name: statistics.median(getattr(cost, name) for cost in costs) for name in Cost._fields}
    return medians | {"wall_s_of_each": [cost.wall_s for cost in costs]}


def answer_of(arguments: list[str], out: Path) -> dict[str, Any]:
    """Run `jrae reproduce` once more; its answer and its verdicts, and its picture and tables beside `out`."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "report"
        command = [sys.executable, "-m", "jrae_jax", "reproduce", *arguments, "--out", str(folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "figures" / "recovery.png", out.with_suffix(".png"))
        for name in ("scores.csv", "latents.csv"):
            shutil.copy(folder / name, out.with_name(name))
        manifest = json.loads((folder / "manifest.json").read_text())
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "command": " ".join(["jrae reproduce", *arguments]),
        "folder_mb": size / 1e6,
        "settings": manifest["settings"],
        "findings": manifest["findings"],
        "answer": done.stdout.strip().splitlines(),
    }


if __name__ == "__main__":
    main()
