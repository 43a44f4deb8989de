"""The dynamics of latents in the report of the study: rows of a table file, and a section of the page."""

import html
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..recording.evaluate import interval
from ..studies.latent_dynamics import LatentDynamics
from ..studies.protocols import CONDITIONS, PROTOCOLS, Protocol, losses_of
from ..studies.reproduce import Study

_COLUMNS = (
    "variance on<br>first component",
    "dimension,<br>neighbours",
    "dimension,<br>correlation",
    "straightness",
    "chaotic",
    "nonlinear /<br>linear error",
    "nonlinear",
)


class _Measured(NamedTuple):
    condition: str
    loss: str
    """Or `recording`."""
    seeds: Sequence[LatentDynamics]


def latent_dynamics_rows(study: Study) -> list[dict[str, Any]]:
    """Every measure of latents and recordings, seed by seed."""
    return [
        {
            "protocol": protocol.name,
            "condition": measured.condition,
            "loss": measured.loss,
            "seed": seed,
            "participation_ratio": found.participation_ratio,
            "first_component_variance": found.first_component_variance,
            "straightness": found.straightness,
            "two_nn_dimension": found.two_nn.value,
            "correlation_dimension": found.correlation.value,
            "exponent": found.exponent.value,
            "exponent_standard_error": found.exponent.standard_error,
            "chaotic": "yes" if found.exponent.chaotic else "no",
            "linear_error": found.surrogates.linear_error,
            "nonlinear_error": found.surrogates.nonlinear_error,
            "p_value": found.surrogates.p_value,
        }
        for protocol in PROTOCOLS
        for measured in _all_measured(study, protocol)
        for seed, found in enumerate(measured.seeds)
    ]


def latent_dynamics_section(study: Study) -> str:
    """A table of means over seeds for each protocol, and what they mean, as HTML."""
    head = "".join(f"<th>{column}</th>" for column in ("of", *_COLUMNS))
    tables = "".join(
        f"<h3>{html.escape(protocol.title)}</h3><div class=scroll><table class=r><tr>{head}</tr>"
        + "".join(_row(measured) for measured in _all_measured(study, protocol))
        + "</table></div>"
        for protocol in PROTOCOLS
    )
    return _TEXT + tables


def _all_measured(study: Study, protocol: Protocol) -> Iterator[_Measured]:
    for condition in CONDITIONS:
        yield _Measured(condition, "recording", study.latent_dynamics[f"{protocol.name}-{condition}"])
        for loss in losses_of(protocol, condition):
            name = study.case(protocol, condition, loss).name
            yield _Measured(condition, loss, study.latent_dynamics[name])


def _row(measured: _Measured) -> str:
    kind = measured.loss if measured.loss == "recording" else f"latent, loss: {measured.loss}"
    seeds, number = measured.seeds, len(measured.seeds)
    cells = (
        html.escape(f"{measured.condition}: {kind}"),
        mean_cell([found.first_component_variance for found in seeds]),
        mean_cell([found.two_nn.value for found in seeds]),
        mean_cell([found.correlation.value for found in seeds]),
        mean_cell([found.straightness for found in seeds]),
        f"{sum(found.exponent.chaotic for found in seeds)} of {number}",
        mean_cell([found.surrogates.ratio for found in seeds]),
        f"{sum(found.surrogates.nonlinear for found in seeds)} of {number}",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def mean_cell(values: Sequence[float]) -> str:
    """Mean over seeds and 95 % half-width, if more than half of the seeds have a value."""
    known = np.asarray(values)[np.isfinite(values)]
    if len(known) <= max(1, len(values) / 2):
        return "none"
    bounds = interval(known)
    return f"{bounds.mean:.2f} &plusmn; {bounds.high - bounds.mean:.2f}"


_TEXT = """<p>Measures of the latents, and of the recordings that they were made of. <i>Chaotic</i>: nearby points
diverge at one and the same rate until they are at least four times as far apart. Noise makes them diverge as well, but
ever more slowly, and gives a dimension of as many numbers as there are; <i>none</i> is where the number of neighbours
grows by no one power of distance. <i>Straightness</i> is 1 where each step has the direction of the last, and 0 where
directions are unrelated. <i>Nonlinear</i>: 10 ms ahead, local linear prediction has a lower error than linear
prediction, and by more than in linear surrogates (p = 0.05, the least that 19 of them allow).</p>
"""
