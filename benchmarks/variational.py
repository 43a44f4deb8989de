"""States and input by optimisation, beside the Kalman smoother and the bound on both: what is found, and how fast.

    python -m benchmarks.variational [--out benchmarks/results/variational.json] [--quick]

Both get the held-out recordings of the atlas. The input is drawn anew every millisecond, and cannot be inferred
sample by sample unless `y4` is observed; its slow part, below 20 Hz, is what can be hoped for, so both r are reported.
The smoother estimates no input: here it is what its states need to obey the equation of `y4`. The bound is the
posterior Cramer-Rao one along the true paths, as the r of an estimate whose errors are as large. About five
minutes on two cores.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from scipy import signal

import jrae_jax as jrae

from .timing import arguments_parser, environment, write

MASKS = ("y0", "eeg", "y0,y1,y2", "y0,y1,y2,y3,y4,y5", "y1", "y4")
NOISE = (0.0, 0.05, 0.2, 0.5)
SEEDS, TRAJECTORIES, SECONDS, BURN_IN, EDGE = 5, 4, 10.0, 2.0, 0.5
DT, SLOW_HZ = 1e-3, 20.0
INPUT = jrae.UniformNoiseInput(120.0, 320.0, hold=DT)
COLUMN = jrae.Column.preset("jansen_rit_1995", INPUT)


class HeldOut(NamedTuple):
    """Trajectories of all sets, and what their recordings are made of."""

    trajectories: jrae.Trajectories
    p: np.ndarray
    """The input, of shape `(seed, trajectory, time)`."""
    std: np.ndarray
    """Of each channel: what counts as 100 % noise."""
    noise_key: jax.Array


def held_out(seeds: int) -> HeldOut:
    """All that is estimated."""
    statistics_key, held_out_key, noise_key = jax.random.split(jax.random.key(0), 3)
    spread = jrae.estimators.simulate_statistics(COLUMN, dt=DT, key=statistics_key).states
    std = np.asarray(jrae.column.to_channels(jnp.asarray(spread))).std(axis=(0, 1))
    batch, first = seeds * TRAJECTORIES, round(BURN_IN / DT) + 1
    settings = {"t1": BURN_IN + SECONDS, "dt": DT, "burn_in": BURN_IN, "batch": batch}
    trajectories = jrae.simulate(COLUMN, **settings, key=held_out_key)
    steps = first + np.arange(trajectories.ys.shape[1])
    streams = [jrae.column.noise_stream(held_out_key, number) for number in range(batch)]
    p = np.stack([jax.vmap(lambda step, stream=stream: INPUT.held(step, stream))(steps) for stream in streams])
    return HeldOut(trajectories, p.reshape(seeds, TRAJECTORIES, len(steps)), std, noise_key)


def input_of(states: np.ndarray) -> np.ndarray:
    """What p(t) must have been between samples for the states to obey the equation of y4."""
    known = COLUMN.parameters
    between = (states[:, 1:] + states[:, :-1]) / 2
    rate = 2 * known.e0 / (1 + np.exp(known.r * (known.v0 - known.C1 * between[..., 0])))
    damped = 2 * known.a * between[..., 4] + known.a**2 * between[..., 1]
    p = (np.diff(states[..., 4], axis=1) / DT + damped) / (known.A * known.a) - known.C2 * rate
    return np.append(p, np.full((len(states), 1), 220.0), axis=1)


def correlation(truth: np.ndarray, estimate: np.ndarray) -> float:
    """Without the edges, over all trajectories together."""
    inner = slice(round(EDGE / DT), -round(EDGE / DT))
    return float(np.corrcoef(truth[:, inner].ravel(), np.asarray(estimate)[:, inner].ravel())[0, 1])


def scores(states: np.ndarray, p: np.ndarray, found_states: np.ndarray, found_p: np.ndarray) -> dict[str, Any]:
    """r of each state, and of the input, all of it and its slow part."""
    slow = signal.butter(4, SLOW_HZ, fs=1 / DT, output="sos")
    pair = (signal.sosfiltfilt(slow, values - 220.0, axis=-1) for values in (p, found_p))
    r = [correlation(states[..., i], found_states[..., i]) for i in range(6)]
    pairs = list(zip(states, found_states, strict=True))
    apart = [[correlation(t[None, :, i], f[None, :, i]) for i in range(6)] for t, f in pairs]
    return {"r": r, "least_r": np.min(apart, axis=0), "r_p": correlation(p, found_p), "r_slow_p": correlation(*pair)}


def bound(trajectories: jrae.Trajectories, mask: Sequence[str], noise_std: np.ndarray) -> list[float]:
    """The largest r of each state that errors as small as they can be leave."""
    inner = slice(round(EDGE / DT), -round(EDGE / DT))
    found = jrae.estimators.posterior_cramer_rao(COLUMN, trajectories, observed=mask, noise_std=noise_std)
    std, states = np.asarray(found.std)[:, inner], np.asarray(trajectories.ys)[:, inner]
    return np.sqrt(1 - np.mean(std**2, axis=(0, 1)) / np.var(states, axis=(0, 1))).tolist()


def compare(mask: str, noise: float, data: HeldOut) -> dict[str, Any]:
    """Both estimators on every held-out set; means over sets."""
    estimators = {
        "kalman smoother": jrae.estimators.KalmanSmoother(COLUMN),
        "4d-var": jrae.estimators.FourDVar(COLUMN),
    }
    rows: dict[str, list[Any]] = {name: [] for name in estimators}
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    converged, bounds, names, noise_std = [], [], mask.split(","), noise * data.std
    for seed, p in enumerate(data.p):
        trajectories = data.trajectories[seed * TRAJECTORIES : (seed + 1) * TRAJECTORIES]
        bounds.append(bound(trajectories, names, noise_std))
        noise_key, _ = jax.random.split(jax.random.fold_in(data.noise_key, seed))
        recording = jrae.observe(trajectories, observed=names, noise_std=noise_std, key=noise_key)
        for name, estimator in estimators.items():
            start = time.perf_counter()
            found = jax.block_until_ready(estimator(recording))
            seconds[name].append(time.perf_counter() - start)
            mean = np.asarray(found.mean, float)
            if name == "4d-var":
                converged.append(np.mean(np.asarray(found.result == diffrax.RESULTS.successful)))
            found_p = input_of(mean) if found.input is None else np.asarray(found.input)
            rows[name].append(scores(np.asarray(trajectories.ys), p, mean, found_p))
    return {
        "observed": mask,
        "noise": noise,
        "converged": float(np.mean(converged)),
        "bound": np.mean(bounds, axis=0).tolist(),
        "median_s": {name: float(np.median(values)) for name, values in seconds.items()},
        "scores": {name: _means(found) for name, found in rows.items()},
        "half_width": {name: _half_widths(found) for name, found in rows.items()},
    }


def _means(found: list[dict[str, Any]]) -> dict[str, Any]:
    means = {name: np.mean([each[name] for each in found], axis=0).tolist() for name in ("r", "r_p", "r_slow_p")}
    return means | {"least_r": np.min([each["least_r"] for each in found], axis=0).tolist()}


def _half_widths(found: list[dict[str, Any]]) -> dict[str, Any] | None:
    if len(found) < 2:
        return None
    bounds = jrae.recording.interval(np.array([[*each["r"], each["r_p"], each["r_slow_p"]] for each in found]))
    *r, r_p, r_slow_p = (bounds.high - bounds.mean).tolist()
    return {"r": r, "r_p": r_p, "r_slow_p": r_slow_p}


def main() -> None:
    """Estimate, compare, print and write."""
    options = arguments_parser(__doc__, __file__).parse_args()
    data = held_out(2 if options.quick else SEEDS)
    compare(MASKS[0], NOISE[1], data._replace(p=data.p[:1]))  # compiles both
    rows = []
    for mask in MASKS[-1:] if options.quick else MASKS:
        for noise in NOISE[:2] if options.quick else NOISE:
            row = compare(mask, noise, data)
            print(f"observed {mask}, noise {noise:.0%}, {row['converged']:.0%} converged", row["median_s"])
            print(f"  {'bound':<16}" + "".join(f"{value:9.4f}" for value in row["bound"]))
            for name, found in row["scores"].items():
                print(f"  {name:<16}" + "".join(f"{value:9.4f}" for value in found["r"]), end="")
                print(f"   p {found['r_p']:.4f}, slow {found['r_slow_p']:.4f}")
            rows.append(row)
            about = {"recordings_a_call": TRAJECTORIES, "seconds": SECONDS, "slow_hz": SLOW_HZ}
            write({"environment": environment(), **about, "rows": rows}, options.out)


if __name__ == "__main__":
    main()
