"""The shape of a trajectory: variance along principal components, dimensions filled, and how straight the path is."""

import numpy as np
from jaxtyping import Array, Float

from .._checks import as_numbers, check_finite
from .neighbours import as_trajectories


def variance_fractions(points: Float[np.ndarray | Array, "*time dimension"]) -> Float[np.ndarray, " component"]:
    """The fraction of variance along each principal component, largest first, summing to 1.

    **Arguments:**

    - `points`: a trajectory, or several, in any space; every axis but the last is pooled.

    **Raises:** `ValueError` if the points do not vary at all, or are not finite.
    """
    given = as_numbers("points", points).astype(float)
    if given.ndim < 2 or not given.size:
        raise ValueError(f"`points` must have two axes, the dimensions last, got an array of shape {given.shape}")
    check_finite(points=given)
    flat = given.reshape(-1, given.shape[-1])
    if np.all(flat == flat[0]):
        raise ValueError("`points` must vary, got one and the same point throughout")
    variances = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False) ** 2
    return variances / variances.sum()


def participation_ratio(points: Float[np.ndarray | Array, "*time dimension"]) -> float:
    """How many dimensions the points fill: 1 on a line, up to the number of dimensions for an even ball.

    The inverse of the sum of squared variance fractions (Gao et al. 2017, doi 10.1101/214262).
    """
    return float(1 / np.sum(variance_fractions(points) ** 2))


def first_component_variance(points: Float[np.ndarray | Array, "*time dimension"]) -> float:
    """The fraction of variance along the first principal component: 1 when the points are collinear."""
    return float(variance_fractions(points)[0])


def straightness(points: Float[np.ndarray | Array, "*time dimension"]) -> float:
    """How straight the path is: 1 on a straight line, 0 if steps have random directions, -1 if each undoes the last.

    One minus the mean angle between successive displacements in right angles (the curvature of Hénaff et al. 2019,
    doi 10.1038/s41593-019-0377-4, is this mean angle). It is a property of the path, not of the set of points: a path
    to and fro on a line reverses at every step. It depends on the time between samples; compare at one and the same.

    **Arguments:**

    - `points`: one trajectory (time, dimension) or several (trajectory, time, dimension), in any space. Where one stays
        in place it has no direction, and the angle is left out.

    **Raises:** `ValueError` if there are fewer than three samples in time, the points are not finite, or no two
        displacements in a row differ from zero.
    """
    displacements = np.diff(as_trajectories(points, 3), axis=1)
    lengths = np.linalg.norm(displacements, axis=-1)
    moving = (lengths[:, :-1] > 0) & (lengths[:, 1:] > 0)
    if not moving.any():
        raise ValueError("`points` must move twice in a row, got trajectories that stay in place")
    before, after = (
        displacements[:, part][moving] / lengths[:, part][moving][:, None] for part in (slice(-1), slice(1, None))
    )
    # Kahan's formula: unlike the arc cosine of a product it is exact for small angles too.
    angles = 2 * np.arctan2(np.linalg.norm(after - before, axis=-1), np.linalg.norm(after + before, axis=-1))
    return float(1 - angles.mean() / (np.pi / 2))
