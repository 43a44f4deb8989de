"""How often the truth lies in the intervals that the networks of the package tell.

    python -m benchmarks.calibration [--out benchmarks/results/calibration.json] [--quick]

The share of held-out values within the 50 % and 90 % intervals, state by state, for each kind of recording and noise
level, of both networks; and over all of these together.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jrae_jax as jrae

from .timing import arguments_parser, environment, write

MASKS = ("y0", "eeg", "y0,y1,y2", "y0,y1,y2,y3,y4,y5", "y1,y2", "y4")
LEVELS = (0.01, 0.05, 0.1, 0.5)
INTERVALS = {"50": 0.674490, "90": 1.644854}  # half-widths in standard deviations
COLUMNS, SECONDS, EDGE = 64, 5.0, 500


def held_out(columns: int) -> jax.Array:
    """Recordings of columns that no network was trained on, without noise."""
    parameters = jrae.JansenRitParameters.preset("jansen_rit_1995")
    input = jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3)
    t1, key = 2.0 + SECONDS, jax.random.key(77)
    found = jrae.simulate(parameters, input, t1=t1, dt=1e-3, burn_in=2.0, batch=columns, key=key)
    return jrae.to_channels(found.ys)


def coverage(model: jrae.Reconstructor, channels: jax.Array, level: float) -> dict[str, list[float]]:
    """The share of the true values in each interval, by state."""
    std = np.asarray(model.standardizer.std)
    noise = level * std * np.random.default_rng(0).normal(size=channels.shape)
    told = model.distribution(jnp.asarray(channels + noise, channels.dtype), dt=1e-3)
    off = np.abs((np.asarray(channels)[..., :6] - told.mean) / told.std)[:, EDGE:-EDGE]
    return {name: (off < half_width).mean(axis=(0, 1)).tolist() for name, half_width in INTERVALS.items()}


def main() -> None:
    """Measure, print and write."""
    options = arguments_parser(__doc__, __file__).parse_args()
    channels = held_out(4 if options.quick else COLUMNS)
    masks, levels = (MASKS[:1], LEVELS[:2]) if options.quick else (MASKS, LEVELS)
    rows: list[dict[str, Any]] = []
    for causal in (False, True):
        model = jrae.load_pretrained(causal=causal)
        for mask in masks:
            for level in levels:
                found = coverage(model.observing(mask.split(",")), channels, level)
                rows.append({"causal": causal, "seen": mask, "noise": level} | found)
                cells = ["  ".join(f"{100 * value:4.0f}" for value in shares) for shares in found.values()]
                print(f"{'causal' if causal else 'centred':<8}{mask:<18}{level:5.0%}   " + "   |   ".join(cells))
    together = {name: np.mean([row[name] for row in rows], axis=0).tolist() for name in INTERVALS}
    cells = ["  ".join(f"{100 * share:4.1f}" for share in shares) for shares in together.values()]
    print(f"{'all together':<34}" + "   |   ".join(cells))
    write({"environment": environment(), "rows": rows, "together": together}, options.out)


if __name__ == "__main__":
    main()
