"""Tables of the agreement with other packages."""

from pathlib import Path

from .markdown import record, table


def packages(results: Path) -> str:
    """Largest differences from each package."""
    found = record(results, "agreement")
    rows = [
        [
            f"{one['package']} {one['version']}",
            one["verdict"],
            f"{one['derivatives']:.1e}",
            f"{one['trajectory']:.1e}",
            f"{one['error']:.1g}",
            one["scheme"],
            ", ".join("y1 - y2" if name == "eeg" else name for name in one["shows"]),
            f"`{one['preset']}`",
        ]
        for one in found["agreement"]
    ]
    head = ["package", "verdict", "dy/dt, relative", "trajectory, mV", "from the exact cycle, mV", "scheme", "compared"]
    work = found["work"]
    versions = found["environment"]["packages"]
    return (
        f"{table([*head, 'its defaults are'], rows)}\n\n"
        f"Measured by `python -m benchmarks.agreement --samples {work['samples']} --duration {work['duration']:g}` "
        f"([agreement.json](../../benchmarks/results/agreement.json)): {work['samples']:,} random columns and states, "
        "and "
        f"{work['duration']:g} s with steps of {1e3 * work['dt']:g} ms, in double precision; "
        f"Python {found['environment']['python']}, jax {versions['jax']}, numpy {versions['numpy']}."
    )


def conventions(results: Path) -> str:
    """What each package does otherwise."""
    lines = []
    for one in record(results, "agreement")["agreement"]:
        if one["verdict"] == "agrees":
            lines += [f"**{one['package']}**", "", *[f"- {words}" for words in one["conventions"]], ""]
    return "\n".join(lines[:-1])


PARTS = {"agreement: packages": packages, "agreement: conventions": conventions}
