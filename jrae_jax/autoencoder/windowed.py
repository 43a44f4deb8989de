"""Networks that see the surroundings of an instant, and which channels and samples there are."""

import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_choice, check_count
from ..column.states import CHANNELS, STATES
from ..recording.mask import as_mask
from .autoencoder import ACTIVATIONS, linear_layers
from .features import View
from .window import Window

_GATE_WIDTHS = (64, 64)
_MOST_LOG_STD = 4.0  # a standard deviation between e^-4 and e^4 is all that standardized values call for


class Gaussian(eqx.Module):
    """Independent normal distributions."""

    mean: Float[Array, "*batch values"]
    std: Float[Array, "*batch values"]


class WindowedAutoencoder(eqx.Module):
    """A multilayer autoencoder that sees a window of a recording, and what of it was measured.

    A few learned filters look at the window of each channel; a small network told which channels are measured, and
    how noisy they seem, scales them and the first hidden layer: so one network can serve many recordings. From there
    on it is an `Autoencoder`: encoder, linear latent, decoder, six standardized states.

    **Arguments:**

    - `window`: what it sees.
    - `latent_size`: k, the size of the bottleneck.
    - `widths`: hidden layers of the encoder; the decoder mirrors them, less the first.
    - `filters`: how many look at each channel.
    - `activation`: one of `"relu"`, `"gelu"`, `"silu"`, `"tanh"`.
    - `inputs`: channels that it can read; all seven if `None`.
    - `variational`: whether latent and states are normal distributions, so that it tells how sure it is (Kingma and
        Welling 2014, arXiv:1312.6114).
    - `key`: for the initial weights.

    **Raises:** `ValueError` for a size below 1, an unknown activation or channel.
    """

    filters: Float[Array, "inputs taps filters"]
    gate: tuple[eqx.nn.Linear, ...]
    encoder: tuple[eqx.nn.Linear, ...]
    decoder: tuple[eqx.nn.Linear, ...]
    window: Window
    inputs: tuple[int, ...] = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    variational: bool = eqx.field(static=True)

    def __init__(
        self,
        *,
        window: Window,
        latent_size: int = 8,
        widths: Sequence[int] = (256, 256, 128),
        filters: int = 32,
        activation: str = "gelu",
        inputs: Any = None,
        variational: bool = False,
        key: PRNGKeyArray,
    ):
        """See the class."""
        check_count(1, latent_size=latent_size, filters=filters, **{"len(widths)": len(widths)})
        for width in widths:
            check_count(1, widths=width)
        latent_size, filters, widths = int(latent_size), int(filters), [int(width) for width in widths]
        check_choice(tuple(ACTIVATIONS), activation=activation)
        names = CHANNELS if inputs is None else as_mask(inputs).names
        self.inputs = tuple(CHANNELS.index(name) for name in names)
        self.window, self.activation, self.variational = window, activation, bool(variational)
        filter_key, gate_key, encoder_key, decoder_key = jax.random.split(key, 4)
        channels, outputs = len(names), 2 if variational else 1
        features = channels * filters
        self.filters = _filters((channels, 2 * window.taps, filters), filter_key)
        self.gate = linear_layers([2 * channels, *_GATE_WIDTHS, features + 2 * widths[0]], gate_key)
        self.encoder = linear_layers([features + 2 * channels, *widths, outputs * latent_size], encoder_key)
        self.decoder = linear_layers([latent_size, *reversed(widths[1:]), outputs * len(STATES)], decoder_key)

    def __call__(self, view: View) -> Float[Array, "6"]:
        """Reconstructed states of one instant, standardized."""
        return self.decode(self.encode(view))

    def encode(self, view: View) -> Float[Array, " latent"]:
        """The latent of one instant; of a distribution, its mean."""
        return self.posterior(view).mean

    def decode(self, latent: Float[Array, " latent"]) -> Float[Array, "6"]:
        """The states that a latent stands for, standardized; of a distribution, their mean."""
        return self.likelihood(latent).mean

    def posterior(self, view: View) -> Gaussian:
        """The distribution of the latent, given what is seen; its standard deviation is 0 if not variational."""
        inputs = jnp.array(self.inputs)
        seen = jnp.concatenate([view.values, view.seen])[:, inputs]
        share, loudness = (
            view.share[inputs],
            0.5 * view.roughness[inputs] + 1.5,
        )  # of the size of 1, as inputs should be
        condition = jnp.concatenate([share, share * loudness])
        features = jnp.einsum("tc,ctf->cf", seen, self.filters).reshape(-1)
        gates = self._through(self.gate, condition)
        of_features, scale, shift = jnp.split(gates, [len(features), (len(features) + len(gates)) // 2])
        first, *others = self.encoder
        hidden = first(jnp.concatenate([features * (1 + of_features), condition])) * (1 + scale) + shift
        return self._gaussian(self._through(others, ACTIVATIONS[self.activation](hidden)))

    def likelihood(self, latent: Float[Array, " latent"]) -> Gaussian:
        """The distribution of the states, given a latent; its standard deviation is 0 if not variational."""
        return self._gaussian(self._through(self.decoder, latent))

    @property
    def latent_size(self) -> int:
        """k, the size of the bottleneck."""
        return int(self.decoder[0].in_features)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that make an autoencoder of this shape, as plain JSON values."""
        window = {"past": self.window.past, "future": self.window.future, "dt": self.window.dt}
        return {
            "window": window,
            "latent_size": self.latent_size,
            "widths": [layer.out_features for layer in self.encoder[:-1]],
            "filters": self.filters.shape[-1],
            "activation": self.activation,
            "inputs": [CHANNELS[i] for i in self.inputs],
            "variational": self.variational,
        }

    def _gaussian(self, values: Array) -> Gaussian:
        if not self.variational:
            return Gaussian(values, jnp.zeros_like(values))
        mean, log_std = jnp.split(values, 2)
        return Gaussian(mean, jnp.exp(_MOST_LOG_STD * jnp.tanh(log_std / _MOST_LOG_STD)))

    def _through(self, layers: Sequence[eqx.nn.Linear], values: Array) -> Array:
        *hidden, last = layers
        for layer in hidden:
            values = ACTIVATIONS[self.activation](layer(values))
        return last(values)


def _filters(shape: tuple[int, int, int], key: PRNGKeyArray) -> Float[Array, "inputs taps filters"]:
    """Uniform, of the size that keeps the variance of white input."""
    limit = math.sqrt(3 / shape[1])
    return jax.random.uniform(key, shape, minval=-limit, maxval=limit)
