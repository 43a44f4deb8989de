"""A figure of `decoding.json`: coverage of 90 % intervals, and correlation beside that of an informed smoother.

python -m benchmarks.decoding_figure [--results benchmarks/results]
"""

import argparse
import json
from pathlib import Path

from matplotlib.figure import Figure

from jrae_jax.plot.style import GREY, LIGHT, STATE_COLOURS, WIDE, StyledFigure, styled

_ASKED = (0.87, 0.95)


def label(cell: dict) -> str:
    """What a cell is of."""
    if "rate" in cell:
        return f"{cell['rate']:g} Hz" + ("" if cell["band"] == "none" else f", {cell['band']}")
    if "from" in cell:
        return f"background {cell['from']:g} to {cell['to']:g}"
    return cell.get("regime", cell["by"])


@styled
def figure_of(found: dict) -> Figure:
    """Coverage and correlation by cell."""
    cells, states = found["cells"], found["states"]
    figure = StyledFigure(figsize=(WIDE, 0.36 * len(cells) + 1.6), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    titles = ("in 90 % intervals, mV", "in 90 % intervals, shapes", "within a recording")
    for ax, title, name in zip(axes, titles, ("cover", "shape_cover", "r"), strict=True):
        ax.set_xlabel("Pearson r, median" if name == "r" else "fraction covered")
        for i, (state, colour) in enumerate(zip(states, STATE_COLOURS, strict=True)):
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
            ax.axvspan(*_ASKED, color=LIGHT, zorder=0)
        ax.grid(axis="y")
    axes[0].set_yticks(range(len(cells)), [f"{label(cell)} ({cell['recordings']})" for cell in cells])
    figure.legend(handles=axes[0].get_legend_handles_labels()[0], ncols=6, loc="outside upper right")
    axes[2].plot([], [], "o", color=GREY, label="decode")
    axes[2].plot([], [], "|", color=GREY, ms=7, label="a smoother that knows column, gain and background")
    figure.legend(handles=axes[2].lines[-2:], ncols=2, loc="outside lower right")
    return figure


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    folder = parser.parse_args().results
    figure_of(json.loads((folder / "decoding.json").read_text())).savefig(folder / "decoding.png")


if __name__ == "__main__":
    main()
