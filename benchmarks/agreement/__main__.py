"""Whether other packages have the same equations and come to the same trajectories, and what they do otherwise.

    python -m benchmarks.agreement [--out benchmarks/results/agreement.json] [--samples 10000] [--duration 10]

Compares with vbjax, tvboptim, brainmass, jrnmm, TVB and PyRates, where they are installed; and with PyRates once more
with its NumPy backend, whose `heun` is another method. Exit status 1 where one differs or fails.
"""

import argparse
import json
import platform
import sys
import textwrap
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

from .agreement import DERIVATIVES, DT, PACKAGES, TRAJECTORIES, Agreement, agreement
from .pyrates import PYRATES, trajectory

WITH_NUMPY = PYRATES._replace(name="PyRates, NumPy", trajectory=partial(trajectory, backend="numpy"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000, help="random columns and states (1000)")
    parser.add_argument("--duration", type=float, default=1.0, help="of trajectories, s (1)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="all results, as JSON")
    options = parser.parse_args(arguments)
    found = agreement((*PACKAGES, WITH_NUMPY), samples=options.samples, duration=options.duration)
    for line in table(found):
        print(line)
    print(
        f"\nDerivatives: largest relative difference over {options.samples} random columns and states, at most "
        f"{DERIVATIVES:.0e}.\nTrajectories: largest difference from ours, mV, by the same scheme with steps of "
        f"{1e3 * DT:g} ms over {options.duration:g} s, at most {TRAJECTORIES:.0e}.\n"
        "Exact: how far the package's alpha cycle is from the exact one, mV; the error of its scheme."
    )
    for line in conventions(found):
        print(line)
    if options.out is not None:
        versions = {name: version(name) for name in ("jrae-jax", "jax", "jaxlib", "diffrax", "numpy")}
        record = {
            "environment": {"python": platform.python_version(), "packages": versions},
            "work": {"samples": options.samples, "duration": options.duration, "dt": DT},
            "agreement": [one._asdict() for one in found],
        }
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"\nall results in {options.out}")
    # PyRates' NumPy backend is known to differ: it is there to show by how much.
    return int(any(one.verdict in ("differs", "failed") for one in found if one.package != WITH_NUMPY.name))


def table(found: Sequence[Agreement]) -> Iterator[str]:
    """A row a package: versions, verdicts, differences."""
    heads = ("package", "version", "verdict", "derivatives", "trajectories", "exact", "by")
    rows: list[tuple[str, ...]] = [heads]
    for one in found:
        numbers = ("" if value is None else f"{value:.1e}" for value in (one.derivatives, one.trajectory, one.error))
        by = "" if one.derivatives is None else f"{one.scheme}, {' '.join(one.shows)}"
        rows.append((one.package, one.version or "", one.verdict, *numbers, by))
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def conventions(found: Sequence[Agreement]) -> Iterator[str]:
    """What each package does otherwise."""
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


if __name__ == "__main__":
    sys.exit(main())
