"""A finished study as a folder that a person can read."""

import csv
import importlib.metadata
import io
import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from .._version import __version__
from ..autoencoder.checkpoint import save
from ..column.states import STATES
from ..plot.study import latent_sizes, latents, losses, reconstruction, recovery, traces
from ..studies.findings import Finding, findings
from ..studies.reproduce import Study
from .latent_dynamics import latent_dynamics_rows
from .page import page

FIGURES: Mapping[str, Callable[[Study], Figure]] = MappingProxyType(
    {
        "recovery": recovery,
        "reconstruction": reconstruction,
        "latents": latents,
        "traces": traces,
        "losses": losses,
        "latent_sizes": latent_sizes,
    }
)
"""The figures of a report, in the order of the page."""

_PACKAGES = ("jax", "jaxlib", "diffrax", "equinox", "optax", "numpy", "scipy", "matplotlib")
_DPI = 110


def write_report(study: Study, folder: Path, *, durations: Mapping[str, float]) -> list[Finding]:
    """Write `report.html`, `manifest.json`, tables as `.csv`, figures and trainings into `folder`.

    **Arguments:**

    - `study`: from `reproduce`.
    - `folder`: an empty folder, as from `new_folder`.
    - `durations`: what took how many seconds; goes into the manifest.

    **Returns:** the findings, judged.

    **Raises:** `OSError` if a file cannot be written.
    """
    judged = findings(study)
    _write_csv(folder / "scores.csv", list(_score_rows(study)))
    _write_csv(folder / "latents.csv", latent_dynamics_rows(study))
    _write_csv(folder / "latent_sizes.csv", list(_latent_size_rows(study)))
    (folder / "trainings").mkdir()
    for case in study.cases:
        for seed, training in enumerate(case.trainings):
            save(folder / "trainings" / f"{case.name}-seed{seed:02d}.jrae", training)
    (folder / "figures").mkdir()
    pictures = {}
    for name, draw in FIGURES.items():
        buffer = io.BytesIO()
        draw(study).savefig(buffer, format="png", dpi=_DPI)
        pictures[name] = buffer.getvalue()
        (folder / "figures" / f"{name}.png").write_bytes(pictures[name])
    manifest = _manifest(study, judged, durations)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(study, judged, pictures, manifest), encoding="utf-8")
    return judged


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


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


def _latent_size_rows(study: Study) -> Iterator[dict[str, Any]]:
    for observed, r in study.latent_sizes.r.items():
        for size, row in zip(study.latent_sizes.sizes, r, strict=True):
            yield {"observed": observed, "latent_size": size} | dict(zip(STATES, row, strict=True))


def _manifest(study: Study, judged: Sequence[Finding], durations: Mapping[str, float]) -> dict[str, Any]:
    device = jax.devices()[0]
    return {
        "jrae_jax": __version__,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()},
        "dtype": str(np.dtype(jax.numpy.result_type(float))),
        "settings": asdict(study.settings),
        "seconds": {name: round(seconds, 2) for name, seconds in durations.items()},
        "failed_trainings": [
            f"{case.name}-seed{seed:02d} in epoch {training.failed_epoch}"
            for case in study.cases
            for seed, training in enumerate(case.trainings)
            if training.failed_epoch is not None
        ],
        "findings": [asdict(finding) for finding in judged],
    }
