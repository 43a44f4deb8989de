"""The latent trajectory of an autoencoder, with all six states observed and with one.

python examples/latent_space.py [figure.png]
"""

import sys

import jax
import numpy as np
from matplotlib.figure import Figure

import jrae_jax as jrae

CONDITIONS = {"all six states": jrae.FULL, "three potentials": jrae.POTENTIALS, "pyramidal potential": jrae.PYRAMIDAL}


def main(path: str = "latent_space.png", *, duration: float = 11.0, epochs: int = 20, seed: int = 0) -> None:
    """Train one autoencoder for each condition and draw the latents of a held-out trajectory."""
    simulation_key, model_key, training_key = jax.random.split(jax.random.key(seed), 3)
    parameters = jrae.JansenRitParameters.preset("jansen_rit_1995")
    drive = jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3)
    trajectories = jrae.simulate(parameters, drive, t1=duration, dt=1e-3, burn_in=1.0, batch=8, key=simulation_key)

    figure = Figure(figsize=(10, 3.8), layout="constrained")
    for index, (label, mask) in enumerate(CONDITIONS.items()):
        dataset = jrae.make_dataset(trajectories, observed=mask, held_out=1, train_every=10)
        fitted = jrae.fit(jrae.Autoencoder(latent_size=3, key=model_key), dataset, key=training_key, epochs=epochs)
        latents = np.asarray(fitted.model.latents(trajectories.ys[-1]))
        dimensions, share = jrae.participation_ratio(latents), jrae.line_share(latents)
        print(f"{label}: {dimensions:.2f} dimensions, {share:.0%} of the variance on a line")
        ax = figure.add_subplot(1, len(CONDITIONS), index + 1, projection="3d")
        ax.plot(*latents[:4000].T, lw=0.5, color="#2a6f97")
        ax.set_title(f"{label}\n{dimensions:.2f} dimensions, {share:.0%} on a line", fontsize=10)
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
