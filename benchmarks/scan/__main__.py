"""Stochastic parameter scans: throughput against what people use and against C, cores, sizes, memory, a million points.

    python -m benchmarks.scan [--out benchmarks/results/scans.json] [--quick] [--parts rivals ...]

All do the work that `work.py` describes, called as a library with default options. A throughput is a number of
column-steps a second: rivals that are slow get fewer columns or steps, so that all take turns within a minute. Ours and
C share a process, the rivals have another, with one core and again with all, and processes take turns as well.
"""

import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import timing
from ..timing import Contender
from . import contenders
from .rivals import rivals
from .workers import CORES, contenders_apart

Rows = list[dict[str, Any]]

COLUMNS, STEPS = 65536, 10_000
SAVED = (1024, 1_000), (2048, 2_000)  # 25 MB, as of most rivals, and 98 MB
MILLION = (
    "--axis C=68:270:200 --axis p=90:330:200 --repeats 25 --duration 10 --burn-in 1 --dt 1e-3 --solver strang --seed 0"
)


def throughput(found: list[Contender], repeats: int) -> Rows:
    """All in turn; column-steps a second by the median and by the best turn, and how many times those of others."""
    rows = []
    for measured in timing.time_in_turns(found, repeats=repeats):
        work = measured.contender.labels["columns"] * measured.contender.labels["steps"]
        rate = {"per_second": work / measured.timing.median_s, "best_per_second": work / measured.timing.min_s}
        rows.append(measured.row(**rate))
        print(f"{rows[-1]['per_second'] / 1e6:8.1f} M/s  {measured.contender.labels}", file=sys.stderr)
    for child in multiprocessing.active_children():
        child.terminate()
        child.join()
    for row in rows:
        if row["package"] == "ours":
            row |= against(row, rows)
    return rows


def against(own: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """Our throughput in units of that of C and of the fastest rival, in the same turns, with as many cores."""
    same = [row for row in rows if all(row[key] == own[key] for key in ("work", "cores", "instructions"))]
    sized = ("scheme", "columns", "steps")
    c = [row for row in same if row["package"] == "C" and all(row[key] == own[key] for key in sized)]
    elsewhere = [row for row in same if row["package"] not in ("ours", "C")]
    found = {}
    for name, others in {"of_c": c, "of_fastest_rival": elsewhere}.items():
        if others:
            other = max(others, key=lambda row: row["per_second"])
            scale = own["columns"] * own["steps"] / (other["columns"] * other["steps"])
            ratios = timing.times_slower(other["seconds"], own["seconds"])
            found[name] = {key: scale * ratio for key, ratio in ratios.items()}
            found[name] |= {key: other[key] for key in ("package", "version", "scheme", "route") if key in other}
    return found


# Parts.


def with_each_number_of_cores(cores: list[int], quick: bool, avx512: bool = True) -> Rows:
    """Ours, C and the rivals, with summaries and with saved trajectories."""
    columns, steps, saved = (1024, 2_500, ((256, 500),)) if quick else (COLUMNS, STEPS, SAVED)
    march = "native" if avx512 else "x86-64-v3"
    found = []
    for number in cores:
        settings = {"cores": number, "avx512": avx512}
        found += contenders_apart(contenders.ours_and_c, columns, steps, saved, number, march, **settings)
        found += contenders_apart(rivals, quick, devices=number, **settings)
    return throughput(found, 2 if quick else 5)


def against_rivals(quick: bool) -> Rows:
    """With one core and with all."""
    return with_each_number_of_cores(sorted({1, CORES}), quick)


def without_avx512(quick: bool) -> Rows:
    """With one core, as on a processor that has only AVX2; nothing where that is so anyway."""
    if timing.vector_instructions() != "AVX-512":
        return []
    return with_each_number_of_cores([1], quick, avx512=False)


def sizes(quick: bool) -> Rows:
    """Ours and C against the number of columns and the duration."""
    columns = (1024, 4096, 16384) if quick else (256, 1024, 4096, 16384, 65536)
    durations = (1_000, 10_000) if quick else (1_000, 10_000, 100_000)
    pairs = [(number, 2_000) for number in columns] + [(2048, steps) for steps in durations]
    return throughput(contenders_apart(contenders.of_each_size, pairs, CORES), 2 if quick else 5)


def accuracy(quick: bool) -> Rows:
    """What a column-second costs at the step that a scheme needs for an error below 1 %."""
    timed = throughput(contenders_apart(contenders.at_its_step, 0.5 if quick else 10), 2 if quick else 3)
    return [{**row, "us_per_column_second": 1e6 / (row["per_second"] * row["dt"])} for row in timed]


def compiling(quick: bool) -> Rows:
    """Each scan the first of its process, with no cache."""
    found = []
    for scheme in contenders.IN_C[: 1 if quick else None]:
        for kept in contenders.KEPT:
            found += contenders_apart(contenders.one, scheme, kept)
    return throughput(found, 3)


def memory(quick: bool) -> Rows:
    """Peak memory of a process that scans with summaries, against the duration."""
    rows = []
    for steps in (3_000, 30_000) if quick else (3_000, 30_000, 300_000):
        scan = f"ours(4096, {steps}, 'Strang splitting', 'moments, spectrum, regime')"
        run = [sys.executable, "-c", f"from benchmarks.scan.contenders import ours; {scan}.run()"]
        rows.append({"columns": 4096, "steps": steps, "peak_MB": waited_for(run, Path.cwd())[1]})
    return rows


def million(quick: bool) -> dict[str, Any]:
    """The command line's scan of a million points, from start to picture, in turn with the moments alone in C."""
    options = MILLION.replace("--repeats 25", "--repeats 1") if quick else MILLION
    columns = 40_000 if quick else 1_000_000
    in_c = contenders_apart(contenders.in_c, columns, 10_000, "Strang splitting", "summaries", CORES)
    seconds, peaks, stored, ratios = [], [], [], []
    for _ in range(1 if quick else 3):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "jrae_jax", "scan", *options.split()]
            taken, peak = waited_for([*command, "--store", "out.zarr", "--plot", "out.png"], Path(folder))
            files = [path for path in Path(folder, "out.zarr").rglob("*") if path.is_file()]
            stored.append(sum(path.stat().st_size for path in files) / 1e6)
            if not quick:
                shutil.copy(Path(folder, "out.png"), Path(__file__).parents[1] / "results" / "million.png")
        seconds.append(taken)
        peaks.append(peak)
        for contender in in_c:
            start = time.perf_counter()
            contender.run()
            ratios.append(taken / (time.perf_counter() - start))
    return {
        "command": f"jrae scan {options}",
        "seconds": statistics.median(seconds),
        "peak_MB": max(peaks),
        "store_MB": max(stored),
        "times_c": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)} if ratios else None,
    }


def waited_for(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds and peak memory, in MB, of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{command} failed"
    return time.perf_counter() - start, usage.ru_maxrss / 1e3


PARTS: dict[str, Callable[[bool], Any]] = {
    "rivals": against_rivals,
    "without_avx512": without_avx512,
    "sizes": sizes,
    "accuracy": accuracy,
    "compiling": compiling,
    "memory": memory,
    "million": million,
}


def main() -> None:
    """All parts, or those asked for; the others stay as they were in the file."""
    parser = timing.arguments_parser(__doc__, __file__)
    parser.set_defaults(out=Path(__file__).parents[1] / "results" / "scans.json")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    record = json.loads(options.out.read_text()) if options.out.exists() else {}
    if options.quick:
        record["quick"] = True
    for part in options.parts:
        record[part] = {"environment": timing.environment(), "results": PARTS[part](options.quick)}
        timing.write(record, options.out)


if __name__ == "__main__":
    main()
