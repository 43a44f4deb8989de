"""The figures of the study's report, each with its text."""

from collections.abc import Iterator
from pathlib import Path

from ..column.states import STATES
from ..plot.study import latents, losses, reconstruction, recovery, recovery_means, rhythm, traces
from ..recording.evaluate import interval
from ..studies.protocols import AS_PUBLISHED, CONDITIONS, CORRECTED, Protocol
from ..studies.reproduce import Study
from .files import write_figure
from .page import Picture


def pictures(study: Study, folder: Path) -> Iterator[Picture]:
    """Draw the figures into a folder; the first belongs beside the answer."""
    r = {protocol: _mean_r(study, protocol) for protocol in (AS_PUBLISHED, CORRECTED)}
    by_name = ", ".join(f"{state} {value}" for state, value in list(r[CORRECTED]["pyramidal"].items())[1:])
    yield Picture(
        "recovery_means",
        "Mean r of each state. " + " ".join(f"{each.title}: {_in_words(r[each])}." for each in r),
        "r of each state, mean over seeds and 95 % interval, as published in orange and corrected in blue; grey is the "
        "range of autoencoders that were never trained.",
        write_figure(folder / "recovery_means.png", recovery_means(study)),
    )
    yield Picture(
        "recovery",
        "Six panels, three kinds of recording by two protocols, with the r of every seed and state; means are in the "
        "tables below.",
        "Every seed is a dot: where the loss leaves a hidden state out (orange), r depends on the seed as it does in "
        "autoencoders that were never trained (grey), and where the loss scores it (blue), the seeds agree on what one "
        "instant of the recording says of that state.",
        write_figure(folder / "recovery.png", recovery(study)),
    )
    yield Picture(
        "reconstruction",
        "Six panels, a state each, over 0.6 s: the true curve in black, and reconstructions in orange and blue.",
        "A held-out trajectory of which only y0 is observed: the autoencoder trained on all states (blue; r over "
        f"seeds: {by_name}) gives of each state what the present y0 says of it, and that trained on y0 alone (orange) "
        "leaves the other states to chance.",
        write_figure(folder / "reconstruction.png", reconstruction(study)),
    )
    yield Picture(
        "latents",
        "Six curves in three dimensions, three kinds of recording by two protocols; with the pyramidal potential alone "
        "the latent is a thin curve, and else a cloud of turns.",
        "Latent trajectories of the first seed: with one observed input the latent can only be a curve, whatever the "
        "dynamics, so that what looks like a loss of dynamics is a loss of inputs.",
        write_figure(folder / "latents.png", latents(study)),
    )
    euler, accurate = (rhythm(study.examples[protocol.name]) for protocol in (AS_PUBLISHED, CORRECTED))
    yield Picture(
        "traces",
        "Left, two seconds of y1 - y2 as either solver gives it; right, both spectra up to 40 Hz.",
        f"Forward Euler at 1 ms, as published, ranges over {euler.range:.1f} mV around {euler.peak:.1f} Hz and the "
        f"accurate solver over {accurate.range:.1f} mV around {accurate.peak:.1f} Hz (2.5 to 97.5 % of the trace after "
        "its first fifth, and peak of the spectrum), so that what the published autoencoders learned is in part an "
        "artefact of the integrator.",
        write_figure(folder / "traces.png", traces(study)),
    )
    yield Picture(
        "losses",
        "Two panels, a protocol each: the training loss of every case by epoch, on a logarithmic scale.",
        "Mean squared error in units of each channel's variance over the scored channels, mean and range over seeds: a "
        "low loss on observed states says nothing of hidden ones, which it ignores.",
        write_figure(folder / "losses.png", losses(study)),
    )


def _mean_r(study: Study, protocol: Protocol) -> dict[str, dict[str, str]]:
    """Mean r over seeds by condition and state, with the loss that stands for the protocol."""
    # + 0.0 turns -0.00 into 0.00.
    means = {
        condition: interval(study.case(protocol, condition, protocol.losses[-1]).r).mean.round(2) + 0.0
        for condition in CONDITIONS
    }
    return {name: {s: f"{r:.2f}" for s, r in zip(STATES, row, strict=True)} for name, row in means.items()}


def _in_words(r: dict[str, dict[str, str]]) -> str:
    return "; ".join(
        f"{condition} observed, {', '.join(f'{state} {value}' for state, value in by_state.items())}"
        for condition, by_state in r.items()
    )
