"""One gain for several windows: draws of each, weighted by how probable their gains are in all of them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

_POINTS = 512  # at which densities of gains are computed
_FLOOR = 1e-2  # of the largest density of a window
_NARROWEST = 0.05  # of a kernel: a factor of 1.05, below the accuracy of any gain


class Shared(NamedTuple):
    """Which draws of each window to keep."""

    kept: Int[np.ndarray, "window draw"]
    agreement: Float[np.ndarray, " window"]
    """How probable the gain of the others is in each window; of its own most probable gain, 1."""


def with_one_gain(log_gain: Float[np.ndarray, "window proposal"], number: int, rng: np.random.Generator) -> Shared:
    """Which of the draws of each window to keep, so that the gain of all windows is one.

    Before a recording is looked at every gain is as probable as any other, in logarithms, so that the density of the
    gain given all windows is the product of those given each; each draw is weighted by that over the density of its
    own window, by kernels as wide as Silverman (1986) has them. Every density has a floor, as a window may be no
    column's.
    """
    grid = np.linspace(log_gain.min(), log_gain.max(), _POINTS)
    density = np.stack([_density(window, grid) for window in log_gain])
    together = np.sum(np.log(density), axis=0)
    kept, agreement = [], []
    for own, proposals in zip(density, log_gain, strict=True):
        ratio = together - np.log(own)
        others = np.exp(ratio - ratio.max())
        weights = np.interp(proposals, grid, others)
        kept.append(rng.choice(len(proposals), number, p=weights / weights.sum()))
        agreement.append(others @ own / others.sum())
    return Shared(np.stack(kept), np.asarray(agreement))


def _density(values: Float[np.ndarray, " proposal"], grid: Float[np.ndarray, " point"]) -> Float[np.ndarray, " point"]:
    width = max(1.06 * values.std() * len(values) ** -0.2, _NARROWEST)
    density = np.exp(-0.5 * ((grid[:, None] - values[None]) / width) ** 2).mean(axis=1)
    return density / density.max() + _FLOOR
