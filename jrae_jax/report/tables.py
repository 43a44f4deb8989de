"""Tables of results: Pearson's r of every state, as text for a terminal and as cells for a page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..column.states import STATES
from ..plot.study import LOSS_LABELS
from ..recording.evaluate import interval
from ..studies.findings import REPORTED_R
from ..studies.protocols import AS_PUBLISHED, CONDITIONS, CORRECTED
from ..studies.reproduce import Case, Study


class Table(NamedTuple):
    """Cells of text under a head; the first column names the rows."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def table_text(table: Table, *, width: int) -> str:
    """A table for a terminal, its numbers in columns of `width` characters; one space more if in no parentheses."""
    label = max(len(row[0]) for row in (table.head, *table.rows))
    lines = [
        row[0].ljust(label)
        + "".join(cell.rjust(width) if cell.endswith(")") else f"{cell:>{width - 1}} " for cell in row[1:])
        for row in (table.head, *table.rows)
    ]
    return "\n".join(line.rstrip() for line in (table.title, *lines))


def corrected_table(study: Study, loss: str = "all") -> Table:
    """r on held-out trajectories by the corrected protocol, trained with one of the losses."""
    cases = {condition: study.case(CORRECTED, condition, loss) for condition in CONDITIONS}
    return _table(f"Corrected: RK4 1 ms, {LOSS_LABELS[loss]}, scored on held-out trajectories", _intervals(cases))


def further_tables(study: Study) -> Iterator[Table]:
    """r as reported, as published, corrected with the published loss, and of untrained autoencoders."""
    reported = {condition: map("{:.4f}".format, r) for condition, r in REPORTED_R.items()}
    yield _table("As reported: one seed, negatives reported as 0", reported)
    published = {condition: study.case(AS_PUBLISHED, condition, "observed") for condition in CONDITIONS}
    yield _table(
        "As published, repeated: Euler 1 ms, loss on observed states, scored on training data", _intervals(published)
    )
    yield corrected_table(study, "observed")
    spread = {condition: map("{:.3f}".format, interval(case.chance_r).std) for condition, case in published.items()}
    yield _table("Chance: standard deviation of r over untrained autoencoders, as published", spread)


def _intervals(cases: Mapping[str, Case]) -> dict[str, Iterable[str]]:
    bounds = {condition: interval(case.r) for condition, case in cases.items()}
    return {
        # + 0.0 after rounding turns -0.000 into 0.000.
        condition: map("{:.3f}±{:.3f}".format, bound.mean.round(3) + 0.0, bound.high - bound.mean)
        for condition, bound in bounds.items()
    }


def _table(title: str, values: Mapping[str, Iterable[str]]) -> Table:
    """A row for each condition, with hidden states in parentheses."""
    rows = [
        [
            condition,
            *(
                f"({text})" if name in CONDITIONS[condition].hidden_states else text
                for name, text in zip(STATES, texts, strict=True)
            ),
        ]
        for condition, texts in values.items()
    ]
    return Table(title, ("observed", *STATES), rows)
