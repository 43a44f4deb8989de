"""Figures of the recorded scans and of weak accuracy.

    python -m benchmarks.scan.figures [--results benchmarks/results]

Reads `scans.json` and `weak_accuracy.json`, and writes `*.png` beside them.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from jrae_jax.plot.style import BLACK, BLUE, GREEN, GREY, LIGHT, ORANGE, VERMILION, WIDE, StyledFigure, styled

SCHEMES = {"Euler": VERMILION, "Heun": ORANGE, "StrangSplitting": BLUE, "RK4": GREEN}

Rows = list[dict[str, Any]]


@styled
def throughput(record: dict[str, Any]) -> Figure:
    """Column-steps a second: all contenders, against columns and duration, and over cores."""
    figure = StyledFigure(figsize=(WIDE, 9.6), layout="constrained")
    cores = max(row["cores"] for row in record["rivals"]["results"])
    rows = {work: select(record["rivals"]["results"], work=work, cores=cores) for work in ("summaries", "trajectories")}
    heights = (*map(len, rows.values()), 13)
    *tops, bottom = figure.subfigures(3, 1, height_ratios=heights)  # pyright: ignore[reportGeneralTypeIssues]
    for part, (work, contenders) in zip(tops, rows.items(), strict=True):
        bars(part.subplots(), contenders, work)
    axes = bottom.subplots(1, 3)
    curves(axes[0], record["sizes"]["results"], "columns")
    curves(axes[1], record["sizes"]["results"], "steps")
    memory(axes[2], record["memory"]["results"])
    return figure


def bars(ax: Axes, rows: Rows, work: str) -> None:
    """One bar a contender, the fastest on top."""
    rows = sorted(rows, key=lambda row: row["per_second"])
    names = [name(row) for row in rows]
    colours = [BLUE if row["package"] == "ours" else BLACK if row["package"] == "C" else GREY for row in rows]
    ax.barh(names, [row["per_second"] / 1e6 for row in rows], color=colours)
    ax.set(
        xscale="log",
        xlabel="throughput (million column-steps/s)",
        title=f"noisy columns, {work}, {rows[0]['cores']} cores",
    )


def name(row: dict[str, Any]) -> str:
    """A contender in a few words."""
    route = f" ({row['route']})" if row["package"] in ("ours", "jax", "diffrax", "torchdiffeq") else ""
    saved = row["work"] == "trajectories" and row["package"] in ("ours", "C")
    size = f", {row['columns']:,} x {row['steps']:,}" if saved else ""
    return f"{row['package']}, {row['scheme']}{route}{size}"


def curves(ax: Axes, rows: Rows, along: str) -> None:
    """Ours and C where only `along` changes."""
    other = "steps" if along == "columns" else "columns"
    common = statistics.mode(row[other] for row in rows if (row[other] == 2_000) == (along == "columns"))
    for package, colour, marker in (("ours", BLUE, "o"), ("C", BLACK, "s")):
        series = sorted(select(rows, package=package, **{other: common}), key=lambda row: row[along])
        points = [(row[along], row["per_second"] / 1e6) for row in series]
        ax.plot(*zip(*points, strict=True), color=colour, marker=marker, label=package)
    ax.set(xscale="log", yscale="log", xlabel=along, ylabel="million column-steps/s")
    ax.set_title(f"moments, {common} {other}")
    ax.grid()
    ax.legend()


def memory(ax: Axes, rows: Rows) -> None:
    """Peak memory against duration."""
    ax.plot([row["steps"] for row in rows], [row["peak_MB"] for row in rows], color=BLUE, marker="o")
    ax.set(
        xscale="log",
        xlabel="steps",
        ylabel="peak memory (MB)",
        ylim=(0, 1.2 * max(row["peak_MB"] for row in rows)),
    )
    ax.set_title(f"scan of {rows[0]['columns']} columns")
    ax.grid()


@styled
def weak_accuracy(record: dict[str, Any]) -> Figure:
    """Relative errors of each statistic against the step."""
    reference = {key: statistics.mean(one[key] for one in record["reference"]) for key in ("mean", "sd", "share")}
    panels = {
        "mean": "mean of y1 - y2",
        "sd": "standard deviation",
        "share": "share of power in 8-13 Hz",
        "frequency": "frequency of alpha, no noise",
        "swing": "swing of alpha, no noise",
    }
    figure = StyledFigure(figsize=(WIDE, 5.4), layout="constrained")
    *axes, rest = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
    for ax, (key, title) in zip(axes, panels.items(), strict=True):
        for method, colour in SCHEMES.items():
            rows = sorted(select(record["rows"], method=method), key=lambda row: row["dt"])
            values = [row["cycle"][key] if key in row["cycle"] else row[key] for row in rows]
            true = record["work"]["cycle"].get(key) or reference[key]
            errors = [abs(value / true - 1) for value in values]
            ax.plot([1e3 * row["dt"] for row in rows], errors, color=colour, marker="o", ms=4, label=method)
        if key in reference:
            noise = max(row[f"{key}_error"] for row in record["rows"]) / reference[key]
            ax.axhspan(1e-6, 2 * noise, color=LIGHT, zorder=0)
        ax.set(xscale="log", yscale="log", ylim=(2e-5, 10), xlabel="step (ms)")
        ax.set_xticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
        ax.minorticks_off()
        ax.set_title(title)
        ax.grid()
        ax.xaxis.set_tick_params(labelbottom=True)
    for ax in axes[::3]:
        ax.set_ylabel("relative error")
    rest.set_axis_off()
    handles = [*axes[0].lines, Patch(color=LIGHT, label="two Monte-Carlo errors")]
    rest.legend(handles=handles, loc="center")
    return figure


def select(rows: Rows, **labels: Any) -> Rows:
    """The rows that carry all these labels."""
    return [row for row in rows if all(row.get(key) == value for key, value in labels.items())]


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parents[1] / "results")
    options = parser.parse_args()
    scans = json.loads((options.results / "scans.json").read_text())
    weak = json.loads((options.results / "weak_accuracy.json").read_text())
    throughput(scans).savefig(options.results / "scans.png")
    weak_accuracy(weak).savefig(options.results / "weak_accuracy.png")


if __name__ == "__main__":
    main()
