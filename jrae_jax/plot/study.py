"""Records in, matplotlib figures out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.signal import welch

from ..column.states import STATE_LABELS, STATE_UNITS, STATES, eeg
from ..column.trajectories import Trajectories
from ..studies.evaluate import interval
from ..studies.reproduce import AS_IT_SHOULD_BE, CONDITIONS, PROTOCOLS, Case, Study, losses_of
from ..timeseries.shape import line_share

TRUTH, OBSERVED, ALL, CHANCE = "#222222", "#c8553d", "#2a6f97", "#c9c9c9"
LOSS_COLOURS = {"observed": OBSERVED, "all": ALL}
LOSS_LABELS = {"observed": "loss on observed states", "all": "loss on all six states"}
CONDITION_LABELS = {"full": "all six states", "potentials": "three potentials", "pyramidal": "pyramidal potential"}


def plot_recovery(study: Study) -> Figure:
    """r of every state, condition and protocol: each seed, the mean with its interval, and chance."""
    figure = _figure(10.0, 8.2)
    axes = figure.subplots(len(CONDITIONS), len(PROTOCOLS), sharey=True)
    for row, condition in zip(axes, CONDITIONS, strict=True):
        for ax, protocol in zip(row, PROTOCOLS, strict=True):
            losses = losses_of(protocol, condition)
            cases = [study.case(protocol, condition, loss) for loss in losses]
            _chance_band(ax, cases[0])
            for position, case in enumerate(cases):
                _r_points(ax, case, 0.3 * (position - (len(cases) - 1) / 2))
            ax.set_title(f"{protocol.title}: {CONDITION_LABELS[condition]} observed", fontsize=10)
            ax.set_xticks(range(6), [_state_tick(name, CONDITIONS[condition].names) for name in STATES])
            ax.axhline(0, color="0.6", lw=0.8, zorder=0)
            ax.set_ylim(-1.05, 1.1)
        row[0].set_ylabel("Pearson r")
    handles = _legend_handles()
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _state_tick(name: str, observed: Sequence[str]) -> str:
    return f"{name}\nseen" if name in observed else f"{name}\nhidden"


def _chance_band(ax: Axes, case: Case) -> None:
    low, high = case.chance_r.min(axis=0), case.chance_r.max(axis=0)
    ax.bar(range(6), high - low, bottom=low, width=0.8, color=CHANCE, alpha=0.6, zorder=1)


def _r_points(ax: Axes, case: Case, shift: float) -> None:
    colour = LOSS_COLOURS[case.loss]
    positions = np.arange(6) + shift
    ax.plot(positions, case.r.T, "o", ms=3.5, mew=0, color=colour, alpha=0.35, zorder=2)
    bounds = interval(case.r)
    error = np.nan_to_num([bounds.mean - bounds.low, bounds.high - bounds.mean])
    ax.errorbar(positions, bounds.mean, error, fmt="_", ms=11, mew=2, capsize=3, color=colour, lw=1.6, zorder=3)


def _legend_handles() -> list:
    lines = [
        Line2D([], [], color=LOSS_COLOURS[loss], marker="_", ms=11, mew=2, lw=0, label=label)
        for loss, label in LOSS_LABELS.items()
    ]
    return [
        *lines,
        Line2D([], [], color="0.5", marker="o", ms=4, lw=0, label="one seed"),
        Patch(color=CHANCE, alpha=0.6, label="range of untrained networks"),
    ]


def plot_simulation(study: Study, *, seconds: float = 2.0) -> Figure:
    """The EEG-like signal of both protocols, and its spectrum."""
    figure = _figure(10.0, 3.4)
    trace, spectrum = figure.subplots(1, 2, width_ratios=(2, 1))
    for protocol, colour in zip(PROTOCOLS, (OBSERVED, ALL), strict=True):
        example = study.examples[protocol.name]
        ts, v = np.asarray(example.ts, dtype=float), np.asarray(eeg(example.ys))
        since = ts - max(ts[-1] - seconds, ts[0])
        label = f"{protocol.title} ({type(protocol.solver).__name__}, 1 ms)"
        trace.plot(since[since >= 0], v[since >= 0], color=colour, lw=1.2, label=label)
        frequency, power = rhythm(example).spectrum
        shown = frequency <= 40
        spectrum.semilogy(frequency[shown], power[shown], color=colour, lw=1.2)
    trace.set(xlabel="time (s)", ylabel="y1 - y2 (mV)")
    trace.margins(y=0.25)
    trace.legend(frameon=False, loc="upper right", ncols=2, fontsize=9)
    spectrum.set(xlabel="frequency (Hz)", ylabel="power (mV²/Hz)", xlim=(0, 40))
    return figure


class Rhythm(NamedTuple):
    """What the EEG-like signal of a recording does once its transient is over."""

    range: float
    """From the 2.5 to the 97.5 percentile, mV."""
    peak: float
    """Frequency of most power above 2 Hz, Hz."""
    spectrum: tuple[np.ndarray, np.ndarray]
    """Frequencies in Hz, and power spectral density in mV²/Hz, by Welch's method."""


def rhythm(recording: Trajectories) -> Rhythm:
    """Amplitude and spectrum of `y1 - y2`, without the first fifth of the recording."""
    v = np.asarray(eeg(recording.ys))[len(recording.ts) // 5 :]
    low, high = np.percentile(v, (2.5, 97.5))
    frequency, power = welch(v, fs=1 / float(recording.ts[1] - recording.ts[0]), nperseg=min(len(v), 2048))
    peak = frequency[np.argmax(np.where(frequency > 2, power, 0))]
    return Rhythm(float(high - low), float(peak), (frequency, power))


def plot_reconstruction(study: Study, *, seconds: float = 0.6) -> Figure:
    """Truth and reconstructions of one held-out trajectory, from the pyramidal potential alone."""
    recording = study.examples[AS_IT_SHOULD_BE.name]
    ts = np.asarray(recording.ts, dtype=float)
    shown = (ts - ts[0]) < seconds
    part = Trajectories(recording.ts[shown], recording.ys[shown])
    figure = _figure(10.0, 5.6)
    axes = figure.subplots(3, 2, sharex=True)
    for state, ax in enumerate(axes.T.ravel()):
        ax.plot(ts[shown] - ts[0], part.ys[:, state], color=TRUTH, lw=1.6, label="true")
        for loss, colour in LOSS_COLOURS.items():
            case = study.case(AS_IT_SHOULD_BE, "pyramidal", loss)
            estimate = np.asarray(case.fits[0].model(part.ys))[:, state]
            ax.plot(ts[shown] - ts[0], estimate, color=colour, lw=1.1, label=LOSS_LABELS[loss])
        ax.set_title(f"{STATES[state]}  {STATE_LABELS[state]}{'' if state else ', observed'}", fontsize=10, loc="left")
        ax.set_ylabel(STATE_UNITS[state])
    for ax in axes[-1]:
        ax.set_xlabel("time (s)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def plot_latents(study: Study) -> Figure:
    """The study's picture: latent trajectories of the first seed, in three dimensions."""
    figure = _figure(10.0, 7.0)
    for row, protocol in enumerate(PROTOCOLS):
        for column, condition in enumerate(CONDITIONS):
            loss = losses_of(protocol, condition)[-1]
            points = study.case(protocol, condition, loss).latents[0]
            place = row * len(CONDITIONS) + column + 1
            ax = figure.add_subplot(len(PROTOCOLS), len(CONDITIONS), place, projection="3d")
            _latent_line(ax, _three_dimensional(points), LOSS_COLOURS[loss])
            ax.set_title(
                f"{protocol.title}\n{CONDITION_LABELS[condition]}: {line_share(points):.0%} on a line", fontsize=9
            )
    return figure


def _three_dimensional(points: np.ndarray) -> np.ndarray:
    """The points themselves, or their first three principal components; fewer dimensions are filled with zeros."""
    if points.shape[1] > 3:
        centred = points - points.mean(axis=0)
        points = centred @ np.linalg.svd(centred, full_matrices=False)[2][:3].T
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def _latent_line(ax, points: np.ndarray, colour: str) -> None:
    shown = points[:4000]
    ax.plot(*shown.T, lw=0.5, color=colour, alpha=0.8)
    ax.set(xticklabels=[], yticklabels=[], zticklabels=[])
    ax.set_box_aspect((1, 1, 1), zoom=1.1)


def plot_latent_sizes(study: Study) -> Figure:
    """Recovery against the size of the latent, of networks that see a window of the recording."""
    found = study.latent_sizes
    figure = _figure(9.0, 3.4)
    axes = figure.subplots(1, len(found.r), sharey=True)
    for ax, (seen, r) in zip(axes, found.r.items(), strict=True):
        for index, name in enumerate(STATES):
            ax.plot(found.sizes, r[:, index], "o-", markersize=4, color=f"C{index}", label=name)
        ax.set(title=f"seen: {CONDITION_LABELS[seen]}", xlabel="size of the latent", xticks=found.sizes)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("Pearson r, held-out")
    axes[-1].legend(frameon=False, fontsize=8, loc="lower right", ncols=2)
    return figure


def plot_training(study: Study) -> Figure:
    """Training loss of every case: the mean over seeds and their range."""
    figure = _figure(10.0, 3.4)
    axes = figure.subplots(1, len(PROTOCOLS), sharey=True)
    styles = dict(zip(CONDITIONS, ("-", "--", ":"), strict=True))
    for ax, protocol in zip(axes, PROTOCOLS, strict=True):
        for case in (case for case in study.cases if case.protocol is protocol):
            losses = np.stack([fitted.train_loss for fitted in case.fits])
            epochs = np.arange(1, losses.shape[1] + 1)
            label = f"{CONDITION_LABELS[case.condition]}, {LOSS_LABELS[case.loss]}"
            colour = LOSS_COLOURS[case.loss]
            ax.semilogy(epochs, losses.mean(axis=0), styles[case.condition], color=colour, lw=1.4, label=label)
            ax.fill_between(epochs, losses.min(axis=0), losses.max(axis=0), color=colour, alpha=0.12, lw=0)
        ax.set_title(protocol.title, fontsize=10)
        ax.set_xlabel("epoch")
    axes[0].set_ylabel("training loss")
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=8)
    return figure


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")
