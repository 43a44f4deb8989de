"""How well `decode` recovers states that are known: simulated columns of the prior, recorded as amplifiers record.

    python -m benchmarks.decoding [--out benchmarks/results/decoding.json] [--quick] [--recordings N]

For each rate and band: the fraction of true states within 90 % intervals and the correlation of the estimate with the
truth, in mV and as shapes, beside a smoother that knows column, gain and background. Recordings are of 20 s, with
columns and noise that nothing was trained on.
"""

import itertools
import time
from typing import NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

import jrae_jax as jrae
from jrae_jax.column import STATES
from jrae_jax.decoding import Draws, Prior
from jrae_jax.decoding.features import features
from jrae_jax.decoding.states import hidden_states
from jrae_jax.recording import RecordingModel

from .timing import arguments_parser, environment, write

SECONDS = 20.0
RATES = (128.0, 160.0, 250.0, 256.0, 500.0, 512.0, 1000.0)
BANDS = {"none": (0.0, np.inf), "0.1 to 100 Hz": (0.1, 100.0), "0.5 to 45 Hz": (0.5, 45.0), "1 to 40 Hz": (1.0, 40.0)}
"""Edges of filters without delay; bands other than none at 250 Hz."""

_INTERVAL = 1.645
_AT_ONCE = 16  # recordings
_SLOW, _STILL = 5.0, 0.05  # Hz of a standard column; mV
_ABOUT = ("by", "rate", "band", "from", "to", "regime")
SNR = (0.0, 0.2, 0.5, 1.0, 3.0, 31.0)
"""Standard deviation of the background over that of the column, from 4.5 to 24 Hz: edges of cells."""

_SIZE = (0.015, 0.7)  # mV from 4.5 to 24 Hz, as of an EEG: median, and standard deviation of the logarithm


class Estimated(NamedTuple):
    """States, shape `(recording, time, 6)`."""

    mean: np.ndarray
    std: np.ndarray
    shape_mean: np.ndarray
    shape_std: np.ndarray


class Truth(NamedTuple):
    """Simulated recordings, and what they come from."""

    recording: jrae.Recording
    states: np.ndarray
    """Shape `(recording, time, 6)`."""
    values: dict[str, np.ndarray]
    """Of the prior."""
    column_std: np.ndarray
    model: RecordingModel


def simulated(number: int, rate: float, band: tuple[float, float], seed: int) -> Truth:
    """Columns of the prior behind amplifiers of unknown gain."""
    keys = jax.random.split(jax.random.key(seed), 4)
    prior, every = Prior(), int(np.ceil(1000 / rate))
    values = prior.values(prior.draw(number, key=keys[0]))
    trajectories = jrae.simulate(
        prior.columns(values),
        t1=SECONDS + 2.0,
        dt=1 / (rate * every),
        burn_in=2.0,
        solver=jrae.column.StrangSplitting(),
        saveat=diffrax.SaveAt(steps=every),
        key=keys[1],
    )
    samples = round(SECONDS * rate)
    ys = trajectories.ys[:, :samples]
    eeg = ys[..., 1] - ys[..., 2]
    column_std = jnp.exp(jax.jit(features, static_argnums=1)(eeg, 1 / rate).log_std)
    background = values["background"] * column_std
    white = values["white"] * background
    size = _SIZE[0] * jnp.exp(_SIZE[1] * jax.random.normal(keys[2], (number,)))
    gain = size / jnp.sqrt(column_std**2 + background**2 + white**2)
    model = RecordingModel(gain, background, values["exponent"], white, band)
    recorded = model.record(eeg, 1 / rate, key=keys[3])
    filters = None if band == BANDS["none"] else band
    info = jrae.recording.RecordingInfo(names=tuple(f"{i}" for i in range(number)), unit="mV", band=filters)
    recording = jrae.Recording.of(eeg=recorded, dt=1 / rate, info=info)
    return Truth(
        recording, np.asarray(ys), {k: np.asarray(v) for k, v in values.items()}, np.asarray(column_std), model
    )


def scored(mean: np.ndarray, std: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fraction within 90 % intervals and correlation over time, of each recording and state."""
    inside = np.abs(mean - truth) < _INTERVAL * std
    centred = [x - x.mean(axis=1, keepdims=True) for x in (mean, truth)]
    r = (centred[0] * centred[1]).sum(axis=1) / np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    return inside.mean(axis=1), r


def shapes(states: np.ndarray) -> np.ndarray:
    """Centred and in standard deviations of themselves."""
    return (states - states.mean(axis=1, keepdims=True)) / states.std(axis=1, keepdims=True)


def informed(truth: Truth) -> Estimated:
    """Of a smoother that knows everything but the states, and the mean of the recording."""
    values = np.asarray(truth.recording.values)[..., 6]
    values = values - values.mean(axis=1, keepdims=True)
    eeg = truth.states[..., 1] - truth.states[..., 2]
    parts = []
    for start in range(0, len(values), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(values)))
        known = (truth.values, truth.column_std, truth.model)
        draws = Draws(*jax.tree.map(lambda leaf, rows=rows: jnp.asarray(leaf)[rows][:, None], known))
        found = hidden_states(
            Prior(),
            draws,
            jnp.asarray(eeg[rows].mean(axis=1)[:, None]),
            jnp.asarray(eeg[rows].std(axis=1)[:, None]),
            jnp.asarray(values[rows]),
            jnp.ones(values[rows].shape, bool),
            truth.recording.dt,
        )
        parts.append([np.asarray(x) for x in found])
    return Estimated(*(np.concatenate(x) for x in zip(*parts, strict=True)))


def regimes(values: dict[str, np.ndarray]) -> np.ndarray:
    """What each column does without noise: nothing, a cycle of its rhythm, or a slow one of spikes."""
    columns = Prior().columns({name: jnp.asarray(value) for name, value in values.items()})
    quiet = columns.replace(input=jrae.ConstantInput(values["p"]))
    eeg = np.asarray(jrae.simulate(quiet, t1=12.0, dt=1e-3, burn_in=6.0, saveat=diffrax.SaveAt(steps=5)).eeg)
    above = eeg > eeg.mean(axis=1, keepdims=True)
    rate = (above[:, 1:] & ~above[:, :-1]).sum(axis=1) / 6.0 / np.asarray(values["time_scale"])
    found = np.where(rate < _SLOW, "slow cycle", "rhythm")
    return np.where(eeg.std(axis=1) < _STILL, "at rest", found)


def cell(rows: dict[str, np.ndarray], chosen: np.ndarray) -> dict:
    """Means over recordings with their standard errors, and medians of correlations, by state."""
    number = int(chosen.sum())
    found: dict = {"recordings": number}
    for name in ("cover", "shape_cover", "informed_cover"):
        values = rows[name][chosen]
        found[name] = values.mean(axis=0).round(4).tolist()
        found[f"{name}_se"] = (values.std(axis=0) / max(number - 1, 1) ** 0.5).round(4).tolist()
    for name in ("r", "shape_r", "informed_r"):
        found[name] = np.median(rows[name][chosen], axis=0).round(4).tolist()
    found["r_below_informed"] = np.median((rows["informed_r"] - rows["r"])[chosen], axis=0).round(4).tolist()
    return found


def measured(truth: Truth, key: jax.Array) -> dict[str, np.ndarray]:
    """Scores of each recording."""
    start = time.perf_counter()
    decoded = jrae.decode(truth.recording, key=key)
    seconds = time.perf_counter() - start
    known = informed(truth)
    good = np.asarray(np.isfinite(decoded.std + known.std).all(axis=(1, 2)))
    rows: dict[str, np.ndarray] = {"good": good, "seconds": np.full(good.shape, seconds / good.size)}
    rows["cover"], rows["r"] = scored(decoded.mean, decoded.std, truth.states)
    rows["shape_cover"], rows["shape_r"] = scored(decoded.shape_mean, decoded.shape_std, shapes(truth.states))
    rows["informed_cover"], rows["informed_r"] = scored(known.mean, known.std, truth.states)
    rows["background"], rows["regime"] = truth.values["background"], regimes(truth.values)
    rows["explained"] = decoded.check.explained
    return rows


def main() -> None:
    """Measure, and write the results."""
    parser = arguments_parser(__doc__, __file__)
    parser.add_argument("--recordings", type=int, default=100, help="of each rate and band (100)")
    options = parser.parse_args()
    number = 4 if options.quick else options.recordings
    kinds = [(rate, "none") for rate in RATES] + [(250.0, band) for band in BANDS if band != "none"]
    kinds = kinds[:2] if options.quick else kinds
    parts, cells = [], []
    for i, (rate, band) in enumerate(kinds):
        truth = simulated(number, rate, BANDS[band], 1500 + i)
        rows = measured(truth, jax.random.key(i))
        rows |= {"rate": np.full(number, rate), "band": np.full(number, band)}
        parts.append(rows)
        cells.append({"by": "rate and band", "rate": rate, "band": band} | cell(rows, rows["good"]))
        _print(cells[-1])
    together = {name: np.concatenate([rows[name] for rows in parts]) for name in parts[0]}
    good = together["good"]
    for low, high in itertools.pairwise(SNR):
        chosen = good & (together["background"] >= low) & (together["background"] < high)
        cells.append({"by": "background over column", "from": low, "to": high} | cell(together, chosen))
    for regime in np.unique(together["regime"]):
        cells.append({"by": "regime", "regime": str(regime)} | cell(together, good & (together["regime"] == regime)))
    cells.append({"by": "all"} | cell(together, good))
    clear = good & (together["background"] < 0.5)
    cells.append({"by": "background below half of the column"} | cell(together, clear))
    for each in cells[len(kinds) :]:
        _print(each)
    write(
        {
            "environment": environment(),
            "seconds": SECONDS,
            "states": list(STATES),
            "not_promised": int((~good).sum()),
            "explained": float(together["explained"].mean()),
            "seconds_a_recording": float(np.median(together["seconds"])),
            "cells": cells,
        },
        options.out,
    )


def _print(found: dict) -> None:
    about = ", ".join(str(value) for name, value in found.items() if name in _ABOUT)
    numbers = "  ".join(
        f"{name} {' '.join(f'{x:.3f}' for x in found[name])}" for name in ("cover", "shape_cover", "r", "informed_r")
    )
    print(f"{about:36} {found['recordings']:4}  {numbers}", flush=True)


if __name__ == "__main__":
    main()
