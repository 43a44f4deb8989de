"""What a parameter scan will hold, before anything is computed, and memory for it."""

import json
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .layout import Layout
from .summaries import Variable

if TYPE_CHECKING:
    import xarray as xr


FORMAT = 4
"""The version of what a store is like on disk."""


class Coordinate(NamedTuple):
    """Something that changes along an axis of a scan."""

    name: str
    dim: str
    values: np.ndarray
    attributes: dict[str, Any]


class StoredVariable(NamedTuple):
    """A result with its shape beside the axes of the scan, and its dtype."""

    variable: Variable
    shape: tuple[int, ...]
    dtype: np.dtype
    within: tuple[str, int] | None = None
    """The array that several results are computed into, and where along its last axis this one is."""


class StoreContents(NamedTuple):
    """What a store holds, before anything is computed."""

    dims: tuple[str, ...]
    """The axes of the scan, in order."""
    coordinates: tuple[Coordinate, ...]
    layout: Layout
    variables: dict[str, StoredVariable]
    settings: dict[str, Any]
    """What a call that resumes the scan must have in common with this one."""

    @property
    def size(self) -> int:
        """Bytes of all results, before compression."""
        each = sum(stored.dtype.itemsize * math.prod(stored.shape) for stored in self.variables.values())
        return math.prod(self.layout.shape) * each

    @property
    def inner_coordinates(self) -> tuple[Coordinate, ...]:
        """What lies along the axes that results have beside those of the scan."""
        along = {dim: values for stored in self.variables.values() for dim, values in stored.variable.coords.items()}
        return tuple(
            Coordinate(dim, dim, values, {"units": "s"} if dim == "time" else {}) for dim, values in along.items()
        )

    @property
    def attributes(self) -> dict[str, Any]:
        """Of a dataset."""
        return portable(
            {
                "jrae_jax_store": FORMAT,
                "chunk": list(self.layout.chunk),
                "shape": list(self.layout.shape),
                "results": list(self.variables),
                "settings": self.settings,
                "coordinates": [coordinate.name for coordinate in self.coordinates],
            }
        )

    def attributes_of(self, name: str) -> dict[str, Any]:
        """Of a result in a dataset."""
        variable = self.variables[name].variable
        return portable({"long_name": variable.long_name, "units": variable.units, **variable.attributes})

    def memory(self, points: int) -> dict[str, np.ndarray]:
        """Memory for the results of so many points, along the first axis: each result, and arrays that hold several.

        By NumPy, which takes large pages of memory, where those of XLA are small.
        """
        within = Counter(stored.within[0] for stored in self.variables.values() if stored.within is not None)
        found: dict[str, np.ndarray] = {}
        for name, (_, shape, dtype, place) in self.variables.items():
            if place is None:
                found[name] = np.empty((points, *shape), dtype)
                continue
            together, at = place
            if together not in found:
                found[together] = np.empty((points, *shape, within[together]), dtype)
            found[name] = found[together][..., at]
        return found


class AbstractResults(ABC):
    """Results of a scan as they are computed, chunk by chunk."""

    layout: Layout

    @abstractmethod
    def complete(self) -> np.ndarray:
        """Which chunks are complete."""

    @abstractmethod
    def holds(self, number: int) -> bool:
        """Whether one chunk is complete by now."""

    @abstractmethod
    def memory(self, number: int, contents: StoreContents) -> dict[str, np.ndarray]:
        """What one chunk may be computed into; see `StoreContents.memory`."""

    @abstractmethod
    def write(self, number: int, results: Mapping[str, np.ndarray]) -> None:
        """One chunk: `results` by name, its points along the first axis. Marks it as complete at the end."""

    @abstractmethod
    def dataset(self) -> "xr.Dataset":
        """The results, labelled."""

    def attributes(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What a dataset says of how far it is, and, of a scan, of what integrated it."""
        done = sum(self.layout.size(int(number)) for number in np.flatnonzero(self.complete()))
        integrator = {name: value for name, value in settings.items() if name == "integrator"}
        return {"points": math.prod(self.layout.shape), "points_done": done, **integrator}


def portable(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes in forms that netCDF can hold, too: text, numbers and lists of numbers; all others as JSON."""

    def as_portable(value: Any) -> Any:
        parts = list(value) if isinstance(value, list | tuple) else [value]
        plain = isinstance(value, str) or all(isinstance(part, int | float) for part in parts)
        if not plain or any(isinstance(part, bool) for part in parts):
            return json.dumps(value)
        return parts if isinstance(value, tuple) else value

    return {name: as_portable(value) for name, value in attributes.items()}
