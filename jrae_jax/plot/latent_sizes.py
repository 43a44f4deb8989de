"""The figure of how large a latent must be."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..column.states import STATES
from ..studies.latent_sizes import LatentSizes
from .study import CONDITION_LABELS
from .style import NARROW, SHARP, STATE_COLOURS, STATE_MARKERS, fixed_figure, styled


@styled
def latent_sizes(found: LatentSizes) -> Figure:
    """Recovery against the size of the latent, of autoencoders with a window; small enough for a telephone."""
    figure = fixed_figure(NARROW, 4.0, dpi=SHARP, left=0.13, right=0.985, bottom=0.165, top=0.945, hspace=0.22)
    axes: Sequence[Axes] = figure.subplots(len(found.r), 1, sharex=True, sharey=True)
    for ax, (observed, r) in zip(axes, found.r.items(), strict=True):
        for index, (name, marker) in enumerate(zip(STATES, STATE_MARKERS, strict=True)):
            ax.plot(found.sizes, r[:, index], marker=marker, ms=3.5, lw=1.0, color=STATE_COLOURS[index], label=name)
        ax.set_title(f"{CONDITION_LABELS[observed]} observed", pad=3)
        ax.set_ylabel("Pearson r")
        ax.set_xticks(found.sizes)
        ax.tick_params(length=2)
    axes[-1].set_xlabel("size of the latent", labelpad=1)
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=6, borderpad=0, columnspacing=0.9)
    return figure
