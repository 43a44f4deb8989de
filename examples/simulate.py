# %% [markdown]
"""
# One column under four inputs

A cortical column at rest, in its alpha rhythm, under noise, and answering a pulse: what `y1 - y2`, the part
of the pyramidal cells' potential that an electrode sees, does in each case.

`python examples/simulate.py [figure.png]`
"""

# %%
import sys

import jax
import numpy as np
from matplotlib.figure import Figure

import jrae_jax as jrae

# %% [markdown]
# A column is parameters and an input. The input `p` is how many spikes a second reach the excitatory cells
# from outside. At 0 /s the column rests. At 220 /s it has an alpha rhythm of 10.9 Hz without any noise. Noise
# is drawn anew every millisecond here; it makes the rhythm irregular, as it is in an EEG. A pulse on top of
# 80 /s is what a flash of light or a click would give.

# %%
INPUTS = {
    "p = 0 /s: rest": jrae.ConstantInput(0.0),
    "p = 220 /s: alpha": jrae.ConstantInput(220.0),
    "p uniform in 120 to 320 /s, held for 1 ms": jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3),
    "p = 80 /s, and a pulse after 3 s": jrae.EvokedPulseInput(3.0, jrae.ConstantInput(80.0)),
}


# %% [markdown]
# `simulate` takes times in seconds, and a key from which all noise comes: the same key gives the same signal,
# whatever the batch or the device. What happens before `burn_in` is not kept, so that the way from the start
# of the simulation to the rhythm is not drawn.


# %%
def simulate(drive: jrae.column.AbstractExternalInput, duration: float, burn_in: float, seed: int) -> jrae.Trajectories:
    """One trajectory of the standard column."""
    column = jrae.Column.preset("jansen_rit_1995", drive)
    return jrae.simulate(column, t1=duration, dt=1e-3, burn_in=burn_in, key=jax.random.key(seed))


@jrae.plot.styled
def draw(trajectories: dict[str, jrae.Trajectories]) -> Figure:
    """The EEG-like signals, one above the other."""
    figure = jrae.plot.StyledFigure(figsize=(7.0, 6.4), layout="constrained")
    axes = figure.subplots(len(trajectories), 1, sharex=True)
    for ax, (title, trajectory) in zip(axes, trajectories.items(), strict=True):
        ax.plot(trajectory.ts, np.asarray(trajectory.eeg))
        ax.set(title=title, ylabel="y1 - y2 (mV)")
    axes[-1].set_xlabel("time (s)")
    return figure


# %%
def main(path: str = "simulate.png", *, duration: float = 5.0, burn_in: float = 2.0, seed: int = 0) -> None:
    """Simulate the column under each input, print the swing of each signal, and draw them."""
    trajectories = {title: simulate(drive, duration, burn_in, seed) for title, drive in INPUTS.items()}
    for title, trajectory in trajectories.items():
        print(f"{title}: from {np.min(trajectory.eeg):.1f} to {np.max(trajectory.eeg):.1f} mV")
    draw(trajectories).savefig(path)
    print(f"wrote {path}")


# %%
if __name__ == "__main__":
    main(*sys.argv[1:2])
