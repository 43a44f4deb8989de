"""How the points of a parameter scan are divided into chunks, each of which is computed and written at once."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt32

_CHUNK_WORK = 1e9  # column-steps: about a second on two cores, so that little is lost and progress is reported often
_SMALLEST_CHUNK = 1024  # points; a file for each result of fewer would be mostly overhead
_LARGEST_CHUNK = 2**17  # points; bounds the memory of a chunk however short the trajectories are


@dataclass(frozen=True)
class Layout:
    """How a scan is divided: each chunk is a block of the grid whose points follow each other in it."""

    shape: tuple[int, ...]
    """Points along each axis of the scan."""
    chunk: tuple[int, ...]
    """Points of a chunk along each axis, where it is not cut off by the end of the axis."""

    @classmethod
    def of_scan(
        cls,
        shape: tuple[int, ...],
        steps: int,
        *,
        work: float = _CHUNK_WORK,
        smallest: int = _SMALLEST_CHUNK,
        largest: int = _LARGEST_CHUNK,
    ) -> "Layout":
        """Chunks of a fixed amount of work, so that the layout depends on the scan alone and not on the machine.

        **Arguments:**

        - `steps`: of each trajectory.
        - `work`: column-steps in a chunk.
        - `smallest`, `largest`: points in a chunk, whatever the work.
        """
        left = int(np.clip(work / steps, smallest, largest))
        chunk = []
        for length in reversed(shape):
            pieces = math.ceil(length / max(1, left))
            chunk.insert(0, math.ceil(length / pieces))
            left = left // length if pieces == 1 else 1
        return cls(shape, tuple(chunk))

    @property
    def counts(self) -> tuple[int, ...]:
        """Chunks along each axis."""
        return tuple(math.ceil(length / chunk) for length, chunk in zip(self.shape, self.chunk, strict=True))

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return math.prod(self.counts)

    @property
    def largest(self) -> int:
        """Points in a chunk that is not cut off by the end of an axis."""
        return math.prod(self.chunk)

    def place(self, number: int) -> tuple[int, ...]:
        """The place of chunk `number` among the chunks along each axis."""
        return tuple(map(int, np.unravel_index(number, self.counts))) if self.counts else ()

    def region(self, number: int) -> tuple[slice, ...]:
        """The points of chunk `number` along each axis."""
        return tuple(
            slice(i * chunk, min((i + 1) * chunk, length))
            for i, chunk, length in zip(self.place(number), self.chunk, self.shape, strict=True)
        )

    def size(self, number: int) -> int:
        """How many points are in chunk `number`."""
        return math.prod(s.stop - s.start for s in self.region(number))

    def points(self, number: int) -> UInt32[np.ndarray, " points"]:
        """The numbers of its points, row by row."""
        region = self.region(number)
        if not region:
            return np.zeros(1, np.uint32)
        numbers = np.ravel_multi_index(np.ix_(*(np.arange(s.start, s.stop) for s in region)), self.shape)
        return numbers.ravel().astype(np.uint32)
