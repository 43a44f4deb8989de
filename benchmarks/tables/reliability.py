"""Tables of what survives: work that is killed, and damaged or mistyped input."""

from pathlib import Path

from .markdown import measured, record, table

_WORK = {"scan": "scan of parameters", "training": "training", "atlas": "atlas"}


def kills(results: Path) -> str:
    """Work that is killed at random moments and resumed."""
    found = record(results, "faults")
    rows = [
        [
            words,
            *[str(found["kills"][name][key]) for key in ("kills", "runs_resumed_to_the_end", "of_them_identical")],
            str(len(found["kills"][name]["errors"])),
            str(len(found["kills"][name]["left_beside"])),
        ]
        for name, words in _WORK.items()
    ]
    head = [
        "work",
        "kills",
        "runs resumed to the end",
        "of them the same, byte for byte",
        "errors",
        "files left beside",
    ]
    return f"{table(head, rows)}\n\n{measured('python -m benchmarks.faults', 'faults.json', found['environment'])}"


def nonsense(results: Path) -> str:
    """Random command lines and damaged files."""
    found = record(results, "faults")["cases"]
    rows = [
        [
            kind,
            str(one["cases"]),
            *[str(one["outcomes"].get(name, 0)) for name in ("done", "refused")],
            str(len(one["faults"])),
        ]
        for kind, one in found.items()
    ]
    return table(["kind", "cases", "done", "refused in one line", "anything else"], rows)


PARTS = {"reliability: kills": kills, "reliability: nonsense": nonsense}
