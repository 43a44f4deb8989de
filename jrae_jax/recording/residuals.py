"""What is left of recordings by estimates of them: running sums, from which statistics of consistency follow."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..column.states import CHANNELS, States


class Residuals(NamedTuple):
    """What is left of recordings by estimates of all channels, in any unit; zero where nothing was measured."""

    values: Float[Array, "*batch time 7"]
    """The recording."""
    estimate: Float[Array, "*batch time 7"]
    std: Float[Array, "*batch time 7"]
    """Reported."""
    measured: Bool[Array, "*batch time 7"]


# Sensor noise is white, and a column smooth: fourth differences take the alpha rhythm down to 2e-5 at 1 kHz, and leave
# white noise with an autocorrelation up to lag 4. What is beyond has been filtered or resampled.
_DIFFERENCES = (1.0, -4.0, 6.0, -4.0, 1.0)
_LAGS = tuple(range(len(_DIFFERENCES), len(_DIFFERENCES) + 12))
_GAIN = sum(factor**2 for factor in _DIFFERENCES)  # of the variance of white noise
_REACH = len(_DIFFERENCES) - 1 + _LAGS[-1]
# The standard error of an autocorrelation beyond lag 4 is this over the root of the number of samples (Bartlett 1946).
_STANDARD_ERROR = 1.64
_WHITENESS_LIMIT = 4.0  # standard errors: for 12 lags of 7 channels, exceeded by 1 of 200
_PASS_BAND = 20.0  # Hz, above the alpha rhythm


def window_of(dt: float) -> int:
    """The samples of a moving mean that passes up to 20 Hz."""
    return max(1, round(0.5 / (_PASS_BAND * dt)))


class Sums(eqx.Module):
    """Over residuals, for each channel."""

    samples: Float[Array, "*batch 7"]
    """How many were measured."""
    variance: Float[Array, "*batch 7"]
    """Of the reported standard deviation squared."""
    level: Float[Array, "*batch 7"]
    square: Float[Array, "*batch 7"]
    """Of the recording, and of its square."""
    smooth: Float[Array, "*batch 7"]
    smooths: Float[Array, "*batch 7"]
    """Of low-passed residuals squared, and how many."""
    products: Float[Array, "*batch lag 7"]
    pairs: Float[Array, "*batch lag 7"]
    """Of products of fourth differences of the recording, at lag 0 and at each of `_LAGS`, and how many."""


class Running(eqx.Module):
    """Sums over residuals so far, and the last of these, from which to go on: chunk by chunk, or all at once."""

    values: Float[Array, "*batch tail 7"]
    residuals: Float[Array, "*batch tail 7"]
    measured: Bool[Array, "*batch tail 7"]
    sums: Sums
    when: Float[Array, "*batch 7"]
    """Samples into the last chunk, of its largest low-passed residual."""

    def __repr__(self) -> str:
        return "Running(...)"

    @classmethod
    def start(cls, batch: tuple[int, ...], dt: float, dtype: np.dtype) -> "Running":
        """Before the first sample."""
        tail = max(window_of(dt) - 1, _REACH)
        past, zero = jnp.zeros((*batch, tail, len(CHANNELS)), dtype), jnp.zeros((*batch, len(CHANNELS)), dtype)
        lagged = jnp.zeros((*batch, 1 + len(_LAGS), len(CHANNELS)), dtype)
        return cls(
            past, past, jnp.zeros(past.shape, bool), Sums(zero, zero, zero, zero, zero, zero, lagged, lagged), zero
        )

    def add(self, new: Residuals, dt: float, *, memory: float = np.inf) -> "Running":
        """With the next samples; those before count less and less, over `memory` seconds."""
        tail, samples = self.values.shape[-2], new.values.shape[-2]
        residuals = jnp.where(new.measured, new.values - new.estimate, 0)
        olds, news = (self.values, self.residuals, self.measured), (new.values, residuals, new.measured)
        values, residuals, measured = (jnp.concatenate(parts, axis=-2) for parts in zip(olds, news, strict=True))
        smooth, smoothed = low_passed(residuals, measured, window_of(dt), samples)
        squares = smooth**2
        products, pairs = _lagged_products(values, measured, samples)

        def total(values):
            return jnp.sum(jnp.where(new.measured, values, 0), axis=-2)

        added = Sums(
            samples=jnp.sum(new.measured, axis=-2, dtype=smooth.dtype),
            variance=total(new.std**2),
            level=total(new.values),
            square=total(new.values**2),
            smooth=jnp.sum(squares, axis=-2),
            smooths=jnp.sum(smoothed > 0, axis=-2, dtype=smooth.dtype),
            products=products,
            pairs=pairs,
        )
        kept = float(np.exp(-samples * dt / memory))
        sums = jax.tree.map(lambda before, now: kept * before + now, self.sums, added)
        when = jnp.argmax(squares / jnp.maximum(new.std**2, jnp.finfo(smooth.dtype).tiny), axis=-2)
        return Running(
            values[..., -tail:, :],
            residuals[..., -tail:, :],
            measured[..., -tail:, :],
            sums,
            when.astype(smooth.dtype),
        )

    @property
    def residual_ratio(self) -> Float[Array, "*batch 7"]:
        """Root mean square of low-passed residuals over that of the reported standard deviation."""
        sums = self.sums
        variance = jnp.maximum(sums.variance / jnp.maximum(sums.samples, 1), jnp.finfo(sums.variance.dtype).tiny)
        return jnp.sqrt(sums.smooth / jnp.maximum(sums.smooths, 1) / variance)

    @property
    def mean(self) -> Float[Array, "*batch 7"]:
        """Of the recording."""
        return self.sums.level / jnp.maximum(self.sums.samples, 1)

    @property
    def signal_variance(self) -> Float[Array, "*batch 7"]:
        """Of the recording, without that of white noise: 0 where nothing is left."""
        variance = self.sums.square / jnp.maximum(self.sums.samples, 1) - self.mean**2
        return jnp.maximum(variance - self._rough[..., 0, :] / _GAIN, 0)

    @property
    def autocorrelation(self) -> Float[Array, "*batch 7"]:
        """The largest, of either sign, of what is rougher in recordings than columns are; 0 for white noise."""
        rough = self._rough
        tiny = jnp.finfo(rough.dtype).tiny
        return jnp.max(jnp.abs(rough[..., 1:, :]), axis=-2) / jnp.maximum(rough[..., 0, :], tiny)

    def whiteness_limit(self, excess: Float[Array, "*batch 7"] | float) -> Float[Array, "*batch 7"]:
        """What chance, and the `excess` of an estimator's own kind of recording, lets the autocorrelation be."""
        pairs = jnp.maximum(jnp.min(self.sums.pairs, axis=-2), 1)
        return jnp.hypot(_WHITENESS_LIMIT * _STANDARD_ERROR / jnp.sqrt(pairs), excess)

    @property
    def _rough(self) -> Float[Array, "*batch lag 7"]:
        return self.sums.products / jnp.maximum(self.sums.pairs, 1)


def channels_of_std(std: Float[Array, "*batch 6"]) -> Float[Array, "*batch 7"]:
    """Standard deviations of all channels from those of the states, with errors of `y1` and `y2` independent."""
    states = States.unstack_last(std)
    return jnp.concatenate([std, jnp.hypot(states.y1, states.y2)[..., None]], axis=-1)


def low_passed(
    values: Float[Array, "*batch all 7"], measured: Bool[Array, "*batch all 7"], window: int, samples: int
) -> tuple[Float[Array, "*batch time 7"], Float[Array, "*batch time 7"]]:
    """The mean over the window up to each of the last samples, and over how many: 0 for both if less than half."""
    missing = max(window - 1 + samples - values.shape[-2], 0)
    widths = [(0, 0)] * (values.ndim - 2) + [(missing, 0), (0, 0)]

    def moving_sum(values):
        values = jnp.pad(values, widths)[..., -(samples + window - 1) :, :]
        shape = (1,) * (values.ndim - 2) + (window, 1)
        return jax.lax.reduce_window(values, 0.0, jax.lax.add, shape, (1,) * values.ndim, "valid")

    count = moving_sum(measured.astype(values.dtype))
    enough = count >= max(1, window // 2)
    return jnp.where(enough, moving_sum(values) / jnp.maximum(count, 1), 0), jnp.where(enough, count, 0)


def _lagged_products(
    values: Float[Array, "*batch all 7"], measured: Bool[Array, "*batch all 7"], samples: int
) -> tuple[Float[Array, "*batch lag 7"], Float[Array, "*batch lag 7"]]:
    """Sums of products of fourth differences at each lag, for the last samples, and how many."""
    length = values.shape[-2] - len(_DIFFERENCES) + 1
    parts = [values[..., i : i + length, :] for i in range(len(_DIFFERENCES))]
    valid = jnp.all(jnp.stack([measured[..., i : i + length, :] for i in range(len(_DIFFERENCES))]), axis=0)
    rough = jnp.where(valid, sum(factor * part for factor, part in zip(_DIFFERENCES, parts, strict=True)), 0)
    first, products, pairs = length - samples, [], []
    for lag in (0, *_LAGS):
        before, now = slice(first - lag, length - lag), slice(first, length)
        products.append(jnp.sum(rough[..., before, :] * rough[..., now, :], axis=-2))
        pairs.append(jnp.sum(valid[..., before, :] & valid[..., now, :], axis=-2, dtype=rough.dtype))
    return jnp.stack(products, axis=-2), jnp.stack(pairs, axis=-2)
