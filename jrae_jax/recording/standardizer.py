"""Channels in units of their standard deviations, and states in mV again."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_array, is_concrete, of_numbers
from ..column.states import CHANNELS, STATES, States


class Standardizer(eqx.Module):
    """Mean and standard deviation of each channel over the training data, and of nothing else."""

    mean: Float[Array, "7"]
    std: Float[Array, "7"]

    def __check_init__(self):
        for name, values in vars(self).items():
            if np.shape(values) != (len(CHANNELS),):
                raise ValueError(f"`{name}` must be {len(CHANNELS)} numbers, one a channel, got {values!r:.60}")

    @classmethod
    def fit(cls, channels: Float[Array, "trajectory time 7"], argument: str = "channels") -> "Standardizer":
        """Mean and standard deviation over trajectories and time.

        **Raises:** `ValueError`, for the argument of this name, if a channel is constant, or too large to square.
        """
        channels = as_array(channels, argument)
        if channels.ndim != 3 or channels.shape[-1] != len(CHANNELS):
            raise ValueError(f"`{argument}` must have shape (trajectory, time, 7), got {channels.shape}")
        mean, std = jnp.mean(channels, axis=(0, 1)), jnp.std(channels, axis=(0, 1))
        if is_concrete(std):
            _check_spread(np.asarray(mean), np.asarray(std), argument)
        return cls(mean, std)

    def standardize(self, channels: Float[Array, "*batch 7"]) -> Float[Array, "*batch 7"]:
        """Channels in units of standard deviations from the mean."""
        channels = _last("channels", channels, len(CHANNELS))
        mean, std, channels = jnp.broadcast_arrays(self.mean, self.std, channels)
        return (channels - mean) / std

    def destandardize(self, states: Float[Array, "*batch 6"]) -> Float[Array, "*batch 6"]:
        """Standardized states in mV and mV/s again."""
        states = _last("states", states, len(STATES))
        mean, std, states = jnp.broadcast_arrays(self.mean[: len(STATES)], self.std[: len(STATES)], states)
        return states * std + mean

    def destandardize_std(self, std: Float[Array, "*batch 6"]) -> Float[Array, "*batch 6"]:
        """Standard deviations of states in mV and mV/s again."""
        std = _last("std", std, len(STATES))
        return std * jnp.broadcast_to(self.std[: len(STATES)], std.shape)

    def with_eeg(self, states: Float[Array, "*batch 6"]) -> Float[Array, "*batch 7"]:
        """Standardized states, and the standardized EEG that follows from them."""
        states = _last("states", states, len(STATES))
        state, std = States.unstack_last(states), _by_channel(self.std)
        difference = state.y1 * std["y1"] - state.y2 * std["y2"]
        return jnp.concatenate([states, (difference / std["eeg"])[..., None]], axis=-1)

    @of_numbers
    def __repr__(self) -> str:
        each = zip(CHANNELS, np.asarray(self.mean), np.asarray(self.std), strict=True)
        return f"Standardizer({', '.join(f'{name}={mean:.4g} +- {std:.4g}' for name, mean, std in each)})"


def _last(name: str, values: Any, length: int) -> Array:
    """An argument as an array whose last axis has a length."""
    values = as_array(values, name)
    if values.shape[-1:] != (length,):
        what = f"{length} channels" if length == len(CHANNELS) else f"{length} states, as an autoencoder decodes them"
        raise ValueError(f"`{name}` must end in an axis of the {what}, got shape {values.shape}")
    return values


def _by_channel(values: Float[Array, "7"]) -> dict[str, Array]:
    return {name: values[i] for i, name in enumerate(CHANNELS)}


def _check_spread(mean: np.ndarray, std: np.ndarray, argument: str) -> None:
    size = dict(zip(CHANNELS, np.abs(mean), strict=True))
    size["eeg"] = size["y1"] + size["y2"]  # the EEG is rounded as its two terms are
    for name, spread in zip(CHANNELS, std, strict=True):
        if not np.isfinite(spread):
            raise ValueError(
                f"`{argument}` must have a finite variance, got a standard deviation of {spread} in {name}"
            )
        if spread <= 10 * np.finfo(std.dtype).eps * size[name]:
            raise ValueError(f"`{argument}` must vary, got a constant {name} over the training data")
