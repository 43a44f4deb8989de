"""The results of a parameter scan in memory."""

import math
from typing import TYPE_CHECKING

import numpy as np

from .contents import AbstractResults, StoreContents, portable

if TYPE_CHECKING:
    import xarray as xr


class ResultsInMemory(AbstractResults):
    """Arrays that are computed into, without a copy or a codec."""

    def __init__(self, contents: StoreContents):
        """Of a scan of which nothing is computed yet."""
        self.contents, self.layout = contents, contents.layout
        self._whole = contents.memory(math.prod(self.layout.shape))
        self._complete = np.zeros(self.layout.chunks, bool)

    def complete(self):
        """Which chunks are complete."""
        return self._complete.copy()

    def holds(self, number):
        """Whether one chunk is complete."""
        return bool(self._complete[number])

    def memory(self, number, contents):
        """A part of the arrays."""
        del contents
        first = int(self.layout.points(number)[0])  # those of a chunk follow each other
        return {name: array[first : first + self.layout.size(number)] for name, array in self._whole.items()}

    def write(self, number, results):
        """One chunk, if it was not computed in its place."""
        for name, own in self.memory(number, self.contents).items():
            if name in self.contents.variables and not np.may_share_memory(own, results[name]):
                own[...] = np.reshape(results[name], own.shape)
        self._complete[number] = True

    def dataset(self) -> "xr.Dataset":
        """The results, labelled, as those of a store are."""
        import xarray as xr

        contents = self.contents
        results = {
            name: (
                (*contents.dims, *stored.variable.dims),
                self._whole[name].reshape((*self.layout.shape, *stored.shape)),
                contents.attributes_of(name),
            )
            for name, stored in contents.variables.items()
        }
        along = {
            name: (dim, values, portable(about))
            for name, dim, values, about in (*contents.coordinates, *contents.inner_coordinates)
        }
        attributes = contents.attributes | self.attributes(contents.settings)
        del attributes["coordinates"]  # which a store needs alone
        return xr.Dataset(results, along, attributes)
