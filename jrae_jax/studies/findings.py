"""What the study reported, and whether it is supported."""

from dataclasses import dataclass, replace

import numpy as np

from ..column.states import EXCITATORY_STATES, INHIBITORY_STATES, STATES
from ..recording.evaluate import Interval, interval
from .protocols import AS_PUBLISHED, CONDITIONS, CORRECTED
from .reproduce import Study

SUPPORTED, NOT_SUPPORTED, PARTLY_SUPPORTED = "supported", "not supported", "partly supported"
UNDECIDED = "undecided"
NOT_JUDGED = "not judged"
"""What every verdict is of a study that is too small for verdicts: `StudySettings.conclusive` is false."""

AUTHOR = "Rong Ding"
TITLE = "Reconstructing Hidden Neural Dynamics: Autoencoder Applications Under Partial Observability"
"""Of the study whose findings are judged."""

_WELL = 0.95  # an r that a reader would call a good reconstruction

REPORTED_R = {
    "full": (0.9992, 0.9899, 0.9983, 0.9979, 0.9998, 0.9993),
    "potentials": (0.9999, 0.9999, 0.9999, 0.0, 0.0, 0.3343),
    "pyramidal": (1.0000, 0.4622, 0.1312, 0.0442, 0.3127, 0.8512),
}
"""The r that the study reported, y0 to y5; one seed, negatives reported as 0."""


@dataclass(frozen=True)
class Finding:
    """One claim of the study, tested."""

    claim: str
    verdict: str
    number: str
    """The number that decides, with its protocol and its interval, as short text."""
    evidence: str
    """All numbers, and what they mean."""


def findings(study: Study) -> list[Finding]:
    """Judge each of the study's findings by 95 % intervals over seeds.

    Intervals are Student's for the mean over seeds; where several states are tested at once they are widened
    (Bonferroni), so that chance alone makes one of them exclude zero in 1 of 20 studies. Of a study that is not
    conclusive by its settings the numbers are given, and every verdict is `NOT_JUDGED`.
    """
    judged = [_full_observability(study), _hidden_values(study), _inhibitory(study), _latent_space(study)]
    return judged if study.settings.conclusive else [replace(finding, verdict=NOT_JUDGED) for finding in judged]


def _full_observability(study: Study) -> Finding:
    published = interval(study.case(AS_PUBLISHED, "full", "observed").r)
    corrected = interval(study.case(CORRECTED, "full", "all").r)
    worst = [int(np.argmin(bounds.mean)) for bounds in (published, corrected)]
    lows = [bounds.low[state] for bounds, state in zip((published, corrected), worst, strict=True)]
    highs = [bounds.high[state] for bounds, state in zip((published, corrected), worst, strict=True)]
    verdict = SUPPORTED if min(lows) >= _WELL else NOT_SUPPORTED if min(highs) < _WELL else UNDECIDED
    protocol = int(np.argmin(lows))
    return Finding(
        "With all six states observed, reconstruction is good.",
        verdict,
        f"{('as published', 'corrected')[protocol]}: worst state {STATES[worst[protocol]]}, "
        f"r = {_at((published, corrected)[protocol], worst[protocol])}",
        f"Worst state, as published: {STATES[worst[0]]}, r = {_at(published, worst[0])}; on held-out trajectories: "
        f"{STATES[worst[1]]}, r = {_at(corrected, worst[1])}. Good is taken as r of at least {_WELL}.",
    )


def _hidden_values(study: Study) -> Finding:
    tested = [
        (condition, state)
        for condition in ("potentials", "pyramidal")
        for state, name in enumerate(STATES)
        if name in CONDITIONS[condition].hidden_states
    ]
    confidence = 1 - 0.05 / len(tested)
    bounds = {
        pair: interval(study.case(AS_PUBLISHED, pair[0], "observed").r[:, pair[1]], confidence=confidence)
        for pair in tested
    }
    recovered = [pair for pair, bound in bounds.items() if bound.low > 0]
    if np.isnan([bound.low for bound in bounds.values()]).any():
        verdict = UNDECIDED
    else:
        verdict = SUPPORTED if len(recovered) == len(tested) else PARTLY_SUPPORTED if recovered else NOT_SUPPORTED
    y5 = bounds["pyramidal", 5]
    draws = study.case(AS_PUBLISHED, "pyramidal", "observed").r[:, 5]
    return Finding(
        "Hidden states come back with the r reported, such as 0.85 for y5 from y0 alone.",
        verdict,
        f"as published: {len(recovered)} of {len(tested)} hidden r above 0; y5 from y0, r = {_bounded(y5)}",
        "The published loss never trains the hidden outputs. Over seeds, the r of y5 from the pyramidal potential (y0) "
        f"runs from {draws.min():.2f} to {draws.max():.2f}, mean {_bounded(y5)}, an interval widened for {len(tested)} "
        f"comparisons. Of as many hidden states {len(recovered)} have a mean r whose interval lies above 0, where "
        "chance puts it; the study reported one draw, with negative ones given as 0.",
    )


def _inhibitory(study: Study) -> Finding:
    published = study.case(AS_PUBLISHED, "pyramidal", "observed").r
    corrected = study.case(CORRECTED, "pyramidal", "all").r
    by_chance = interval(_advantage(published).mean(axis=1))
    potential, derivative = (interval(column) for column in _advantage(corrected).T)
    differences = {"potentials, r(y2) - r(y1)": potential, "derivatives, r(y5) - r(y4)": derivative}
    lows, highs = (potential.low, derivative.low), (potential.high, derivative.high)
    if min(lows) > 0:
        verdict = SUPPORTED
    elif max(highs) < 0:
        verdict = NOT_SUPPORTED
    elif max(lows) > 0:
        verdict = PARTLY_SUPPORTED
    else:
        verdict = UNDECIDED
    # The lesser difference decides whether both are positive, the greater one whether any is.
    deciding = (min if verdict == SUPPORTED else max)(differences, key=lambda name: differences[name].low)
    no_different = ", no different from 0" if by_chance.low < 0 < by_chance.high else ""
    return Finding(
        "Inhibitory states are recovered more robustly than excitatory ones.",
        verdict,
        f"corrected: {deciding} = {_bounded(differences[deciding])}",
        "From the pyramidal potential, r of inhibitory minus r of excitatory states. As published the mean difference "
        f"is {_bounded(by_chance)}{no_different}. Trained on all states and scored on held-out trajectories: "
        f"potentials (y2 - y1) {_bounded(potential)}, derivatives (y5 - y4) {_bounded(derivative)}. The asymmetry is "
        "the model's: y2 and y5 are a filtered function of y0, while y1 and y4 carry the input noise; a memoryless "
        "autoencoder has only what the present y0 says of them.",
    )


def _advantage(r: np.ndarray) -> np.ndarray:
    """r of inhibitory minus excitatory states, for potential and derivative, of each seed."""
    return r[:, list(INHIBITORY_STATES)] - r[:, list(EXCITATORY_STATES)]


def _latent_space(study: Study) -> Finding:
    full, one = (
        study.latent_dynamics[study.case(AS_PUBLISHED, name, "observed").name] for name in ("full", "pyramidal")
    )
    variances = [np.array([each.first_component_variance for each in latents]) for latents in (full, one)]
    ratios = [np.array([each.surrogates.ratio for each in latents]) for latents in (full, one)]
    dimensions = [np.mean([each.participation_ratio for each in latents]) for latents in (full, one)]
    chaotic = [sum(each.exponent.chaotic for each in latents) for latents in (full, one)]
    nonlinear = [sum(each.surrogates.nonlinear for each in latents) for latents in (full, one)]
    straighter, more_linear = (interval(after - before) for before, after in (variances, ratios))
    parts = chaotic[0] > len(full) / 2 and chaotic[1] < chaotic[0], straighter.low > 0, more_linear.low > 0
    if np.isnan(straighter.low):
        verdict = UNDECIDED
    elif any(parts):
        verdict = SUPPORTED if all(parts) else PARTLY_SUPPORTED
    else:
        verdict = NOT_SUPPORTED if straighter.high < 0 else UNDECIDED
    return Finding(
        "The latent space goes from chaotic to linear as inputs are removed.",
        verdict,
        f"as published: {chaotic[0]} of {len(full)} latents chaotic; from all states to y0 alone, variance on one line "
        f"up by {_bounded(straighter)}",
        f"Chaotic: neighbours diverge exponentially in {chaotic[0]} of {len(full)} latents with all states and in "
        f"{chaotic[1]} with the pyramidal potential. At constant input the column has no chaos either (largest "
        "Lyapunov exponent 0 on the alpha cycle). Linear in shape: the fraction of latent variance on the first "
        f"principal component goes from {_bounded(interval(variances[0]))} with all states to "
        f"{_bounded(interval(variances[1]))} with the pyramidal potential, a difference of {_bounded(straighter)}; the "
        "participation ratio from "
        f"{dimensions[0]:.2f} to {dimensions[1]:.2f} dimensions. With one input it cannot be otherwise: the latent is "
        "a curve by construction. Linear in dynamics: the error of nonlinear prediction over that of linear goes from "
        f"{_bounded(interval(ratios[0]))} to {_bounded(interval(ratios[1]))}, a difference of {_bounded(more_linear)}; "
        f"nonlinear is better, and by more than in linear surrogates, in {nonlinear[0]} of {len(full)} latents with "
        f"all states and in {nonlinear[1]} with the pyramidal potential. What fills fewer dimensions is easier to "
        "learn locally, so the difference shows that nonlinearity remains, and not by how much it grows.",
    )


def _at(bounds: Interval, state: int) -> str:
    return _bounded(Interval(*(np.asarray(values[state]) for values in vars(bounds).values())))


def _bounded(bounds: Interval) -> str:
    """A mean and its interval; a single seed has none, and a training that failed not even a mean."""
    if np.isnan(bounds.mean):
        return "undefined"
    around = "no interval" if np.isnan(bounds.low) else f"{bounds.low:.3f}, {bounds.high:.3f}"
    return f"{bounds.mean:.3f} [{around}]"
