"""A finished study as a folder that a person can read."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..autoencoder.checkpoint import save
from ..column.states import STATES
from ..studies.findings import AUTHOR, TITLE, Finding, findings
from ..studies.reproduce import Study
from .answer import BRACKETS, HALF_WIDTHS, why_not_judged
from .files import write_csv, write_manifest, write_text
from .latent_dynamics import latent_dynamics_rows, latent_dynamics_tables
from .page import render
from .pictures import pictures
from .tables import corrected_table, further_tables


def write_report(study: Study, folder: Path, *, durations: Mapping[str, float]) -> list[Finding]:
    """Write `report.html`, `manifest.json`, tables as `.csv`, figures and trainings into `folder`.

    **Arguments:**

    - `study`: from `reproduce`.
    - `folder`: an empty folder.
    - `durations`: what took how many seconds; goes into the manifest.

    **Returns:** the findings, judged.

    **Raises:** `OSError` if a file cannot be written.
    """
    judged, failed_trainings = findings(study), _failed_trainings(study)
    not_judged = None if study.settings.conclusive else why_not_judged(study.settings)
    write_csv(folder / "scores.csv", list(_score_rows(study)))
    write_csv(folder / "latents.csv", latent_dynamics_rows(study))
    (folder / "trainings").mkdir(exist_ok=True)  # of a report that was interrupted
    for case in study.cases:
        for seed, training in enumerate(case.trainings):
            save(folder / "trainings" / f"{case.name}-seed{seed:02d}.jrae", training)
    made = write_manifest(
        folder / "manifest.json",
        asdict(study.settings),
        durations,
        {
            "failed_trainings": failed_trainings,
            "findings": [asdict(finding) for finding in judged],
            "not_judged": not_judged,
        },
    )
    (folder / "figures").mkdir(exist_ok=True)
    first, *others = pictures(study, folder / "figures")
    page = render(
        "study.html",
        settings=study.settings,
        author=AUTHOR,
        study_title=TITLE,
        findings=judged,
        brackets=BRACKETS,
        not_judged=not_judged,
        first_picture=first,
        pictures=others,
        corrected=corrected_table(study),
        tables=list(further_tables(study)),
        half_widths=HALF_WIDTHS,
        latent_dynamics=latent_dynamics_tables(study),
        failed_trainings=failed_trainings,
        manifest=made,
    )
    write_text(folder / "report.html", page)
    return judged


def _score_rows(study: Study) -> Iterator[dict[str, Any]]:
    for case in study.cases:
        for trained, all_scores in (("yes", case.scores), ("no", case.chance)):
            for seed, scores in enumerate(all_scores):
                for index, state in enumerate(STATES):
                    yield {
                        "protocol": case.protocol.name,
                        "condition": case.condition,
                        "loss": case.loss,
                        "trained": trained,
                        "seed": seed,
                        "state": state,
                        "observed": "yes" if state in scores.observed else "no",
                        "r": scores.r[index],
                        "r_clipped": scores.clipped_r[index],
                        "r2": scores.r2[index],
                        "nrmse": scores.nrmse[index],
                    }


def _failed_trainings(study: Study) -> list[str]:
    return [
        f"{case.name}-seed{seed:02d} in epoch {training.failed_epoch}"
        for case in study.cases
        for seed, training in enumerate(case.trainings)
        if training.failed_epoch is not None
    ]
