"""A figure of `decoding.json`: coverage of 90 % intervals, and correlation beside that of an informed smoother.

python -m benchmarks.decoding_figure [--results benchmarks/results]
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

COLOURS = ("#1f5fa8", "#d17a00", "#4d8c3a", "#7fa8d6", "#e8b877", "#9cc48f")
"""Of states: a potential and its derivative are dark and light."""

_ASKED = (0.87, 0.95)


def label(cell: dict) -> str:
    """What a cell is of."""
    if "rate" in cell:
        return f"{cell['rate']:g} Hz" + ("" if cell["band"] == "none" else f", {cell['band']}")
    if "from" in cell:
        return f"background {cell['from']:g} to {cell['to']:g}"
    return cell.get("regime", cell["by"])


def figure_of(found: dict) -> Figure:
    """Coverage and correlation by cell."""
    cells, states = found["cells"], found["states"]
    figure, axes = plt.subplots(1, 3, figsize=(14, 0.3 * len(cells) + 1.8), sharey=True, layout="constrained")
    titles = ("in 90 % intervals, mV", "in 90 % intervals, shapes", "r within a recording, median")
    for ax, title, name in zip(axes, titles, ("cover", "shape_cover", "r"), strict=True):
        for i, (state, colour) in enumerate(zip(states, COLOURS, strict=True)):
            rows = [row + 0.1 * (i - 2.5) for row in range(len(cells))]
            values = [cell[name][i] for cell in cells]
            if name == "r":
                ax.plot([cell["informed_r"][i] for cell in cells], rows, "|", color=colour, ms=7)
                ax.plot(values, rows, "o", color=colour, ms=4)
            else:
                errors = [1.96 * cell[f"{name}_se"][i] for cell in cells]
                ax.errorbar(values, rows, xerr=errors, fmt="o", color=colour, ms=4, lw=1, label=state)
        ax.set(title=title, ylim=(len(cells) - 0.5, -0.5))
        if name != "r":
            ax.axvspan(*_ASKED, color="#dddddd", zorder=0)
        ax.grid(axis="y", alpha=0.3)
    axes[0].set_yticks(range(len(cells)), [f"{label(cell)} ({cell['recordings']})" for cell in cells])
    axes[0].legend(ncols=2, fontsize=8, loc="lower left")
    axes[2].plot([], [], "o", color="#555555", label="decode")
    axes[2].plot([], [], "|", color="#555555", ms=7, label="a smoother that knows column, gain and background")
    axes[2].legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.04))
    return figure


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    folder = parser.parse_args().results
    figure_of(json.loads((folder / "decoding.json").read_text())).savefig(folder / "decoding.png", dpi=100)


if __name__ == "__main__":
    main()
