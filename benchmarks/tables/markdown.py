"""What the tables of the pages share: reading results, Markdown, and where numbers come from."""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jrae_jax.recording import interval

Part = Callable[[Path], str]
"""From the folder of results to Markdown."""

PERCENT = "\N{NO-BREAK SPACE}%"
KINDS = {"y0": "`y0`", "eeg": "EEG", "y0,y1,y2": "`y0`, `y1`, `y2`", "y0,y1,y2,y3,y4,y5": "all six"}
"""Kinds of recording, as the results and as the pages call them."""


@functools.cache
def record(results: Path, name: str) -> dict[str, Any]:
    """The results of one benchmark; those of `--quick` runs are for no page."""
    found = json.loads((results / f"{name}.json").read_text())
    if found.get("quick"):
        raise SystemExit(f"{name}.json is of a --quick run, which is for no page; run the benchmark in full")
    return found


@functools.cache
def frame(results: Path, name: str) -> pd.DataFrame:
    """The results of one benchmark, as a table."""
    return pd.read_csv(results / name)


def select(rows: Sequence[dict[str, Any]], **labels: Any) -> list[dict[str, Any]]:
    """The rows that have these labels."""
    return [row for row in rows if all(row.get(name) == value for name, value in labels.items())]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A table in Markdown; all but the first columns, of `words`, are numbers and stand to the right."""
    lines = ["---" if place < words else "--:" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, lines, *rows))


def measured(command: str, file: str, environment: dict[str, Any] | None = None, packages: Sequence[str] = ()) -> str:
    """Where numbers come from: the command, the file, and the machine where it is recorded."""
    words = f"Measured by `{command}` ([{file}](../../benchmarks/results/{file}))"
    if environment is None:
        return f"{words}."
    versions = {name: environment["packages"][name] for name in ("jax", *packages)}
    load = environment["load_average"]
    cpu = environment["cpu"] + (f" with {environment['instructions']}" if "instructions" in environment else "")
    return (
        f"{words} on {cpu}, {environment['cores']} cores, JAX on {environment['device_kind']}, load "
        f"{'unknown' if load is None else f'{load:.1f}'} at the start; Python {environment['python']}, "
        f"{', '.join(f'{name} {version}' for name, version in versions.items() if version)}."
    )


def percent(fraction: float, digits: int = 0) -> str:
    """A fraction, as per cent; the sign does not stand on a line of its own."""
    return f"{100 * fraction:.{digits}f}{PERCENT}"


def span(values: Sequence[float], form: Callable[[float], str]) -> str:
    """From the least to the greatest."""
    low, high = form(min(values)), form(max(values))
    return low if low == high else f"{low.removesuffix(PERCENT)} to {high}"


def mean_and_half_width(values: pd.Series, digits: int = 2) -> str:
    """A mean over seeds and its 95 % half-width."""
    bounds = interval(np.asarray(values.dropna()))
    return f"{bounds.mean:.{digits}f} ± {bounds.high - bounds.mean:.{digits}f}"
