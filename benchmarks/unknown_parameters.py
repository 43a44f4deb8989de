"""Recovery when nobody knows the column: parameters 20 % off, a network trained for that, and Kalman smoothers.

    python -m benchmarks.unknown_parameters [--out benchmarks/results/unknown_parameters.json] [--quick]

Each held-out column has its own A, B, a, b and C, and bounds of its input, all uniform within 20 % of the standard
ones. The network was trained on such columns. The smoother is given the standard parameters, or the true ones, or
estimates all six (p: the mean input) along with the states. About half an hour on two cores; `--quick` is a look.
"""

import dataclasses
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
STANDARD = jrae.JansenRitParameters.preset("jansen_rit_1995")
INPUT = jrae.UniformNoiseInput(120.0, 320.0, hold=DT)
NAMES = ("A", "B", "a", "b", "C", "low", "high")


def nominal(name: str) -> float:
    """The standard value of a quantity."""
    return float(getattr(INPUT if name in ("low", "high") else STANDARD, name))


RANGES = {name: ((1 - SPREAD) * nominal(name), (1 + SPREAD) * nominal(name)) for name in NAMES}


def trained(steps: int) -> tuple[jrae.Reconstructor, float]:
    """One network for all masks, trained over the ranges, and the seconds that took."""
    source_key, network_key, training_key = jax.random.split(jax.random.key(0), 3)
    start = time.perf_counter()
    source = jrae.endless_recordings(
        STANDARD, INPUT, observed=list(MASKS.values()), noise=NOISE, ranges=RANGES, dt=DT, key=source_key
    )
    network = jrae.WindowedAutoencoder(
        window=jrae.Window(past=MEMORY, future=MEMORY, dt=DT),
        widths=(512, 256, 128),
        inputs=("y0", "y1", "y2", "eeg"),
        key=network_key,
    )
    return jrae.fit_endless(network, source, steps=steps, key=training_key).model, time.perf_counter() - start


def columns(seed: int, count: int) -> tuple[jrae.JansenRitParameters, jrae.UniformNoiseInput, np.ndarray]:
    """Parameters and input of columns that nobody was trained on, and their states."""
    value_key, noise_key = jax.random.split(jax.random.fold_in(jax.random.key(1), seed))
    shares = jax.random.uniform(value_key, (len(NAMES), count))
    values = {
        name: low + (high - low) * share for (name, (low, high)), share in zip(RANGES.items(), shares, strict=True)
    }
    bounds = {name: values.pop(name) for name in ("low", "high")}
    parameters, input = dataclasses.replace(STANDARD, **values), dataclasses.replace(INPUT, **bounds)
    t1 = BURN_IN + SECONDS
    found = jrae.simulate(parameters, input, t1=t1, dt=DT, burn_in=BURN_IN, batch=count, key=noise_key)
    return parameters, input, np.asarray(found.ys)


def estimates(
    recordings: jax.Array, mask: tuple[str, ...], noise_std: np.ndarray, own: jrae.Reconstructor, truth: tuple[Any, Any]
) -> Mapping[str, np.ndarray]:
    """States by every means."""
    known = {"mask": mask, "noise_std": noise_std, "dt": DT}
    standard = {"parameters": STANDARD, "input": INPUT}
    unknown = {"unknown": ("A", "B", "a", "b", "C", "p"), "prior_std": SPREAD / 3**0.5}
    return {
        "network, trained over the ranges": np.asarray(own.observing(mask)(recordings, dt=DT)),
        "network, trained at the standard ones": np.asarray(jrae.load_pretrained().observing(mask)(recordings, dt=DT)),
        "smoother, standard parameters": np.asarray(jrae.kalman_smoother(recordings, **known, **standard).mean),
        "smoother, parameters estimated": np.asarray(
            jrae.kalman_smoother(recordings, **known, **standard, **unknown).mean
        ),
        "smoother, true parameters": np.asarray(
            jrae.kalman_smoother(recordings, **known, parameters=truth[0], input=truth[1]).mean
        ),
    }


def scored(states: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """R2 of each state over all columns and of the column in the middle; a column without an estimate gets the mean."""
    truth, found = states[:, EDGE:-EDGE], found[:, EDGE:-EDGE]
    failed = ~np.all(np.isfinite(found), axis=(1, 2))
    found = np.where(failed[:, None, None], truth.mean(axis=(0, 1)), found)
    error, spread = ((values**2).mean(axis=1) for values in (found - truth, truth - truth.mean(axis=1, keepdims=True)))
    pooled = jrae.r_squared(jnp.asarray(truth.reshape(-1, 6)), jnp.asarray(found.reshape(-1, 6)))
    return {
        "r2": np.asarray(pooled, float),
        "r2_of_the_middle_column": np.median(1 - error / spread, axis=0),
        "failed": int(failed.sum()),
    }


def summary(seen: str, means: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over the seeds."""
    hidden = [state not in MASKS[seen] for state in jrae.STATES]
    r2 = np.array([row["r2"] for row in rows])
    of_hidden = jrae.interval(r2[:, hidden].mean(axis=1)) if len(rows) > 1 else None
    return {
        "seen": seen,
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
    for seen, mask in MASKS.items():
        found: dict[str, list[dict[str, Any]]] = {}
        for seed, (parameters, input, states) in enumerate(sets):
            channels = np.asarray(jrae.to_channels(jnp.asarray(states)))
            noise = np.random.default_rng(seed).normal(size=channels.shape)
            recordings = jnp.asarray((channels + noise_std * noise).astype(states.dtype))
            for means, estimate in estimates(recordings, mask, noise_std, own, (parameters, input)).items():
                found.setdefault(means, []).append(scored(states, estimate))
        for means, scores in found.items():
            row = summary(seen, means, scores)
            print(f"{seen:<9}{means:<40}" + "".join(f"{value:8.3f}" for value in [*row["r2"], row["hidden_r2"]]))
            rows.append(row)
        write(
            {"environment": environment(), "training_s": seconds, "columns": seeds * count, "rows": rows}, options.out
        )


if __name__ == "__main__":
    main()
