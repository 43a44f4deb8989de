# %% [markdown]
"""
# What one instant tells

Which hidden states can be recovered from a single instant of a recording? For each of four kinds of recording
an autoencoder is trained to give all six states, and scored on simulations that it has not been trained on.

`python examples/partial_observability.py [figure.png]`
"""

# %%
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

# %% [markdown]
# The states are `y0` to `y5`: the potentials that pyramidal, excitatory and inhibitory cells cause, and their
# derivatives. From the pyramidal potential `y0`, an instant says nothing of `y3`, which is its slope; a
# longer piece of the recording would. `jrae.load_pretrained()` and the Kalman smoother read such pieces.
#
# `train_ensemble` trains all four in one program.


# %%
def train(trajectories: jrae.Trajectories, epochs: int, weights_key, training_key) -> dict[str, jrae.recording.Scores]:
    """Scores of an autoencoder for each kind of recording, on trajectories that were held out."""
    kinds = RECORDINGS.values()
    datasets = [jrae.make_dataset(trajectories, observed=mask, held_out=4, train_every=10) for mask in kinds]
    autoencoders = [jrae.Autoencoder(key=weights_key) for _ in datasets]
    keys = jax.random.split(training_key, len(datasets))
    trainings = jrae.train_ensemble(autoencoders, datasets, keys=keys, epochs=epochs)
    scores = {}
    for label, training, data in zip(RECORDINGS, trainings, datasets, strict=True):
        assert data.held_out is not None
        scores[label] = jrae.evaluate(training.reconstructor(data.held_out.recording), data)
    return scores


@jrae.plot.styled
def draw(scores: dict[str, jrae.recording.Scores]) -> Figure:
    """A bar for each state and kind of recording."""
    figure = jrae.plot.StyledFigure(figsize=(7.0, 3.6), layout="constrained")
    ax = figure.subplots()
    width = 0.8 / len(scores)
    for index, (label, each) in enumerate(scores.items()):
        ax.bar(np.arange(6) + (index - 1.5) * width, each.r, width, label=label)
    ax.set_xticks(range(6), jrae.column.STATES)
    ax.set_ylabel("Pearson r")
    ax.axhline(0, color="black", lw=0.8)
    figure.legend(ncols=2, loc="outside upper center")
    return figure


# %%
def main(path: str = "partial_observability.png", *, duration: float = 11.0, epochs: int = 20, seed: int = 0) -> None:
    """Train one autoencoder for each kind of recording, and print and draw the r of every state."""
    simulation_key, *keys = jax.random.split(jax.random.key(seed), 3)
    column = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
    trajectories = jrae.simulate(column, t1=duration, dt=1e-3, burn_in=1.0, batch=16, key=simulation_key)
    scores = train(trajectories, epochs, *keys)
    for label, each in scores.items():
        print(f"{label}\n{each}\n")
    draw(scores).savefig(path)
    print(f"wrote {path}")


# %%
if __name__ == "__main__":
    main(*sys.argv[1:2])
