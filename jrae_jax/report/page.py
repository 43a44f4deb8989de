"""The page of a finished study, as HTML that needs no other file."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .._version import __version__
from ..column.states import STATES
from ..plot.study import rhythm
from ..recording.evaluate import interval
from ..studies.findings import SUPPORTED, Finding
from ..studies.protocols import AS_PUBLISHED, CORRECTED
from ..studies.reproduce import Study
from .latent_dynamics import latent_dynamics_section
from .tables import html_table, score_tables

QUICK_LOOK = "A quick look: too few seeds or epochs for the verdicts to mean much."


def page(study: Study, judged: Sequence[Finding], pictures: Mapping[str, bytes], manifest: Mapping[str, Any]) -> str:
    """The page, with its pictures in it.

    **Arguments:**

    - `judged`: the findings of the study.
    - `pictures`: figures as PNG, by name.
    - `manifest`: how the study was made; its findings are left out, as the page has them.
    """
    captions, settings = _captions(study), study.settings
    note = "" if settings.conclusive else f"<p class=quick>{QUICK_LOOK}</p>"
    verdicts = "".join(
        f"<tr><td class='{'good' if finding.verdict == SUPPORTED else 'other'}'>{html.escape(finding.verdict)}</td>"
        f"<td><b>{html.escape(finding.claim)}</b><br>{html.escape(finding.evidence)}</td></tr>"
        for finding in judged
    )
    images = "".join(
        f"<figure><img alt='{html.escape(name)}' src='data:image/png;base64,{base64.b64encode(png).decode()}'>"
        f"<figcaption>{html.escape(captions[name])}</figcaption></figure>"
        for name, png in pictures.items()
    )
    made = {name: value for name, value in manifest.items() if name != "findings"}
    return _PAGE.format(
        version=html.escape(__version__),
        seeds=settings.seeds,
        epochs=settings.epochs,
        note=note,
        verdicts=verdicts,
        tables="".join(map(html_table, score_tables(study))),
        pictures=images,
        latent_dynamics=latent_dynamics_section(study),
        manifest=html.escape(json.dumps(made, indent=2)),
    )


def _captions(study: Study) -> dict[str, str]:
    # + 0.0 turns -0.00 into 0.00.
    r = dict(zip(STATES, interval(study.case(CORRECTED, "pyramidal", "all").r).mean.round(2) + 0.0, strict=True))
    euler, accurate = (rhythm(study.examples[protocol.name]) for protocol in (AS_PUBLISHED, CORRECTED))
    return {
        "recovery": "Where the loss leaves a hidden state out (red), its r is spread over the grey range of "
        "autoencoders that were never trained; where the loss scores it (blue), the seeds agree, and r says what one "
        "instant of the recording says of that state. Bars are 95 % intervals of the mean over seeds.",
        "reconstruction": "A held-out trajectory of which only the pyramidal potential is observed. Trained on all "
        f"states, the autoencoder follows y5 (r = {r['y5']:.2f} over seeds), and of y1, y2 and y4 only what their "
        f"relation to the present y0 allows (r = {r['y1']:.2f}, {r['y2']:.2f}, {r['y4']:.2f}); y3 is the slope of y0, "
        f"which one instant cannot show (r = {r['y3']:.2f}). Trained on the observed state only, the other outputs "
        "are left to chance.",
        "latents": "Latent trajectories of the first seed. With one observed input the latent can only be a curve, "
        "whatever the dynamics: what looks like a loss of dynamics is a loss of inputs.",
        "traces": "The same column under the same kind of input. Forward Euler at 1 ms, as published, ranges over "
        f"{euler.range:.1f} mV around {euler.peak:.1f} Hz; the accurate solver over {accurate.range:.1f} mV around "
        f"{accurate.peak:.1f} Hz (2.5 to 97.5 % of the trace after its first fifth; peak of the spectrum). What the "
        "published autoencoders learned is in part an artefact of the integrator.",
        "losses": "Mean squared error in units of each channel's variance, averaged over the scored channels; "
        "shading is the range over seeds. A low loss on observed states says nothing of hidden ones, which it ignores.",
        "latent_sizes": "Autoencoders that read 0.16 s of the recording to either side of the instant, with 5 % sensor "
        "noise, trained on simulated recordings that never repeat; one autoencoder for each size. What one without "
        "memory cannot infer from one instant of y0, a window of it shows. To within 0.01 of the best r of every state "
        f"it takes a latent of {study.latent_sizes.enough('full')} numbers where all six states are observed, and of "
        f"{study.latent_sizes.enough('pyramidal')} where y0 is.",
    }


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
<h1>Reconstructing hidden states of a Jansen-Rit column: as published, and corrected</h1>
<p>Autoencoders read all six states of a simulated cortical column, its three potentials, or its pyramidal potential
alone, and reconstruct all six. Two protocols are run side by side over {seeds} seeds and {epochs} epochs: the study's
own, and one with an accurate solver, the transient dropped, and scores on trajectories that were never trained on.</p>
{note}
<h2>What is supported</h2>
<table>{verdicts}</table>
<p>Brackets are 95 % intervals of the mean over seeds. The study is Rong Ding, <i>Reconstructing Hidden Neural Dynamics:
Autoencoder Applications Under Partial Observability</i>.</p>
<h2>Pictures</h2>
{pictures}
<h2>Is the latent space chaotic?</h2>
{latent_dynamics}
<h2>Pearson r of every state</h2>
<p>Mean over seeds and 95 % half-width; hidden states in parentheses. R², NRMSE, clipped r and every seed are in
<code>scores.csv</code>, measures of the latent space in <code>latents.csv</code>, r against the size of the latent in
<code>latent_sizes.csv</code>.</p>
<div class="scroll">{tables}</div>
<h2>How this was made</h2>
<pre>{manifest}</pre>
<p>jrae_jax {version}. The trained autoencoders are in <code>trainings</code>:
<code>jrae_jax.load(path).reconstructor</code>.</p>
</body></html>
"""
