"""The windowed autoencoder: six states from a window of a recording, and from what of it was measured."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_choice, check_count, check_flag, check_key, check_memory
from ..column.states import CHANNELS, STATES
from ..recording.mask import Observed
from .autoencoder import ACTIVATIONS, checked_sizes, input_channels, linear_layers
from .base import AbstractAutoencoder, Gaussian, through
from .features import RecordingWindows, WindowFeatures, last_window
from .whitening import Whitener
from .window import Window

# Two small hidden layers: the gate has only two numbers a channel to read.
_GATE_WIDTHS = (64, 64)
# A standard deviation between e^-4 and e^4 is all that standardized values need, and keeps gradients finite.
_LARGEST_LOG_STD = 4.0


class WindowedAutoencoder(AbstractAutoencoder[WindowFeatures]):
    """A multilayer autoencoder that reads a window of a recording, and what of it was measured.

    A few learned filters weigh the window of each channel. A small gate, which reads what fraction of each channel was
    measured and how noisy it is, scales them and the first hidden layer: so one autoencoder can serve many kinds of
    recordings. From there on it is like `Autoencoder`: encoder, linear latent, decoder, six standardized states.

    **Arguments:**

    - `past`, `future`: seconds before and after the instant that it reads, rounded up to whole averages: the nearest
        samples one by one, farther ones averaged over 2, 4, 8, ... . A causal one has no future.
    - `dt`: seconds between samples.
    - `latent_size`: k, the size of the latent.
    - `widths`: hidden layers of the encoder; the decoder mirrors them, less the first.
    - `filters`: how many weigh each channel.
    - `activation`: one of `"relu"`, `"gelu"`, `"silu"`, `"tanh"`.
    - `inputs`: channels that it can read; all seven if `None`.
    - `variational`: whether latent and states are normal distributions, so that it reports a standard deviation
        (Kingma and Welling 2014, arXiv:1312.6114).
    - `key`: for the initial weights.

    **Raises:** `ValueError` for times that are negative or not finite, a size below 1, an unknown activation or
        channel.
    """

    filters: Float[Array, "inputs twice_averages filters"]
    """For the averages of a window, then for what fraction of each was measured."""
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
        past: float,
        future: float = 0.0,
        dt: float = 1e-3,
        latent_size: int = 8,
        widths: Sequence[int] = (256, 256, 128),
        filters: int = 32,
        activation: str = "gelu",
        inputs: Observed | None = None,
        variational: bool = False,
        key: PRNGKeyArray,
    ):
        """See the class."""
        check_flag(variational=variational)
        check_key(key=key)
        latent_size, widths = checked_sizes(latent_size, widths)
        check_count(1, **{"len(widths)": len(widths)})
        check_choice(tuple(ACTIVATIONS), activation=activation)
        self.window = Window(past=past, future=future, dt=dt)
        check_count(1, filters=filters)
        weights = len(CHANNELS) * filters * (2 * self.window.size + widths[0])
        check_memory("weights of its layers", 4 * weights, filters=filters)
        self.inputs, self.activation, self.variational = input_channels(inputs), activation, bool(variational)
        filter_key, gate_key, encoder_key, decoder_key = jax.random.split(key, 4)
        channels, outputs = len(self.inputs), 2 if variational else 1
        filtered = channels * int(filters)
        # Uniform, of the size that keeps the variance of white input.
        shape = (channels, 2 * self.window.size, int(filters))
        limit = math.sqrt(3 / shape[1])
        self.filters = jax.random.uniform(filter_key, shape, minval=-limit, maxval=limit)
        self.gate = linear_layers([2 * channels, *_GATE_WIDTHS, filtered + 2 * widths[0]], gate_key)
        self.encoder = linear_layers([filtered + 2 * channels, *widths, outputs * latent_size], encoder_key)
        self.decoder = linear_layers([latent_size, *reversed(widths[1:]), outputs * len(STATES)], decoder_key)

    @property
    def dt(self):
        """That of the window."""
        return self.window.dt

    @property
    def past(self):
        """That of the window."""
        return self.window.past

    @property
    def future(self):
        """That of the window."""
        return self.window.future

    @property
    def distinguishes_missing(self):
        """Yes."""
        return True

    @property
    def reports_std(self):
        """If it is variational."""
        return self.variational

    @property
    def settings(self):
        """See `AbstractAutoencoder`."""
        return {
            "past": self.window.past * self.window.dt,
            "future": self.window.future * self.window.dt,
            "dt": self.window.dt,
            "latent_size": self.decoder[0].in_features,
            "widths": [layer.out_features for layer in self.encoder[:-1]],
            "filters": int(self.encoder[0].in_features) // len(self.inputs)
            - 2,  # which reads two numbers more a channel
            "activation": self.activation,
            "inputs": [CHANNELS[i] for i in self.inputs],
            "variational": self.variational,
        }

    def fit_whitener(self, recordings, noise):
        """See `AbstractAutoencoder`."""
        return Whitener.fit(self.window, recordings, noise)

    def features(self, values, measured, whitener):
        """See `AbstractAutoencoder`."""
        return RecordingWindows.from_recordings(self.window, values, measured, whitener)

    def last_features(self, values, measured, whitener):
        """See `AbstractAutoencoder`."""
        return last_window(self.window, values, measured, whitener)

    def encode(self, features: WindowFeatures) -> Gaussian:
        """The distribution of the latent at one instant; its standard deviation is 0 if not variational."""
        inputs, activation = jnp.array(self.inputs), ACTIVATIONS[self.activation]
        windows = jnp.concatenate([features.averages, features.measured])[:, inputs]
        fraction = features.fraction[inputs]
        # Logarithms of the noise of standardized signals lie between about -5 and 0; inputs should be of the size of 1.
        noise = 0.5 * features.log_noise[inputs] + 1.5
        condition = jnp.concatenate([fraction, fraction * noise])
        filtered = jnp.einsum("tc,ctf->cf", windows, self.filters).reshape(-1)
        gates = through(self.gate, condition, activation)
        filter_gain, scale, shift = jnp.split(gates, [len(filtered), (len(filtered) + len(gates)) // 2])
        first, *others = self.encoder
        hidden = first(jnp.concatenate([filtered * (1 + filter_gain), condition])) * (1 + scale) + shift
        return self._gaussian(through(others, activation(hidden), activation))

    def decode(self, latent: Float[Array, " latent"]) -> Gaussian:
        """The distribution of the standardized states of a latent; its standard deviation is 0 if not variational."""
        return self._gaussian(through(self.decoder, latent, ACTIVATIONS[self.activation]))

    def __call__(self, features: WindowFeatures) -> Float[Array, "6"]:
        """The standardized states of one instant: the mean of the states, at the mean of the latent."""
        return self.decode(self.encode(features).mean).mean

    def _gaussian(self, outputs: Float[Array, " outputs"]) -> Gaussian:
        if not self.variational:
            return Gaussian(outputs, jnp.zeros_like(outputs))
        mean, log_std = jnp.split(outputs, 2)
        return Gaussian(mean, jnp.exp(_LARGEST_LOG_STD * jnp.tanh(log_std / _LARGEST_LOG_STD)))
