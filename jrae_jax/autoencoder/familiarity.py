"""What recordings of its own kind leave of an autoencoder's estimates, to tell others by."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..column.states import CHANNELS, to_channels
from ..recording.consistency import MEAN, RESIDUAL, SPREAD, WHITENESS, Consistency
from ..recording.mask import ObservationMask
from ..recording.residuals import Residuals, Running, channels_of_std
from ..recording.standardizer import Standardizer

_NAMES = (RESIDUAL, WHITENESS, MEAN, SPREAD)
# The largest of a few recordings is not the largest of many: so much is added, over the root of their number.
_MARGIN = 0.4


class Familiarity(eqx.Module):
    """Statistics of recordings as they were trained on: for each kind and channel, what hardly any of them exceeds."""

    residual: Float[Array, "kind 7"]
    """Of low-passed residuals, in reported standard deviations."""
    whiteness: Float[Array, "kind 7"]
    """Autocorrelation of what is rough in these recordings, beyond chance."""
    mean: Float[Array, "kind 7"]
    mean_width: Float[Array, "kind 7"]
    """Of the recording, standardized: usual value, and distance from it."""
    spread: Float[Array, "kind 7"]
    spread_width: Float[Array, "kind 7"]
    """Logarithm of the standard deviation of the signal in the recording, standardized: likewise."""
    duration: Float[Array, " kind"]
    """Of these recordings, s: shorter ones scatter more."""

    @classmethod
    def blank(cls, kinds: int, dtype: np.dtype) -> "Familiarity":
        """One of zeros."""
        return cls(*(jnp.zeros((kinds, len(CHANNELS)), dtype),) * 6, jnp.zeros(kinds, dtype))

    @classmethod
    def fit(cls, running: Running, dt: float) -> "Familiarity":
        """Of one kind, from sums over each of some recordings."""
        margin = 1 + _MARGIN / len(running.sums.samples) ** 0.5
        chance = running.whiteness_limit(0.0)
        excess = jnp.sqrt(jnp.max(jnp.maximum(running.autocorrelation**2 - chance**2, 0), axis=0))
        mean, spread = running.mean, _spread(running)

        def middle_and_width(values):
            low, high = jnp.min(values, axis=0), jnp.max(values, axis=0)
            return (low + high) / 2, margin * (high - low) / 2

        residual = margin * jnp.max(running.residual_ratio, axis=0)
        fitted = (residual, excess, *middle_and_width(mean), *middle_and_width(spread))
        return cls(*(values[None] for values in fitted), jnp.max(running.sums.samples)[None] * dt)

    def check(self, running: Running, observed: ObservationMask, kind: Int[Array, ""], dt: float) -> Consistency:
        """Compare a recording of a kind, by the sums over it."""
        seconds = running.sums.samples * dt
        wider = jnp.sqrt(jnp.maximum(self.duration[kind] / jnp.maximum(seconds, dt), 1))
        statistics = (
            running.residual_ratio,
            running.autocorrelation,
            jnp.abs(running.mean - self.mean[kind]),
            jnp.abs(_spread(running) - self.spread[kind]),
        )
        limits = (
            self.residual[kind] * wider,
            running.whiteness_limit(self.whiteness[kind]),
            self.mean_width[kind] * wider,
            self.spread_width[kind] * wider,
        )
        checked = jnp.asarray(observed.channels)
        statistic, limit = (
            jnp.stack([jnp.broadcast_to(part, seconds.shape) for part in parts], axis=-2)
            for parts in (statistics, limits)
        )
        measured = running.sums.samples[..., None, :] > 0
        statistic = jnp.where(checked, jnp.where(measured, statistic, jnp.inf), 0)
        when = jnp.full_like(statistic, jnp.inf).at[..., 0, :].set(running.when * dt)
        return Consistency(statistic, jnp.where(checked, limit, jnp.inf), when, _NAMES)


def residuals_of(
    values: Float[Array, "*batch time 7"],
    measured: Bool[Array, "*batch time 7"],
    mean: Float[Array, "*batch time 6"],
    std: Float[Array, "*batch time 6"],
    standardizer: Standardizer,
) -> Residuals:
    """Of standardized recordings, by estimates in mV and mV/s."""
    estimate = standardizer.standardize(to_channels(mean))
    of_channels = channels_of_std(std)
    return Residuals(values, estimate, of_channels / jnp.broadcast_to(standardizer.std, of_channels.shape), measured)


def _spread(running: Running) -> Float[Array, "*batch 7"]:
    variance = running.signal_variance
    return jnp.log(jnp.maximum(variance, jnp.finfo(variance.dtype).eps)) / 2
