"""Synapses over an interval of time, by collocation at Gauss points: the implicit Runge-Kutta method of Gauss and
Legendre (Hairer and Wanner 1996, doi 10.1007/978-3-642-05221-7), solved in closed form, as synapses are linear."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

POINTS = 8
"""In an interval; errors at its end are of order 16."""
NODES, _WEIGHTS = np.polynomial.legendre.leggauss(POINTS)
"""Where they lie in it, from -1 to 1."""
TO_POWERS = np.linalg.inv(np.vander(NODES, POINTS))
"""From values at the points to the polynomial through them, highest power first."""


def _integrals() -> np.ndarray:
    """The Runge-Kutta matrix: integrals from the start of the interval to the points, of unit values at points."""
    columns = [np.polyint(powers) for powers in TO_POWERS.T]
    return np.stack([np.polyval(column, NODES) - np.polyval(column, -1.0) for column in columns], axis=1) / 2


def _spectrum(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of a real matrix, one of each conjugate pair, and what a function of the matrix is a sum of: the real
    parts of the function of eigenvalues times the first half of these matrices, and the imaginary parts times the
    second."""
    eigenvalues, vectors = np.linalg.eig(matrix)
    chosen = np.imag(eigenvalues) > 0  # all of them are complex, as the number of points is even
    projections = 2 * np.einsum("pr,rq->rpq", vectors, np.linalg.inv(vectors))[chosen]
    return eigenvalues[chosen], np.concatenate([np.real(projections), -np.imag(projections)])


_EIGENVALUES, _PROJECTIONS = _spectrum(_integrals())


class Synapse(NamedTuple):
    """A synapse over an interval: `x'' = f - 2 k x' - k^2 x` for a drive f, as `x' = z - k x` and `z' = f - k z`."""

    duration: Float[Array, ""]
    """s"""
    k: Float[Array, ""]
    """Rate constant, 1/s."""
    decay: Float[Array, " point"]
    """Of x and z, from the start of the interval to its points."""
    response: Float[Array, "point point"]
    """Of z at the points to f there, and of x to z."""

    @classmethod
    def over(cls, duration: Float[Array, ""], k: Float[Array, " synapse"]) -> "list[Synapse]":
        """For each of some rate constants."""
        eigenvalues = (np.real(_EIGENVALUES), np.imag(_EIGENVALUES), np.abs(_EIGENVALUES))
        real, imaginary, size = (jnp.asarray(part, k.dtype)[None] for part in eigenvalues)
        rates = duration * k[:, None]
        # By the inverse of 1 + rate times the matrix: real and imaginary part of x / (1 + rate x) for eigenvalues x.
        denominator = (1 + rates * real) ** 2 + (rates * imaginary) ** 2
        parts = jnp.concatenate([(real + rates * size**2) / denominator, imaginary / denominator], axis=1)
        response = duration * jnp.tensordot(parts, jnp.asarray(_PROJECTIONS, k.dtype), 1)
        decay = 1 - k[:, None] * jnp.sum(response, axis=-1)
        return [cls(duration, k[i], decay[i], response[i]) for i in range(len(k))]

    def __call__(
        self, x: Float[Array, ""], z: Float[Array, ""], drive: Float[Array, " point"]
    ) -> tuple[Float[Array, " point"], Float[Array, ""], Float[Array, ""]]:
        """x at the points, and x and z at the end, from those at the start."""
        zs = self.decay * z + self.response @ drive
        xs = self.decay * x + self.response @ zs
        weights = self.duration / 2 * jnp.asarray(_WEIGHTS, xs.dtype)
        return xs, x + weights @ (zs - self.k * xs), z + weights @ (drive - self.k * zs)
