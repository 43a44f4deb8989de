"""Results of any number of points, in pieces that all cores or devices work on side by side."""

import math
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray, UInt32

from .._threads import cores, side_by_side
from ..column.pallas import COLUMNS_PER_BLOCK
from .axes import Grid
from .engine import ScanPlan, summarise

_LARGEST_PIECE_ON_A_CPU = 4096  # points; with more, cores would wait longer for the slowest at the end of a chunk


class PieceSimulator:
    """Simulates points of a grid on all local devices, in pieces that get smaller when memory runs out.

    A CPU that is one device of JAX, as it is by default, works on as many pieces at a time as this process has cores.

    **Arguments:**

    - `points`: how many points are asked for at a time, at most.
    """

    def __init__(self, grid: Grid, plan: ScanPlan, key: PRNGKeyArray, points: int):
        """See the class."""
        self.grid, self.plan, self.key = grid, plan, key
        devices = jax.local_devices()
        on_cpu = devices[0].platform == "cpu"
        # One program serves all cores, where each device would compile its own.
        self.devices = [devices[0]] * (cores() if len(devices) == 1 else len(devices)) if on_cpu else devices
        self.least = plan.tile if on_cpu else COLUMNS_PER_BLOCK
        rounds = math.ceil(points / (len(self.devices) * _LARGEST_PIECE_ON_A_CPU)) if on_cpu else 1
        self.piece = self._multiple(math.ceil(points / (len(self.devices) * rounds)))

    def __call__(self, numbers: UInt32[np.ndarray, " points"]) -> dict[str, np.ndarray]:
        """Every result, with the points along its first axis.

        **Raises:** `MemoryError` if there is not enough memory for the smallest piece.
        """
        while True:
            try:
                return self._all_results(numbers)
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

    def _all_results(self, numbers: UInt32[np.ndarray, " points"]) -> dict[str, np.ndarray]:
        pieces = [numbers[i : i + self.piece] for i in range(0, len(numbers), self.piece)]
        workers = len(self.devices)

        def work(worker):
            return [self._results(piece, self.devices[worker]) for piece in pieces[worker::workers]]

        done = side_by_side(work, range(workers), workers)
        ordered = [done[i % workers][i // workers] for i in range(len(pieces))]
        return {name: np.concatenate([piece[name] for piece in ordered]) for name in ordered[0]}

    def _results(self, numbers: UInt32[np.ndarray, " points"], device: Any) -> dict[str, np.ndarray]:
        # Always a whole piece, so that the program is compiled once.
        padded = np.concatenate([numbers, np.full(self.piece - len(numbers), numbers[-1], numbers.dtype)])
        points = jax.device_put(self.grid.points(padded), device)
        return {
            name: np.asarray(found)[: len(numbers)] for name, found in summarise(points, self.plan, self.key).items()
        }

    def _multiple(self, points: int) -> int:
        return self.least * max(1, math.ceil(points / self.least))
