"""What shape a latent trajectory has."""

import numpy as np
from jaxtyping import Array, Float

from .._validation import check_finite


def variance_shares(points: Float[np.ndarray | Array, "*time dimension"]) -> Float[np.ndarray, " axis"]:
    """Shares of variance along the principal axes, largest first, summing to 1.

    **Arguments:**

    - `points`: a trajectory, or several, in any space; every axis but the last is pooled.

    **Raises:** `ValueError` if the points do not vary at all, or are not finite.
    """
    check_finite(points=points)
    flat = np.asarray(points, dtype=float).reshape(-1, np.shape(points)[-1])
    if np.all(flat == flat[0]):
        raise ValueError("`points` must vary, got one and the same point throughout")
    variances = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False) ** 2
    return variances / variances.sum()


def participation_ratio(points: Float[np.ndarray | Array, "*time dimension"]) -> float:
    """How many dimensions the points fill: 1 on a line, up to the number of dimensions for an even ball.

    The inverse of the sum of squared variance shares (Gao et al. 2017, doi 10.1101/214262).
    """
    return float(1 / np.sum(variance_shares(points) ** 2))


def line_share(points: Float[np.ndarray | Array, "*time dimension"]) -> float:
    """The share of variance that lies on the best straight line: 1 when the points are collinear."""
    return float(variance_shares(points)[0])
