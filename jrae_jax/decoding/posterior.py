"""The posterior over columns, backgrounds and gains, given a window of a recording: a conditional normalizing flow.

Neural posterior estimation (Papamakarios and Murray 2016, arXiv:1605.06376): a flow that has learned, from simulated
recordings, which quantities have which features. No likelihood is computed, and a new recording costs nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
from flowjax.bijections import EmbedCondition, RationalQuadraticSpline
from flowjax.distributions import Normal, Transformed
from flowjax.flows import masked_autoregressive_flow
from jaxtyping import Array, Float, Key, PRNGKeyArray

from .._checks import check_count, check_key, check_type
from ..recording.recording_model import RecordingModel
from .features import FREQUENCIES, WAVEFORM, Features, within
from .prior import Prior

DRAWS = 256
"""Draws of columns for each window."""

_FEATURES = len(FREQUENCIES) + WAVEFORM
_CONDITIONS = _FEATURES + 3  # with the length of the window and the edges of the band
_EMBEDDED = 48
_FARTHEST = 8.0  # standard deviations; what is beyond says no more than that it is far off


@contextmanager
def promotion() -> Iterator[None]:
    """For flowjax and optax, which promote ranks and dtypes, where JAX is set not to do so."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


class Draws(NamedTuple):
    """Draws from a posterior over what a recording comes from."""

    values: dict[str, Float[Array, "*draw"]]
    """Quantities of the prior, in their units."""
    column_std: Float[Array, "*draw"]
    """Standard deviation of the column's EEG in the core band, mV."""
    model: RecordingModel


class ColumnPosterior(eqx.Module):
    """What a window of a recording says of column, background and gain.

    **Arguments:**

    - `prior`: what was thought possible; draws are never outside.
    - `width`, `layers`, `knots`: of the flow.
    """

    prior: Prior
    flow: Transformed
    feature_mean: Float[Array, " feature"]
    feature_std: Float[Array, " feature"]
    log_std_mean: Float[Array, ""]
    log_std_std: Float[Array, ""]
    width: int = eqx.field(static=True)
    layers: int = eqx.field(static=True)
    knots: int = eqx.field(static=True)

    def __init__(self, prior: Prior, *, width: int = 64, layers: int = 5, knots: int = 8, key: PRNGKeyArray):
        """See the class."""
        check_type(Prior, prior=prior)
        check_count(1, width=width, layers=layers)
        check_count(2, knots=knots)
        check_key(key=key)
        flow_key, embedding_key = jax.random.split(key)
        with promotion():
            flow = masked_autoregressive_flow(
                flow_key,
                base_dist=Normal(jnp.zeros(len(prior.names) + 1)),
                transformer=RationalQuadraticSpline(knots=knots, interval=4),
                cond_dim=_EMBEDDED,
                flow_layers=layers,
                nn_width=width,
                nn_activation=jax.nn.gelu,
            )
        embedding = eqx.nn.MLP(_CONDITIONS, _EMBEDDED, 3 * width, 2, jax.nn.gelu, key=embedding_key)
        self.flow = Transformed(flow.base_dist, EmbedCondition(flow.bijection, embedding, (_CONDITIONS,)))
        self.prior, self.width, self.layers, self.knots = prior, width, layers, knots
        self.feature_mean, self.feature_std = jnp.zeros(_FEATURES), jnp.ones(_FEATURES)
        self.log_std_mean, self.log_std_std = jnp.zeros(()), jnp.ones(())

    @property
    def sizes(self) -> dict[str, int]:
        """Of the flow, as arguments."""
        return {"width": self.width, "layers": self.layers, "knots": self.knots}

    def standardized(self, found: Features) -> Float[Array, "window feature"]:
        """All features, in standard deviations of those that were learned from."""
        together = jnp.concatenate([found.log_density, found.waveform], axis=-1)
        return (together - self.feature_mean[None]) / self.feature_std[None]

    def condition(
        self,
        standardized: Float[Array, "window feature"],
        seconds: Float[Array, " window"],
        bands: Float[Array, "window 2"],
    ) -> Float[Array, "window condition"]:
        """What the flow is conditioned on: features, those outside the band at their mean.

        **Arguments:**

        - `seconds`: the length of each window.
        - `bands`: from and to which frequency each recording is usable, Hz.
        """
        inside = jnp.where(within(bands), jnp.clip(standardized, -_FARTHEST, _FARTHEST), 0)
        low, high = jnp.maximum(bands[:, 0], FREQUENCIES[0]), jnp.minimum(bands[:, 1], FREQUENCIES[-1])
        return jnp.concatenate(
            [inside, jnp.stack([jnp.log(seconds / 14), low - 2.5, (high - 40) / 5], axis=-1)], axis=-1
        )

    def log_density(
        self, latent: Float[Array, "window latent"], condition: Float[Array, "window condition"]
    ) -> Float[Array, " window"]:
        """Logarithm of the density of what `latent` made of quantities, standard normal where nothing is known."""
        with promotion():
            return paramax.unwrap(self.flow).log_prob(latent, condition)

    def latent(
        self, normal: Float[Array, "window quantity"], log_column_std: Float[Array, " window"]
    ) -> Float[Array, "window latent"]:
        """What the flow is a distribution of: normal numbers of the prior, and the standardized size of the column."""
        size = (log_column_std - self.log_std_mean) / self.log_std_std
        return jnp.concatenate([normal, size[:, None]], axis=1)

    @eqx.filter_jit
    def draw(
        self, condition: Float[Array, "window condition"], number: int, *, keys: Key[Array, " window"]
    ) -> Float[Array, "window draw latent"]:
        """Draws for each window, with a key for each, of which `interpret` makes columns."""
        with promotion():
            flow = paramax.unwrap(self.flow)
            return jax.vmap(lambda key, about: flow.sample(key, (number,), condition=about))(keys, condition)

    @eqx.filter_jit
    def interpret(self, latent: Float[Array, "*draw latent"], log_std: Float[Array, "*#draw"]) -> Draws:
        """Quantities and models of recordings.

        **Arguments:**

        - `latent`: from `draw`.
        - `log_std`: logarithm of the standard deviation of each recording in the core band, mV.
        """
        values = self.prior.values(latent[..., :-1])
        column_std = jnp.exp(self.log_std_mean + self.log_std_std * latent[..., -1])
        background = values["background"] * column_std
        white = values["white"] * background
        gain = jnp.exp(log_std) / jnp.sqrt(column_std**2 + background**2 + white**2)
        return Draws(values, column_std, RecordingModel(gain, background, values["exponent"], white))

    def __repr__(self) -> str:
        return f"ColumnPosterior({self.prior!r}, width={self.width}, layers={self.layers}, knots={self.knots})"
