"""How often the truth lies in the intervals that the autoencoders of the package report.

    python -m benchmarks.calibration [--out benchmarks/results/calibration.json] [--quick]

The fraction of held-out values within the 50 % and 90 % intervals, state by state, for each kind of recording and noise
level, of both autoencoders; and over all of these together.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

import jrae_jax as jrae

from .timing import arguments_parser, environment, write

MASKS = ("y0", "eeg", "y0,y1,y2", "y0,y1,y2,y3,y4,y5", "y1,y2", "y4")
LEVELS = (0.01, 0.05, 0.1, 0.5)
INTERVALS = {"50": 0.674490, "90": 1.644854}  # half-widths in standard deviations
COLUMNS, SECONDS, EDGE = 64, 5.0, 500


def held_out(columns: int) -> jrae.Trajectories:
    """Columns that no autoencoder was trained on."""
    column = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
    return jrae.simulate(column, t1=2.0 + SECONDS, dt=1e-3, burn_in=2.0, batch=columns, key=jax.random.key(77))


def coverage(
    reconstructor: jrae.Reconstructor, trajectories: jrae.Trajectories, mask: Sequence[str], level: float
) -> dict[str, list[float]]:
    """The fraction of the true values in each interval, by state."""
    noise_std = level * np.asarray(reconstructor.standardizer.std)
    channels = np.asarray(jrae.column.to_channels(trajectories.ys))
    noise = noise_std * np.random.default_rng(0).normal(size=channels.shape)
    estimate = reconstructor(jrae.Recording.from_array(channels + noise, observed=mask, dt=1e-3, noise_std=noise_std))
    assert estimate.std is not None
    off = np.abs((trajectories.ys - estimate.mean) / estimate.std)[:, EDGE:-EDGE]
    return {name: (off < half_width).mean(axis=(0, 1)).tolist() for name, half_width in INTERVALS.items()}


def main() -> None:
    """Measure, print and write."""
    options = arguments_parser(__doc__, __file__).parse_args()
    trajectories = held_out(4 if options.quick else COLUMNS)
    masks, levels = (MASKS[:1], LEVELS[:2]) if options.quick else (MASKS, LEVELS)
    rows: list[dict[str, Any]] = []
    for causal in (False, True):
        reconstructor = jrae.load_pretrained(causal=causal)
        for mask in masks:
            for level in levels:
                found = coverage(reconstructor, trajectories, mask.split(","), level)
                rows.append({"causal": causal, "observed": mask, "noise": level} | found)
                cells = ["  ".join(f"{100 * value:4.0f}" for value in fractions) for fractions in found.values()]
                print(f"{'causal' if causal else 'non-causal':<8}{mask:<18}{level:5.0%}   " + "   |   ".join(cells))
    together = {name: np.mean([row[name] for row in rows], axis=0).tolist() for name in INTERVALS}
    cells = ["  ".join(f"{100 * fraction:4.1f}" for fraction in fractions) for fractions in together.values()]
    print(f"{'all together':<34}" + "   |   ".join(cells))
    write({"environment": environment(), "rows": rows, "together": together}, options.out)


if __name__ == "__main__":
    main()
