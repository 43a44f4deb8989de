"""Tables of the study that is reproduced: its findings, and how large a latent must be."""

from pathlib import Path

from jrae_jax.column import STATES
from jrae_jax.studies.findings import REPORTED_R

from .markdown import frame, mean_and_half_width, measured, record, table

_CONDITIONS = {"full": "all six states", "potentials": "three potentials", "pyramidal": "pyramidal potential"}


def answer(results: Path) -> str:
    """What the command prints, without the line that says where the report is."""
    found = record(results, "reproduce")
    printed = found["reproduce"]["answer"][:-2]
    from_where = measured("python -m benchmarks.reproduce", "reproduce.json", found["environment"])
    return "\n".join(["```text", *printed, "```", "", from_where])


def evidence(results: Path) -> str:
    """Each finding, its verdict, and what speaks for it."""
    findings = record(results, "reproduce")["reproduce"]["findings"]
    return "\n".join(f"- **{one['claim']}** *{one['verdict'].capitalize()}.* {one['evidence']}" for one in findings)


def latent_sizes(results: Path) -> str:
    """r of every state against the size of the latent."""
    found = frame(results, "latent_sizes.csv")
    observed = {"full": "all six states", "pyramidal": "`y0`"}
    rows = [
        [
            observed.get(row["observed"], row["observed"]),
            str(row["latent_size"]),
            *[f"{row[name]:.3f}" for name in STATES],
        ]
        for row in found.to_dict("records")
    ]
    from_where = measured("jrae reproduce --latent-sizes 1:8", "latent_sizes.csv")
    return f"{table(['observed', 'latent', *STATES], rows)}\n\n{from_where}"


def published(results: Path) -> str:
    """r of every state by the protocol as published, what the study reported beside what ten seeds give."""
    found = frame(results, "scores.csv")
    found = found[(found.protocol == "as_published") & (found.trained == "yes")]
    rows = []
    for condition, words in _CONDITIONS.items():
        rows.append([words, "reported", *[f"{r:.4f}" for r in REPORTED_R[condition]]])
        each = [found[(found.condition == condition) & (found.state == name)].r for name in STATES]
        rows.append(["", "ten seeds", *[mean_and_half_width(r, 3) for r in each]])
    return f"{table(['observed', 'r', *STATES], rows, words=2)}\n\n{measured('jrae reproduce', 'scores.csv')}"


PARTS = {
    "study: published": published,
    "study: answer": answer,
    "study: evidence": evidence,
    "study: latent sizes": latent_sizes,
}
