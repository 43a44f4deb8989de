"""How near to the Kalman estimators autoencoders come: dedicated ones, and the ones that come with the package.

    python -m benchmarks.recovery [--out benchmarks/results/recovery.json] [--quick]

For each kind of recording and noise level, causal or not, an autoencoder is trained for that alone, and scored beside
the one for all and the other estimators on the same held-out recordings. About an hour on two cores; `--quick` is a
look.
"""

import time
from typing import Any

import jax
import numpy as np

import jrae_jax as jrae

from .timing import arguments_parser, environment, write

MASKS = ("y0", "eeg", "y0,y1,y2", "y0,y1,y2,y3,y4,y5")
OTHER_LEVELS = (0.0, 0.01, 0.1, 0.5)
STEPS, SEEDS = 3000, 5
BEST = {True: "kalman filter", False: "kalman smoother"}


def cells(quick: bool) -> list[tuple[str, float, bool]]:
    """What is observed, the noise, and whether it is causal."""
    if quick:
        return [("eeg", 0.05, True)]
    at_five = [(mask, 0.05, causal) for mask in MASKS for causal in (False, True)]
    return at_five + [(mask, level, False) for mask in MASKS[:2] for level in OTHER_LEVELS]


def dedicated(mask: str, noise: float, causal: bool, steps: int) -> tuple[jrae.Reconstructor, float]:
    """An autoencoder for one kind of recording, and the seconds that its training took."""
    source_key, weights_key, training_key = jax.random.split(jax.random.key(0), 3)
    start = time.perf_counter()
    column = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
    source = jrae.SimulatedRecordings(column, kinds=[mask.split(",")], noise=noise, key=source_key)
    autoencoder = jrae.WindowedAutoencoder(
        past=0.32, future=0.0 if causal else 0.32, inputs=mask.split(","), key=weights_key
    )
    training = jrae.train(autoencoder, source, steps=steps, key=training_key)
    return training.reconstructor, time.perf_counter() - start


def compare(mask: str, noise: float, causal: bool, quick: bool) -> dict[str, Any]:
    """r of each state by every means, over seeds."""
    own, seconds = dedicated(mask, noise, causal, 64 if quick else STEPS)
    settings = jrae.studies.AtlasSettings(masks=(mask,), noise=(noise,), seeds=1 if quick else SEEDS)
    autoencoders = {"dedicated": own, "for all": jrae.load_pretrained(causal=causal)}
    found = jrae.studies.atlas(settings, autoencoders=autoencoders).load().isel(mask=0, noise=0)
    r = {str(name): found.r.isel(estimator=i).values for i, name in enumerate(found.estimator.values)}
    best = r[BEST[causal]]
    return {
        "observed": mask,
        "noise": noise,
        "causal": causal,
        "training_s": seconds,
        "r": {name: values.mean(axis=0).tolist() for name, values in r.items()},
        "half_width": {name: _half_width(values) for name, values in r.items()},
        "dedicated_minus_kalman": (r["dedicated"] - best).mean(axis=0).tolist(),
        "for_all_minus_dedicated": (r["for all"] - r["dedicated"]).mean(axis=0).tolist(),
    }


def _half_width(values: np.ndarray) -> list[float]:
    bounds = jrae.recording.interval(values)
    return (bounds.high - bounds.mean).tolist()


def main() -> None:
    """Train, compare, print and write."""
    options = arguments_parser(__doc__, __file__).parse_args()
    rows = []
    for mask, noise, causal in cells(options.quick):
        row = compare(mask, noise, causal, options.quick)
        print(f"observed {mask}, noise {noise:.0%}, {'causal' if causal else 'non-causal'}: {row['training_s']:.0f} s")
        for name in ("dedicated_minus_kalman", "for_all_minus_dedicated"):
            print(f"  {name:<26}" + "".join(f"{value:9.4f}" for value in row[name]))
        rows.append(row)
        write({"environment": environment(), "rows": rows}, options.out)


if __name__ == "__main__":
    main()
