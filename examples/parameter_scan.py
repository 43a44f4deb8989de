"""Rhythm of the column over two parameters: input p and connectivity C, all columns in one batch.

python examples/parameter_scan.py [figure.png]
"""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

import jrae_jax as jrae


def main(path: str = "parameter_scan.png", *, points: int = 48, duration: float = 6.0, burn_in: float = 2.0) -> None:
    """Simulate `points` times `points` columns and draw amplitude and frequency of `y1 - y2`."""
    p, C = np.linspace(50.0, 350.0, points), np.linspace(68.0, 270.0, points)
    grid_p, grid_C = (axis.ravel() for axis in np.meshgrid(p, C))
    parameters = dataclasses.replace(jrae.JansenRitParameters.preset("jansen_rit_1995"), C=grid_C)
    columns = jrae.simulate(parameters, jrae.ConstantInput(grid_p), t1=duration, dt=2e-3, burn_in=burn_in)
    amplitude, frequency = (jax.vmap(f)(jrae.eeg(columns.ys)) for f in (jnp.ptp, _mean_frequency(duration - burn_in)))
    frequency = np.where(amplitude > 0.1, frequency, np.nan)

    figure = Figure(figsize=(10, 4), layout="constrained")
    maps = {"peak to peak of y1 - y2 (mV)": amplitude, "frequency (Hz)": frequency}
    for ax, (title, values) in zip(figure.subplots(1, 2), maps.items(), strict=True):
        image = ax.pcolormesh(p, C, np.asarray(values).reshape(points, points), shading="nearest", cmap="viridis")
        figure.colorbar(image, ax=ax)
        ax.set(title=title, xlabel="input p (1/s)", ylabel="connectivity C")
    figure.savefig(path, dpi=120)
    print(f"{points**2} columns; wrote {path}")


def _mean_frequency(duration: float):
    """Upward crossings of the mean in a second."""

    def of_column(v: Float[Array, " time"]) -> Float[Array, ""]:
        above = v > jnp.mean(v)
        return jnp.sum(~above[:-1] & above[1:], dtype=v.dtype) / duration

    return of_column


if __name__ == "__main__":
    main(*sys.argv[1:2])
