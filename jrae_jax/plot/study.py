"""Figures of the study: recovery, reconstructions, latents, simulated signals and losses."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from mpl_toolkits.mplot3d import Axes3D
from scipy.signal import welch

from ..column.states import STATE_LABELS, STATE_UNITS, STATES
from ..column.trajectories import Trajectories
from ..recording.evaluate import interval
from ..recording.observe import observe
from ..studies.protocols import CONDITIONS, CORRECTED, PROTOCOLS, losses_of
from ..studies.reproduce import Case, Study
from ..timeseries.shape import first_component_variance
from .scan import BLUE, DARK, GREY, RED

LOSS_LABELS = MappingProxyType({"observed": "loss on observed states", "all": "loss on all six states"})
"""The losses by name, in words."""

_LOSS_COLOURS = {"observed": RED, "all": BLUE}
_CONDITION_LABELS = {"full": "all six states", "potentials": "three potentials", "pyramidal": "pyramidal potential"}
_FASTEST = 40.0  # Hz that are drawn: above it there is no rhythm
_LATENT_SAMPLES = 4000  # that are drawn: more of them hide each other
_WELCH_SAMPLES = 2048  # in a segment: half a hertz apart at 1 kHz
_SLOWEST_PEAK = 2.0  # Hz; below it lies the drift of the signal
_TRANSIENT = 5  # one in so many samples, at the start, is left out: as published, the column starts from rest


def recovery(study: Study) -> Figure:
    """Pearson's r of every state, condition and protocol: each seed, the mean with its interval, and chance."""
    figure = _figure(10.0, 8.2)
    axes = figure.subplots(len(CONDITIONS), len(PROTOCOLS), sharey=True)
    for row, condition in zip(axes, CONDITIONS, strict=True):
        for ax, protocol in zip(row, PROTOCOLS, strict=True):
            losses = losses_of(protocol, condition)
            cases = [study.case(protocol, condition, loss) for loss in losses]
            _draw_chance(ax, cases[0])
            for position, case in enumerate(cases):
                _draw_r(ax, case, 0.3 * (position - (len(cases) - 1) / 2))
            observed = CONDITIONS[condition].names
            ticks = [f"{name}\n{'observed' if name in observed else 'hidden'}" for name in STATES]
            ax.set_title(f"{protocol.title}: {_CONDITION_LABELS[condition]} observed", fontsize=10)
            ax.set_xticks(range(len(STATES)), ticks, fontsize=8)
            ax.axhline(0, color="0.6", lw=0.8, zorder=0)
            ax.set_ylim(-1.05, 1.1)
        row[0].set_ylabel("Pearson r")
    handles = [
        *(
            Line2D([], [], color=_LOSS_COLOURS[loss], marker="_", ms=11, mew=2, lw=0, label=LOSS_LABELS[loss])
            for loss in LOSS_LABELS
        ),
        Line2D([], [], color="0.5", marker="o", ms=4, lw=0, label="one seed"),
        Patch(color=GREY, alpha=0.6, label="range of untrained autoencoders"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _draw_chance(ax: Axes, case: Case) -> None:
    low, high = case.chance_r.min(axis=0), case.chance_r.max(axis=0)
    ax.bar(range(len(STATES)), high - low, bottom=low, width=0.8, color=GREY, alpha=0.6, zorder=1)


def _draw_r(ax: Axes, case: Case, shift: float) -> None:
    colour = _LOSS_COLOURS[case.loss]
    positions = np.arange(len(STATES)) + shift
    ax.plot(positions, case.r.T, "o", ms=3.5, mew=0, color=colour, alpha=0.35, zorder=2)
    bounds = interval(case.r)
    error = np.nan_to_num([bounds.mean - bounds.low, bounds.high - bounds.mean])
    ax.errorbar(positions, bounds.mean, error, fmt="_", ms=11, mew=2, capsize=3, color=colour, lw=1.6, zorder=3)


class Rhythm(NamedTuple):
    """The rhythm of an EEG-like signal once its transient is over."""

    range: float
    """From the 2.5 to the 97.5 percentile, mV."""
    peak: float
    """Frequency of most power above 2 Hz, Hz."""
    frequency: Float[np.ndarray, " frequency"]
    """Hz."""
    power: Float[np.ndarray, " frequency"]
    """Power spectral density by Welch's method, mV²/Hz."""


def rhythm(trajectories: Trajectories) -> Rhythm:
    """Amplitude and spectrum of `y1 - y2`, without the first fifth of one trajectory."""
    v = np.asarray(trajectories.eeg)[len(trajectories.ts) // _TRANSIENT :]
    low, high = np.percentile(v, (2.5, 97.5))
    frequency, power = welch(v, fs=1 / trajectories.interval, nperseg=min(len(v), _WELCH_SAMPLES))
    peak = frequency[np.argmax(np.where(frequency > _SLOWEST_PEAK, power, 0))]
    return Rhythm(float(high - low), float(peak), frequency, power)


def traces(study: Study, *, seconds: float = 2.0) -> Figure:
    """The EEG-like signal that either protocol simulates, and its spectrum.

    **Arguments:**

    - `seconds`: how much of each signal is drawn, up to its last sample.
    """
    figure = _figure(10.0, 3.4)
    trace, spectrum = figure.subplots(1, 2, width_ratios=(2, 1))
    for protocol, colour in zip(PROTOCOLS, (RED, BLUE), strict=True):
        example = study.examples[protocol.name]
        ts, v = example.ts, np.asarray(example.eeg)
        since = ts - max(ts[-1] - seconds, ts[0])
        label = f"{protocol.title} ({type(protocol.solver).__name__}, 1 ms)"
        trace.plot(since[since >= 0], v[since >= 0], color=colour, lw=1.2, label=label)
        found = rhythm(example)
        drawn = found.frequency <= _FASTEST
        spectrum.semilogy(found.frequency[drawn], found.power[drawn], color=colour, lw=1.2)
    trace.set(xlabel="time (s)", ylabel="y1 - y2 (mV)")
    trace.margins(y=0.25)
    trace.legend(frameon=False, loc="upper right", ncols=2, fontsize=9)
    spectrum.set(xlabel="frequency (Hz)", ylabel="power (mV²/Hz)", xlim=(0, _FASTEST))
    return figure


def reconstruction(study: Study, *, seconds: float = 0.6) -> Figure:
    """Truth and reconstructions of one held-out trajectory, from the pyramidal potential alone.

    **Arguments:**

    - `seconds`: how much of it is drawn, from its start.
    """
    example = study.examples[CORRECTED.name]
    elapsed = example.ts - example.ts[0]
    drawn = elapsed < seconds
    recording = observe(example, observed=CONDITIONS["pyramidal"])
    figure = _figure(10.0, 5.6)
    axes = figure.subplots(3, 2, sharex=True)
    panels = dict(zip(STATES, axes.T.ravel(), strict=True))
    for name, values in zip(STATES, np.asarray(example.ys).T, strict=True):
        panels[name].plot(elapsed[drawn], values[drawn], color=DARK, lw=1.6, label="true")
    for loss, colour in _LOSS_COLOURS.items():
        estimate = study.case(CORRECTED, "pyramidal", loss).trainings[0].reconstructor(recording)
        for name, values in zip(STATES, np.asarray(estimate.mean).T, strict=True):
            panels[name].plot(elapsed[drawn], values[drawn], color=colour, lw=1.1, label=LOSS_LABELS[loss])
    for (name, ax), label, unit in zip(panels.items(), STATE_LABELS, STATE_UNITS, strict=True):
        observed = ", observed" if name in CONDITIONS["pyramidal"].names else ""
        ax.set_title(f"{name}  {label}{observed}", fontsize=10, loc="left")
        ax.set_ylabel(unit)
    for ax in axes[-1]:
        ax.set_xlabel("time (s)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def latents(study: Study) -> Figure:
    """Latent trajectories of the first seed, in three dimensions."""
    figure = _figure(10.0, 7.0)
    for row, protocol in enumerate(PROTOCOLS):
        for column, condition in enumerate(CONDITIONS):
            loss = losses_of(protocol, condition)[-1]
            points = study.case(protocol, condition, loss).latents[0]
            place = row * len(CONDITIONS) + column + 1
            ax = figure.add_subplot(len(PROTOCOLS), len(CONDITIONS), place, projection="3d")
            assert isinstance(ax, Axes3D)
            ax.plot(*_in_three_dimensions(points)[:_LATENT_SAMPLES].T, lw=0.5, color=_LOSS_COLOURS[loss], alpha=0.8)
            ax.set(xticklabels=[], yticklabels=[], zticklabels=[])
            ax.set_box_aspect((1, 1, 1), zoom=1.1)  # pyright: ignore[reportArgumentType]
            variance = f"{first_component_variance(points):.0%} of variance on one line"
            ax.set_title(f"{protocol.title}\n{_CONDITION_LABELS[condition]}: {variance}", fontsize=9)
    return figure


def _in_three_dimensions(points: Float[np.ndarray, "time latent"]) -> Float[np.ndarray, "time 3"]:
    """The points themselves, or their first three principal components; fewer dimensions are filled with zeros."""
    if points.shape[1] > 3:
        centred = points - points.mean(axis=0)
        points = centred @ np.linalg.svd(centred, full_matrices=False)[2][:3].T
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def latent_sizes(study: Study) -> Figure:
    """Recovery against the size of the latent, of autoencoders with a window."""
    found = study.latent_sizes
    figure = _figure(9.0, 3.4)
    axes: Sequence[Axes] = figure.subplots(1, len(found.r), sharey=True)
    for ax, (observed, r) in zip(axes, found.r.items(), strict=True):
        for index, name in enumerate(STATES):
            ax.plot(found.sizes, r[:, index], "o-", markersize=4, color=f"C{index}", label=name)
        ax.set(title=f"observed: {_CONDITION_LABELS[observed]}", xlabel="size of the latent", xticks=found.sizes)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("Pearson r, held-out")
    axes[-1].legend(frameon=False, fontsize=8, loc="lower right", ncols=2)
    return figure


def losses(study: Study) -> Figure:
    """Training loss of every case: the mean over seeds and their range."""
    figure = _figure(10.0, 3.4)
    axes = figure.subplots(1, len(PROTOCOLS), sharey=True)
    styles = dict(zip(CONDITIONS, ("-", "--", ":"), strict=True))
    for ax, protocol in zip(axes, PROTOCOLS, strict=True):
        for case in (case for case in study.cases if case.protocol is protocol):
            each = np.stack([training.train_loss for training in case.trainings])
            epochs = np.arange(1, each.shape[1] + 1)
            label = f"{_CONDITION_LABELS[case.condition]}, {LOSS_LABELS[case.loss]}"
            colour = _LOSS_COLOURS[case.loss]
            ax.semilogy(epochs, each.mean(axis=0), styles[case.condition], color=colour, lw=1.4, label=label)
            ax.fill_between(epochs, each.min(axis=0), each.max(axis=0), color=colour, alpha=0.12, lw=0)
        ax.set_title(protocol.title, fontsize=10)
        ax.set_xlabel("epoch")
    axes[0].set_ylabel("training loss")
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=8)
    return figure


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")
