"""The memoryless autoencoder: six states from what is measured at one instant."""

import itertools
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_choice, check_count, check_key, check_memory
from ..column.states import CHANNELS, STATES
from ..recording.mask import Observed, as_mask
from .base import AbstractAutoencoder, Gaussian, through
from .features import RecordingSamples

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}
"""The activations by the names under which a saved training keeps them."""


class Autoencoder(AbstractAutoencoder[Float[Array, "7"]]):
    """A memoryless multilayer autoencoder, `input-128-64-k-64-128-6` by default.

    It works on standardized values: seven channels in, 0 where nothing was measured, six states out. Latent and
    output are linear. Layers start like PyTorch's, uniform in `+-1/sqrt(fan-in)`.

    **Arguments:**

    - `latent_size`: k, the size of the latent.
    - `widths`: hidden layers of the encoder; the decoder mirrors them.
    - `activation`: one of `"relu"`, `"gelu"`, `"silu"`, `"tanh"`.
    - `inputs`: channels that the first layer has weights for. `None` gives all seven, the same autoencoder whatever
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
        inputs: Observed | None = None,
        key: PRNGKeyArray,
    ):
        """See the class."""
        check_key(key=key)
        latent_size, widths = checked_sizes(latent_size, widths)
        check_choice(tuple(ACTIVATIONS), activation=activation)
        self.inputs, self.activation = input_channels(inputs), activation
        encoder_key, decoder_key = jax.random.split(key)
        self.encoder = linear_layers([len(self.inputs), *widths, latent_size], encoder_key)
        self.decoder = linear_layers([latent_size, *reversed(widths), len(STATES)], decoder_key)

    @property
    def dt(self):
        """`None`: any."""
        return None

    @property
    def past(self):
        """None."""
        return 0

    @property
    def future(self):
        """None."""
        return 0

    @property
    def distinguishes_missing(self):
        """No: it reads 0 for what was not measured, which is as good a measurement as any."""
        return False

    @property
    def reports_std(self):
        """No."""
        return False

    @property
    def settings(self):
        """See `AbstractAutoencoder`."""
        return {
            "latent_size": self.encoder[-1].out_features,
            "widths": [layer.out_features for layer in self.encoder[:-1]],
            "activation": self.activation,
            "inputs": [CHANNELS[i] for i in self.inputs],
        }

    def fit_whitener(self, recordings, noise):
        """`None`: samples are read as they are."""
        return None

    def features(self, values, measured, whitener):
        """The samples, 0 where nothing was measured."""
        return RecordingSamples.from_recordings(values, measured)

    def last_features(self, values, measured, whitener):
        """The last sample, 0 where nothing was measured."""
        return jnp.where(measured[-1], values[-1], 0)

    def encode(self, features: Float[Array, "7"]) -> Gaussian:
        """The latent of one instant, without a standard deviation."""
        channels = jnp.stack([features[i] for i in self.inputs])
        return _certain(through(self.encoder, channels, ACTIVATIONS[self.activation]))

    def decode(self, latent: Float[Array, " latent"]) -> Gaussian:
        """The standardized states of a latent, without a standard deviation."""
        return _certain(through(self.decoder, latent, ACTIVATIONS[self.activation]))

    def __call__(self, features: Float[Array, "7"]) -> Float[Array, "6"]:
        """The standardized states of one instant."""
        return self.decode(self.encode(features).mean).mean


def checked_sizes(latent_size: int, widths: Sequence[int]) -> tuple[int, list[int]]:
    """The sizes of layers, as Python integers.

    **Raises:** `ValueError` for one below 1.
    """
    check_count(1, latent_size=latent_size)
    if not isinstance(widths, Sequence | np.ndarray):
        raise ValueError(f"`widths` must be a list of sizes, got {widths!r:.60}")
    for width in widths:
        check_count(1, widths=width)
    layers = [*widths, latent_size]
    weights = 2 * sum(int(size) * int(following) for size, following in itertools.pairwise(layers))
    largest = "latent_size" if latent_size == max(layers) else "widths"
    check_memory("weights of its layers", 4 * weights, **{largest: max(layers)})
    return int(latent_size), [int(width) for width in widths]


def input_channels(inputs: Observed | None) -> tuple[int, ...]:
    """Positions in `CHANNELS` of the channels that an autoencoder reads; all if `None`."""
    observed = np.ones(len(CHANNELS), bool) if inputs is None else as_mask(inputs, "inputs").channels
    return tuple(np.flatnonzero(observed).tolist())


@eqx.filter_jit
def linear_layers(sizes: Sequence[int], key: PRNGKeyArray) -> tuple[eqx.nn.Linear, ...]:
    """Linear layers, uniform in `+-1/sqrt(fan-in)`, all from one draw: a draw a layer takes seconds to compile."""
    blank = tuple(eqx.nn.Linear(*pair, key=key) for pair in itertools.pairwise(sizes))
    arrays, static = eqx.partition(blank, eqx.is_array)
    flat, unravel = ravel_pytree(arrays)
    drawn = eqx.combine(unravel(jax.random.uniform(key, flat.shape, flat.dtype, minval=-1, maxval=1)), static)
    return tuple(jax.tree.map(lambda values, fan_in=layer.in_features: values / fan_in**0.5, layer) for layer in drawn)


def _certain(mean: Float[Array, " values"]) -> Gaussian:
    return Gaussian(mean, jnp.zeros_like(mean))
