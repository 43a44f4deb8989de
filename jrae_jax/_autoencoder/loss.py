"""The loss of one example; `jax.vmap` makes it a batch's."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._model.states import CHANNELS, STATES
from .._observation.dataset import Standardizer
from .._observation.mask import ObservationMask
from .._validation import as_float, check_choice

LOSSES = ("observed", "all")
"""`"observed"` scores only what the encoder sees, as the study did; `"all"` scores all six states."""


def loss_weights(loss: str, mask: ObservationMask) -> Float[Array, "7"]:
    """What each channel counts in the loss, summing to 1.

    **Raises:** `ValueError` if `loss` is not one of `LOSSES`.
    """
    check_choice(LOSSES, loss=loss)
    scored = as_float(mask.channels if loss == "observed" else [name in STATES for name in CHANNELS])
    return scored / jnp.sum(scored)


def masked(channels: Float[Array, "*batch 7"], mask: Bool[Array, "7"]) -> Float[Array, "*batch 7"]:
    """Standardized channels with the hidden ones zeroed, whatever they held, NaN included."""
    return jnp.where(jnp.broadcast_to(mask, channels.shape), channels, 0)


def example_loss(
    network: Callable[[Float[Array, "7"]], Float[Array, "6"]],
    recording: Float[Array, "7"],
    truth: Float[Array, "7"],
    mask: Bool[Array, "7"],
    weights: Float[Array, "7"],
    standardizer: Standardizer,
) -> Float[Array, ""]:
    """Weighted squared error of one instant's reconstruction.

    **Arguments:**

    - `network`: seven standardized channels in, six standardized states out.
    - `recording`, `truth`: what the sensors gave and what was true, standardized.
    - `mask`: what the network sees. `weights`: what the loss scores. The two are never the same thing.
    - `standardizer`: gives the EEG that follows from the reconstructed states.
    """
    reconstruction = standardizer.with_eeg(network(masked(recording, mask)))
    return jnp.sum(weights * (reconstruction - truth) ** 2)
