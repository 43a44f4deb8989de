"""How close estimates of states are to the truth: Pearson's r, R² and NRMSE. Arrays in, arrays out."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_array
from ..column.states import STATES, states_first

NINETY = 1.645
"""Standard deviations to both sides within which 90 % of a normal distribution are."""


def pearson_r(truth: Float[Array, "sample 6"], estimate: Float[Array, "sample 6"]) -> Float[Array, "6"]:
    """Pearson's correlation of each state, -1 to 1; NaN where one of the two is constant.

    **Raises:** `ValueError` for arrays of another shape than `(sample, 6)`, or of two shapes.
    """
    truth, estimate = _checked(truth, estimate)
    truth = truth - jnp.mean(truth, axis=0, keepdims=True)
    estimate = estimate - jnp.mean(estimate, axis=0, keepdims=True)
    scale = jnp.sqrt(jnp.sum(truth**2, axis=0)) * jnp.sqrt(jnp.sum(estimate**2, axis=0))
    return jnp.sum(truth * estimate, axis=0) / scale


def r_squared(truth: Float[Array, "sample 6"], estimate: Float[Array, "sample 6"]) -> Float[Array, "6"]:
    """Coefficient of determination: 1 is perfect, 0 as good as the mean, below 0 worse than that.

    **Raises:** `ValueError` for arrays of another shape than `(sample, 6)`, or of two shapes.
    """
    truth, estimate = _checked(truth, estimate)
    residual = jnp.sum((truth - estimate) ** 2, axis=0)
    return 1 - residual / jnp.sum((truth - jnp.mean(truth, axis=0, keepdims=True)) ** 2, axis=0)


def nrmse(truth: Float[Array, "sample 6"], estimate: Float[Array, "sample 6"]) -> Float[Array, "6"]:
    """Root mean squared error in units of the true standard deviation: 0 is perfect, 1 as good as the mean.

    **Raises:** `ValueError` for arrays of another shape than `(sample, 6)`, or of two shapes.
    """
    truth, estimate = _checked(truth, estimate)
    return jnp.sqrt(jnp.mean((truth - estimate) ** 2, axis=0)) / jnp.std(truth, axis=0)


def _checked(truth: Any, estimate: Any) -> tuple[Float[Array, "sample 6"], Float[Array, "sample 6"]]:
    truth, estimate = as_array(truth, "truth"), as_array(estimate, "estimate")
    # Without this, arrays with the states first, or a single sample, would be broadcast to numbers of no meaning.
    shapes = truth.shape, estimate.shape
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][1] != len(STATES):
        raise ValueError(
            f"`truth` and `estimate` must both have shape (sample, {len(STATES)}), got {shapes[0]} and {shapes[1]}"
            f"{states_first(shapes[0]) or f': reshape(-1, {len(STATES)}) pools trajectories'}"
        )
    return truth, estimate
