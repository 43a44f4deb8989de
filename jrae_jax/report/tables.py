"""Pearson's r of every state as tables, in text and in HTML."""

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..column.states import STATES
from ..plot.study import LOSS_LABELS
from ..recording.evaluate import interval
from ..studies.findings import REPORTED_R
from ..studies.protocols import AS_PUBLISHED, CONDITIONS, CORRECTED
from ..studies.reproduce import Case, Study


class ScoreTable(NamedTuple):
    """A number for each state and condition, as text."""

    title: str
    rows: dict[str, list[str]]
    """By condition, a cell for each state, in parentheses where it is hidden."""


def score_tables(study: Study) -> Iterator[ScoreTable]:
    """r as reported, as published, corrected with either loss, and of untrained autoencoders."""
    reported = {condition: map("{:.4f}".format, r) for condition, r in REPORTED_R.items()}
    yield ScoreTable("As reported: one seed, negatives reported as 0", _rows(reported))
    published = {condition: study.case(AS_PUBLISHED, condition, "observed") for condition in CONDITIONS}
    yield ScoreTable(
        "As published, repeated: Euler 1 ms, loss on observed states, scored on training data",
        _interval_rows(published),
    )
    for loss, label in LOSS_LABELS.items():
        corrected = {condition: study.case(CORRECTED, condition, loss) for condition in CONDITIONS}
        title = f"Corrected: RK4 1 ms, {label}, scored on held-out trajectories"
        yield ScoreTable(title, _interval_rows(corrected))
    spread = {condition: map("{:.3f}".format, interval(case.chance_r).std) for condition, case in published.items()}
    yield ScoreTable("Chance: standard deviation of r over untrained autoencoders, as published", _rows(spread))


def score_table(study: Study) -> str:
    """The `score_tables` as text: mean r over seeds with its 95 % half-width, hidden states in parentheses."""
    lines = []
    for table in score_tables(study):
        lines += [table.title, _line("observed", STATES)]
        lines += [*(_line(condition, cells) for condition, cells in table.rows.items()), ""]
    return "\n".join(lines) + "Pearson r, mean over seeds +- 95 % half-width; hidden states in parentheses."


def html_table(table: ScoreTable) -> str:
    """One of the `score_tables` as HTML."""
    head = "".join(f"<th>{name}</th>" for name in STATES)
    body = "".join(
        f"<tr><td>{html.escape(condition)}</td>"
        + "".join(f"<td>{html.escape(cell).replace('+-', '&plusmn;')}</td>" for cell in cells)
        + "</tr>"
        for condition, cells in table.rows.items()
    )
    return f"<h3>{html.escape(table.title)}</h3><table class=r><tr><th>observed</th>{head}</tr>{body}</table>"


def _line(label: str, cells: Sequence[str]) -> str:
    return f"  {label:<10}" + "".join(f"{cell:>15}" if cell.endswith(")") else f"{cell:>14} " for cell in cells)


def _interval_rows(cases: Mapping[str, Case]) -> dict[str, list[str]]:
    bounds = {condition: interval(case.r) for condition, case in cases.items()}
    return _rows(
        {
            condition: map("{:.3f}+-{:.3f}".format, bound.mean, bound.high - bound.mean)
            for condition, bound in bounds.items()
        }
    )


def _rows(values: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {
        condition: [
            f"({text})" if name in CONDITIONS[condition].hidden_states else text
            for name, text in zip(STATES, texts, strict=True)
        ]
        for condition, texts in values.items()
    }
