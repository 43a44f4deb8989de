"""The results of a parameter scan on disk: a zarr store that is written chunk by chunk and outlives the process.

Every array is cut into the same chunks of the scan. A chunk is whole once its element of `chunk_complete` says so,
which is written after everything else of it; files appear under their name only when they are written to the end. Every
chunk carries a checksum.
"""

import json
import math
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.errors import UnstableSpecificationWarning
from zarr.storage import MemoryStore

from .summaries import Variable

FORMAT = 1
COMPLETE = "chunk_complete"
_CHUNK_WORK = 1e8  # column-steps: about a second on a laptop, so that little is lost and progress is seen
_SMALLEST_CHUNK, _LARGEST_CHUNK = 1024, 2**17  # points


@runtime_checkable
class Axes(Protocol):
    """What results lie along."""

    @property
    def dims(self) -> tuple[str, ...]:
        """The names of the axes, in order."""
        ...

    def coordinates(self) -> Iterator[tuple[str, str, np.ndarray, dict[str, str]]]:
        """Name, dimension, values and attributes of everything that changes along an axis."""
        ...


@dataclass(frozen=True)
class Layout:
    """How a scan is cut: each chunk is a block of the grid whose points follow each other in it."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], steps: int) -> "Layout":
        """Chunks of a fixed amount of work, so that the layout depends on the scan alone and not on the machine."""
        left = int(np.clip(_CHUNK_WORK / steps, _SMALLEST_CHUNK, _LARGEST_CHUNK))
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

    def region(self, number: int) -> tuple[slice, ...]:
        """Where chunk `number` lies in the grid."""
        corner = np.unravel_index(number, self.counts) if self.counts else ()
        return tuple(
            slice(int(i) * chunk, min((int(i) + 1) * chunk, length))
            for i, chunk, length in zip(corner, self.chunk, self.shape, strict=True)
        )

    def size(self, number: int) -> int:
        """How many points are in chunk `number`."""
        return math.prod(s.stop - s.start for s in self.region(number))

    def points(self, number: int) -> np.ndarray:
        """The indices of its points, row by row."""
        region = self.region(number)
        if not region:
            return np.zeros(1, np.uint32)
        index = np.ravel_multi_index(np.ix_(*(np.arange(s.start, s.stop) for s in region)), self.shape)
        return index.ravel().astype(np.uint32)


_UNREADABLE = (ValueError, RuntimeError, OSError, KeyError)


class ScanStore:
    """A store that is open for writing."""

    def __init__(self, group: zarr.Group, layout: Layout):
        """Of a group that `create` made."""
        self.group = group
        self.layout = layout

    def complete(self) -> np.ndarray:
        """Which chunks are whole."""
        try:
            return np.asarray(_array(self.group, COMPLETE)[:])
        except _UNREADABLE as error:
            folder = f"{self.group.store_path}/{COMPLETE}/c".removeprefix("file://")
            raise ValueError(
                f"`store`: {COMPLETE} is damaged ({error}); delete what is in {folder} and run again to have every "
                "chunk computed anew"
            ) from error

    def write(self, number: int, results: Mapping[str, np.ndarray]) -> None:
        """One chunk: `results` by name, its points along the first axis. Marks it as whole at the end."""
        region = self.layout.region(number)
        lengths = tuple(s.stop - s.start for s in region)
        for name, values in results.items():
            # A chunk that is all fill value is written as well, so that one that is not there is a lost one.
            array = _array(self.group, name).with_config({"write_empty_chunks": True})
            array[region] = np.asarray(values).reshape((*lengths, *values.shape[1:]))
        _array(self.group, COMPLETE)[number] = True


def create(
    path: Path | None,
    grid: Axes,
    layout: Layout,
    variables: Mapping[str, tuple[Variable, tuple[int, ...], np.dtype]],
    settings: dict[str, Any],
) -> ScanStore:
    """A new store, in memory if `path` is `None`; it appears under its name only when all of it is there.

    **Arguments:**

    - `variables`: for each result its description, its shape beside the axes of the scan, and its dtype.
    - `settings`: what a run that goes on must share.
    """
    if path is None:
        return ScanStore(_new_group(MemoryStore(), grid, layout, variables, settings), layout)
    unfinished = path.with_name(f".{path.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _new_group(unfinished, grid, layout, variables, settings)
        unfinished.rename(path)
    except OSError as error:
        raise OSError(f"`store` could not be made at {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return ScanStore(_opened(path, "r+"), layout)


def resume(path: Path, settings: dict[str, Any]) -> ScanStore:
    """A store that is there, if it was made with the same settings and none of its whole chunks is damaged.

    **Raises:** `ValueError` that names the settings that differ, or the chunk that is damaged.
    """
    group = _opened(path, "r+")
    check_same_settings(path, _settings(group), json.loads(json.dumps(settings)))
    store = ScanStore(group, _layout(group))
    check_coordinates(path, store)
    check_whole(path, store)
    return store


def check_same_settings(path: Path, made: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise if the settings of a store are not those of the run that is to go on with it."""
    made, wanted = _flat(made), _flat(wanted)
    differ = [name for name in {**made, **wanted} if made.get(name) != wanted.get(name)]
    if differ:
        told = "; ".join(f"{name} was {made.get(name)}, now {wanted.get(name)}" for name in differ[:5])
        more = f"; and {len(differ) - 5} more" if len(differ) > 5 else ""
        raise ValueError(f"`store` {path} was made with other settings: {told}{more}")


def check_coordinates(path: Path, store: ScanStore) -> None:
    """Raise if a coordinate cannot be read any more."""
    for name in _names(store.group, "coordinates"):
        try:
            array = _array(store.group, name)
            if array.nchunks_initialized < array.nchunks:
                raise ValueError("a part of it is not there")
            array[:]
        except _UNREADABLE as error:
            raise ValueError(
                f"`store` {path}: the coordinate {name} is damaged ({error}); put {path / name} of another scan with "
                "the same axes in its place"
            ) from error


def check_whole(path: Path, store: ScanStore) -> None:
    """Raise if a chunk that was whole cannot be read any more."""
    for number in map(int, np.flatnonzero(store.complete())):
        region = store.layout.region(number)
        for name in _names(store.group, "results"):
            try:
                array = _array(store.group, name)
                key = array.metadata.encode_chunk_key(_position(store.layout, number, array.ndim))
                if not (path / name / key).exists():
                    raise ValueError("it is not there")
                array[region]
            except _UNREADABLE as error:
                marker = path / COMPLETE / "c" / str(number)
                raise ValueError(
                    f"`store` {path}: chunk {number} of {name} is damaged ({error}); delete {marker} and run again to "
                    "have this chunk computed anew"
                ) from error


def _position(layout: Layout, number: int, ndim: int) -> tuple[int, ...]:
    corner = np.unravel_index(number, layout.counts) if layout.counts else ()
    return (*map(int, corner), *[0] * (ndim - len(corner)))


def open_scan(path: str | Path) -> xr.Dataset:
    """The results of a parameter scan, finished or still running, read from disk as they are needed.

    What is not computed yet is NaN (`regime`: -1). The attributes `points_done` and `points` say how far it is.

    **Raises:** `ValueError` if there is no scan at `path`, or one of another version.
    """
    group = _opened(Path(path), "r")
    return dataset(Path(path), ScanStore(group, _layout(group)))


def dataset(path: Path | None, store: ScanStore) -> xr.Dataset:
    """The results in a store, labelled."""
    source = store.group.store if path is None else path
    found = xr.open_dataset(source, engine="zarr", chunks=None, consolidated=False)  # pyright: ignore[reportArgumentType]
    done = sum(store.layout.size(int(number)) for number in np.flatnonzero(store.complete()))
    attributes = {"points": math.prod(store.layout.shape), "points_done": done}
    return found[_names(store.group, "results")].assign_attrs(attributes)


def _new_group(target: Any, grid: Axes, layout: Layout, variables: Any, settings: dict[str, Any]) -> zarr.Group:
    attributes = {"jrae_jax_store": FORMAT, "chunk": list(layout.chunk), "shape": list(layout.shape)}
    group = zarr.create_group(
        target,
        attributes={
            **attributes,
            "results": list(variables),
            "settings": settings,
            "coordinates": [name for name, *_ in grid.coordinates()],
        },
    )
    # CF conventions: this makes what changes along an axis of another name a coordinate to xarray.
    along = " ".join(name for name, dim, _, _ in grid.coordinates() if name != dim)
    auxiliary = {"coordinates": along} if along else {}
    for name, dim, values, told in grid.coordinates():
        _coordinate(group, name, dim, values, told)
    known = set()
    for name, (variable, shape, dtype) in variables.items():
        for dim, values in variable.coords.items():
            if dim not in known:
                _coordinate(group, dim, dim, values, {"units": "s"} if dim == "time" else {})
                known.add(dim)
        group.create_array(
            name,
            shape=(*layout.shape, *shape),
            chunks=(*layout.chunk, *shape),
            dtype=dtype,
            fill_value=_FILL[dtype.kind],
            compressors=_CODECS,
            dimension_names=(*grid.dims, *variable.dims),
            attributes={"long_name": variable.long_name, "units": variable.units, **variable.attributes, **auxiliary},
        )
    group.create_array(
        COMPLETE,
        shape=(layout.chunks,),
        chunks=(1,),
        dtype=bool,
        fill_value=False,
        compressors=_CODECS,
        dimension_names=("chunk",),
    )
    return group


_CODECS = [ZstdCodec(level=1), Crc32cCodec()]
_FILL = {"f": np.nan, "i": -1, "u": 0, "b": False}


def _coordinate(group: zarr.Group, name: str, dim: str, values: np.ndarray, attributes: dict[str, Any]) -> None:
    with warnings.catch_warnings():  # strings are not in the zarr 3 core yet
        warnings.simplefilter("ignore", UnstableSpecificationWarning)
        group.create_array(
            name,
            data=values,
            compressors=_CODECS,
            config={"write_empty_chunks": True},
            dimension_names=(dim,),
            attributes=attributes,
        )


def _opened(path: Path, mode: Literal["r", "r+"]) -> zarr.Group:
    try:
        group = zarr.open_group(path, mode=mode)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"`store` must be a parameter scan, got {path} ({error})") from error
    version = group.attrs.get("jrae_jax_store")
    if version != FORMAT:
        raise ValueError(f"`store` must be a parameter scan of version {FORMAT}, got version {version} at {path}")
    return group


def _layout(group: zarr.Group) -> Layout:
    return Layout(tuple(group.attrs["shape"]), tuple(group.attrs["chunk"]))  # pyright: ignore[reportArgumentType]


def _names(group: zarr.Group, attribute: str) -> list[str]:
    return list(group.attrs[attribute])  # pyright: ignore[reportArgumentType]


def _settings(group: zarr.Group) -> dict[str, Any]:
    return group.attrs["settings"]  # pyright: ignore[reportReturnType]


def _array(group: zarr.Group, name: str) -> zarr.Array:
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
