"""The dynamics of latents in the report of the study: rows of a table file, and tables of the page."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..recording.evaluate import interval
from ..studies.latent_dynamics import LatentDynamics
from ..studies.protocols import CONDITIONS, PROTOCOLS, Protocol, losses_of
from ..studies.reproduce import Study
from .tables import Table

_HEAD = (
    "of",
    "variance on first component",
    "dimension, neighbours",
    "dimension, correlation",
    "straightness",
    "chaotic",
    "nonlinear / linear error",
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


def latent_dynamics_tables(study: Study) -> list[Table]:
    """Means over seeds, a table for each protocol."""
    return [
        Table(protocol.title, _HEAD, [_row(measured) for measured in _all_measured(study, protocol)])
        for protocol in PROTOCOLS
    ]


def _all_measured(study: Study, protocol: Protocol) -> Iterator[_Measured]:
    for condition in CONDITIONS:
        yield _Measured(condition, "recording", study.latent_dynamics[f"{protocol.name}-{condition}"])
        for loss in losses_of(protocol, condition):
            name = study.case(protocol, condition, loss).name
            yield _Measured(condition, loss, study.latent_dynamics[name])


def _row(measured: _Measured) -> list[str]:
    kind = measured.loss if measured.loss == "recording" else f"latent, loss: {measured.loss}"
    seeds, number = measured.seeds, len(measured.seeds)
    return [
        f"{measured.condition}: {kind}",
        mean_cell([found.first_component_variance for found in seeds]),
        mean_cell([found.two_nn.value for found in seeds]),
        mean_cell([found.correlation.value for found in seeds]),
        mean_cell([found.straightness for found in seeds]),
        f"{sum(found.exponent.chaotic for found in seeds)} of {number}",
        mean_cell([found.surrogates.ratio for found in seeds]),
        f"{sum(found.surrogates.nonlinear for found in seeds)} of {number}",
    ]


def mean_cell(values: Sequence[float]) -> str:
    """Mean over seeds and 95 % half-width, if more than half of the seeds have a value."""
    known = np.asarray(values)[np.isfinite(values)]
    if len(known) <= max(1, len(values) / 2):
        return "none"
    bounds = interval(known)
    return f"{bounds.mean:.2f} ± {bounds.high - bounds.mean:.2f}"
