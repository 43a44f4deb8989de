"""One cortical column at rest, in its alpha rhythm, under noise, and answering a pulse.

python examples/simulate.py [figure.png]
"""

import sys

import jax
import numpy as np
from matplotlib.figure import Figure

import jrae_jax as jrae

INPUTS = {
    "p = 0 /s: rest": jrae.ConstantInput(0.0),
    "p = 220 /s: alpha": jrae.ConstantInput(220.0),
    "p uniform in 120 to 320 /s, held for 1 ms": jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3),
    "p = 80 /s, and a pulse after 3 s": jrae.EvokedPulseInput(3.0, jrae.ConstantInput(80.0)),
}


def main(path: str = "simulate.png", *, duration: float = 5.0, burn_in: float = 2.0, seed: int = 0) -> None:
    """Simulate the column under each input and draw the EEG-like signal."""
    figure = Figure(figsize=(8, 7), layout="constrained")
    axes = figure.subplots(len(INPUTS), 1, sharex=True)
    for ax, (title, drive) in zip(axes, INPUTS.items(), strict=True):
        column = jrae.Column.preset("jansen_rit_1995", drive)
        trajectory = jrae.simulate(column, t1=duration, dt=1e-3, burn_in=burn_in, key=jax.random.key(seed))
        ax.plot(trajectory.ts, np.asarray(trajectory.eeg), color="#2a6f97", lw=1)
        ax.set_title(title, loc="left", fontsize=10)
        ax.set_ylabel("y1 - y2 (mV)")
    axes[-1].set_xlabel("time (s)")
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
