"""Results of any number of points, as many at a time as there is memory for."""

import math

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import PRNGKeyArray, UInt32

from .axes import Grid
from .engine import ScanPlan, place, summarise


class PieceSimulator:
    """Simulates points of a grid on all local devices, a piece at a time; pieces get smaller when memory runs out.

    **Arguments:**

    - `points`: how many points are asked for at a time, at most.
    """

    def __init__(self, grid: Grid, plan: ScanPlan, key: PRNGKeyArray, points: int):
        """See the class."""
        self.grid, self.plan, self.key = grid, plan, key
        self.mesh = Mesh(np.array(jax.local_devices()), ("columns",))
        self.least = plan.multiple(self.mesh)
        self.piece = self._multiple(points)

    def __call__(self, numbers: UInt32[np.ndarray, " points"]) -> dict[str, np.ndarray]:
        """Every result, with the points along its first axis.

        **Raises:** `MemoryError` if there is not enough memory for the smallest piece.
        """
        while True:
            try:
                pieces = [self._results(numbers[i : i + self.piece]) for i in range(0, len(numbers), self.piece)]
                return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
            except (MemoryError, jax.errors.JaxRuntimeError) as error:
                exhausted = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
                if not exhausted:
                    raise
                if self.piece == self.least:
                    raise MemoryError(
                        f"`parameter_scan`: {self.least} columns at a time are too many for the memory there is; "
                        "keep fewer samples"
                    ) from error
            self.piece = self._multiple(self.piece // 2)

    def _results(self, numbers: UInt32[np.ndarray, " points"]) -> dict[str, np.ndarray]:
        # Always a whole piece, so that the program is compiled once.
        padded = np.concatenate([numbers, np.full(self.piece - len(numbers), numbers[-1], numbers.dtype)])
        results = summarise(place(self.grid.points(padded), self.mesh), self.plan, self.key, self.mesh)
        return {name: np.asarray(values)[: len(numbers)] for name, values in results.items()}

    def _multiple(self, points: int) -> int:
        return self.least * max(1, math.ceil(points / self.least))
