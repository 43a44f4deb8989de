"""How close a reconstruction is to the truth. Arrays in, arrays out."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def pearson_r(truth: Float[Array, "sample state"], estimate: Float[Array, "sample state"]) -> Float[Array, " state"]:
    """Pearson's correlation of each column, -1 to 1; NaN where one of the two is constant."""
    truth = truth - jnp.mean(truth, axis=0, keepdims=True)
    estimate = estimate - jnp.mean(estimate, axis=0, keepdims=True)
    scale = jnp.sqrt(jnp.sum(truth**2, axis=0)) * jnp.sqrt(jnp.sum(estimate**2, axis=0))
    return jnp.sum(truth * estimate, axis=0) / scale


def r_squared(truth: Float[Array, "sample state"], estimate: Float[Array, "sample state"]) -> Float[Array, " state"]:
    """Coefficient of determination: 1 is perfect, 0 as good as the mean, below 0 worse than that."""
    residual = jnp.sum((truth - estimate) ** 2, axis=0)
    return 1 - residual / jnp.sum((truth - jnp.mean(truth, axis=0, keepdims=True)) ** 2, axis=0)


def nrmse(truth: Float[Array, "sample state"], estimate: Float[Array, "sample state"]) -> Float[Array, " state"]:
    """Root mean squared error in units of the true standard deviation: 0 is perfect, 1 as good as the mean."""
    return jnp.sqrt(jnp.mean((truth - estimate) ** 2, axis=0)) / jnp.std(truth, axis=0)
