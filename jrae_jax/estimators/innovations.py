"""Whether recordings agree with the column and the sensors that a filter was given: by its innovations and states."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..column.states import CHANNELS, INHIBITORY_STATES, PYRAMIDAL_STATES
from ..recording.consistency import PRIOR, RANGE, RESIDUAL, WHITENESS, Consistency
from ..recording.residuals import low_passed, window_of

_NAMES = (RESIDUAL, WHITENESS, RANGE, PRIOR)
_BEYOND_PRIOR = 0.01  # probability that one of the unknowns is so far from what was said of it
_SETTLING = 0.5  # s, while the filter finds the state; of a recording of less than twice that, its first half
_LAGS = range(1, 21)
# Innovations of standard columns at sensor noise from 1 % on are white, and as large as expected, apart from chance.
_STANDARD_ERRORS = 4.5  # for 20 lags of 7 channels, exceeded by 1 of 1,000
_SYSTEMATIC = 0.03  # autocorrelation that is let pass however long the recording
_LARGER = 1.5  # than expected, the mean square of low-passed innovations
# What linearisation leaves, by the square of the least sensor noise that a filter takes over that of the recording:
# measured at .3 % and less, where innovations of noiseless recordings are 9 times too large and not white at all.
_LARGER_AT_LEAST_NOISE, _COLOURED_AT_LEAST_NOISE = 40.0, 2.5
_OUTSIDE = 0.1  # of the range of a state; twice the standard deviation of an unknown parameter is added
_BOUNDED = np.isin(np.arange(len(CHANNELS)), (PYRAMIDAL_STATES[0], INHIBITORY_STATES[0]))
"""y0 and y2 are within 0 and their largest value whatever the input."""


def consistency_of(
    innovations: Float[Array, "time 7"],
    measured: Bool[Array, "time 7"],
    observed: Bool[Array, "7"],
    states: Float[Array, "time 6"],
    noise: Float[Array, "7"],
    *,
    least_noise: float,
    unknown: Float[Array, " unknown"],
    unknown_std: Float[Array, ""],
    coloured: Bool[Array | np.ndarray, "7"],
    dt: float,
) -> Consistency:
    """The consistency of one recording.

    **Arguments:**

    - `innovations`: in their expected standard deviations.
    - `observed`: which channels are checked.
    - `states`: as estimated, in units of their largest values.
    - `noise`, `least_noise`: sensor noise of each channel, and the least that a filter takes, in the same unit.
    - `unknown`, `unknown_std`: logarithms of unknown parameters as estimated, and their standard deviation beforehand.
    - `coloured`: the channels with a background. Their innovations are not expected to be white: no real background is
        a sum of so few parts, which shows above its band where it does not matter to the states.
    """
    samples, window = len(innovations), window_of(dt)
    settled = jnp.arange(samples)[:, None] >= min(round(_SETTLING / dt), samples // 2)
    checked = measured & settled
    values = jnp.where(checked, innovations, 0)
    count = jnp.sum(checked, axis=0, dtype=values.dtype)
    smooth, smoothed = low_passed(values, checked, window, samples)
    squares = smooth**2 * smoothed
    ratio = jnp.sqrt(jnp.sum(squares, axis=0) / jnp.maximum(jnp.sum(smoothed > 0, axis=0, dtype=values.dtype), 1))
    variance = jnp.maximum(jnp.sum(values**2, axis=0), jnp.finfo(values.dtype).tiny)
    products = [jnp.abs(jnp.sum(values[lag:] * values[: samples - lag], axis=0)) for lag in _LAGS if lag < samples]
    whiteness = jnp.max(jnp.stack(products), axis=0) / variance if products else jnp.zeros_like(count)
    outside = jnp.where(settled, jnp.maximum(states - 1, -states), -jnp.inf)
    excess = jnp.pad(jnp.max(outside, axis=0), (0, 1))
    coarse = jnp.minimum(least_noise / jnp.maximum(noise, jnp.finfo(noise.dtype).tiny), 1) ** 2
    chance = jnp.sqrt(1 / jnp.maximum(count, 1))
    far = jax.scipy.special.ndtri(jnp.full_like(count, 1 - _BEYOND_PRIOR / (2 * max(len(unknown), 1))))
    limits = (
        jnp.sqrt(_LARGER + _LARGER_AT_LEAST_NOISE * coarse + _STANDARD_ERRORS * chance * (2 * window) ** 0.5),
        jnp.hypot(_STANDARD_ERRORS * chance, _SYSTEMATIC + _COLOURED_AT_LEAST_NOISE * coarse),
        jnp.full_like(count, _OUTSIDE) + (2 * unknown_std if len(unknown) else jnp.zeros(())),
        far,
    )
    of_samples = jnp.where(count > 0, jnp.stack([ratio, whiteness]), jnp.inf)
    off = jnp.full_like(count, jnp.max(jnp.abs(unknown), initial=0.0) / unknown_std)
    statistic = jnp.concatenate([of_samples, jnp.stack([jnp.maximum(excess, 0), off])])
    is_checked = jnp.stack([observed, observed & ~coloured, jnp.asarray(_BOUNDED), observed])
    worst = jnp.stack([jnp.argmax(squares, axis=0), jnp.pad(jnp.argmax(outside, axis=0), (0, 1))])
    worst, never = worst.astype(values.dtype) * dt, jnp.full_like(count, jnp.inf)
    # The last is of unknowns alone.
    rows = len(_NAMES) if len(unknown) else len(_NAMES) - 1
    return Consistency(
        jnp.where(is_checked, statistic, 0)[:rows],
        jnp.where(is_checked, jnp.stack(limits), jnp.inf)[:rows],
        jnp.stack([worst[0], never, worst[1], never])[:rows],
        _NAMES[:rows],
    )
