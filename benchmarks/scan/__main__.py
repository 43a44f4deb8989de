"""Stochastic parameter scans: throughput against what people use and against C, cores, sizes, memory, a million points.

    python -m benchmarks.scan [--out benchmarks/results/scans.json] [--quick] [--parts rivals ...]

All do the work that `scan_work.py` describes. A throughput is a number of column-steps a second: rivals that are
slow get fewer columns or steps, so that all take turns within a minute. Each part is a process of its own, with the
compiler options that the command line sets, for ours and the rivals alike, but for the part `rivals_default`.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import diffrax
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import jrae_jax as jrae
from jrae_jax.cli.scan import _FAST_LOOPS

from .. import timing
from ..timing import Contender
from . import rivals as scan_rivals
from .in_c import with_c
from .work import DT, SIGMA, P, strengths

CORES = os.cpu_count() or 1
COLUMNS, STEPS = 16384, 10_000
SAVED_COLUMNS, SAVED_STEPS = 1024, 1_000
SOLVERS = {"Strang splitting": jrae.column.StrangSplitting(), "Heun": jrae.column.FixedStepHeun()}
SUMMARIES = {"moments": (jrae.scan.Moments(),), "moments, spectrum, regime": jrae.scan.DEFAULT_SUMMARIES}

MILLION = (
    "--axis C=68:270:200 --axis p=90:330:200 --repeats 25 --duration 10 --burn-in 1 --dt 1e-3 --solver strang --seed 0"
)


def column() -> jrae.Column:
    """The work's column."""
    return jrae.Column.preset("jansen_rit_1995", jrae.WhiteNoiseInput(P, SIGMA / 325))


def throughput(contenders: list[Contender], repeats: int) -> list[dict[str, Any]]:
    """All in turn; column-steps a second by the median and by the best turn."""
    rows = []
    for measured in timing.time_in_turns(contenders, repeats=repeats):
        work = measured.contender.labels["columns"] * measured.contender.labels["steps"]
        rate = {"per_second": work / measured.timing.median_s, "best_per_second": work / measured.timing.min_s}
        rows.append(measured.row(**rate))
        print(f"{rows[-1]['per_second'] / 1e6:8.1f} M/s  {measured.contender.labels}", file=sys.stderr)
    return rows


# Ours.


def ours(columns: int, steps: int, scheme: str, summaries: str, dt: float = DT) -> Contender:
    """`parameter_scan`, in memory."""
    run = partial(
        jrae.parameter_scan,
        column(),
        {"C": strengths(columns)},
        t1=steps * dt,
        dt=dt,
        solver=SOLVERS[scheme],
        summaries=SUMMARIES[summaries],
        key=jax.random.key(0),
    )
    labels = {"package": "ours", "scheme": scheme, "route": summaries, "columns": columns, "steps": steps, "dt": dt}
    return Contender({**labels, "work": "summaries"}, lambda: run().load())


def ours_saved(columns: int, steps: int, scheme: str) -> Contender:
    """`simulate` with all states of every step, the columns shared out over the devices."""
    mesh = Mesh(np.array(jax.devices()), ("columns",))
    C = jax.device_put(strengths(columns), NamedSharding(mesh, PartitionSpec("columns")))
    run = partial(
        jrae.simulate,
        column().replace(C=C),
        t1=steps * DT,
        dt=DT,
        solver=SOLVERS[scheme],
        key=jax.random.key(0),
    )
    labels = {"package": "ours", "scheme": scheme, "route": "simulate", "columns": columns, "steps": steps}
    return Contender({**labels, "work": "trajectories"}, lambda: run().ys)


# Parts.


def against_rivals(quick: bool) -> list[dict[str, Any]]:
    """Ours, C and the rivals, with summaries and with saved trajectories."""
    steps, saved_steps = (STEPS // 4, SAVED_STEPS) if quick else (STEPS, SAVED_STEPS)
    summarised = [ours(COLUMNS, steps, scheme, kept) for scheme in SOLVERS for kept in SUMMARIES]
    saved = [ours_saved(SAVED_COLUMNS, saved_steps, scheme) for scheme in SOLVERS]
    for rival in scan_rivals.rivals(quick):
        labels = {**rival.labels, "columns": rival.columns, "steps": rival.steps}
        if rival.summaries:
            summarised.append(Contender({**labels, "work": "summaries"}, rival.summaries, rival.compiled))
        if rival.trajectories:
            saved.append(Contender({**labels, "work": "trajectories"}, rival.trajectories, rival.compiled))
    repeats = 2 if quick else 5
    return throughput(summarised, repeats) + throughput(saved, repeats)


def sizes(quick: bool) -> list[dict[str, Any]]:
    """Ours and C against the number of columns and the duration."""
    columns = (1024, 4096, 16384) if quick else (256, 1024, 4096, 16384, 65536)
    durations = (1_000, 10_000) if quick else (1_000, 10_000, 100_000)
    pairs = [(number, 2_000) for number in columns] + [(2048, steps) for steps in durations]
    contenders = [ours(*pair, "Strang splitting", "moments") for pair in pairs]
    for pair in pairs:
        for rival in with_c(*pair):
            if rival.labels["scheme"] == "Strang splitting" and rival.labels["threads"] > 1:
                labels = {**rival.labels, "columns": pair[0], "steps": pair[1]}
                assert rival.summaries
                contenders.append(Contender(labels, rival.summaries, compiled=False))
    return throughput(contenders, 2 if quick else 5)


def accuracy(quick: bool) -> list[dict[str, Any]]:
    """What a column-second costs at the step that a scheme needs for an error below 1 %."""
    seconds, rows = (2 if quick else 10), []
    steps = {name: jrae.suggest_dt(column(), 0.01, solver=solver) for name, solver in ACCURACY.items()}
    for name, dt in steps.items():
        SOLVERS.setdefault(name, ACCURACY[name])
        columns = 256 if dt < 1e-4 else 4096
        rows.append(ours(columns, round(seconds / dt), name, "moments", dt))
    timed = throughput(rows, 2 if quick else 3)
    return [{**row, "us_per_column_second": 1e6 / (row["per_second"] * row["dt"])} for row in timed]


ACCURACY = {**SOLVERS, "RK4": jrae.column.RK4(), "Euler-Maruyama": diffrax.Euler()}


def cores(quick: bool) -> list[dict[str, Any]]:
    """One core and all, each in a process of its own, the two in turn."""
    steps = 2_500 if quick else STEPS
    rows = []
    for _ in range(2 if quick else 3):
        for number in sorted({1, CORES}):
            rows += apart("one_throughput", number, columns=COLUMNS, steps=steps)
    return rows


def one_throughput(columns: int, steps: int) -> list[dict[str, Any]]:
    """In a process of its own: ours, on the devices it has."""
    contenders = [ours(columns, steps, "Strang splitting", summaries) for summaries in SUMMARIES]
    return [{**row, "devices": jax.device_count()} for row in throughput(contenders, 3)]


def memory(quick: bool) -> list[dict[str, Any]]:
    """Peak memory of a process that scans with summaries, against the duration."""
    durations = (3_000, 30_000) if quick else (3_000, 30_000, 300_000)
    return [row for steps in durations for row in apart("one_peak", CORES, columns=4096, steps=steps)]


def one_peak(columns: int, steps: int) -> list[dict[str, Any]]:
    """In a process of its own: its peak memory."""
    ours(columns, steps, "Strang splitting", "moments, spectrum, regime").run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return [{"columns": columns, "steps": steps, "peak_MB": peak / 1e3}]


def million(quick: bool) -> dict[str, Any]:
    """The command line's scan of a million points, from start to picture."""
    options = MILLION.replace("--repeats 25", "--repeats 1") if quick else MILLION
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "jrae_jax",
            "scan",
            *options.split(),
            "--store",
            "out.zarr",
            "--plot",
            "out.png",
        ]
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder, "out.zarr").rglob("*") if path.is_file())
        if not quick:
            shutil.copy(Path(folder, "out.png"), Path(__file__).parents[1] / "results" / "million.png")
    assert status == 0, "the command failed"
    return {
        "command": f"jrae scan {options}",
        "seconds": seconds,
        "peak_MB": usage.ru_maxrss / 1e3,
        "store_MB": size / 1e6,
    }


PARTS: dict[str, Callable[[bool], Any]] = {
    "rivals": against_rivals,
    "rivals_default": against_rivals,
    "sizes": sizes,
    "accuracy": accuracy,
    "cores": cores,
    "memory": memory,
    "million": million,
}


def apart(function: str, devices: int, *, fast: bool = True, **arguments: Any) -> Any:
    """What a function of this file gives in a process with so many CPU devices, and as many cores."""
    command = [sys.executable, "-m", "benchmarks.scan", "--child", json.dumps([function, devices, arguments])]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "XLA_FLAGS": _FAST_LOOPS if fast else ""}
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(run.stdout.splitlines()[-1])


def be_apart(told: str) -> None:
    """The other end of `apart`."""
    function, devices, arguments = json.loads(told)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:devices])
    jax.config.update("jax_num_cpu_devices", devices)
    print(json.dumps(globals()[function](**arguments)))


def one_part(part: str, quick: bool) -> dict[str, Any]:
    """A part and where it was run."""
    return {"environment": timing.environment(), "results": PARTS[part](quick)}


def main() -> None:
    """All parts, or those asked for; the others stay as they were in the file."""
    parser = timing.arguments_parser(__doc__, __file__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--child", help="for the script itself")
    options = parser.parse_args()
    if options.child:
        return be_apart(options.child)
    record = json.loads(options.out.read_text()) if options.out.exists() else {}
    for part in options.parts:
        record[part] = apart("one_part", CORES, fast=part != "rivals_default", part=part, quick=options.quick)
        timing.write(record, options.out)
    return None


if __name__ == "__main__":
    main()
