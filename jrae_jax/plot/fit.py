"""Fits of parameters in, matplotlib figures out."""

import numpy as np
from matplotlib.figure import Figure

from ..inference.least_squares import ParameterFit
from .scan import BLUE, DARK

_SHOWN = 2.0  # s


def plot_fit(fit: ParameterFit) -> Figure:
    """What was recorded and what the column found gives: the last two seconds, or the spectra."""
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    ax = figure.subplots()
    from_spectrum = fit.y0 is None
    shown = np.full(len(fit.axis), True) if from_spectrum else fit.axis > fit.axis[-1] - _SHOWN
    ax.plot(fit.axis[shown], fit.recorded[shown], color=DARK, lw=1.4, label="recorded")
    ax.plot(fit.axis[shown], fit.simulated[shown], color=BLUE, lw=1.4, ls=(0, (4, 2)), label="column found")
    if from_spectrum:
        ax.set(xlabel="frequency (Hz)", ylabel="power (mV²/Hz)", yscale="log")
    else:
        ax.set(xlabel="time (s)", ylabel="EEG (mV)")
    found = zip(fit.names, fit.values, fit.std, strict=True)
    ax.set_title(",  ".join(f"{name} = {value:.4g} ± {std:.2g}" for name, value, std in found), loc="left", fontsize=9)
    ax.legend(frameon=False, fontsize=8, loc="upper right")
    return figure
