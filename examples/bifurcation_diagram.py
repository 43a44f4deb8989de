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
    for ax, (title, changed) in zip(axes, columns.items(), strict=True):
        found = jrae.bifurcation_diagram(jrae.JansenRitParameters(**changed), low, high)
        rest = found.equilibria
        v, stable = rest.states[:, 1] - rest.states[:, 2], np.asarray(rest.stable)
        ax.plot(rest.p[stable], v[stable], ".", ms=2, color="#333333", label="equilibria, stable")
        ax.plot(rest.p[~stable], v[~stable], ".", ms=1, color="#aaaaaa", label="and not")
        there, steady = np.asarray(found.cycles.exists), np.asarray(found.cycles.stable)
        for shown, style, name in ((there & steady, "-", "cycles, stable"), (there & ~steady, "-.", "and not")):
            extrema = np.where(shown[..., None], found.cycles.extrema, np.nan)
            for family in range(len(extrema)):
                label = name if family == 0 else None
                ax.plot(found.cycles.p[family], extrema[family, :, 0], style, lw=1, color="#2a6f97", label=label)
                ax.plot(found.cycles.p[family], extrema[family, :, 1], style, lw=1, color="#2a6f97")
        hopf = found.hopf_points
        inside = hopf.exists & (hopf.p > low) & (hopf.p < high)
        for p, frequency in zip(hopf.p[inside], hopf.frequency[inside], strict=True):
            print(f"{title}: Hopf point at p = {float(p):.5f} /s, {float(frequency):.4f} Hz")
        ax.set_title(title, loc="left", fontsize=10)
        ax.set_ylabel("y1 - y2 (mV)")
    axes[0].legend(frameon=False, fontsize=8, ncols=4, loc="lower right")
    axes[-1].set_xlabel("external input p (1/s)")
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
