"""The networks: encoder, latent, decoder."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_choice, check_count
from ..column.states import CHANNELS, STATES
from ..recording.mask import as_mask

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}
"""The activations by the names under which a saved model keeps them."""


class Autoencoder(eqx.Module):
    """A memoryless multilayer autoencoder, `input-128-64-k-64-128-6` unless told otherwise.

    It works on standardized values: seven channels in, hidden ones zeroed, six states out. The latent and the
    output are linear. Layers start like PyTorch's, uniform in `+-1/sqrt(fan-in)`.

    **Arguments:**

    - `latent_size`: k, the size of the bottleneck.
    - `widths`: hidden layers of the encoder; the decoder mirrors them.
    - `activation`: one of `"relu"`, `"gelu"`, `"silu"`, `"tanh"`.
    - `inputs`: channels that the first layer has weights for. `None` gives all seven, the same network whatever
        is observed; the study's own form has the observed ones only, such as `inputs=PYRAMIDAL`.
    - `key`: for the initial weights.

    **Raises:** `ValueError` for `latent_size` or a width below 1, an unknown activation or channel.
    """

    encoder: tuple[eqx.nn.Linear, ...]
    decoder: tuple[eqx.nn.Linear, ...]
    inputs: tuple[int, ...] = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        *,
        latent_size: int = 3,
        widths: Sequence[int] = (128, 64),
        activation: str = "relu",
        inputs: Any = None,
        key: PRNGKeyArray,
    ):
        """See the class."""
        check_count(1, latent_size=latent_size)
        for width in widths:
            check_count(1, widths=width)
        latent_size, widths = int(latent_size), [int(width) for width in widths]
        check_choice(tuple(ACTIVATIONS), activation=activation)
        names = CHANNELS if inputs is None else as_mask(inputs).names
        self.inputs = tuple(CHANNELS.index(name) for name in names)
        self.activation = activation
        encoder_key, decoder_key = jax.random.split(key)
        self.encoder = linear_layers([len(self.inputs), *widths, latent_size], encoder_key)
        self.decoder = linear_layers([latent_size, *reversed(widths), len(STATES)], decoder_key)

    def __call__(self, channels: Float[Array, "7"]) -> Float[Array, "6"]:
        """Reconstructed states of one instant, standardized."""
        return self.decode(self.encode(channels))

    def encode(self, channels: Float[Array, "7"]) -> Float[Array, " latent"]:
        """The latent of one instant."""
        return self._through(self.encoder, jnp.stack([channels[i] for i in self.inputs]))

    def decode(self, latent: Float[Array, " latent"]) -> Float[Array, "6"]:
        """The states that a latent stands for, standardized."""
        return self._through(self.decoder, latent)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that make an autoencoder of this shape, as plain JSON values."""
        return {
            "latent_size": self.encoder[-1].out_features,
            "widths": [layer.out_features for layer in self.encoder[:-1]],
            "activation": self.activation,
            "inputs": [CHANNELS[i] for i in self.inputs],
        }

    def _through(self, layers: tuple[eqx.nn.Linear, ...], values: Array) -> Array:
        *hidden, last = layers
        for layer in hidden:
            values = ACTIVATIONS[self.activation](layer(values))
        return last(values)


@eqx.filter_jit
def linear_layers(sizes: Sequence[int], key: PRNGKeyArray) -> tuple[eqx.nn.Linear, ...]:
    """Linear layers, uniform in `+-1/sqrt(fan-in)`, all from one draw: a draw a layer takes seconds to compile."""
    blank = tuple(eqx.nn.Linear(*pair, key=key) for pair in itertools.pairwise(sizes))
    arrays, static = eqx.partition(blank, eqx.is_array)
    flat, unravel = ravel_pytree(arrays)
    drawn = eqx.combine(unravel(jax.random.uniform(key, flat.shape, flat.dtype, minval=-1, maxval=1)), static)
    return tuple(jax.tree.map(lambda values, fan_in=layer.in_features: values / fan_in**0.5, layer) for layer in drawn)
