"""Reruns a small part of what is committed in `results/`, and fails for a number that is off by more than its noise.

    python -m benchmarks.check [NAME ...]

A few minutes on two cores. `FIGURES` says for each file what is measured again and how far off it may be; `NOT_RERUN`
why the others are left out. Speed is compared as a ratio within one run, never as seconds.
"""

import argparse
import csv
import gzip
import json
import subprocess
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jrae_jax as jrae
from jrae_jax.autoencoder.checkpoint import load_pretrained
from jrae_jax.studies.atlas import AtlasSettings, atlas

from . import (
    calibration,
    coloured_noise,
    consistency,
    fitting,
    integrators,
    latent_measures,
    training,
    variational,
    weak_accuracy,
)

RESULTS = Path(__file__).parent / "results"


class Number(NamedTuple):
    """A committed number, what it is now, and how far these may be apart."""

    name: str
    committed: float
    now: float
    noise: float

    @property
    def holds(self) -> bool:
        """Whether it is still so."""
        return abs(self.now - self.committed) <= self.noise


def _record(name: str) -> Any:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def _row(rows: list[dict[str, Any]], **labels: Any) -> dict[str, Any]:
    (found,) = (row for row in rows if all(row[name] == value for name, value in labels.items()))
    return found


def _states(committed: list[float], now: Any, noise: Any) -> list[Number]:
    return [Number(f"y{i}", *map(float, each)) for i, each in enumerate(zip(committed, now, noise, strict=True))]


def _accuracy(columns: int = 512) -> list[Number]:
    row = _row(_record("weak_accuracy.json")["rows"], method="StrangSplitting", dt=1e-3)
    solver = weak_accuracy.SCHEMES["StrangSplitting"]
    now, cycle = weak_accuracy.noisy(solver, 1e-3, columns), weak_accuracy.cycle(solver, 1e-3)
    statistics = [Number(name, row[name], now[name], 4 * now[f"{name}_error"]) for name in ("mean", "sd", "share")]
    return statistics + [Number(name, row["cycle"][name], cycle[name], 1e-3) for name in cycle]


def _integrators() -> list[Number]:
    record = _record("integrators.json")
    with jax.enable_x64(True):
        exact = integrators.reference([integrators.P] * round(integrators.T1 / integrators.GRID), integrators.GRID)
        found = integrators.measured_precision([*integrators.ours_fixed(["RK4"], [1e-3])], exact, 1)
    labels = {"family": "ours", "method": "RK4", "dt": 1e-3, "problem": "constant", "dtype": "float64"}
    error = _row(record["work_precision"], **labels)["error_mV"]
    rival = "lax.scan, parameters as arguments"
    steps = integrators.STEPS[-1]
    contenders = integrators.single_column_contenders("RK4", jax.random.key(0), steps)
    chosen = [contenders[0], *(one for one in contenders if one.labels["name"] == rival)]
    ratio = _row(integrators.compared(chosen, False), name=rival)["times_slower_than_ours"]["best"]
    rows = record["single_column"]
    before = _row(rows, steps=steps, method="RK4", source="noise", name=rival)["times_slower_than_ours"]["best"]
    return [
        Number("error of RK4, mV", error, found[0]["error_mV"], 0.02 * error),
        Number("log2 of a hand-written loop's time over ours", np.log2(before), np.log2(ratio), 1.3),
    ]


def _calibration() -> list[Number]:
    row = _row(_record("calibration.json")["rows"], causal=False, observed="eeg", noise=0.05)
    now = calibration.coverage(load_pretrained(), calibration.held_out(8), ["eeg"], 0.05)
    return _states(row["90"], now["90"], [0.06] * 6)


def _consistency(recordings: int = 12) -> list[Number]:
    rows, numbers = _record("consistency.json")["rows"], []
    column = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=consistency.DT))
    trajectories = jrae.simulate(
        column, t1=2.0 + consistency.SECONDS, dt=consistency.DT, burn_in=2.0, batch=recordings, key=jax.random.key(7)
    )
    channels = np.asarray(jrae.column.to_channels(trajectories.ys))
    for change in ("none", "gain 2", "0.5 to 45 Hz"):
        row = _row(rows, estimator="autoencoder", kind="eeg", noise=0.05, change=change)
        changed = consistency.changed_recording(channels, "eeg", change, 0.05, np.random.default_rng(0))
        now = consistency.noticed(load_pretrained(), changed)["beyond"]
        numbers.append(Number(f"noticed, {change}", row["beyond"], now, 1.5 / recordings))
    return numbers


def _coloured_noise(recordings: int = 12) -> list[Number]:
    labels = {"rate": 250, "exponent": 1.0, "fraction": 0.5, "cut_at_45_hz": False, "filter": None}
    row = _row(_record("coloured_noise.json")["cases"], **labels)
    now = coloured_noise.measured(250, 1.0, 0.5, False, None, recordings)
    error = np.hypot(row["standard_error"], now["standard_error"])
    return _states(row["coverage"], now["coverage"], 4 * error)


def _fitting() -> list[Number]:
    case = "trace, no noise"
    row = _record("fitting.json")["cases"][case]["problems"][0]
    now = fitting.solved(0, *fitting.CASES[case])
    pairs = zip(fitting.NAMES, row["relative_error"], now["relative_error"], strict=True)
    return [Number(f"relative error of {name}", before, after, 1e-3) for name, before, after in pairs]


def _latent_measures() -> list[Number]:
    row = _row(_record("latent_measures.json")["rows"], system="Lorenz 63")
    now = latent_measures.measured("Lorenz 63", 0)
    names = ("exponent", "chaotic", "two_nn", "correlation", "straightness")
    return [Number(name, row["each"][0][name], now[name], 3 * row["std"][name] + 1e-6) for name in names]


def _training() -> list[Number]:
    before = _row(_record("training.json")["runs"][0]["rows"], name="fit")["final_loss"]["median"]
    (now,) = training.fit_one(training.study_dataset(), 50)
    return [Number("loss after 50 epochs", before, now, 0.15 * before)]


def _variational() -> list[Number]:
    row = _row(_record("variational.json")["rows"], observed="eeg", noise=0.05)
    now, numbers = variational.compare("eeg", 0.05, variational.held_out(1)), []
    for name, found in now["scores"].items():
        # A set of recordings is off the mean of five by more than that mean's interval.
        noise = 3 * np.asarray(row["half_width"][name]["r"]) + 1e-4
        pairs = _states(row["scores"][name]["r"], found["r"], noise)
        numbers += [number._replace(name=f"{name}, {number.name}") for number in pairs]
    return numbers


def _atlas() -> list[Number]:
    """The first of the held-out sets, from the EEG; chance is left out, which is of other random numbers."""
    with gzip.open(RESULTS / "atlas.csv.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["seed"], row["mask"], row["noise"]) == ("0", "eeg", "0.05")]
    autoencoders = {"autoencoder causal": load_pretrained(causal=True), "autoencoder": load_pretrained()}
    now = atlas(AtlasSettings(masks=("eeg",), noise=(0.05,), seeds=1), autoencoders=autoencoders).r.squeeze()
    return [
        Number(
            f"r of {row['state']}, {row['estimator']}",
            float(row["r"]),
            float(now.sel(estimator=row["estimator"], state=row["state"])),
            5e-4,
        )
        for row in rows
        if row["estimator"] != "chance"
    ]


def _study(seeds: int = 3) -> list[Number]:
    """The study with fewer seeds, which are other ones: means of each state, within the spread over seeds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "jrae_jax",
            "reproduce",
            "--seeds",
            str(seeds),
            "--no-progress",
            "--out",
            folder,
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = [_scores(path) for path in (RESULTS / "scores.csv", Path(folder) / "scores.csv")]
    numbers = []
    for what, before in found[0].items():
        spread = np.std(before, ddof=1) * np.hypot(seeds**-0.5, len(before) ** -0.5)
        numbers.append(Number(what, float(np.mean(before)), float(np.mean(found[1][what])), 4 * spread + 2e-3))
    return numbers


def _scores(path: Path) -> Mapping[str, list[float]]:
    found = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["trained"] == "yes" and row["loss"] == "all":
                found[f"r of {row['state']}, {row['protocol']}, {row['condition']}"].append(float(row["r"]))
    return found


class Figure(NamedTuple):
    """What is measured again of a file, and how far off it may be."""

    measure: Callable[[], list[Number]]
    what: str
    noise: str


FIGURES = {
    "atlas.csv.gz": Figure(_atlas, "r from the EEG at 5 % noise, one set of three", "5e-4, rounding"),
    "calibration.json": Figure(_calibration, "90 % intervals from the EEG, 8 columns of 64", "0.06"),
    "coloured_noise.json": Figure(_coloured_noise, "coverage at 250 Hz, 12 recordings of 50", "4 standard errors"),
    "consistency.json": Figure(_consistency, "what is noticed, 12 recordings of 200", "one recording"),
    "fitting.json": Figure(_fitting, "one trace of 20, in single precision", "0.001"),
    "integrators.json": Figure(_integrators, "error of RK4; time against a hand-written loop", "2 %; a factor of 2.5"),
    "latent_measures.json": Figure(_latent_measures, "Lorenz 63, one of ten", "3 standard deviations"),
    "scores.csv": Figure(_study, "r of the study with 3 seeds of 10", "4 standard errors + 0.002"),
    "training.json": Figure(_training, "the loss after 50 epochs", "15 %"),
    "variational.json": Figure(_variational, "r from the EEG at 5 % noise, one set of five", "3 half-widths + 1e-4"),
    "weak_accuracy.json": Figure(
        _accuracy, "Strang splitting at 1 ms, 512 of 16,384 columns", "4 standard errors; 1e-3"
    ),
}

NOT_RERUN = {
    "needs packages of others": ("agreement.json",),
    "hours of training": ("recovery.json", "unlabelled.json", "unknown_parameters.json", "latent_sizes.csv"),
    "thousands of decoded recordings": (
        "decoding.json", "decoding_calibration.json", "decoding_check.json", "decoding_over_time.json",
    ),
    "seconds and memory of one machine": ("scans.json", "streaming.json", "reproduce.json"),
    "counts of faults, which are to be none: the tests hold it": ("faults.json",),
    "hours of a test battery": ("noise.json",),
    "of the study, as `scores.csv`": ("latents.csv",),
}  # fmt: skip


def main() -> int:
    """Measure, print a line a number, and say which do not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*FIGURES, []], help="files of results (all)")
    chosen = parser.parse_args().names or list(FIGURES)
    warnings.simplefilter("ignore", UserWarning)  # of recordings that are meant to be unusual
    off = 0
    for name in chosen:
        figure = FIGURES[name]
        print(f"{name}: {figure.what}; within {figure.noise}")
        for number in figure.measure():
            off += not number.holds
            mark = "" if number.holds else "   OFF"
            print(
                f"  {number.name:<48}{number.committed:12.6g}{number.now:12.6g}   +-{number.noise:.2g}{mark}",
                flush=True,
            )
    print(f"{off} numbers are off by more than their noise" if off else "all numbers hold")
    return int(off > 0)


if __name__ == "__main__":
    sys.exit(main())
