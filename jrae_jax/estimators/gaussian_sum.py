"""Kalman filter and smoother of a column with unknown parameters: a sum of Gaussians, each with a linearisation of its
own, weighted by how well it predicts the recording.

One Gaussian follows one value of a parameter and is soon so sure of it that it never leaves it, even where another
value explains the recording as well or better: the likelihood of C has two peaks where a column hardly oscillates.
Alspach and Sorenson (1972), doi 10.1109/TAC.1972.1100034.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .square_root import Measurements, Moments, kalman
from .state_space import StateSpace

# Of 200 recordings of columns whose C is from the prior (about 135, or 90), C was more than three standard deviations
# off in 23 by one Gaussian, in 8 by three of these, in 2 by five, and in 2 by nine.
_PART = 0.5  # standard deviation of each Gaussian, in those of the prior, of the first unknown
_PLACES = np.array([-1.6, -0.8, 0.0, 0.8, 1.6])  # of their means, so that together they are the prior
# Below it, one of the Gaussians adds nothing; where it failed, it would poison the others.
_LEAST_WEIGHT = 1e-9


def gaussian_sum(
    model: StateSpace, prior_std: Float[Array, ""], measurements: Measurements, *, smooth: bool
) -> Moments:
    """Mean and standard deviation at each sample, and the innovations of the likeliest Gaussian.

    The prior of the first unknown is the one that is divided: each further one would take as many times as long.
    """
    first = jnp.arange(len(model.column.unknown)) == 0

    def of_part(place: Float[Array, ""]) -> Moments:
        prior = model.prior(jnp.where(first, _PART * prior_std, prior_std), jnp.where(first, place * prior_std, 0))
        return kalman(model, prior, measurements, smooth=smooth)

    # One after the other: at once they are slower, as what a smoother keeps of each sample leaves the cache.
    parts = jax.lax.map(of_part, jnp.asarray(_PLACES, prior_std.dtype))
    weights = _weights(parts.log_likelihood)
    best = jnp.argmax(weights[:, -1], axis=0)[None]
    innovations, log_likelihood = (
        jnp.take_along_axis(x, best.reshape(*(1 for _ in x.shape[:-1]), -1), axis=0)[0] for x in parts[2:]
    )
    weights = (weights if not smooth else weights[:, -1:])[:, :, None]
    means, stds = (jnp.where(weights > _LEAST_WEIGHT, x, 0) for x in parts[:2])
    mean = jnp.sum(weights * means, axis=0, keepdims=True)
    variance = jnp.sum(weights * (stds**2 + (means - mean) ** 2), axis=0)
    return Moments(mean[0], jnp.sqrt(variance), innovations, log_likelihood)


def _weights(log_likelihood: Float[Array, "part time *batch"]) -> Float[Array, "part time *batch"]:
    """The probability of each part, given the samples up to each."""
    known = jnp.where(jnp.isfinite(log_likelihood), log_likelihood, -jnp.inf)
    # Differences are summed, as single precision would lose them in the sums.
    ratio = jnp.cumsum(known - jnp.max(known, axis=0, keepdims=True), axis=1)
    before = jnp.asarray(-(_PLACES**2) / (2 * (1 - _PART**2)), ratio.dtype)
    before = before.reshape(-1, *(1 for _ in ratio.shape[1:]))
    return jax.nn.softmax(ratio + before, axis=0)
