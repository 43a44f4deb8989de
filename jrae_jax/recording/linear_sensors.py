"""Recordings as linear functions of the states with Gaussian noise, in units in which float32 is enough."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..column.states import STATES, to_channels

# Of the largest value of a channel: below it, the errors of linearisation and of float32 outweigh the noise.
LEAST_SENSOR_NOISE = 3e-5


class LinearSensors(NamedTuple):
    """From states in units of their largest values to channels in units of theirs."""

    matrix: Float[Array, "7 6 *batch"]
    scale: Float[Array, "7 *batch"]
    """The largest value that each channel can reach, mV and mV/s."""
    noise: Float[Array, "7 *batch"]
    """Standard deviation of the sensor noise, as a fraction of `scale`."""

    @classmethod
    def from_scales(cls, state_scale: Float[Array, "6 *batch"], noise_std: Float[Array, "7 *batch"]) -> "LinearSensors":
        """From the largest value of each state and the standard deviation of each sensor's noise, mV and mV/s."""
        batch = (1 for _ in state_scale.shape[1:])
        direction = to_channels(jnp.eye(len(STATES))).T.reshape(-1, len(STATES), *batch) * state_scale[None]
        scale = jnp.sum(jnp.abs(direction), axis=1)
        return cls(direction / scale[:, None], scale, jnp.maximum(noise_std / scale, LEAST_SENSOR_NOISE))
