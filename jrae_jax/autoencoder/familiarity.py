"""What recordings of its own kind leave of an autoencoder's estimates, by which others are noticed."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._checks import is_concrete
from ..column.states import CHANNELS, to_channels
from ..recording.consistency import MEAN, RESIDUAL, SPREAD, WHITENESS, Consistency
from ..recording.mask import ObservationMask
from ..recording.residuals import Residuals, Running, channels_of_std
from ..recording.standardizer import Standardizer

_NAMES = (RESIDUAL, WHITENESS, MEAN, SPREAD)
# The largest of a few recordings is not the largest of many: so much is added, over the root of their number.
_MARGIN = 0.4
# What is added to widths for recordings as long as these, and less for longer ones, over which statistics are averaged;
# residuals, which differ with the noise more than by chance, get a tenth, and from four times as long on nothing.
_SCATTER = 0.5
_LEAST_RESIDUAL, _MORE_RESIDUAL = 0.9, 0.2
# Standard deviations of the mean, and a factor of the standard deviation, that no recording has of a kind that was
# trained on: a column that rests has a third of the size of one that oscillates.
_FAR, _OTHER_UNIT = 5.0, 10.0


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

    def __repr__(self) -> str:
        if not eqx.is_array_like(self.residual) or not is_concrete(self.residual) or np.ndim(self.residual) != 2:
            return "Familiarity(...)"
        seconds = float(np.mean(self.duration))
        return f"Familiarity(recordings of {len(self.residual)} kinds, {seconds:.3g} s long)"

    @classmethod
    def blank(cls, kinds: int, dtype: np.dtype) -> "Familiarity":
        """One of zeros."""
        each = jnp.zeros((kinds, len(CHANNELS)), dtype)
        return cls(each, each, each, each, each, each, jnp.zeros(kinds, dtype))

    @classmethod
    def fit(cls, running: Running, dt: float) -> "Familiarity":
        """Of one kind, from sums over each of some recordings."""
        margin = 1 + _MARGIN / len(running.sums.samples) ** 0.5
        chance = running.whiteness_limit(0.0)
        excess = jnp.sqrt(jnp.max(jnp.maximum(running.autocorrelation**2 - chance**2, 0), axis=0))

        def middle_and_width(values):
            low, high = jnp.min(values, axis=0), jnp.max(values, axis=0)
            return (low + high)[None] / 2, margin * (high - low)[None] / 2

        return cls(
            margin * jnp.max(running.residual_ratio, axis=0)[None],
            excess[None],
            *middle_and_width(running.mean),
            *middle_and_width(_spread(running)),
            duration=jnp.max(running.sums.samples)[None] * dt,
        )

    def check(self, running: Running, observed: ObservationMask, kind: Int[Array, ""], dt: float) -> Consistency:
        """Compare a recording of a kind, by the sums over it."""
        samples = running.sums.samples
        shorter = jnp.sqrt(self.duration[kind] / jnp.maximum(samples * dt, dt))

        def usual(values):
            return jnp.broadcast_to(values[kind], samples.shape)

        statistics = (
            running.residual_ratio,
            running.autocorrelation,
            jnp.abs(running.mean - usual(self.mean)),
            jnp.abs(_spread(running) - usual(self.spread)),
        )
        wider = jnp.maximum(1 + _SCATTER * shorter, shorter)
        limits = (
            usual(self.residual) * jnp.maximum(jnp.maximum(1, _LEAST_RESIDUAL + _MORE_RESIDUAL * shorter), shorter),
            running.whiteness_limit(usual(self.whiteness)),
            usual(self.mean_width) * wider,
            usual(self.spread_width) * wider,
        )
        return _compared(running, statistics, limits, observed, dt, _NAMES)


def check_scale(running: Running, observed: ObservationMask, dt: float) -> Consistency:
    """Compare a recording with the mean and the standard deviation over all that was trained on: all there is of an
    autoencoder that reports no standard deviations. Another unit is noticed, and a gain of 2 is not."""
    samples = running.sums.samples
    # In less than a second, not all of a rhythm is there.
    wider = jnp.maximum(1, 1 / jnp.maximum(samples * dt, dt))
    variance = running.sums.square / jnp.maximum(samples, 1) - running.mean**2
    statistics = jnp.abs(running.mean), jnp.abs(_log_std(variance))
    return _compared(running, statistics, (_FAR * wider, np.log(_OTHER_UNIT) * wider), observed, dt, (MEAN, SPREAD))


def _compared(
    running: Running,
    statistics: tuple[Float[Array, "*batch 7"], ...],
    limits: tuple[Float[Array, "*batch 7"], ...],
    observed: ObservationMask,
    dt: float,
    names: tuple[str, ...],
) -> Consistency:
    samples = running.sums.samples
    checked = jnp.broadcast_to(jnp.asarray(observed.channels), samples.shape)
    statistic = [jnp.where(checked, jnp.where(samples > 0, part, jnp.inf), 0) for part in statistics]
    limit = [jnp.where(checked, part, jnp.inf) for part in limits]
    when = [running.when * dt if name == RESIDUAL else jnp.full_like(samples, jnp.inf) for name in names]
    return Consistency(jnp.stack(statistic, axis=-2), jnp.stack(limit, axis=-2), jnp.stack(when, axis=-2), names)


def residuals_of(
    values: Float[Array, "*batch time 7"],
    measured: Bool[Array, "*batch time 7"],
    mean: Float[Array, "*batch time 6"],
    std: Float[Array, "*batch time 6"] | None,
    standardizer: Standardizer,
) -> Residuals:
    """Of standardized recordings, by estimates in mV and mV/s; without `std`, in those of the channels."""
    estimate = standardizer.standardize(to_channels(mean))
    scale = jnp.broadcast_to(standardizer.std, estimate.shape)
    return Residuals(values, estimate, jnp.ones_like(scale) if std is None else channels_of_std(std) / scale, measured)


def _spread(running: Running) -> Float[Array, "*batch 7"]:
    return _log_std(running.signal_variance)


def _log_std(variance: Float[Array, "*batch 7"]) -> Float[Array, "*batch 7"]:
    return jnp.log(jnp.maximum(variance, jnp.finfo(variance.dtype).eps)) / 2
