"""Tables of parameter scans: throughput against C and other packages, and what a step costs in accuracy."""

import statistics
from pathlib import Path
from typing import Any

from ..timing import times_slower
from .markdown import PERCENT, measured, record, select, table

_OPTIONS = {"rivals": "as the command line compiles", "rivals_default": "XLA's default options"}
_FAST = ("Strang splitting",)  # what the command line compiles with other options
_METHODS = {"RK4": "RK4, the default", "StrangSplitting": "Strang splitting", "Heun": "Heun", "Euler": "forward Euler"}

Rows = list[dict[str, Any]]


def throughput(results: Path) -> str:
    """Ours against C and the rivals; a rival counts with the compiler options that suit it best."""
    found = record(results, "scans")
    everyone = [row for part in _OPTIONS for row in found[part]["results"]]
    rows = []
    for part, words in _OPTIONS.items():
        for own in select(found[part]["results"], package="ours"):
            same = select(everyone, work=own["work"])
            if part == "rivals" and own["scheme"] not in _FAST:
                continue
            c = _fastest(select(found[part]["results"], work=own["work"], package="C", scheme="Strang splitting"))
            best = _fastest([row for row in same if row["package"] not in ("ours", "C")])
            assert best is not None
            rows.append(
                [
                    f"{own['work']}: {own['scheme']}, {own['route']}; {words}",
                    f"{own['per_second'] / 1e6:.0f}",
                    _ratio(c, own) if c else "-",
                    f"{best['per_second'] / own['per_second']:.2g} ({best['package']}, {best['scheme']})",
                ]
            )
    head = ["Work", "million column-steps/s", "C, all cores / ours", "fastest rival / ours"]
    from_where = measured("python -m benchmarks.scan", "scans.json", found["rivals"]["environment"])
    return f"{table(head, rows)}\n\nMedians of runs in turns, ratios of paired turns with their range. {from_where}"


def _fastest(rows: Rows) -> dict[str, Any] | None:
    """The one with the greatest throughput."""
    return max(rows, key=lambda row: row["per_second"], default=None)


def _ratio(theirs: dict[str, Any], own: dict[str, Any]) -> str:
    """How many times as fast they are, with the range over paired turns."""
    work = [row["columns"] * row["steps"] for row in (theirs, own)]
    scale = work[0] / work[1]
    paired = times_slower(own["seconds"], theirs["seconds"])
    return f"{paired['median'] * scale:.2g} ({paired['min'] * scale:.2g} to {paired['max'] * scale:.2g})"


def cost(results: Path) -> str:
    """Cores, memory, and the scan of a million points."""
    found = record(results, "scans")
    rows = found["cores"]["results"]
    by_devices = {
        devices: statistics.median(row["per_second"] for row in select(rows, devices=devices, route="moments"))
        for devices in sorted({row["devices"] for row in rows})
    }
    memory = found["memory"]["results"]
    million = found["million"]["results"]
    first, last = memory[0], memory[-1]
    return "\n".join(
        [
            f"- {max(by_devices)} cores are {max(by_devices.values()) / by_devices[1]:.2f} times one.",
            f"- Peak memory for {first['columns']:,} columns is {first['peak_MB']:.0f} MB over {first['steps']:,} "
            "steps and "
            f"{last['peak_MB']:.0f} MB over {last['steps']:,}.",
            f"- A million columns of 10 s take {million['seconds']:.0f} s, at most {million['peak_MB']:.0f} MB of "
            "memory and "
            f"{million['store_MB']:.0f} MB of disk: `{million['command']} --store out.zarr --plot out.png`.",
        ]
    )


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
