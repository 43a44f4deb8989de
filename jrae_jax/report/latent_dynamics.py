"""What the report of the study says of the motion of latents."""

import html
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..studies.evaluate import interval
from ..studies.latent_dynamics import Motion
from ..studies.reproduce import CONDITIONS, PROTOCOLS, Protocol, Study, losses_of

_COLUMNS = (
    "share<br>on a line",
    "dimension,<br>neighbours",
    "dimension,<br>correlation",
    "straightness",
    "chaotic",
    "nonlinear /<br>linear error",
    "nonlinear",
)


def rows(study: Study) -> list[dict[str, Any]]:
    """Every measure of latents and recordings, seed by seed."""
    return [
        {"protocol": protocol.name, "condition": condition, "loss": loss, "seed": seed, **_values(motion)}
        for protocol in PROTOCOLS
        for condition, loss, motions in _spaces(study, protocol)
        for seed, motion in enumerate(motions)
    ]


def _spaces(study: Study, protocol: Protocol) -> Iterator[tuple[str, str, Sequence[Motion]]]:
    """Condition, loss (or `recording`) and the motion of each seed."""
    for condition in CONDITIONS:
        yield condition, "recording", study.motion[f"{protocol.name}-{condition}"]
        for loss in losses_of(protocol, condition):
            yield condition, loss, study.motion[f"{protocol.name}-{condition}-{loss}"]


def _values(motion: Motion) -> dict[str, Any]:
    return {
        "participation_ratio": motion.participation_ratio,
        "line_share": motion.line_share,
        "straightness": motion.straightness,
        "two_nn_dimension": motion.two_nn.value,
        "correlation_dimension": motion.correlation.value,
        "exponent": motion.divergence.value,
        "exponent_standard_error": motion.divergence.standard_error,
        "chaotic": "yes" if motion.divergence.chaotic else "no",
        "linear_error": motion.prediction.linear_error,
        "nonlinear_error": motion.prediction.nonlinear_error,
        "p_value": motion.prediction.p_value,
    }


def section(study: Study) -> str:
    """A table of means over seeds, with what they mean, as HTML."""
    head = "".join(f"<th>{column}</th>" for column in ("of", *_COLUMNS))
    tables = "".join(
        f"<h3>{html.escape(protocol.title)}</h3><div class=scroll><table class=r><tr>{head}</tr>"
        + "".join(_line(*space) for space in _spaces(study, protocol))
        + "</table></div>"
        for protocol in PROTOCOLS
    )
    return _TEXT + tables


def _line(condition: str, loss: str, motions: Sequence[Motion]) -> str:
    kind = loss if loss == "recording" else f"latent, loss: {loss}"
    number = len(motions)
    cells = (
        f"{condition}: {kind}",
        shown_mean([motion.line_share for motion in motions]),
        shown_mean([motion.two_nn.value for motion in motions]),
        shown_mean([motion.correlation.value for motion in motions]),
        shown_mean([motion.straightness for motion in motions]),
        f"{sum(motion.divergence.chaotic for motion in motions)} of {number}",
        shown_mean([motion.prediction.ratio for motion in motions]),
        f"{sum(motion.prediction.nonlinear for motion in motions)} of {number}",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def shown_mean(values: Sequence[float]) -> str:
    """Mean over seeds and 95 % half-width, if more than half of the seeds have a value."""
    told = np.asarray(values)[np.isfinite(values)]
    if len(told) <= max(1, len(values) / 2):
        return "none"
    bounds = interval(told)
    return f"{bounds.mean:.2f} &plusmn; {bounds.high - bounds.mean:.2f}"


_TEXT = """<p>Measures of the latents, and of the recordings that they were made of. <i>Chaotic</i>: nearby points part
at one and the same rate until they are at least four times as far apart. Noise makes them part as well, but ever
slower, and gives a dimension of as many numbers as there are; <i>none</i> is where the number of neighbours grows by no
one power of distance. <i>Straightness</i> is 1 where each step goes on in the direction of the last, and 0 where
directions are unrelated. <i>Nonlinear</i>: 10 ms ahead, local linear prediction has a lower error than linear
prediction, and by more than in linear surrogates (p = 0.05, the least that 19 of them can show).</p>
"""
