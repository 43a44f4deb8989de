"""What is known of a column after a recording, as a figure."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import TICKUP
from matplotlib.patches import Patch
from matplotlib.ticker import FormatStrFormatter

from ..decoding.decoded import Decoded
from ..decoding.prior import STANDARD
from .decoded import index_of, pooled_draws, relied_on
from .style import BLUE, DARK, GREY, VERMILION, fixed_figure, styled

_LABELS = {
    "C": "synapses C",
    "B": "inhibitory gain B (mV)",
    "time_scale": "rate of synapses",
    "p": "mean input p (1/s)",
    "sigma": "input noise sigma (s$^{-1/2}$)",
    "gain": "gain of the recording",
    "background": "background / column",
    "exponent": "exponent of background",
    "column_fraction": "fraction of the column",
}
_BINS = 24
_POINTS = 1000  # of a pair: more hide each other
# By which powers quantities change together without a change in the recording, found by `scaling_symmetries`; A is not
# among the draws.
_RIDGE = {"B": 1, "C": -1, "p": -1}
_PAIRS = (("B", "C"), ("C", "p"))


@styled
def decoded_posterior(decoded: Decoded, channel: int | str = 0) -> Figure:
    """What is known of column, gain and background after a recording, over what the prior allows.

    Beside that two pairs of quantities, each with the line along which columns make the same recording if A changes
    with them.

    **Arguments:**

    - `decoded`, `channel`: as in `jrae_jax.plot.decoded`.

    **Raises:** `ValueError` for a channel that there is not, or without a window that is like those that the decoder
        was made for.
    """
    at = index_of(decoded, channel)
    draws, windows = pooled_draws(decoded, at), relied_on(decoded, at)
    if not windows.any():
        raise ValueError(f"`decoded` must have a window of {decoded.names[at]} with intervals to be drawn, got none")
    figure = fixed_figure(10.5, 6.4)
    alone = figure.add_gridspec(3, 3, left=0.02, right=0.655, bottom=0.07, top=0.89, hspace=0.5, wspace=0.2)
    pairs = figure.add_gridspec(2, 1, left=0.735, right=0.985, bottom=0.09, top=0.925, hspace=0.28)
    for i, (name, label) in enumerate(_LABELS.items()):
        ax = figure.add_subplot(alone[i])
        medians = np.median(decoded.draws[name][at, windows], axis=1)
        _draw_against_prior(ax, name, draws[name], medians)
        ax.set_xlabel(label)
    for i, (x, y) in enumerate(_PAIRS):
        _draw_pair(figure.add_subplot(pairs[i]), x, y, draws)
    handles = [
        Patch(color=BLUE, alpha=0.55, lw=0, label="after the recording"),
        Line2D([], [], color=GREY, ls=":", lw=1.2, label="before: the prior"),
        Line2D([], [], color=DARK, lw=0, marker="|", ms=9, label="median of a window"),
        Line2D([], [], color=VERMILION, lw=1.4, label="same recording, if A changes as well"),
    ]
    figure.legend(handles=handles, loc="upper center", ncols=len(handles))
    return figure


def _draw_against_prior(
    ax: Axes, name: str, values: Float[np.ndarray, " draw"], medians: Float[np.ndarray, " window"]
) -> None:
    logarithmic = name == "gain" or (name in STANDARD and STANDARD[name].logarithmic)
    low, high = _range(name, values)
    edges = np.geomspace(low, high, _BINS + 1) if logarithmic else np.linspace(low, high, _BINS + 1)
    counts, _ = np.histogram(values, edges)
    ax.stairs(counts / len(values), edges, fill=True, color=BLUE, alpha=0.55, lw=0)
    if name in STANDARD:
        ax.plot([low, high], [1 / _BINS, 1 / _BINS], color=GREY, ls=":", lw=1.2)
    ax.plot(medians, np.zeros(len(medians)), marker=TICKUP, color=DARK, ms=9, lw=0, zorder=4)
    ax.set(xlim=(low, high), yticks=[], xscale="log" if logarithmic else "linear", ylim=(0, None))
    if logarithmic:
        ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.minorticks_off()
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)


def _range(name: str, values: Float[np.ndarray, " draw"]) -> tuple[float, float]:
    """Of the prior; of a gain, which may be any, that of the draws."""
    if name in STANDARD:
        return STANDARD[name].low, STANDARD[name].high
    if name == "gain":
        return float(values.min() / 1.5), float(1.5 * values.max())
    return 0.0, 1.0


def _draw_pair(ax: Axes, x: str, y: str, draws: dict[str, Float[np.ndarray, " draw"]]) -> None:
    some = slice(None, None, -(-len(draws[x]) // _POINTS))
    ax.plot(draws[x][some], draws[y][some], "o", color=BLUE, ms=2.5, mew=0, alpha=0.5)
    # From a tenth to ten times the median: beyond the prior on both sides.
    factor = np.geomspace(0.1, 10, 200)
    line = {name: np.median(draws[name]) * factor ** _RIDGE[name] for name in (x, y)}
    ax.plot(line[x], line[y], color=VERMILION, lw=1.4)
    ax.plot(np.median(draws[x]), np.median(draws[y]), "o", color=VERMILION, ms=4.5, mec="white")
    ax.set(xlim=_range(x, draws[x]), ylim=_range(y, draws[y]))
    ax.set_xlabel(_LABELS[x])
    ax.set_ylabel(_LABELS[y])
