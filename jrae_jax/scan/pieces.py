"""Results of any number of points, in pieces that all cores or devices work on side by side."""

import math
from collections.abc import Mapping

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray, UInt32

from .._threads import cores, side_by_side
from ..column.pallas import COLUMNS_PER_BLOCK
from .axes import Grid
from .engine import ScanPlan, ScanPoints, samples_name, summarise

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
        # Of all points at once, by NumPy: what is checked is checked once, and a part of an array of JAX is a program.
        points = jax.tree.map(np.asarray, self.grid.points(numbers))
        each, common = eqx.partition(points, lambda leaf: leaf.ndim == 1)
        pieces = [slice(i, min(i + self.piece, len(numbers))) for i in range(0, len(numbers), self.piece)]
        workers = min(len(self.devices), len(pieces))

        def work(worker):
            device = self.devices[worker]
            on_device = jax.device_put(common, device)
            for piece in pieces[worker::workers]:
                # Always a whole piece, so that the program is compiled once.
                places = np.minimum(np.arange(piece.start, piece.start + self.piece), piece.stop - 1)
                own = jax.device_put(jax.tree.map(lambda leaf, places=places: leaf[places], each), device)
                self._simulate(eqx.combine(own, on_device), {name: array[piece] for name, array in into.items()})

        side_by_side(work, range(workers), workers)

    def _simulate(self, points: ScanPoints, into: Mapping[str, np.ndarray]) -> None:
        """Put the results of one piece into their place, which is shorter at the end."""
        found = {name: np.asarray(results) for name, results in summarise(points, self.plan, self.key).items()}
        for name, results in found.items():
            into[name][...] = results[: len(into[name])]
        failed = into["failed"]
        if failed.any():
            for name in found.keys() & map(samples_name, range(len(self.plan.summaries))):
                into[name][failed] = np.nan

    def _multiple(self, points: int) -> int:
        return self.least * max(1, math.ceil(points / self.least))
