"""The command line's `agree`: arguments, progress, printing; no numerics."""

import argparse
import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

Bar = Callable[[str, float], None]


def add_commands(commands: Any, prepare: Callable[[argparse.Namespace], Bar]) -> None:
    """Add the command; `prepare` sets up JAX and returns what shows progress."""
    agree = commands.add_parser(
        "agree", help="compare with vbjax, tvboptim, brainmass, jrnmm, TVB and PyRates, where they are installed"
    )
    agree.add_argument("--samples", type=int, default=1000, help="random columns and states (1000)")
    agree.add_argument("--duration", type=float, default=1.0, help="of trajectories, s (1)")
    agree.add_argument("--json", type=Path, metavar="FILE", help="all that was found")
    agree.set_defaults(device="cpu", run=lambda options: _agree(options, prepare(options)))


def _agree(options: argparse.Namespace, progress: Bar) -> int:
    from ._agreement.agreement import DERIVATIVES, DT, TRAJECTORIES, agreement
    from ._version import __version__

    found = agreement(samples=options.samples, duration=options.duration, progress=progress)
    for line in _table(found):
        print(line)
    print(
        f"\nDerivatives: largest relative difference over {options.samples} random columns and states, at most "
        f"{DERIVATIVES:.0e}.\nTrajectories: largest difference from ours, mV, by the same scheme with steps of "
        f"{1e3 * DT:g} ms over {options.duration:g} s, at most {TRAJECTORIES:.0e}.\n"
        "Exact: how far the package's alpha cycle is from the exact one, mV; the error of its scheme."
    )
    for line in _told(found):
        print(line)
    if options.json is not None:
        record = {"jrae-jax": __version__, "samples": options.samples, "duration": options.duration}
        record["packages"] = [one._asdict() for one in found]
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"\nall of it in {options.json}")
    return int(any(one.verdict in ("differs", "failed") for one in found))


def _table(found: Sequence[Any]) -> Iterator[str]:
    heads = ("package", "version", "verdict", "derivatives", "trajectories", "exact", "by")
    rows: list[tuple[str, ...]] = [heads]
    for one in found:
        numbers = ("" if value is None else f"{value:.1e}" for value in (one.derivatives, one.trajectory, one.error))
        by = "" if one.derivatives is None else f"{one.scheme}, {' '.join(one.shows)}"
        rows.append((one.package, one.version or "", one.verdict, *numbers, by))
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _told(found: Sequence[Any]) -> Iterator[str]:
    for one in found:
        if one.version is None:
            continue
        yield f"\n{one.package} {one.version}"
        sentences = [f"Failed: {one.reason}"] if one.reason else []
        if one.preset is not None:
            differ = f"are not those of {one.preset!r}: {'; '.join(one.defaults)}."
            sentences.append(f"Defaults {differ if one.defaults else f'are those of our preset {one.preset!r}.'}")
        for sentence in (*sentences, *one.conventions):
            yield textwrap.fill(sentence, 110, initial_indent="  - ", subsequent_indent="    ")
