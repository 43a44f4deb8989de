"""Learning without labels: autoencoders trained on true states, and by the equations on what is measured alone.

    python -m benchmarks.unlabelled [--out benchmarks/results/unlabelled.json] [--quick]

Both see the same recordings, with 5 % sensor noise, for the same number of steps; scored on the same held-out
recordings beside the Kalman smoother. About twenty minutes on two cores; `--quick` is a look.
"""

import time
from typing import Any

import jax
import numpy as np

import jrae_jax as jrae

from .timing import arguments_parser, environment, write

MASKS = ("y0", "eeg")
NOISE, STEPS, SEEDS = 0.05, 3000, 5
COLUMN = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))


def trained(mask: str, loss: jrae.PhysicsLoss | None, steps: int) -> tuple[jrae.Reconstructor, float]:
    """An autoencoder for one kind of recording, and the seconds that its training took."""
    source_key, weights_key, training_key = jax.random.split(jax.random.key(0), 3)
    start = time.perf_counter()
    source = jrae.SimulatedRecordings(COLUMN, kinds=[mask.split(",")], noise=NOISE, key=source_key)
    autoencoder = jrae.WindowedAutoencoder(past=0.32, future=0.32, inputs=mask.split(","), key=weights_key)
    training = jrae.train(autoencoder, source, steps=steps, key=training_key, loss=loss)
    return training.reconstructor, time.perf_counter() - start


def compare(mask: str, quick: bool) -> dict[str, Any]:
    """r and R2 of each state by every means, over seeds."""
    steps = 64 if quick else STEPS
    labelled, labelled_s = trained(mask, None, steps)
    unlabelled, unlabelled_s = trained(mask, jrae.PhysicsLoss(COLUMN), steps)
    settings = jrae.studies.AtlasSettings(masks=(mask,), noise=(NOISE,), seeds=1 if quick else SEEDS)
    autoencoders = {"with labels": labelled, "without labels": unlabelled}
    found = jrae.studies.atlas(settings, autoencoders=autoencoders).load().isel(mask=0, noise=0)
    kept = ("kalman smoother", *autoencoders)
    scores = {result: {name: found[result].sel(estimator=name).values for name in kept} for result in ("r", "r2")}
    return {
        "observed": mask,
        "training_s": {"with labels": labelled_s, "without labels": unlabelled_s},
        "r": {name: values.mean(axis=0).tolist() for name, values in scores["r"].items()},
        "r2": {name: values.mean(axis=0).tolist() for name, values in scores["r2"].items()},
        "lost_r": (scores["r"]["without labels"] - scores["r"]["with labels"]).mean(axis=0).tolist(),
        "half_width": {name: _half_width(values) for name, values in scores["r"].items()},
    }


def _half_width(values: np.ndarray) -> list[float] | None:
    if len(values) < 2:
        return None
    bounds = jrae.recording.interval(values)
    return (bounds.high - bounds.mean).tolist()


def main() -> None:
    """Train, compare, print and write."""
    options = arguments_parser(__doc__, __file__).parse_args()
    rows = []
    for mask in MASKS[:1] if options.quick else MASKS:
        row = compare(mask, options.quick)
        print(f"observed {mask}: {row['training_s']['with labels']:.0f} s, {row['training_s']['without labels']:.0f} s")
        for name, values in row["r"].items():
            print(f"  {name:<16}" + "".join(f"{value:9.4f}" for value in values))
        rows.append(row)
        write({"environment": environment(), "rows": rows}, options.out)


if __name__ == "__main__":
    main()
