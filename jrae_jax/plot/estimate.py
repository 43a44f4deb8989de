"""Figures of estimates of hidden states."""

import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from .._checks import check_positive
from ..column.states import STATE_LABELS, STATE_UNITS, STATES
from ..recording.estimate import Estimate
from ..recording.scores import NINETY
from .style import BLUE, DARK, WIDE, fixed_figure, styled


@styled
def estimate(
    estimate: Estimate,
    truth: Float[Array | np.ndarray, "*batch time 6"] | None = None,
    *,
    recording: int = 0,
    seconds: float = 1.0,
) -> Figure:
    """The six states of one recording over its last seconds, with their 90 % bands, beside the true ones.

    **Arguments:**

    - `estimate`: what an estimator returns; without a band where it has no `std`.
    - `truth`: the states as simulated, such as `trajectories.ys`, mV and mV/s.
    - `recording`: which one of a batch.
    - `seconds`: how much is drawn.

    **Raises:** `ValueError` for a `truth` of another shape, or a recording that there is not.
    """
    check_positive(seconds=seconds)
    if truth is not None and np.shape(truth) != estimate.mean.shape:
        raise ValueError(f"`truth` must be of the shape of `estimate`, {estimate.mean.shape}, got {np.shape(truth)}")
    count = estimate.batch or 1
    if not 0 <= recording < count:
        raise ValueError(f"`recording` must be from 0 to {count - 1}, got {recording}")
    mean, std, true = (
        None if x is None else np.asarray(x).reshape(count, -1, len(STATES))[recording]
        for x in (estimate.mean, estimate.std, truth)
    )
    assert mean is not None
    ts = estimate.start + estimate.dt * np.arange(len(mean))
    late = ts > ts[-1] - seconds
    figure = fixed_figure(WIDE, 8.0, left=0.11, right=0.965, hspace=0.5, bottom=0.065, top=0.95)
    for i, (ax, name) in enumerate(zip(figure.subplots(len(STATES), 1, sharex=True), STATES, strict=True)):
        if std is not None:
            low, high = (mean[late, i] + sign * NINETY * std[late, i] for sign in (-1, 1))
            ax.fill_between(ts[late], low, high, color=BLUE, alpha=0.25, lw=0, label="90 %")
        ax.plot(ts[late], mean[late, i], color=BLUE, lw=1.3, label="estimate")
        if true is not None:
            ax.plot(ts[late], true[late, i], color=DARK, lw=0.8, ls="--", label="true")
        ax.set_title(f"{name}  {STATE_LABELS[i]}")
        ax.set_ylabel(STATE_UNITS[i])
        ax.margins(x=0)
    figure.axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
    figure.axes[-1].set_xlabel("time (s)")
    return figure
