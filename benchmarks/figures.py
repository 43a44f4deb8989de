"""Figures of the recorded results of integrators and training, of the atlas, and of latents of many sizes.

    python -m benchmarks.figures [--results benchmarks/results]

Reads `integrators.json`, `training.json`, `atlas.csv.gz` and `latent_sizes.csv`, and writes `*.png` beside them.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jrae_jax import plot
from jrae_jax.plot.style import (
    BLACK,
    BLUE,
    DARK,
    GREEN,
    ORANGE,
    PURPLE,
    VERMILION,
    WIDE,
    StyledFigure,
    styled,
)
from jrae_jax.studies import LatentSizes

COLOURS = {
    "ours": BLUE,
    "ours, by Diffrax": BLUE,
    "lax.scan": BLACK,
    "SciPy": ORANGE,
    "torchdiffeq": VERMILION,
    "NumPy": GREEN,
    "vmap of lax.scan": BLACK,
    "vmap of diffeqsolve": PURPLE,
}
MARKERS = {
    "euler": "o", "heun": "s", "rk4": "D", "tsit5": "^", "tsit5, adaptive": "v", "dopri8, adaptive": "P",
    "kvaerno5, adaptive": "X", "rk45, adaptive": "<", "dop853, adaptive": ">", "lsoda, adaptive": "*",
    "dopri5, adaptive": "h",
}  # fmt: skip
BY_HAND = ("lax.scan, parameters as arguments", "lax.scan, parameters as constants")
TARGET = 1.5  # times as long as the hand-written loop
SENSOR_NOISE = 0.05  # of the standard deviation of each channel
SOURCES = {"constant": "constant", "noise": "noisy"}

Rows = Sequence[dict[str, Any]]


@styled
def work_precision(rows: Rows) -> Figure:
    """Error against run time."""
    panels = [
        ("constant", "float64", "p constant, float64"),
        ("noise", "float64", "p noisy, held 1 ms, float64"),
        ("constant", "float32", "p constant, float32"),
    ]
    figure = StyledFigure(figsize=(WIDE, 7.4), layout="constrained")
    (*axes, rest) = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
    handles = {}
    for ax, (problem, dtype, title) in zip(axes, panels, strict=True):
        for label, series in curves(select(rows, problem=problem, dtype=dtype)).items():
            handles.setdefault(label, draw_curve(ax, label, series))
        ax.set(xscale="log", yscale="log", title=title, xlabel="run time (ms)", ylabel="largest error (mV)")
        ax.grid()
        ax.xaxis.set_tick_params(labelbottom=True)
    rest.set_axis_off()
    rest.legend(handles.values(), handles.keys(), loc="center")
    return figure


def curves(rows: Rows) -> Mapping[str, Rows]:
    """Rows of one family and method, by their label."""
    series: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        adaptive = ", adaptive" if "rtol" in row else ""
        series.setdefault(f"{row['family']}: {row['method']}{adaptive}", []).append(row)
    return series


def draw_curve(ax: Axes, label: str, rows: Rows) -> Any:
    """Ours solid, rivals dashed; a colour for each family and a marker for each method."""
    family, method = label.split(": ")
    points = [(1e3 * row["median_s"], row["error_mV"]) for row in rows if row["error_mV"] is not None]
    style = "-" if family == "ours" else "--"
    width = 1.8 if family == "ours" else 1.0
    marker = MARKERS[method.lower()]
    (line,) = ax.plot(*zip(*points, strict=True), style, color=COLOURS[family], marker=marker, ms=5.5, lw=width)
    return line


@styled
def single_column(rows: Rows) -> Figure:
    """How many times as long as the hand-written loop ours takes."""
    figure = StyledFigure(figsize=(WIDE, 4.2), layout="constrained")
    lengths = sorted({row["steps"] for row in rows})
    axes = figure.subplots(1, len(lengths), sharey=True, squeeze=False)[0]
    for ax, steps in zip(axes, lengths, strict=True):
        these = select(rows, steps=steps)
        cases = list(dict.fromkeys((row["method"], row["source"]) for row in these))
        for index, name in enumerate(BY_HAND):
            ratios = [select(these, method=m, source=s, name=name)[0]["times_slower_than_ours"] for m, s in cases]
            heights = [1 / ratio["median"] for ratio in ratios]
            spread = [
                [1 / r["median"] - 1 / r["max"] for r in ratios],
                [1 / r["min"] - 1 / r["median"] for r in ratios],
            ]
            places = [case + (index - 0.5) * 0.4 for case in range(len(cases))]
            colour = BLUE if name == BY_HAND[0] else ORANGE
            options = {"color": colour, "ecolor": DARK, "label": f"against {name}"}
            ax.bar(places, heights, 0.4, yerr=spread, error_kw={"lw": 0.8}, **options)
        for height, style in ((1, "-"), (TARGET, "--")):
            ax.axhline(height, color=DARK, lw=0.8, ls=style)
        ax.set(yscale="log", title=f"One column, {steps:,} steps, all saved")
        ax.set_yticks([0.5, 1, 2, 3, 5, 10], ["0.5", "1", "2", "3", "5", "10"])
        ax.minorticks_off()
        ax.set_xticks(range(len(cases)), [f"{method}\np {SOURCES[source]}" for method, source in cases])
        ax.tick_params(axis="x", labelsize="small")
    axes[-1].annotate("target", (1.005, TARGET), xycoords=("axes fraction", "data"), va="center", fontsize="small")
    axes[0].set_ylabel("our time / hand-written loop's time")
    axes[0].legend(loc="upper right")
    axes[0].set_ylim(top=axes[0].get_ylim()[1] * 2)  # room for the legend
    return figure


@styled
def batch(rows: Rows) -> Figure:
    """Throughput against batch size."""
    figure = StyledFigure(figsize=(WIDE, 3.8), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    sizes = sorted({row["columns"] for row in rows})
    for ax, saved, title in zip(axes, ("every step", "end"), ("every step saved", "only the end saved"), strict=True):
        for name in dict.fromkeys(row["name"] for row in rows):
            series = select(rows, name=name, saved=saved)
            style = "-" if name == "ours" else "--"
            throughput = [row["column_steps_per_s"] for row in series]
            ax.plot(sizes, throughput, style, marker="o", color=COLOURS[name], label=name, lw=1.6)
        ax.set(xscale="log", yscale="log", xlabel="columns in the batch", title=f"RK4, {title}")
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
        ax.grid()
    axes[0].set_ylabel("throughput (column-steps/s)")
    axes[1].legend()
    return figure


@styled
def training(runs: Sequence[dict[str, Any]]) -> Figure:
    """Time of an epoch of one model."""
    figure = StyledFigure(figsize=(WIDE, 3.6), layout="constrained")
    axes = figure.subplots(1, len(runs), sharey=True, squeeze=False)
    for ax, run in zip(axes[0], runs, strict=True):
        rows, devices = run["rows"], run["environment"]["devices"]
        names = [f"{row['name']}, {row['models']} models" if row["models"] > 1 else row["name"] for row in rows]
        times = [row["ms_per_epoch_and_model"] for row in rows]
        scale = [1e3 / (row["epochs"] * row["models"]) for row in rows]
        least = [t - k * row["min_s"] for t, k, row in zip(times, scale, rows, strict=True)]
        most = [k * row["max_s"] - t for t, k, row in zip(times, scale, rows, strict=True)]
        colours = [VERMILION if "PyTorch" in name else BLUE for name in names]
        ax.barh(names, times, color=colours, xerr=[least, most], error_kw={"lw": 0.8, "ecolor": DARK})
        right = max(t + m for t, m in zip(times, most, strict=True))
        for place, (time, extra) in enumerate(zip(times, most, strict=True)):
            ax.text(time + extra + 0.015 * right, place, f"{time:.1f}", va="center")
        title = f"{devices} JAX {run['environment']['jax_platform'].upper()} device{'s' if devices > 1 else ''}"
        ax.set(xlabel="time of an epoch of a model (ms)", title=title, xlim=(0, 1.2 * right))
    axes[0, 0].invert_yaxis()
    return figure


def atlas(path: Path) -> xr.Dataset:
    """The atlas as `jrae.studies.atlas` returns it; `jrae atlas --table` wrote it."""
    table = pd.read_csv(path)
    labels = ["seed", "mask", "noise", "estimator", "state"]
    in_order = {label: table[label].unique() for label in labels}
    return table.set_index(labels).to_xarray().reindex(in_order)


def latent_sizes(path: Path) -> LatentSizes:
    """Recovery against the size of the latent; `jrae reproduce --latent-sizes` wrote it."""
    table = pd.read_csv(path, index_col=[0, 1])
    r = {str(observed): rows.to_numpy() for observed, rows in table.groupby(level=0, sort=False)}
    return LatentSizes(tuple(int(size) for size in table.index.unique(1)), r)


def select(rows: Rows, **labels: Any) -> list[dict[str, Any]]:
    """The rows that have these labels."""
    return [row for row in rows if all(row[name] == value for name, value in labels.items())]


def main() -> None:
    """Draw all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    integrators = json.loads((arguments.results / "integrators.json").read_text())
    runs = json.loads((arguments.results / "training.json").read_text())["runs"]
    figures = {
        "work_precision": work_precision(integrators["work_precision"]),
        "single_column": single_column(integrators["single_column"]),
        "batch": batch(integrators["batch"]),
        "training": training(runs),
        "atlas": plot.atlas_scores(found := atlas(arguments.results / "atlas.csv.gz"), noise=SENSOR_NOISE),
        "atlas_overview": plot.atlas(found, noise=SENSOR_NOISE),
        "latent_sizes": plot.latent_sizes(latent_sizes(arguments.results / "latent_sizes.csv")),
    }
    for name, figure in figures.items():
        figure.savefig(arguments.results / f"{name}.png")
        print(f"wrote {arguments.results / name}.png")


if __name__ == "__main__":
    main()
