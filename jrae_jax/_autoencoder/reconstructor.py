"""A trained network with all it needs to read a recording."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._model.states import CHANNELS, STATES
from .._observation.dataset import Standardizer
from .._observation.mask import ObservationMask, to_channels
from .architectures import Autoencoder
from .loss import masked


class Reconstructor(eqx.Module):
    """Recording in, all six states out, in mV and mV/s: network, observation mask and standardizer in one."""

    network: Autoencoder
    mask: ObservationMask
    standardizer: Standardizer

    @eqx.filter_jit
    def __call__(self, recording: Float[Array, "*time channels"]) -> Float[Array, "*time 6"]:
        """Reconstruct all six states.

        **Arguments:**

        - `recording`: the last axis holds seven channels (see `recording`) or the six states. What the mask
            hides is never read and may be NaN.

        **Returns:** the states, mV and mV/s.

        **Raises:** `ValueError` if the last axis is neither 7 nor 6 long.
        """
        return self.standardizer.destandardize(self._each_instant(self.network, recording))

    @eqx.filter_jit
    def latents(self, recording: Float[Array, "*time channels"]) -> Float[Array, "*time latent"]:
        """The latent at each instant of a recording."""
        return self._each_instant(self.network.encode, recording)

    def _each_instant(self, function, recording: Array) -> Array:
        if recording.shape[-1] not in (len(STATES), len(CHANNELS)):
            raise ValueError(
                f"`recording` must end in an axis of {len(CHANNELS)} channels or {len(STATES)} states, "
                f"got shape {recording.shape}"
            )
        channels = to_channels(recording) if recording.shape[-1] == len(STATES) else recording
        seen = masked(self.standardizer.standardize(channels), jnp.asarray(self.mask.channels))
        instants = recording.shape[:-1]
        flat = jax.vmap(function)(seen.reshape(math.prod(instants), len(CHANNELS)))
        return flat.reshape(*instants, flat.shape[-1])
