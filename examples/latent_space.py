"""The latent trajectory of an autoencoder, with all six states observed and with one.

python examples/latent_space.py [figure.png]
"""

import sys

import jax
import numpy as np
from matplotlib.figure import Figure

import jrae_jax as jrae

CONDITIONS = {
    "all six states": jrae.recording.FULL,
    "three potentials": jrae.recording.POTENTIALS,
    "pyramidal potential": jrae.recording.PYRAMIDAL,
}


def main(path: str = "latent_space.png", *, duration: float = 11.0, epochs: int = 20, seed: int = 0) -> None:
    """Train one autoencoder for each condition and draw the latents of a held-out trajectory."""
    simulation_key, weights_key, training_key = jax.random.split(jax.random.key(seed), 3)
    column = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
    trajectories = jrae.simulate(column, t1=duration, dt=1e-3, burn_in=1.0, batch=8, key=simulation_key)

    figure = Figure(figsize=(10, 3.8), layout="constrained")
    for index, (label, mask) in enumerate(CONDITIONS.items()):
        data = jrae.make_dataset(trajectories, observed=mask, held_out=1, train_every=10)
        assert data.held_out is not None
        autoencoder = jrae.Autoencoder(latent_size=3, key=weights_key)
        training = jrae.train(autoencoder, data, key=training_key, epochs=epochs)
        latents = np.asarray(training.reconstructor.latents(data.held_out.recording[0]))
        dimensions = jrae.timeseries.participation_ratio(latents)
        variance = jrae.timeseries.first_component_variance(latents)
        print(f"{label}: {dimensions:.2f} dimensions, {variance:.0%} of the variance along the first component")
        ax = figure.add_subplot(1, len(CONDITIONS), index + 1, projection="3d")
        ax.plot(*latents[:4000].T, lw=0.5, color="#2a6f97")
        ax.set_title(f"{label}\n{dimensions:.2f} dimensions, {variance:.0%} along the first", fontsize=10)
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
