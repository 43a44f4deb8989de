"""Where a column's rest and rhythms begin and end: the standard column, and one with slower inhibition.

python examples/bifurcation_diagram.py [figure.png]
"""

import sys

import jax
import numpy as np
from matplotlib.figure import Figure

import jrae_jax as jrae

COLUMNS = {"standard, b = 50 /s": {}, "slower inhibition, b = 45 /s": {"b": 45.0}}


def main(path: str = "bifurcation_diagram.png", *, columns=COLUMNS, low: float = -60.0, high: float = 400.0) -> None:
    """Find all equilibria, cycles and bifurcations along p, print and draw them."""
    with jax.enable_x64(True):  # cycles near folds need double precision
        _draw(path, columns, low, high)


def _draw(path: str, columns, low: float, high: float) -> None:
    figure = Figure(figsize=(8, 3.6 * len(columns)), layout="constrained")
    axes = figure.subplots(len(columns), 1, sharex=True, squeeze=False)[:, 0]
    standard = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(220.0))
    for ax, (title, changed) in zip(axes, columns.items(), strict=True):
        diagram = jrae.dynamics.bifurcation_diagram(standard.replace(**changed), low=low, high=high)
        print(f"{title}: {diagram}")
        rest, cycles = diagram.equilibria, diagram.cycles
        v, stable = jrae.column.eeg(rest.states), np.asarray(rest.stable)
        ax.plot(rest.p[stable], v[stable], ".", ms=2, color="#333333", label="equilibria, stable")
        ax.plot(rest.p[~stable], v[~stable], ".", ms=1, color="#aaaaaa", label="unstable")
        there, stable = np.asarray(cycles.exists), np.asarray(cycles.stable)
        for drawn, style, name in ((there & stable, "-", "cycles, stable"), (there & ~stable, "-.", "unstable")):
            extrema = np.where(drawn[..., None], cycles.extrema, np.nan)
            for branch, (least, largest) in enumerate(np.moveaxis(extrema, -1, 1)):
                label = name if branch == 0 else None
                ax.plot(cycles.p[branch], least, style, lw=1, color="#2a6f97", label=label)
                ax.plot(cycles.p[branch], largest, style, lw=1, color="#2a6f97")
        ax.set_title(title, loc="left", fontsize=10)
        ax.set_ylabel("y1 - y2 (mV)")
    axes[0].legend(frameon=False, fontsize=8, ncols=4, loc="lower right")
    axes[-1].set_xlabel("external input p (1/s)")
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
