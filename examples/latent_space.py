# %% [markdown]
"""
# The latent trajectory of an autoencoder

An autoencoder reads what is observed, squeezes it through three numbers, and reads all six states out of
them. How those three numbers move in time is its latent trajectory. It depends on what is observed: this
example trains one autoencoder for each of three kinds of recording.

`python examples/latent_space.py [figure.png]`
"""

# %%
import sys

import jax
import numpy as np
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D

import jrae_jax as jrae

CONDITIONS = {
    "all six states": jrae.recording.FULL,
    "three potentials": jrae.recording.POTENTIALS,
    "pyramidal potential": jrae.recording.PYRAMIDAL,
}

# %% [markdown]
# The autoencoder sees one instant at a time. So from one number, the pyramidal potential, it can only make a
# curve: where the latent looks as if the dynamics had become simple, it is the recording that has become
# poor. The fraction of variance along the first component says how close to a straight line the latent is.


# %%
def latents_of(observed, trajectories: jrae.Trajectories, epochs: int, keys) -> np.ndarray:
    """Train an autoencoder for what is observed; its latents over a trajectory that it was not trained on."""
    data = jrae.make_dataset(trajectories, observed=observed, held_out=1, train_every=10)
    assert data.held_out is not None
    training = jrae.train(jrae.Autoencoder(latent_size=3, key=keys[0]), data, key=keys[1], epochs=epochs)
    return np.asarray(training.reconstructor.latents(data.held_out.recording[0]))


@jrae.plot.styled
def draw(latents: dict[str, np.ndarray]) -> Figure:
    """Four seconds of each latent."""
    figure = jrae.plot.StyledFigure(figsize=(7.0, 3.0), layout="constrained")
    for index, (label, points) in enumerate(latents.items()):
        ax = figure.add_subplot(1, len(latents), index + 1, projection="3d")
        assert isinstance(ax, Axes3D)
        ax.plot(*points[:4000].T, lw=0.5)
        ax.set(xticklabels=[], yticklabels=[], zticklabels=[])
        for number, axis in enumerate((ax.xaxis, ax.yaxis, ax.zaxis), 1):
            axis.set_label_text(f"latent {number}")
            axis.labelpad = -12
        ax.set_title(label)
    return figure


# %%
def main(path: str = "latent_space.png", *, duration: float = 11.0, epochs: int = 20, seed: int = 0) -> None:
    """Train an autoencoder for each condition, and print and draw its latents."""
    simulation_key, *keys = jax.random.split(jax.random.key(seed), 3)
    column = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
    trajectories = jrae.simulate(column, t1=duration, dt=1e-3, burn_in=1.0, batch=8, key=simulation_key)
    latents = {label: latents_of(mask, trajectories, epochs, keys) for label, mask in CONDITIONS.items()}
    for label, points in latents.items():
        dimensions = jrae.timeseries.participation_ratio(points)
        variance = jrae.timeseries.first_component_variance(points)
        print(f"{label}: {dimensions:.2f} dimensions, {variance:.0%} of the variance along the first component")
    draw(latents).savefig(path)
    print(f"wrote {path}")


# %%
if __name__ == "__main__":
    main(*sys.argv[1:2])
