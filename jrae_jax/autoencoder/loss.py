"""The loss of one example; `jax.vmap` makes it a batch's."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .._checks import as_float, check_choice
from ..column.states import CHANNELS, STATES
from ..recording.dataset import Standardizer
from ..recording.mask import ObservationMask
from .features import View
from .windowed import WindowedAutoencoder

LOSSES = ("observed", "all")
"""`"observed"` scores only what the encoder sees, as the study did; `"all"` scores all six states."""

_LATENT_COST = 1e-5  # nats of the latent against nats of the states


@runtime_checkable
class UnlabelledLoss(Protocol):
    """A loss that knows no true states, but compares the reconstruction with samples and with itself, `steps` later."""

    steps: int

    @property
    def sampling(self) -> tuple[float, float]:
        """Seconds between samples, and the sensor noise as a fraction of each channel's standard deviation."""
        ...

    def __call__(
        self,
        network: Callable[[View], Float[Array, "6"]],
        now: View,
        later: View,
        measured: Float[Array, "step 7"],
        seen: Bool[Array, "step 7"],
        standardizer: Standardizer,
    ) -> Float[Array, ""]:
        """The loss of one instant, from what was measured at each step after it."""
        ...


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
    return _squared_error(network(masked(recording, mask)), truth, weights, standardizer)


def view_loss(
    network: WindowedAutoencoder,
    view: View,
    truth: Float[Array, "7"],
    weights: Float[Array, "7"],
    standardizer: Standardizer,
    key: PRNGKeyArray,
) -> Float[Array, ""]:
    """Weighted squared error of the reconstruction of one instant from what is seen of its surroundings.

    A variational network has the negative evidence lower bound instead, less constants, with a latent drawn by `key`
    and the latent's share scaled down (Higgins et al. 2017, "beta-VAE"): the weighted negative log-likelihood of the
    six states, and the divergence of the latent from a standard normal distribution. The gradient of the likelihood is
    weighted by the variance (Seitzer et al. 2022, arXiv:2203.09168), so that means are trained as by squared errors;
    else states that are hard to tell would be neglected.
    """
    if not network.variational:
        return _squared_error(network(view), truth, weights, standardizer)
    latent = network.posterior(view)
    noise = jax.random.normal(key, latent.mean.shape, latent.mean.dtype)
    states = network.likelihood(latent.mean + latent.std * noise)
    variance = states.std**2
    misfit = 0.5 * (jnp.log(variance) + (truth[:6] - states.mean) ** 2 / variance)
    weighted = 2 * jax.lax.stop_gradient(variance) * misfit
    misfit = jax.lax.stop_gradient(misfit - weighted) + weighted
    divergence = 0.5 * (latent.std**2 + latent.mean**2 - 1) - jnp.log(latent.std)
    return jnp.sum(weights[:6] * misfit) + _LATENT_COST * jnp.sum(divergence)


def _squared_error(
    states: Float[Array, "6"], truth: Float[Array, "7"], weights: Float[Array, "7"], standardizer: Standardizer
) -> Float[Array, ""]:
    return jnp.sum(weights * (standardizer.with_eeg(states) - truth) ** 2)
