"""Tables of parameter scans: throughput against C and other packages, and what a step costs in accuracy."""

import statistics
from pathlib import Path
from typing import Any

from ..timing import times_slower
from .markdown import PERCENT, measured, record, select, table

_METHODS = {"RK4": "RK4, the default", "StrangSplitting": "Strang splitting", "Heun": "Heun", "Euler": "forward Euler"}

Rows = list[dict[str, Any]]


def throughput(results: Path) -> str:
    """Ours against C and the rivals, with one core and with all, and without AVX-512 where that was measured."""
    found = record(results, "scans")
    own = select(found["rivals"]["results"], package="ours")
    most = max(row["cores"] for row in own)
    places = {
        "1 core": select(own, cores=1),
        f"{most} cores": select(own, cores=most),
        "1 core, AVX2 only": select(found.get("without_avx512", {"results": []})["results"], package="ours"),
    }
    head = ["Work", "million column-steps/s", "in units of C", "in units of the fastest rival"]
    tables = []
    for words, rows in places.items():
        lines = [
            [
                f"{row['work']}: {row['scheme']}, {row['route']}" + _size(row),
                f"{row['per_second'] / 1e6:.0f}",
                _ratio(row["of_c"]),
                f"{_ratio(row['of_fastest_rival'])}, {row['of_fastest_rival']['package']}",
            ]
            for row in rows
        ]
        tables += [f"**{words}**", table(head, lines)] if rows else []
    from_where = measured("python -m benchmarks.scan", "scans.json", found["rivals"]["environment"])
    return "\n\n".join([*tables, f"Medians of runs in turns, ratios of paired turns with their range. {from_where}"])


def _size(row: dict[str, Any]) -> str:
    """Of what is saved."""
    return f", {row['columns']:,} x {row['steps']:,}" if row["work"] == "trajectories" else ""


def _ratio(paired: dict[str, float]) -> str:
    """A ratio with its range over paired turns."""
    return f"{paired['median']:.2g} ({paired['min']:.2g} to {paired['max']:.2g})"


def _gain(rows: Rows, package: str) -> str:
    """How many times as fast all cores are as one, with moments."""
    same = {"package": package, "work": "summaries", "scheme": "Strang splitting"}
    one, *_, most = sorted(
        (row for row in select(rows, **same) if row["route"] in ("moments", "OpenMP and SIMD")),
        key=lambda row: row["cores"],
    )
    return _ratio(times_slower(one["seconds"], most["seconds"]))


def cost(results: Path) -> str:
    """Cores, compiling, memory, and the scan of a million points."""
    found = record(results, "scans")
    rows, memory, million = (found[part]["results"] for part in ("rivals", "memory", "million"))
    first, last = memory[0], memory[-1]
    lines = []
    cores = {row["cores"] for row in select(rows, package="ours")}
    if len(cores) > 1:
        lines.append(f"{max(cores)} cores are {_gain(rows, 'ours')} times one, for C {_gain(rows, 'C')} times.")
    if "compiling" in found:
        seconds = [row["compile_s"] for row in found["compiling"]["results"]]
        lines.append(f"Compiling, once, with no cache: {min(seconds):.1f} to {max(seconds):.1f} s.")
    lines.append(
        f"Peak memory for {first['columns']:,} columns is {first['peak_MB']:.0f} MB over {first['steps']:,} steps and "
        f"{last['peak_MB']:.0f} MB over {last['steps']:,}."
    )
    times_c = million.get("times_c")
    lines.append(
        f"A million columns of 10 s take {million['seconds']:.0f} s"
        + (f", {_ratio(times_c)} times what C takes for their moments alone" if times_c else "")
        + f", at most {million['peak_MB']:.0f} MB of memory and {million['store_MB']:.0f} MB of disk: "
        f"`{million['command']} --store out.zarr --plot out.png`."
    )
    return "\n".join(f"- {line}" for line in lines)


def accuracy(results: Path) -> str:
    """Errors of each scheme at steps of 1 ms, under noise and on the alpha cycle."""
    found = record(results, "weak_accuracy")
    true = {key: statistics.mean(one[key] for one in found["reference"]) for key in ("mean", "sd", "share")}
    rows = []
    for method, words in _METHODS.items():
        (row,) = select(found["rows"], method=method, dt=1e-3)
        errors = [row[key] / value - 1 for key, value in true.items()]
        errors += [row["cycle"][key] / value - 1 for key, value in found["work"]["cycle"].items()]
        rows.append(
            [
                words,
                *[f"{100 * error:+.2f}{PERCENT}".replace("-0.00", "0.00").replace("+0.00", "0.00") for error in errors],
            ]
        )
    head = [
        "steps of 1 ms",
        "mean of y1 - y2",
        "standard deviation",
        "power in 8 to 13 Hz",
        "frequency of the alpha cycle",
    ]
    from_where = measured("python -m benchmarks.weak_accuracy", "weak_accuracy.json", found["environment"])
    noise = max(row[f"{key}_error"] / true[key] for row in found["rows"] for key in true)
    return (
        f"{table([*head, 'swing of the alpha cycle'], rows)}\n\nThe first three under white noise of sigma = "
        f"{found['work']['sigma']:.0f} on `y4`, with Monte-Carlo errors of at most {100 * noise:.2f} %; the last two "
        "at "
        f"constant p = 220 /s. {from_where}"
    )


PARTS = {"speed: scans": throughput, "speed: a million": cost, "speed: accuracy": accuracy}
