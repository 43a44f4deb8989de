"""Which hidden states can be recovered from one instant, for each of four kinds of recording?

python examples/partial_observability.py [figure.png]
"""

import sys

import jax
import numpy as np
from matplotlib.figure import Figure

import jrae_jax as jrae

RECORDINGS = {
    "three potentials": jrae.recording.POTENTIALS,
    "pyramidal potential": jrae.recording.PYRAMIDAL,
    "EEG, y1 - y2": jrae.recording.EEG,
    "EEG and pyramidal potential": jrae.ObservationMask.from_names("y0", "eeg"),
}


def main(path: str = "partial_observability.png", *, duration: float = 11.0, epochs: int = 20, seed: int = 0) -> None:
    """Train one autoencoder for each kind, all in one ensemble, and draw the r of every state."""
    simulation_key, weights_key, training_key = jax.random.split(jax.random.key(seed), 3)
    column = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
    trajectories = jrae.simulate(column, t1=duration, dt=1e-3, burn_in=1.0, batch=16, key=simulation_key)
    datasets = [
        jrae.make_dataset(trajectories, observed=mask, held_out=4, train_every=10) for mask in RECORDINGS.values()
    ]
    autoencoders = [jrae.Autoencoder(key=weights_key) for _ in RECORDINGS]
    keys = jax.random.split(training_key, len(RECORDINGS))
    trainings = jrae.train_ensemble(autoencoders, datasets, keys=keys, epochs=epochs)

    figure = Figure(figsize=(8, 4), layout="constrained")
    ax = figure.subplots()
    width = 0.8 / len(RECORDINGS)
    for index, (label, training, data) in enumerate(zip(RECORDINGS, trainings, datasets, strict=True)):
        assert data.held_out is not None
        scores = jrae.evaluate(training.reconstructor(data.held_out.recording), data)
        print(f"{label}\n{scores}\n")
        ax.bar(np.arange(6) + (index - 1.5) * width, scores.r, width, label=label)
    ax.set_xticks(range(6), jrae.column.STATES)
    ax.set_ylabel("Pearson r, held-out trajectories")
    ax.legend(frameon=False, ncols=2, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
