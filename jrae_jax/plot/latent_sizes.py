"""The figure of how large a latent must be."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..column.states import STATES
from ..studies.latent_sizes import LatentSizes
from .study import CONDITION_LABELS, fixed_figure

# Okabe and Ito (2008): six that stay apart for colour-blind readers.
_STATE_COLOURS = ("#000000", "#d55e00", "#0072b2", "#999999", "#e69f00", "#56b4e9")
_STATE_MARKERS = "osD^vX"


def latent_sizes(found: LatentSizes) -> Figure:
    """Recovery against the size of the latent, of autoencoders with a window; small enough for a telephone."""
    figure = fixed_figure(3.7, 3.9, left=0.13, right=0.985, bottom=0.165, top=0.945, hspace=0.22)
    axes: Sequence[Axes] = figure.subplots(len(found.r), 1, sharex=True, sharey=True)
    for ax, (observed, r) in zip(axes, found.r.items(), strict=True):
        for index, (name, marker) in enumerate(zip(STATES, _STATE_MARKERS, strict=True)):
            ax.plot(found.sizes, r[:, index], marker=marker, ms=3.5, lw=1.0, color=_STATE_COLOURS[index], label=name)
        ax.set_title(f"{CONDITION_LABELS[observed]} observed", fontsize=8, pad=3)
        ax.set_ylabel("Pearson r", fontsize=8)
        ax.set_xticks(found.sizes)
        ax.tick_params(labelsize=8, length=2)
    axes[-1].set_xlabel("size of the latent", fontsize=8, labelpad=1)
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="lower center", ncols=6, frameon=False, fontsize=8, borderpad=0, columnspacing=0.9
    )
    return figure
