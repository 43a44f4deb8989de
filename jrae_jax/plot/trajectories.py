"""Figures of simulated trajectories."""

import numpy as np
from matplotlib.figure import Figure
from scipy.signal import welch

from ..column.trajectories import Trajectories
from .style import BLUE, WIDE, StyledFigure, styled


@styled
def trajectories(trajectories: Trajectories, *, seconds: float = 3.0, columns: int = 4) -> Figure:
    """The EEG-like signal of the first columns over their last seconds, and the spectrum of each.

    **Arguments:**

    - `seconds`: how much of each signal is drawn.
    - `columns`: how many columns are drawn, at most.
    """
    time, eeg = trajectories.ts, np.asarray(trajectories.eeg)
    eeg = (eeg if eeg.ndim > 1 else eeg[None])[:columns]
    figure = StyledFigure(figsize=(WIDE, 1.2 + 1.3 * len(eeg)), layout="constrained")
    axs = figure.subplots(len(eeg), 2, width_ratios=(3, 1), sharex="col", squeeze=False)
    rate = 1 / np.diff(time).mean() if len(time) > 1 else 1.0
    for (trace, spectrum), v in zip(axs, eeg, strict=True):
        late = time > time[-1] - seconds
        trace.plot(time[late], v[late], color=BLUE, lw=1.0)
        trace.set_ylabel("y1 - y2 (mV)")
        frequency, power = welch(v, rate, nperseg=min(len(v), max(round(2 * rate), 1)))
        low = (frequency > 0) & (frequency <= 40)
        spectrum.semilogy(frequency[low], power[low], color=BLUE, lw=1.0)
        spectrum.set_ylabel("power (mV²/Hz)")
    axs[-1, 0].set_xlabel("time (s)")
    axs[-1, 1].set_xlabel("frequency (Hz)")
    return figure
