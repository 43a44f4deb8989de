"""Tables of speed: integrators and training against rivals, the first minute, decoding online."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..timing import times_slower
from .markdown import measured, record, select, table

BY_HAND = ("lax.scan, parameters as arguments", "lax.scan, parameters as constants")
_ACCURATE = 0.01  # mV
_SOURCES = {"constant": "constant", "noise": "noisy"}
_RIVALS = ("jaxlib", "diffrax", "equinox", "optax", "numpy", "scipy", "torch", "torchdiffeq")

Rows = Sequence[dict[str, Any]]


def integrators(results: Path) -> str:
    """Our times and the rivals', of one column, batches and training."""
    found, trained = record(results, "integrators"), record(results, "training")
    lines = [*_column_lines(found["single_column"]), *_batch_lines(found["batch"], found["sizes"]["batch_steps"])]
    lines += [*_precision_lines(found["work_precision"]), *_training_lines(trained["runs"])]
    head = ["Work", "Ours, ms", "Rival", "Rival, ms", "Rival / ours"]
    from_where = measured("python -m benchmarks.integrators", "integrators.json", found["environment"], _RIVALS)
    training = measured("python -m benchmarks.training", "training.json", trained["runs"][0]["environment"])
    return (
        "Medians of runs in turns, compiled before; the last column is the ratio of paired runs, with its range: "
        "above 1 "
        f"ours is faster.\n\n{table(head, _without_repetition(lines))}\n\n{_left_out(found, trained['runs'])}\n\n"
        f"{from_where} Training: {training[0].lower()}{training[1:]}"
    )


def _without_repetition(lines: Sequence[list[str]]) -> list[list[str]]:
    """Work and time of ours only where they are new."""
    above = [["", ""], *lines]
    return [["", "", *cells[2:]] if cells[:2] == last[:2] else cells for last, cells in zip(above, lines, strict=False)]


def _left_out(integrators: dict[str, Any], runs: Sequence[dict[str, Any]]) -> str:
    """Compile times, and that the training loops learn the same."""
    same = select(integrators["single_column"], steps=10_000, method="RK4", source="noise")
    ours, by_hand = (select(same, name=name)[0] for name in ("ours", BY_HAND[0]))
    best = [row["best_us"] for row in integrators["calls"]]
    trained = runs[0]["rows"]
    median = {_call(row["name"]): row["final_loss"]["median"] for row in trained if row["final_loss"]}
    losses = [f"{loss:.4f} ({name})" for name, loss in median.items()]
    return (
        f"A call of `simulate` for one step of one column takes {min(best):.0f} to {max(best):.0f} us, the best of "
        f"{integrators['calls'][0]['calls']}. "
        f"Compiling, once: `simulate` {ours['compile_s']:.1f} s, the hand-written loop {by_hand['compile_s']:.1f} s, "
        f"`train` {trained[0]['compile_s']:.1f} s. Training loss after {trained[0]['loss_epochs']} epochs, ensembles "
        "by "
        f"their median: {', '.join(losses)}."
    )


def _call(name: str) -> str:
    """The training loop, without its threads; ours by the names that the functions have now."""
    return name.split(", threads")[0].replace("fit", "train")


def _number(value: float | None) -> str:
    """Two digits, without exponents."""
    if value is None:
        return "unknown"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _line(work: str, ours: dict[str, Any], rival: dict[str, Any], name: str) -> list[str]:
    """One row of the table; times of ensembles are for one model and epoch."""
    ratio = times_slower(_shared_seconds(rival), _shared_seconds(ours))
    own, other = (_number(1e3 * row["median_s"] / _sharers(row)) for row in (ours, rival))
    return [work, own, name, other, f"{_number(ratio['median'])} ({_number(ratio['min'])} to {_number(ratio['max'])})"]


def _shared_seconds(row: dict[str, Any]) -> list[float]:
    """Of one model and epoch, if it is a training."""
    return [seconds / _sharers(row) for seconds in row["seconds"]]


def _sharers(row: dict[str, Any]) -> int:
    """Models times epochs of a training; 1 for anything else."""
    return row.get("models", 1) * row.get("epochs", 1)


def _column_lines(rows: Rows) -> list[list[str]]:
    """One column: the default solver, and the case in which we look worst."""
    by_hand = [row for row in rows if row["name"] in BY_HAND]
    worst = min(by_hand, key=lambda row: row["times_slower_than_ours"]["median"])
    lengths = dict.fromkeys(row["steps"] for row in rows)
    rivals = [rival for steps in lengths for rival in select(rows, steps=steps, method="RK4", source="noise")[1:]]
    lines = []
    for rival in [*rivals, worst]:
        labels = {name: rival[name] for name in ("steps", "method", "source")}
        ours = select(rows, name="ours", **labels)[0]
        note = " (our worst case)" if rival is worst else ""
        source = _SOURCES[rival["source"]]
        work = f"One column, {rival['steps']:,} steps, {rival['method']}, p {source}, all saved{note}"
        lines.append(_line(work, ours, rival, rival["name"]))
    return lines


def _batch_lines(rows: Rows, steps: int) -> list[list[str]]:
    """Every size."""
    lines = []
    for columns in dict.fromkeys(row["columns"] for row in rows):
        ours, *rivals = select(rows, columns=columns, saved="every step")
        work = f"Batch of {columns:,}, {steps:,} steps each, RK4, all saved"
        lines += [_line(work, ours, rival, rival["name"]) for rival in rivals]
    return lines


def _precision_lines(rows: Rows) -> list[list[str]]:
    """The fastest run of each family that is accurate enough."""
    accurate = [row for row in select(rows, problem="constant", dtype="float64") if (row["error_mV"] or 1) <= _ACCURATE]
    fastest: dict[str, dict[str, Any]] = {}
    for row in sorted(accurate, key=lambda row: row["median_s"]):
        fastest.setdefault(row["family"], row)
    ours = fastest.pop("ours")
    work = f"One column, 2 s, float64, fastest with an error below {_ACCURATE} mV ({ours['method']})"
    return [_line(work, ours, row, f"{family} ({row['method']})") for family, row in fastest.items()]


def _training_lines(runs: Sequence[dict[str, Any]]) -> list[list[str]]:
    """One model, and the largest ensemble on all devices, against the better of each PyTorch loop."""
    lines = []
    for run, pick in ((runs[0], 0), (runs[-1], -1)):
        ours = [row for row in run["rows"] if row["name"].startswith("fit")][pick]
        members = f"ensemble of {ours['models']}" if ours["models"] > 1 else "one model"
        devices = run["environment"]["devices"]
        work = f"Training, an epoch of a model, {members}, {devices} device{'s' if devices > 1 else ''}"
        for kind in ("as published", "tuned"):
            loops = [row for row in run["rows"] if kind in row["name"]]
            lines += [_line(work, ours, row, row["name"]) for row in sorted(loops, key=lambda row: row["median_s"])[:1]]
    return lines


def first_minute(results: Path) -> str:
    """What the commands of the first minutes cost, cold and from the cache."""
    found = record(results, "reproduce")
    rows = [
        [
            f"`jrae {name}`",
            *[f"{costs[kind]['wall_s']:.3g} s" for kind in ("cold", "from_cache")],
            *[f"{costs[kind]['cpu_s']:.3g} s" for kind in ("cold", "from_cache")],
            f"{costs['cold']['peak_memory_mb']:.0f} MB",
        ]
        for name, costs in found["commands"].items()
    ]
    head = ["command", "time, nothing compiled", "time, compiled before", "CPU", "CPU, compiled before", "peak memory"]
    added = 1e3 * found["import"]["added_s"]
    from_where = measured("python -m benchmarks.reproduce", "reproduce.json", found["environment"])
    return (
        f"{table(head, rows)}\n\n`import jrae_jax` takes {added:.0f} ms more than JAX, Equinox and Diffrax alone.\n\n"
        f"{from_where}"
    )


def online(results: Path) -> str:
    """How long decoding takes, sample by sample and in chunks."""
    found = record(results, "streaming")
    rows = [
        [
            str(row["recordings"]),
            str(row["samples_a_call"]),
            *[f"{row[name]:.1f}" for name in ("median_ms", "p99_ms", "max_ms")],
            "yes" if row["fraction_of_real_time"] < 1 else "no",
        ]
        for row in found["latency"]
    ]
    head = ["recordings side by side", "samples a call", "median, ms", "99th percentile, ms", "longest, ms"]
    from_where = measured("python -m benchmarks.streaming", "streaming.json", found["environment"])
    return f"{table([*head, 'keeps up with 1 kHz'], rows, words=0)}\n\n{from_where}"


PARTS = {"speed: integrators": integrators, "speed: first minute": first_minute, "speed: online": online}
