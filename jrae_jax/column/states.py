"""The six states of a cortical column: order, names, units and groups.

Jansen and Rit's order. Potentials first, then their time derivatives. This is the only file that knows an
index.
"""

from jaxtyping import Array, Float

STATES = ("y0", "y1", "y2", "y3", "y4", "y5")
"""Names of the six states, in order."""

CHANNELS = (*STATES, "eeg")
"""Names of what can be recorded: the six states, and the EEG-like difference `y1 - y2`."""

STATE_LABELS = (
    "pyramidal potential",
    "excitatory potential",
    "inhibitory potential",
    "pyramidal derivative",
    "excitatory derivative",
    "inhibitory derivative",
)
"""What each state is: postsynaptic potentials caused by a population's firing, and their derivatives."""

STATE_UNITS = ("mV", "mV", "mV", "mV/s", "mV/s", "mV/s")
"""Unit of each state."""

POTENTIAL_STATES = (0, 1, 2)
EXCITATORY_STATES = (1, 4)
INHIBITORY_STATES = (2, 5)
EXTERNAL_INPUT_STATE = 4  # the state whose equation holds p(t)


def eeg(ys: Float[Array, "*batch 6"]) -> Float[Array, "*batch"]:
    """The EEG-like signal of a column: the net postsynaptic potential of its pyramidal cells, `y1 - y2`.

    **Arguments:**

    - `ys`: states, in mV and mV/s; the last axis is the state.

    **Returns:**

    `y1 - y2` in mV, without the last axis.
    """
    return ys[..., 1] - ys[..., 2]
