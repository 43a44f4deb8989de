"""A finished study as a folder that a person can read."""

import base64
import contextlib
import csv
import html
import importlib.metadata
import io
import json
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from .._version import __version__
from ..autoencoder.checkpoint import save
from ..column.states import STATES
from ..plot import study as plotting
from ..studies.evaluate import interval
from ..studies.findings import REPORTED_R, STANDS, Finding, findings
from ..studies.reproduce import AS_IT_SHOULD_BE, AS_PUBLISHED, CONDITIONS, Case, Study
from . import latent_dynamics as report_motion

QUICK_LOOK = "A quick look: too few seeds or epochs for the verdicts to mean much."

_FOLDER = "reproduce"


@contextlib.contextmanager
def new_folder(out: str | None, *, parent: Path | None = None) -> Iterator[Path]:
    """A folder for a report: `out`, or the next of `reproduce-001`, `reproduce-002`, ...

    It is there, and known to be writable, before the work begins; if the work fails and it is still empty, it goes.

    **Raises:** `ValueError` if `out` holds something already or cannot be written.
    """
    try:
        folder = _numbered(Path.cwd() if parent is None else parent) if out is None else _named(Path(out))
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"`out` must be a folder that can be written, got {out or '.'}: {error.strerror}") from error
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise


def _named(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"`out` must be a new or empty folder, got {folder}, which holds something already")
    return folder


def _numbered(parent: Path) -> Path:
    while True:
        taken = [int(match[1]) for path in parent.iterdir() if (match := re.fullmatch(rf"{_FOLDER}-(\d+)", path.name))]
        folder = parent / f"{_FOLDER}-{max(taken, default=0) + 1:03d}"
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            continue  # another run was quicker


def write_report(study: Study, folder: Path, *, durations: dict[str, float]) -> list[Finding]:
    """Write `report.html`, `manifest.json`, tables as `.csv`, figures and models into `folder`.

    **Arguments:**

    - `study`: from `reproduce`.
    - `folder`: an empty folder.
    - `durations`: what took how many seconds; goes into the manifest.

    **Returns:** the findings, judged.

    **Raises:** `OSError` if a file cannot be written.
    """
    judged = findings(study)
    _write_csv(folder / "scores.csv", list(_score_rows(study)))
    _write_csv(folder / "latents.csv", report_motion.rows(study))
    _write_csv(folder / "latent_sizes.csv", list(_latent_size_rows(study)))
    _save_models(study, folder / "models")
    figures = {name: _png(draw(study)) for name, draw in _DRAWINGS.items()}
    (folder / "figures").mkdir()
    for name, png in figures.items():
        (folder / "figures" / f"{name}.png").write_bytes(png)
    manifest = _manifest(study, judged, durations)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(_page(study, judged, figures, manifest), encoding="utf-8")
    return judged


_DRAWINGS = {
    "recovery": plotting.plot_recovery,
    "reconstruction": plotting.plot_reconstruction,
    "latents": plotting.plot_latents,
    "simulation": plotting.plot_simulation,
    "training": plotting.plot_training,
    "latent_sizes": plotting.plot_latent_sizes,
}


def score_table(study: Study) -> str:
    """The mean r of every state over seeds with its 95 % half-width, hidden states in parentheses, as text."""
    lines = []
    for title, rows in _blocks(study):
        lines += [title, _line("observed", STATES), *(_line(label, cells) for label, cells in rows), ""]
    return "\n".join(lines) + "Pearson r, mean over seeds +- 95 % half-width; hidden states in parentheses."


def _line(label: str, cells: Sequence[str]) -> str:
    return f"  {label:<10}" + "".join(f"{cell:>15}" if cell.endswith(")") else f"{cell:>14} " for cell in cells)


def _blocks(study: Study) -> Iterator[tuple[str, list[tuple[str, list[str]]]]]:
    """Tables by protocol and loss: a title, and for each condition a label and six cells."""
    yield "As reported: one seed, negatives shown as 0", _rows(REPORTED_R, "{:.4f}")
    published = {condition: study.case(AS_PUBLISHED, condition, "observed") for condition in CONDITIONS}
    yield (
        "As published, repeated: Euler 1 ms, loss on observed states, scored on training data",
        _interval_rows(published),
    )
    yield from _corrected_blocks(study)
    spread = {condition: interval(case.chance_r).std for condition, case in published.items()}
    yield "Chance: standard deviation of r over untrained networks, as published", _rows(spread, "{:.3f}")


def _corrected_blocks(study: Study) -> Iterator[tuple[str, list[tuple[str, list[str]]]]]:
    for loss, label in plotting.LOSS_LABELS.items():
        cases = {condition: study.case(AS_IT_SHOULD_BE, condition, loss) for condition in CONDITIONS}
        yield f"As it should be: RK4 1 ms, {label}, scored on held-out trajectories", _interval_rows(cases)


def _interval_rows(cases: Mapping[str, Case]) -> list[tuple[str, list[str]]]:
    bounds = {condition: interval(case.r) for condition, case in cases.items()}
    return _rows({name: zip(bound.mean, bound.high - bound.mean, strict=True) for name, bound in bounds.items()})


def _rows(values: Mapping[str, Iterable], form: str = "{:.3f}+-{:.3f}") -> list[tuple[str, list[str]]]:
    """Cells for each condition, in parentheses where a state is hidden."""
    rows = []
    for condition, row in values.items():
        texts = [form.format(*value) if isinstance(value, tuple) else form.format(value) for value in row]
        hidden = CONDITIONS[condition].hidden_states
        cells = [f"({text})" if name in hidden else text for name, text in zip(STATES, texts, strict=True)]
        rows.append((condition, cells))
    return rows


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
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
    for seen, r in study.latent_sizes.r.items():
        for size, row in zip(study.latent_sizes.sizes, r, strict=True):
            yield {"observed": seen, "latent_size": size} | dict(zip(STATES, row, strict=True))


def _save_models(study: Study, folder: Path) -> None:
    folder.mkdir()
    for case in study.cases:
        for seed, fitted in enumerate(case.fits):
            save(folder / f"{case.name}-seed{seed:02d}.fit", fitted)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _manifest(study: Study, judged: list[Finding], durations: dict[str, float]) -> dict[str, Any]:
    packages = ("jax", "jaxlib", "diffrax", "equinox", "optax", "numpy", "scipy", "matplotlib")
    device = jax.devices()[0]
    return {
        "jrae_jax": __version__,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()},
        "dtype": str(np.dtype(jax.numpy.result_type(float))),
        "settings": asdict(study.settings),
        "seconds": {name: round(seconds, 2) for name, seconds in durations.items()},
        "failed_fits": [
            f"{case.name}-seed{seed:02d} in epoch {fitted.failed_epoch}"
            for case in study.cases
            for seed, fitted in enumerate(case.fits)
            if fitted.failed_epoch is not None
        ],
        "findings": [asdict(finding) for finding in judged],
    }


def _captions(study: Study) -> dict[str, str]:
    r = interval(study.case(AS_IT_SHOULD_BE, "pyramidal", "all").r).mean.round(2) + 0.0
    euler, accurate = (plotting.rhythm(study.examples[protocol.name]) for protocol in (AS_PUBLISHED, AS_IT_SHOULD_BE))
    return {
        "recovery": "Where the loss leaves a hidden state out (red), its r is spread over the grey range of networks "
        "that were never trained; where the loss scores it (blue), the seeds agree, and r says what one instant of "
        "the recording tells of that state. Bars are 95 % intervals of the mean over seeds.",
        "reconstruction": "A held-out trajectory seen through the pyramidal potential alone. Trained on all states, "
        f"the network follows y5 (r = {r[5]:.2f} over seeds), and of y1, y2 and y4 only what their relation to the "
        f"present y0 allows (r = {r[1]:.2f}, {r[2]:.2f}, {r[4]:.2f}); y3 is the slope of y0, which one instant cannot "
        f"show (r = {r[3]:.2f}). Trained on the observed state only, the other outputs are left to chance.",
        "latents": "Latent trajectories of the first seed. With one observed input the latent can only be a curve, "
        "whatever the dynamics: what looks like a loss of dynamics is a loss of inputs.",
        "simulation": "The same column under the same kind of input. Forward Euler at 1 ms, as published, swings over "
        f"{euler.range:.1f} mV around {euler.peak:.1f} Hz; the accurate solver over {accurate.range:.1f} mV around "
        f"{accurate.peak:.1f} Hz (2.5 to 97.5 % of the trace after its first fifth; peak of the spectrum). What the "
        "published networks learned is in part an artefact of the integrator.",
        "training": "Mean squared error in units of each channel's variance, averaged over the scored channels; "
        "shading is the range over seeds. A low loss on observed states says nothing of hidden ones, which it ignores.",
        "latent_sizes": "Networks that see 0.16 s of the recording to either side of the instant, with 5 % sensor "
        "noise, trained on endless simulations; one network for each size. What a memoryless network cannot tell from "
        "one instant of y0, a window of it shows. To within 0.01 of the best r of every state it takes a latent of "
        f"{study.latent_sizes.enough('full')} numbers where all six states are seen, and of "
        f"{study.latent_sizes.enough('pyramidal')} where y0 is.",
    }


def _page(study: Study, judged: list[Finding], figures: dict[str, bytes], manifest: dict[str, Any]) -> str:
    captions = _captions(study)
    settings = study.settings
    note = "" if settings.conclusive else f"<p class=quick>{QUICK_LOOK}</p>"
    verdicts = "".join(
        f"<tr><td class='{'good' if finding.verdict == STANDS else 'other'}'>{html.escape(finding.verdict)}</td>"
        f"<td><b>{html.escape(finding.claim)}</b><br>{html.escape(finding.evidence)}</td></tr>"
        for finding in judged
    )
    pictures = "".join(
        f"<figure><img alt='{name}' src='data:image/png;base64,{base64.b64encode(png).decode()}'>"
        f"<figcaption>{html.escape(captions[name])}</figcaption></figure>"
        for name, png in figures.items()
    )
    shown = {key: value for key, value in manifest.items() if key != "findings"}
    return _PAGE.format(
        version=__version__,
        seeds=settings.seeds,
        epochs=settings.epochs,
        note=note,
        verdicts=verdicts,
        tables="".join(_html_table(title, rows) for title, rows in _blocks(study)),
        pictures=pictures,
        motion=report_motion.section(study),
        manifest=html.escape(json.dumps(shown, indent=2)),
    )


def _html_table(title: str, rows: list[tuple[str, list[str]]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in STATES)
    body = "".join(
        f"<tr><td>{label}</td>" + "".join(f"<td>{cell.replace('+-', '&plusmn;')}</td>" for cell in cells) + "</tr>"
        for label, cells in rows
    )
    return f"<h3>{html.escape(title)}</h3><table class=r><tr><th>observed</th>{head}</tr>{body}</table>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>jrae_jax: which hidden states can be recovered</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
h1 {{ font-size: 1.7rem; line-height: 1.2 }} h2 {{ margin-top: 2.5rem }}
h3 {{ font-size: 1rem; margin: 1.4rem 0 .3rem }} table {{ border-collapse: collapse; width: 100% }}
td, th {{ padding: .35rem .5rem; vertical-align: top; text-align: left }}
tr {{ border-bottom: 1px solid #ddd }} .r td, .r th {{ text-align: right; font-variant-numeric: tabular-nums;
font-size: .85rem; white-space: nowrap }} .r td:first-child, .r th:first-child {{ text-align: left }}
.good, .other {{ font-weight: 600; white-space: nowrap }} .good {{ color: #2a6f97 }} .other {{ color: #c8553d }}
figure {{ margin: 1.5rem 0 }} img {{ max-width: 100% }} figcaption {{ color: #444 }}
.quick {{ background: #fff3cd; padding: .5rem 1rem }} pre {{ background: #f5f5f5; padding: 1rem; overflow-x: auto }}
.scroll {{ overflow-x: auto }}
</style></head><body>
<h1>Reconstructing hidden states of a Jansen-Rit column: as published, and as it should be</h1>
<p>Autoencoders see all six states of a simulated cortical column, its three potentials, or its pyramidal potential
alone, and reconstruct all six. Two protocols are run side by side over {seeds} seeds and {epochs} epochs: the study's
own, and one with an accurate solver, the transient dropped, and scores on trajectories that were never trained on.</p>
{note}
<h2>What stands</h2>
<table>{verdicts}</table>
<p>Brackets are 95 % intervals of the mean over seeds. The study is Rong Ding, <i>Reconstructing Hidden Neural Dynamics:
Autoencoder Applications Under Partial Observability</i>.</p>
<h2>Pictures</h2>
{pictures}
<h2>Is the latent space chaotic?</h2>
{motion}
<h2>Pearson r of every state</h2>
<p>Mean over seeds and 95 % half-width; hidden states in parentheses. R², NRMSE, clipped r and every seed are in
<code>scores.csv</code>, measures of the latent space in <code>latents.csv</code>, r against the size of the latent in
<code>latent_sizes.csv</code>.</p>
<div class="scroll">{tables}</div>
<h2>How this was made</h2>
<pre>{manifest}</pre>
<p>jrae_jax {version}. The trained networks are in <code>models</code>: <code>jrae_jax.load(path).model</code>.</p>
</body></html>
"""
