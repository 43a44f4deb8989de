"""The answer of a study in a few lines: what the terminal says, and the page first."""

from collections.abc import Sequence

from ..studies.findings import Finding
from ..studies.reproduce import EPOCHS_TO_JUDGE, SECONDS_TO_JUDGE, SEEDS_TO_JUDGE, Study, StudySettings
from .tables import corrected_table, table_text

HALF_WIDTHS = "Mean r over seeds ± 95 % half-width; hidden states in parentheses."

_LABEL = 18  # characters of the longest verdict, and two spaces
_CELL = 15  # characters of a cell such as (-0.123±0.012), and a space: with six of them a line has 100


def answer(study: Study, judged: Sequence[Finding]) -> str:
    """Each finding with its verdict and the number that decides it, then r by the corrected protocol.

    **Arguments:**

    - `judged`: the findings of the study.
    """
    lines = []
    for finding in judged:
        lines += [f"{finding.verdict.upper():<{_LABEL}}{finding.claim}", " " * _LABEL + finding.number]
    if not study.settings.conclusive:
        lines += ["", why_not_judged(study.settings)]
    return "\n".join([*lines, "", table_text(corrected_table(study), width=_CELL), HALF_WIDTHS])


def why_not_judged(settings: StudySettings) -> str:
    """What a study has too little of for verdicts, and the command that gives them."""
    return (
        f"Not judged: {settings.seeds} seeds, {settings.epochs} epochs, {settings.duration:g} s; verdicts take "
        f"{SEEDS_TO_JUDGE}, {EPOCHS_TO_JUDGE} and {SECONDS_TO_JUDGE:g} s: jrae reproduce gives them."
    )
