"""Figures of parameter fits."""

import numpy as np
from matplotlib.figure import Figure

from ..inference.least_squares import ParameterFit
from .style import BLUE, DARK, WIDE, StyledFigure, styled

_SECONDS = 2.0  # of a trace that are drawn: few enough to follow single cycles of alpha


@styled
def fit(found: ParameterFit) -> Figure:
    """The recording and the EEG of the fitted column: the last two seconds, or the spectra.

    **Arguments:**

    - `found`: what `fit_parameters` returns.
    """
    figure = StyledFigure(figsize=(WIDE, 3.6), layout="constrained")
    ax = figure.subplots()
    from_spectrum = found.y0 is None
    drawn = np.full(len(found.axis), True) if from_spectrum else found.axis > found.axis[-1] - _SECONDS
    ax.plot(found.axis[drawn], found.recorded[drawn], color=DARK, lw=1.4, label="recorded")
    ax.plot(found.axis[drawn], found.simulated[drawn], color=BLUE, lw=1.4, ls=(0, (4, 2)), label="column found")
    if from_spectrum:
        ax.set(xlabel="frequency (Hz)", ylabel="power (mV²/Hz)", yscale="log")
    else:
        ax.set(xlabel="time (s)", ylabel="y1 - y2 (mV)")
    errors = [" (bound)" if held else f" ± {std:.2g}" for std, held in zip(found.std, found.at_bound, strict=True)]
    values = zip(found.names, found.values, errors, strict=True)
    title = ",  ".join(f"{name} = {value:.4g}{error}" for name, value, error in values)
    ax.set_title(title)
    ax.legend(loc="upper right")
    return figure
