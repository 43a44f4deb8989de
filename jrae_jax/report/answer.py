"""The answer of a study in a few lines: what the terminal says, and the page first."""

import textwrap
from collections.abc import Sequence

from ..studies.findings import AUTHOR, TITLE, Finding
from ..studies.reproduce import EPOCHS_TO_JUDGE, SECONDS_TO_JUDGE, SEEDS_TO_JUDGE, Study, StudySettings
from .tables import corrected_table, table_text

HALF_WIDTHS = "Mean r over seeds ± 95 % half-width; hidden states in parentheses."

BRACKETS = (
    "In brackets, 95 % intervals of the mean over seeds, wider where several states are tested at once. As published: "
    "the study repeated as it was. Corrected: an accurate solver, without the transient, scored on trajectories that "
    "were never trained on."
)

_WIDTH = 100
_LABEL = 18  # characters of the longest verdict, and two spaces
_CELL = 15  # characters of a cell such as (-0.123±0.012), and a space: with six of them a line has 100


def answer(study: Study, judged: Sequence[Finding]) -> str:
    """Each finding with its verdict and the number that decides it, how to read them, and r as corrected.

    **Arguments:**

    - `judged`: the findings of the study.
    """
    indent = " " * _LABEL
    lines = [f"The findings of {AUTHOR},", TITLE, ""]
    for finding in judged:
        lines.append(f"{finding.verdict.upper():<{_LABEL}}{finding.claim}")
        lines += textwrap.wrap(finding.number, _WIDTH, initial_indent=indent, subsequent_indent=indent)
    lines += ["", *textwrap.wrap(BRACKETS, _WIDTH)]
    if not study.settings.conclusive:
        lines += ["", why_not_judged(study.settings)]
    return "\n".join([*lines, "", table_text(corrected_table(study), width=_CELL), HALF_WIDTHS])


def why_not_judged(settings: StudySettings) -> str:
    """What a study has too little of for verdicts, and the command that gives them."""
    return (
        f"Not judged: {settings.seeds} seeds, {settings.epochs} epochs, {settings.duration:g} s; verdicts take "
        f"{SEEDS_TO_JUDGE}, {EPOCHS_TO_JUDGE} and {SECONDS_TO_JUDGE:g} s: jrae reproduce gives them."
    )
