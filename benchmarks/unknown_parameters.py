"""Recovery of unknown columns: parameters 20 % off, an autoencoder trained for that, and Kalman smoothers.

    python -m benchmarks.unknown_parameters [--out benchmarks/results/unknown_parameters.json] [--quick]

Each held-out column has its own A, B, a, b and C, and bounds of its input, all uniform within 20 % of the standard
ones. The autoencoder was trained on such columns. The smoother is given the standard parameters, or the true ones, or
estimates all six (p: the mean input) along with the states. About half an hour on two cores; `--quick` is a look.
"""

import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jrae_jax as jrae

from .timing import arguments_parser, environment, write

MASKS = {"y0": ("y0",), "eeg": ("eeg",), "y0,y1,y2": ("y0", "y1", "y2")}
SPREAD, NOISE, DT, BURN_IN, EDGE = 0.2, 0.05, 1e-3, 2.0, 500
SEEDS, COLUMNS, SECONDS, STEPS, MEMORY = 5, 32, 10.0, 15_000, 0.64
STANDARD = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=DT))
NAMES = ("A", "B", "a", "b", "C", "low", "high")


RANGES = {
    name: ((1 - SPREAD) * float(STANDARD.value(name)), (1 + SPREAD) * float(STANDARD.value(name))) for name in NAMES
}


def trained(steps: int) -> tuple[jrae.Reconstructor, float]:
    """One autoencoder for all masks, trained over the ranges, and the seconds that took."""
    source_key, weights_key, training_key = jax.random.split(jax.random.key(0), 3)
    start = time.perf_counter()
    source = jrae.SimulatedRecordings(
        STANDARD, kinds=list(MASKS.values()), noise=NOISE, ranges=RANGES, dt=DT, key=source_key
    )
    autoencoder = jrae.WindowedAutoencoder(
        past=MEMORY,
        future=MEMORY,
        dt=DT,
        widths=(512, 256, 128),
        inputs=("y0", "y1", "y2", "eeg"),
        key=weights_key,
    )
    return jrae.train(autoencoder, source, steps=steps, key=training_key).reconstructor, time.perf_counter() - start


def columns(seed: int, count: int) -> tuple[jrae.Column, jrae.Trajectories]:
    """Columns that nothing was trained on, and their states."""
    value_key, noise_key = jax.random.split(jax.random.fold_in(jax.random.key(1), seed))
    drawn = jax.random.uniform(value_key, (len(NAMES), count))
    values = {name: low + (high - low) * unit for (name, (low, high)), unit in zip(RANGES.items(), drawn, strict=True)}
    column = STANDARD.replace(**values)
    return column, jrae.simulate(column, t1=BURN_IN + SECONDS, dt=DT, burn_in=BURN_IN, batch=count, key=noise_key)


def estimators(own: jrae.Reconstructor, truth: jrae.Column) -> Mapping[str, jrae.AbstractEstimator]:
    """All that are compared."""
    smoother = jrae.estimators.KalmanSmoother
    return {
        "autoencoder, trained over the ranges": own,
        "autoencoder, trained at the standard ones": jrae.load_pretrained(),
        "smoother, standard parameters": smoother(STANDARD),
        "smoother, parameters estimated": smoother(
            STANDARD, unknown=("A", "B", "a", "b", "C", "p"), prior_std=SPREAD / 3**0.5
        ),
        "smoother, true parameters": smoother(truth),
    }


def scored(states: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """R2 of each state over all columns and of the column in the middle; a column without an estimate gets the mean."""
    truth, found = states[:, EDGE:-EDGE], found[:, EDGE:-EDGE]
    failed = ~np.all(np.isfinite(found), axis=(1, 2))
    found = np.where(failed[:, None, None], truth.mean(axis=(0, 1)), found)
    error, spread = ((values**2).mean(axis=1) for values in (found - truth, truth - truth.mean(axis=1, keepdims=True)))
    pooled = jrae.recording.r_squared(jnp.asarray(truth.reshape(-1, 6)), jnp.asarray(found.reshape(-1, 6)))
    return {
        "r2": np.asarray(pooled, float),
        "r2_of_the_middle_column": np.median(1 - error / spread, axis=0),
        "failed": int(failed.sum()),
    }


def summary(observed: str, means: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over the seeds."""
    hidden = [state not in MASKS[observed] for state in jrae.column.STATES]
    r2 = np.array([row["r2"] for row in rows])
    of_hidden = jrae.recording.interval(r2[:, hidden].mean(axis=1)) if len(rows) > 1 else None
    return {
        "observed": observed,
        "means": means,
        "r2": r2.mean(axis=0).tolist(),
        "r2_of_the_middle_column": np.mean([row["r2_of_the_middle_column"] for row in rows], axis=0).tolist(),
        "hidden_r2": float(r2[:, hidden].mean()),
        "hidden_r2_half_width": None if of_hidden is None else float(of_hidden.high - of_hidden.mean),
        "failed_columns": sum(row["failed"] for row in rows),
    }


def main() -> None:
    """Train, compare, print and write."""
    options = arguments_parser(__doc__, __file__).parse_args()
    own, seconds = trained(64 if options.quick else STEPS)
    seeds, count = (1, 4) if options.quick else (SEEDS, COLUMNS)
    noise_std = NOISE * np.asarray(own.standardizer.std)
    sets = [columns(seed, count) for seed in range(seeds)]
    rows = []
    for observed, mask in MASKS.items():
        found: dict[str, list[dict[str, Any]]] = {}
        for seed, (column, trajectories) in enumerate(sets):
            states = np.asarray(trajectories.ys)
            channels = np.asarray(jrae.column.to_channels(trajectories.ys))
            noise = np.random.default_rng(seed).normal(size=channels.shape)
            recording = jrae.Recording.from_array(
                channels + noise_std * noise, observed=mask, dt=DT, noise_std=noise_std
            )
            for means, estimator in estimators(own, column).items():
                found.setdefault(means, []).append(scored(states, np.asarray(estimator(recording).mean)))
        for means, scores in found.items():
            row = summary(observed, means, scores)
            print(f"{observed:<9}{means:<40}" + "".join(f"{value:8.3f}" for value in [*row["r2"], row["hidden_r2"]]))
            rows.append(row)
        write(
            {"environment": environment(), "training_s": seconds, "columns": seeds * count, "rows": rows}, options.out
        )


if __name__ == "__main__":
    main()
