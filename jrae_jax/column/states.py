"""The six states of a cortical column: order, names, units and groups.

Jansen and Rit's order: potentials first, then their time derivatives. This is the only file that knows an index.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_array


class States(NamedTuple):
    """The six states by name, as arrays of one shape: mV, and mV/s for the derivatives."""

    y0: Array
    """Postsynaptic potential that pyramidal cells cause, mV."""
    y1: Array
    """Excitatory postsynaptic potential on pyramidal cells, mV."""
    y2: Array
    """Inhibitory postsynaptic potential on pyramidal cells, mV."""
    y3: Array
    y4: Array
    y5: Array

    @classmethod
    def unstack(cls, y: Float[Array, "6 *batch"]) -> "States":
        """From an array whose first axis is the state."""
        return cls(*(y[i] for i in range(len(STATES))))

    @classmethod
    def unstack_last(cls, ys: Float[Array, "*batch 6"]) -> "States":
        """From an array whose last axis is the state."""
        return cls(*(ys[..., i] for i in range(len(STATES))))


STATES = States._fields
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

CHANNEL_UNITS = (*STATE_UNITS, "mV")
"""Unit of each channel."""

CHANNEL_LABELS = (*STATE_LABELS, "y1 - y2")
"""What each channel is."""

PYRAMIDAL_STATES = (0, 3)
EXCITATORY_STATES = (1, 4)
INHIBITORY_STATES = (2, 5)
POTENTIAL_STATES = (0, 1, 2)
DERIVATIVE_STATES = (3, 4, 5)
EXTERNAL_INPUT_STATE = 4  # the state whose equation holds p(t)


def eeg(ys: Float[Array, "*batch 6"]) -> Float[Array, "*batch"]:
    """The EEG-like signal of a column: the net postsynaptic potential of its pyramidal cells, `y1 - y2`.

    **Arguments:**

    - `ys`: states, in mV and mV/s; the last axis is the state.

    **Returns:** `y1 - y2` in mV, without the last axis.

    **Raises:** `ValueError` if the last axis is not six long.
    """
    ys = _states_last(ys)
    return ys[..., 1] - ys[..., 2]


def to_channels(ys: Float[Array, "*batch 6"]) -> Float[Array, "*batch 7"]:
    """All seven channels of fully known states: the states, then `y1 - y2`.

    **Raises:** `ValueError` if the last axis is not six long.
    """
    ys = _states_last(ys)
    return jnp.concatenate([ys, eeg(ys)[..., None]], axis=-1)


def _states_last(ys: Any) -> Float[Array, "*batch 6"]:
    ys = as_array(ys, "ys")
    shape = ys.shape
    if not shape or shape[-1] != len(STATES):
        raise ValueError(
            f"`ys` must end in an axis of the {len(STATES)} states, got shape {shape}{states_first(shape)}"
        )
    return ys


def states_first(shape: tuple[int, ...]) -> str:
    """The remedy for an array of this shape, for a message: empty where its states do not come before time."""
    before = [axis for axis in range(max(0, len(shape) - 2), len(shape)) if shape[axis] in (len(STATES), len(CHANNELS))]
    return ": states come last, np.swapaxes(array, -1, -2)" if before == [len(shape) - 2] else ""
