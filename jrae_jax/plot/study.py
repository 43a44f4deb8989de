"""Figures of the study: recovery, reconstructions, latents, simulated signals and losses."""

from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from mpl_toolkits.mplot3d import Axes3D

from ..column.states import STATE_LABELS, STATE_UNITS, STATES
from ..column.trajectories import Trajectories
from ..recording.evaluate import interval
from ..studies.protocols import CONDITIONS, CORRECTED, PROTOCOLS, losses_of
from ..studies.reproduce import Case, Study
from ..timeseries.shape import first_component_variance
from .style import BLUE, DARK, GREY, LIGHT, NARROW, SHARP, VERMILION, WIDE, YELLOW, fixed_figure, styled

LOSS_LABELS = MappingProxyType({"observed": "loss on observed states", "all": "loss on all six states"})
"""The losses by name, in words."""

CONDITION_LABELS = MappingProxyType(
    {"full": "all six states", "potentials": "three potentials", "pyramidal": "pyramidal potential"}
)
"""The conditions by name, in words."""

_LOSS_COLOURS = {"observed": VERMILION, "all": BLUE}
_PROTOCOL_COLOURS = (VERMILION, BLUE)
_OBSERVED = {"color": YELLOW, "alpha": 0.35, "lw": 0}
_FASTEST = 40.0  # Hz that are drawn: above it there is no rhythm
_LATENT_SAMPLES = 4000  # that are drawn: more of them hide each other
_WELCH_SAMPLES = 2048  # in a segment: half a hertz apart at 1 kHz
_SLOWEST_PEAK = 2.0  # Hz; below it lies the drift of the signal
_TRANSIENT = 5  # one in so many samples, at the start, is left out: as published, the column starts from rest


@styled
def recovery_means(study: Study) -> Figure:
    """Mean r of every state and condition, as published and corrected, beside chance; small enough for a telephone."""
    figure = fixed_figure(NARROW, 3.6, dpi=SHARP, left=0.125, right=0.995, bottom=0.185, top=0.945, hspace=0.4)
    for ax, condition in zip(figure.subplots(len(CONDITIONS), 1, sharex=True), CONDITIONS, strict=True):
        observed = CONDITIONS[condition].names
        for index, name in enumerate(STATES):
            if name in observed:
                ax.axvspan(index - 0.5, index + 0.5, zorder=0, **_OBSERVED)
        # What each protocol stands for: the loss as published, and that on all states.
        cases = [study.case(protocol, condition, losses_of(protocol, condition)[-1]) for protocol in PROTOCOLS]
        _draw_chance(ax, cases[0])
        for case, shift, marker, colour in zip(cases, (-0.16, 0.16), "os", _PROTOCOL_COLOURS, strict=True):
            _draw_mean(ax, case, shift, marker, color=colour, ms=3.5, lw=1.1)
        ax.set_title(f"{CONDITION_LABELS[condition]} observed", pad=3)
        ax.set(ylim=(-1.2, 1.2), yticks=(-1, 0, 1), xlim=(-0.5, len(STATES) - 0.5))
        ax.set_xticks(range(len(STATES)), STATES)
        ax.tick_params(length=2)
        ax.axhline(0, color=GREY, lw=0.6, zorder=1)
    figure.supylabel("Pearson r", x=0.005, y=0.56)
    handles = [
        *(
            Line2D([], [], color=colour, marker=marker, ms=4, lw=0, label=protocol.title.lower())
            for protocol, marker, colour in zip(PROTOCOLS, "os", _PROTOCOL_COLOURS, strict=True)
        ),
        Patch(label="observed", **_OBSERVED),
        Patch(color=LIGHT, label="untrained, range"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=2, borderpad=0, columnspacing=1.5)
    return figure


@styled
def recovery(study: Study) -> Figure:
    """Pearson's r of every state, condition and protocol: each seed, the mean with its interval, and chance."""
    figure = fixed_figure(WIDE, 8.2, left=0.085, right=0.99, bottom=0.11, top=0.965, hspace=0.36, wspace=0.04)
    axes = figure.subplots(len(CONDITIONS), len(PROTOCOLS), sharey=True)
    for row, condition in zip(axes, CONDITIONS, strict=True):
        for ax, protocol in zip(row, PROTOCOLS, strict=True):
            losses = losses_of(protocol, condition)
            cases = [study.case(protocol, condition, loss) for loss in losses]
            _draw_chance(ax, cases[0])
            for position, case in enumerate(cases):
                shift = 0.3 * (position - (len(cases) - 1) / 2)
                colour = _LOSS_COLOURS[case.loss]
                ax.plot(
                    np.arange(len(STATES)) + shift, case.r.T, "o", ms=3.5, mew=0, color=colour, alpha=0.35, zorder=2
                )
                _draw_mean(ax, case, shift, "_", color=colour, ms=11.0, lw=1.6)
            observed = CONDITIONS[condition].names
            ticks = [f"{name}\n{'observed' if name in observed else 'hidden'}" for name in STATES]
            ax.set_title(f"{protocol.title}: {CONDITION_LABELS[condition]} observed")
            ax.set_xticks(range(len(STATES)), ticks)
            ax.axhline(0, color=GREY, lw=0.8, zorder=0)
            ax.set(ylim=(-1.05, 1.1), yticks=(-1, -0.5, 0, 0.5, 1))
        row[0].set_ylabel("Pearson r")
    handles = [
        *(
            Line2D([], [], color=_LOSS_COLOURS[loss], marker="_", ms=11, mew=2, lw=0, label=LOSS_LABELS[loss])
            for loss in LOSS_LABELS
        ),
        Line2D([], [], color=GREY, marker="o", ms=4, lw=0, label="one seed"),
        Patch(color=LIGHT, label="range of untrained autoencoders"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles))
    return figure


def _draw_chance(ax: Axes, case: Case) -> None:
    low, high = case.chance_r.min(axis=0), case.chance_r.max(axis=0)
    ax.bar(range(len(STATES)), high - low, bottom=low, width=0.8, color=LIGHT, zorder=1)


def _draw_mean(ax: Axes, case: Case, shift: float, fmt: str, *, color: str, ms: float, lw: float) -> None:
    """The mean over seeds and its interval, beside the middle of each state's place."""
    bounds = interval(case.r)
    error = np.nan_to_num([bounds.mean - bounds.low, bounds.high - bounds.mean])
    positions = np.arange(len(STATES)) + shift
    ax.errorbar(positions, bounds.mean, error, fmt=fmt, ms=ms, mew=lw, capsize=2.5, color=color, lw=lw, zorder=3)


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
    from scipy.signal import welch  # here, as importing it is slow

    v = np.asarray(trajectories.eeg)[len(trajectories.ts) // _TRANSIENT :]
    low, high = np.percentile(v, (2.5, 97.5))
    frequency, power = welch(v, fs=1 / trajectories.interval, nperseg=min(len(v), _WELCH_SAMPLES))
    peak = frequency[np.argmax(np.where(frequency > _SLOWEST_PEAK, power, 0))]
    return Rhythm(float(high - low), float(peak), frequency, power)


@styled
def traces(study: Study, *, seconds: float = 2.0) -> Figure:
    """The EEG-like signal that either protocol simulates, and its spectrum.

    **Arguments:**

    - `seconds`: how much of each signal is drawn, up to its last sample.
    """
    figure = fixed_figure(WIDE, 3.4, left=0.085, right=0.99, bottom=0.15, top=0.97, wspace=0.25)
    trace, spectrum = figure.subplots(1, 2, width_ratios=(2, 1))
    for protocol, colour in zip(PROTOCOLS, _PROTOCOL_COLOURS, strict=True):
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
    trace.legend(loc="upper right", ncols=2)
    spectrum.set(xlabel="frequency (Hz)", ylabel="power (mV²/Hz)", xlim=(0, _FASTEST))
    return figure


@styled
def reconstruction(study: Study, *, seconds: float = 0.6) -> Figure:
    """Truth and reconstructions of one held-out trajectory, from the pyramidal potential alone.

    **Arguments:**

    - `seconds`: how much of it is drawn, from its start.
    """
    example = study.examples[CORRECTED.name]
    elapsed = example.ts - example.ts[0]
    drawn = elapsed < seconds
    figure = fixed_figure(WIDE, 5.6, left=0.085, right=0.99, bottom=0.145, top=0.95, hspace=0.34, wspace=0.22)
    axes = figure.subplots(3, 2, sharex=True)
    panels = dict(zip(STATES, axes.T.ravel(), strict=True))
    for name, values in zip(STATES, np.asarray(example.ys).T, strict=True):
        panels[name].plot(elapsed[drawn], values[drawn], color=DARK, lw=1.6, label="true")
    for loss, colour in _LOSS_COLOURS.items():
        reconstructed = study.case(CORRECTED, "pyramidal", loss).reconstruction
        for name, values in zip(STATES, reconstructed.T, strict=True):
            panels[name].plot(elapsed[drawn], values[drawn], color=colour, lw=1.1, label=LOSS_LABELS[loss])
    for (name, ax), label, unit in zip(panels.items(), STATE_LABELS, STATE_UNITS, strict=True):
        observed = ", observed" if name in CONDITIONS["pyramidal"].names else ""
        ax.set_title(f"{name}  {label}{observed}")
        ax.set_ylabel(unit)
    for ax in axes[-1]:
        ax.set_xlabel("time (s)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3)
    return figure


@styled
def latents(study: Study) -> Figure:
    """Latent trajectories of the first seed, in three dimensions."""
    figure = fixed_figure(WIDE, 6.4, left=0.01, right=0.97, bottom=0.05, top=0.93, hspace=0.28, wspace=0.1)
    for row, protocol in enumerate(PROTOCOLS):
        for column, condition in enumerate(CONDITIONS):
            loss = losses_of(protocol, condition)[-1]
            points = study.case(protocol, condition, loss).latents[0]
            place = row * len(CONDITIONS) + column + 1
            ax = figure.add_subplot(len(PROTOCOLS), len(CONDITIONS), place, projection="3d")
            assert isinstance(ax, Axes3D)
            ax.plot(*_in_three_dimensions(points)[:_LATENT_SAMPLES].T, lw=0.5, color=_LOSS_COLOURS[loss], alpha=0.8)
            ax.set(xticklabels=[], yticklabels=[], zticklabels=[])
            for number, axis in enumerate((ax.xaxis, ax.yaxis, ax.zaxis), 1):
                axis.set_label_text(f"latent {number}")
                axis.labelpad = -12  # there are no numbers that it has to leave room for
            ax.set_box_aspect((1, 1, 1), zoom=1.1)  # pyright: ignore[reportArgumentType]
            variance = f"{100 * first_component_variance(points):.0f} % of variance on one line"
            ax.set_title(f"{protocol.title}: {CONDITION_LABELS[condition]}\n{variance}", size="medium")
    return figure


def _in_three_dimensions(points: Float[np.ndarray, "time latent"]) -> Float[np.ndarray, "time 3"]:
    """The points themselves, or their first three principal components; fewer dimensions are filled with zeros."""
    if points.shape[1] > 3:
        centred = points - points.mean(axis=0)
        points = centred @ np.linalg.svd(centred, full_matrices=False)[2][:3].T
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


@styled
def losses(study: Study) -> Figure:
    """Training loss of every case: the mean over seeds and their range."""
    figure = fixed_figure(WIDE, 3.6, left=0.085, right=0.755, bottom=0.14, top=0.92, wspace=0.05)
    axes = figure.subplots(1, len(PROTOCOLS), sharey=True)
    styles = dict(zip(CONDITIONS, ("-", "--", ":"), strict=True))
    for ax, protocol in zip(axes, PROTOCOLS, strict=True):
        for case in (case for case in study.cases if case.protocol.name == protocol.name):
            each = np.stack([training.train_loss for training in case.trainings])
            epochs, colour = np.arange(1, each.shape[1] + 1), _LOSS_COLOURS[case.loss]
            ax.semilogy(epochs, each.mean(axis=0), styles[case.condition], color=colour, lw=1.4)
            ax.fill_between(epochs, each.min(axis=0), each.max(axis=0), color=colour, alpha=0.12, lw=0)
        ax.set_title(protocol.title)
        ax.set_xlabel("epoch")
    axes[0].set_ylabel("training loss (variances)")
    handles = [
        *(Line2D([], [], color=_LOSS_COLOURS[loss], lw=4, label=LOSS_LABELS[loss]) for loss in LOSS_LABELS),
        *(Line2D([], [], color=GREY, ls=style, label=CONDITION_LABELS[name]) for name, style in styles.items()),
    ]
    figure.legend(handles=handles, loc="center right")
    return figure
