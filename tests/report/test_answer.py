import dataclasses

from jrae_jax.report import answer
from jrae_jax.studies import CORRECTED, Finding, StudySettings, findings
from jrae_jax.studies.findings import PARTLY_SUPPORTED, TITLE


def test_the_answer_is_findings_then_one_table(small_study):
    judged = findings(small_study)
    text = answer(small_study, judged)
    lines = text.splitlines()
    assert lines[:3] == ["The findings of Rong Ding,", TITLE, ""]
    about, found, brackets, why, table = text.split("\n\n")
    assert [line for line in found.splitlines() if not line.startswith(" ")] == [
        f"NOT JUDGED        {finding.claim}" for finding in judged
    ]
    claimed = " ".join(found.split())
    assert claimed == " ".join(f"NOT JUDGED {finding.claim} {finding.number}" for finding in judged)
    assert about.count("[") + brackets.count("[") == 0
    assert brackets.startswith("In brackets, 95 % intervals of the mean over seeds, ")
    assert why == "Not judged: 2 seeds, 2 epochs, 1 s; verdicts take 5, 20 and 5 s: jrae reproduce gives them."
    title, head, *rows, note = table.splitlines()
    assert title == "Corrected: RK4 1 ms, loss on all six states, scored on held-out trajectories"
    assert head.split() == ["observed", "y0", "y1", "y2", "y3", "y4", "y5"]
    assert [row.split()[0] for row in rows] == ["full", "potentials", "pyramidal"]
    r = small_study.case(CORRECTED, "pyramidal", "all").r.mean(axis=0)
    assert f"({r[5]:.3f}±" in rows[2]
    assert f" {r[0]:.3f}±" in rows[2]
    assert note.endswith("hidden states in parentheses.")
    assert max(map(len, lines)) <= 100


def test_a_study_that_is_judged_has_no_excuse(small_study):
    study = dataclasses.replace(small_study, settings=StudySettings(seeds=5, epochs=20))
    finding = Finding("A claim.", PARTLY_SUPPORTED, "r = 0.5 [0.4, 0.6]", "Evidence.")
    text = answer(study, [finding])
    assert text.splitlines()[3:6] == ["PARTLY SUPPORTED  A claim.", " " * 18 + "r = 0.5 [0.4, 0.6]", ""]
    assert "Not judged" not in text
