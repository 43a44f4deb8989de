"""Verdicts on fabricated studies, where the right one is known."""

import numpy as np
import pytest

from jrae_jax.column import STATES
from jrae_jax.recording import Scores
from jrae_jax.studies import (
    AS_PUBLISHED,
    CONDITIONS,
    PROTOCOLS,
    Case,
    LatentDynamics,
    Study,
    StudySettings,
    findings,
)
from jrae_jax.studies.findings import NOT_JUDGED, NOT_SUPPORTED, PARTLY_SUPPORTED, REPORTED_R, SUPPORTED, UNDECIDED
from jrae_jax.studies.protocols import losses_of
from jrae_jax.timeseries import CorrelationDimension, Dimension, RosensteinExponent, SurrogateTest

SEEDS = 8
FULL = StudySettings(seeds=SEEDS)


def latent_dynamics(variance=0.5, chaotic=False, ratio=0.8, p_value=0.05):
    none = np.zeros(0)
    return LatentDynamics(
        participation_ratio=2.0,
        first_component_variance=variance,
        straightness=0.5,
        two_nn=Dimension(3.0, 0.1),
        correlation=CorrelationDimension(3.0, 0.1, none, none, (0.1, 0.5)),
        exponent=RosensteinExponent(10.0 if chaotic else np.nan, 1.0, chaotic, 5.0, none, none),
        surrogates=SurrogateTest(1.0, ratio, none, p_value),
    )


def fabricated(r_of=None, latents_of=None, settings=FULL):
    """A study whose r and latent dynamics are given: by (protocol, condition, loss), and by condition."""
    rng, other = np.random.default_rng(1), np.random.default_rng(2)
    cases, dynamics, seeds = [], {}, settings.seeds
    for protocol in PROTOCOLS:
        for condition in CONDITIONS:
            for loss in losses_of(protocol, condition):
                means = (r_of or {}).get((protocol.name, condition, loss), np.zeros(6))
                r = np.asarray(means) + 1e-3 * rng.standard_normal((seeds, 6))
                scores = [Scores(row, row, row, CONDITIONS[condition].names) for row in r]
                cases.append(Case(protocol, condition, loss, [], scores, scores, [], np.zeros((0, 6))))
                given = {"variance": 0.5, "ratio": 0.8} | (latents_of or {}).get(condition, {})
                scattered = [
                    given | {name: given[name] + 1e-3 * other.standard_normal() for name in ("variance", "ratio")}
                    for _ in range(seeds)
                ]
                dynamics[cases[-1].name] = [latent_dynamics(**each) for each in scattered]
    return Study(settings, cases, {}, dynamics)


def verdict(study, index):
    return findings(study)[index].verdict


@pytest.mark.parametrize(
    ("published", "corrected", "expected"),
    [(0.99, 0.97, SUPPORTED), (0.99, 0.5, NOT_SUPPORTED), (0.5, 0.5, NOT_SUPPORTED), (0.95, 0.95, UNDECIDED)],
)
def test_full_observability(published, corrected, expected):
    study = fabricated(
        {
            ("as_published", "full", "observed"): np.full(6, published),
            ("corrected", "full", "all"): np.full(6, corrected),
        }
    )
    assert verdict(study, 0) == expected


def test_the_worst_state_decides():
    r = np.full(6, 0.99)
    r[4] = 0.2
    study = fabricated({("as_published", "full", "observed"): r, ("corrected", "full", "all"): np.full(6, 0.99)})
    finding = findings(study)[0]
    assert finding.verdict == NOT_SUPPORTED
    assert finding.number.startswith("as published: worst state y4, r = 0.200 [")
    assert "y4, r = 0.200" in finding.evidence


def test_hidden_values_at_chance_are_not_supported():
    rng = np.random.default_rng(1)
    study = fabricated()
    for case in study.cases:
        for scores in case.scores:
            scores.r[:] = 0.4 * rng.standard_normal(6)
    assert verdict(study, 1) == NOT_SUPPORTED


def test_hidden_values_that_come_back_are_supported():
    r_of = {("as_published", name, "observed"): np.full(6, 0.8) for name in ("potentials", "pyramidal")}
    assert verdict(fabricated(r_of), 1) == SUPPORTED


def test_hidden_values_with_the_wrong_sign_are_not_supported():
    r_of = {("as_published", name, "observed"): np.full(6, -0.8) for name in ("potentials", "pyramidal")}
    assert verdict(fabricated(r_of), 1) == NOT_SUPPORTED


def test_hidden_values_of_one_condition_are_partly_supported():
    assert verdict(fabricated({("as_published", "pyramidal", "observed"): np.full(6, 0.8)}), 1) == PARTLY_SUPPORTED


@pytest.mark.parametrize(
    ("potential", "derivative", "expected"),
    [(0.3, 0.3, SUPPORTED), (-0.3, -0.3, NOT_SUPPORTED), (-0.1, 0.7, PARTLY_SUPPORTED), (0.0, -0.3, UNDECIDED)],
)
def test_inhibitory_states(potential, derivative, expected):
    r = np.array([1, 0.4, 0.4 + potential, 0, 0.4, 0.4 + derivative])
    study = fabricated({("corrected", "pyramidal", "all"): r})
    assert verdict(study, 2) == expected


CHAOTIC, LINEAR = {"chaotic": True}, {"variance": 0.99, "ratio": 1.1, "p_value": 0.6}


@pytest.mark.parametrize(
    ("full", "pyramidal", "expected"),
    [
        (CHAOTIC, LINEAR, SUPPORTED),
        ({}, LINEAR, PARTLY_SUPPORTED),
        (CHAOTIC, CHAOTIC | LINEAR, PARTLY_SUPPORTED),
        (CHAOTIC, {"variance": 0.99, "ratio": 0.4}, PARTLY_SUPPORTED),
        ({}, {"variance": 0.99, "ratio": 0.4}, PARTLY_SUPPORTED),
        ({}, {"ratio": 0.4}, UNDECIDED),
        ({}, {"variance": 0.2}, NOT_SUPPORTED),
        ({}, {"variance": 0.2} | CHAOTIC, NOT_SUPPORTED),
        ({}, {}, UNDECIDED),
    ],
)
def test_latent_space(full, pyramidal, expected):
    assert verdict(fabricated(latents_of={"full": full, "pyramidal": pyramidal}), 3) == expected


def test_latent_space_counts_chaos_and_nonlinearity():
    study = fabricated(latents_of={"full": CHAOTIC, "pyramidal": {"p_value": 0.1}})
    name = study.case(AS_PUBLISHED, "full", "observed").name
    study.latent_dynamics[name][:3] = [latent_dynamics(chaotic=False, p_value=0.1) for _ in range(3)]
    evidence = findings(study)[3].evidence
    assert "diverge exponentially in 5 of 8 latents with all states and in 0 with the pyramidal potential." in evidence
    assert "in 5 of 8 latents with all states and in 0 with the pyramidal potential" in evidence


@pytest.mark.parametrize(
    "settings",
    [
        StudySettings(seeds=4),
        StudySettings(seeds=8, epochs=19),
        StudySettings(seeds=8, duration=4.0),
        StudySettings.quick(seeds=8, epochs=50),
    ],
)
def test_a_small_study_is_not_judged_and_has_its_numbers(settings):
    r_of = {("as_published", "full", "observed"): np.full(6, 0.99), ("corrected", "full", "all"): np.full(6, 0.97)}
    judged = findings(fabricated(r_of, settings=settings))
    assert [finding.verdict for finding in judged] == [NOT_JUDGED] * 4
    assert judged[0].number.startswith("corrected: worst state ")
    assert float(judged[0].number.split()[6]) == pytest.approx(0.97, abs=2e-3)


def test_each_number_names_its_protocol():
    numbers = [finding.number.split(": ")[0] for finding in findings(fabricated())]
    assert numbers[1:] == ["as published", "corrected", "as published"]


def test_a_study_of_five_seeds_and_twenty_epochs_is_judged():
    judged = findings(fabricated(settings=StudySettings(seeds=5, epochs=20)))
    assert NOT_JUDGED not in [finding.verdict for finding in judged]


def test_one_seed_has_no_interval():
    judged = findings(fabricated(settings=StudySettings(seeds=1)))
    assert [finding.verdict for finding in judged] == [NOT_JUDGED] * 4
    assert all(finding.number.endswith("[no interval]") for finding in judged)
    assert "nan" not in "".join(finding.number + finding.evidence for finding in judged)


def test_a_training_that_failed_leaves_its_finding_undecided():
    study = fabricated()
    study.case(AS_PUBLISHED, "full", "observed").scores[3].r[:] = np.nan
    finding = findings(study)[0]
    assert (finding.verdict, finding.number) == (UNDECIDED, "as published: worst state y0, r = undefined")


@pytest.mark.parametrize(
    ("potential", "derivative", "number"),
    [
        (0.25, 0.35, "corrected: potentials, r(y2) - r(y1) = 0.2"),
        (-0.15, 0.55, "corrected: derivatives, r(y5) - r(y4) = 0.5"),
        (-0.25, -0.35, "corrected: potentials, r(y2) - r(y1) = -0.2"),
    ],
)
def test_the_difference_that_decides_is_given(potential, derivative, number):
    r = np.array([1, 0.4, 0.4 + potential, 0, 0.4, 0.4 + derivative])
    assert findings(fabricated({("corrected", "pyramidal", "all"): r}))[2].number.startswith(number)


def test_reported_values_are_those_of_the_study():
    assert all(len(r) == len(STATES) for r in REPORTED_R.values())
    assert REPORTED_R["pyramidal"][5] == 0.8512
    assert REPORTED_R["potentials"][3] == 0.0
