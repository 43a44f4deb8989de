"""Results of any number of points, in pieces that all cores or devices work on side by side."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray, UInt32

from .._threads import cores, side_by_side
from ..column.pallas import COLUMNS_PER_BLOCK
from .axes import Grid
from .engine import ScanPlan, samples_name, summarise

_LARGEST_PIECE_ON_A_CPU = 4096  # points; with more, cores would wait longer for the slowest at the end of a chunk

# Numbers of `Samples` in a piece of more than one tile, which are copied once more; XLA takes memory for them anew.
_MOST_SAMPLES_ON_A_CPU = 2**18


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
        largest = min(_LARGEST_PIECE_ON_A_CPU, _MOST_SAMPLES_ON_A_CPU // max(1, plan.kept_samples))
        rounds = math.ceil(points / (len(self.devices) * max(largest, plan.tile))) if on_cpu else 1
        self.piece = self._multiple(math.ceil(points / (len(self.devices) * rounds)))

    def __call__(self, numbers: UInt32[np.ndarray, " points"], into: Mapping[str, np.ndarray]) -> None:
        """Put every result of these points into its place; see `StoreContents.memory`.

        **Raises:** `MemoryError` if there is not enough memory for the smallest piece.
        """
        while True:
            try:
                return self._simulate_all(numbers, into)
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

    def _simulate_all(self, numbers: UInt32[np.ndarray, " points"], into: Mapping[str, np.ndarray]) -> None:
        pieces = [slice(i, min(i + self.piece, len(numbers))) for i in range(0, len(numbers), self.piece)]
        workers = len(self.devices)

        def work(worker):
            for piece in pieces[worker::workers]:
                of_piece = {name: array[piece] for name, array in into.items()}
                self._simulate(numbers[piece], of_piece, self.devices[worker])

        side_by_side(work, range(min(workers, len(pieces))), workers)

    def _simulate(self, numbers: UInt32[np.ndarray, " points"], into: Mapping[str, np.ndarray], device: Any) -> None:
        # Always a whole piece, so that the program is compiled once.
        padded = np.concatenate([numbers, np.full(self.piece - len(numbers), numbers[-1], numbers.dtype)])
        points = jax.device_put(self.grid.points(padded), device)
        found = {name: np.asarray(results) for name, results in summarise(points, self.plan, self.key).items()}
        for name, results in found.items():
            into[name][...] = results[: len(numbers)]
        failed = into["failed"]
        if failed.any():
            for name in found.keys() & map(samples_name, range(len(self.plan.summaries))):
                into[name][failed] = np.nan

    def _multiple(self, points: int) -> int:
        return self.least * max(1, math.ceil(points / self.least))
