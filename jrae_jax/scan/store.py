"""The results of a parameter scan on disk: a zarr store that is written chunk by chunk and outlives the process.

Every array is divided into the same chunks of the scan. A chunk is complete once its element of `chunk_complete` says
so, which is written after everything else of it; files appear under their name only when they are written completely.
Every chunk carries a checksum.

zarr and xarray are imported where they are used, as they take half a second that a column alone need not wait for.
"""

import contextlib
import errno
import json
import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from .._files import as_path, atomic_path
from .comparison import differences
from .layout import Layout
from .summaries import Variable

if TYPE_CHECKING:
    import xarray as xr
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec
    from zarr.storage import MemoryStore

FORMAT = 4
COMPLETE = "chunk_complete"


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
        each = sum(dtype.itemsize * math.prod(shape) for _, shape, dtype in self.variables.values())
        return math.prod(self.layout.shape) * each


@contextlib.contextmanager
def _unless_damaged(what: str, remedy: str) -> Iterator[None]:
    """Where something is read that may be damaged or gone, for which zarr, its codecs, NumPy and xarray raise anything.

    **Raises:** `ValueError` in one line.
    """
    try:
        yield
    except Exception as error:
        raise ValueError(f"`store` {what} is damaged ({_in_one_line(error)}); {remedy}") from error


def _in_one_line(error: Exception) -> str:
    if isinstance(error, LookupError | TypeError | AttributeError):  # from within zarr, about its own objects
        return "it is not of the form in which it was written"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    # Without the marks of an argument of ours.
    return f"{' '.join(text.replace('`', '').split()):.200}"


class ScanStore:
    """A store that is open for writing."""

    def __init__(self, group: "zarr.Group"):
        """Of a group that `create` made."""
        self.group = group
        self.layout = _layout(group)

    def complete(self) -> np.ndarray:
        """Which chunks are complete."""
        path = str(self.group.store_path).removeprefix("file://")
        remedy = f"delete what is in {path}/{COMPLETE}/c and run again to have every chunk computed anew"
        with _unless_damaged(f"{path}: {COMPLETE}", remedy):
            return np.asarray(_array(self.group, COMPLETE)[:])

    def holds(self, number: int) -> bool:
        """Whether one chunk is complete by now."""
        return bool(_array(self.group, COMPLETE)[number])

    def write(self, number: int, results: Mapping[str, np.ndarray]) -> None:
        """One chunk: `results` by name, its points along the first axis. Marks it as complete at the end."""
        region = self.layout.region(number)
        lengths = tuple(s.stop - s.start for s in region)
        for name, values in results.items():
            # A chunk that is all fill value is written as well, so that one that is not there is a lost one.
            array = _array(self.group, name).with_config({"write_empty_chunks": True})
            array[region] = np.asarray(values).reshape((*lengths, *values.shape[1:]))
        _array(self.group, COMPLETE)[number] = True


def create(path: Path | None, contents: StoreContents) -> ScanStore:
    """A new store, in memory if `path` is `None`; it appears under its name only when all of it is there.

    Where another process makes the same store at this moment, that of the quicker one is taken.

    **Raises:** `OSError` if it cannot be written; `ValueError` if the other process made another one.
    """
    from zarr.storage import MemoryStore

    if path is None:
        return ScanStore(_new_group(MemoryStore(), contents))
    try:
        with atomic_path(path, "store") as unfinished:
            _new_group(unfinished, contents)
            _consolidate(unfinished)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
    return resume(path, contents.settings)


def _consolidate(path: Path) -> None:
    """Copy the description of all arrays into one file, without which xarray warns whoever opens a store."""
    import zarr
    from zarr.errors import UnstableSpecificationWarning, ZarrUserWarning

    with warnings.catch_warnings():  # neither it nor strings is in the zarr 3 core yet
        warnings.filterwarnings("ignore", "Consolidated metadata", ZarrUserWarning)
        warnings.simplefilter("ignore", UnstableSpecificationWarning)
        zarr.consolidate_metadata(path)


def resume(path: Path, settings: dict[str, Any]) -> ScanStore:
    """A store that is there, if it was made with the same settings and none of its complete chunks is damaged.

    **Raises:** `ValueError` that names the settings that differ, or the chunk that is damaged.
    """
    group = _opened(path, "r+")
    found = differences(_settings(group), settings)
    if found:
        raise ValueError(f"`store` {path} was made with other settings: {found}")
    store = ScanStore(group)
    _check_coordinates(path, store)
    _check_complete_chunks(path, store)
    return store


def _check_coordinates(path: Path, store: ScanStore) -> None:
    for name in _names(store.group, "coordinates"):
        remedy = f"put {path / name} of another scan with the same axes in its place"
        with _unless_damaged(f"{path}: the coordinate {name}", remedy):
            array = _array(store.group, name)
            if array.nchunks_initialized < array.nchunks:
                raise ValueError("a part of it is not there")
            array[:]


def _check_complete_chunks(path: Path, store: ScanStore, *, content: bool = True) -> None:
    """Raise for a complete chunk that is not there or, if its content is looked at, cannot be read."""
    for number in map(int, np.flatnonzero(store.complete())):
        region, place = store.layout.region(number), store.layout.place(number)
        remedy = f"delete {path / COMPLETE / 'c' / str(number)} and run again to have this chunk computed anew"
        for name in _names(store.group, "results"):
            with _unless_damaged(f"{path}: chunk {number} of {name}", remedy):
                array = _array(store.group, name)
                key = array.metadata.encode_chunk_key((*place, *[0] * (array.ndim - len(place))))
                if not (path / name / key).is_file():
                    raise ValueError("it is not there")
                if content:
                    array[region]


def open_scan(path: str | Path) -> "xr.Dataset":
    """The results of a parameter scan, finished or still running, read from disk as they are needed.

    What is not computed yet is NaN (`regime` and `failure`: -1, `failed`: false, as nothing has failed there). The
    attributes `points_done` and `points` say how much is done, and `integrator` by what: *kernel*, or *diffrax* for
    solvers and inputs that the kernel does not have.

    **Raises:** `ValueError` if there is no scan at `path`, one of another version, or one of which something is gone.
    """
    path = as_path("path", path)
    store = ScanStore(_opened(path, "r"))
    _check_coordinates(path, store)
    _check_complete_chunks(path, store, content=False)
    return dataset(path, store)


@contextlib.contextmanager
def values_read(path: str | Path) -> Iterator[None]:
    """Where values of an opened scan are read, which is when a chunk is known to be damaged.

    **Raises:** `ValueError` that names the chunk.
    """
    try:
        yield
    except Exception as error:
        _check_complete_chunks(Path(path), ScanStore(_opened(Path(path), "r")))
        with _unless_damaged(f"{path}: a chunk that is not complete", "run again to have it computed anew"):
            raise error


def dataset(path: Path | None, store: ScanStore) -> "xr.Dataset":
    """The results in a store, labelled."""
    import xarray as xr

    # By the one description of all arrays: what else lies in the folder is nothing to warn of.
    # Absolute, as xarray takes a folder called "~" for the user's home.
    source = store.group.store if path is None else path.absolute()
    with _unless_damaged(f"{path}: {_DESCRIPTION}", _ANEW):
        found = xr.open_dataset(source, engine="zarr", chunks=None, consolidated=path is not None)  # pyright: ignore[reportArgumentType]
    done = sum(store.layout.size(int(number)) for number in np.flatnonzero(store.complete()))
    attributes = {"points": math.prod(store.layout.shape), "points_done": done}
    attributes |= {name: value for name, value in _settings(store.group).items() if name == "integrator"}  # of a scan
    return found[_names(store.group, "results")].assign_attrs(attributes)


def _portable(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes in forms that netCDF can hold, too: text, numbers and lists of numbers; all others as JSON."""

    def portable(value: Any) -> Any:
        parts = value if isinstance(value, list | tuple) else [value]
        plain = isinstance(value, str) or all(isinstance(part, int | float) for part in parts)
        return value if plain and not any(isinstance(part, bool) for part in parts) else json.dumps(value)

    return {name: portable(value) for name, value in attributes.items()}


_FILL = {"f": np.nan, "i": -1, "u": 0, "b": False}


def _new_group(target: "Path | MemoryStore", contents: StoreContents) -> "zarr.Group":
    import zarr

    layout, coordinates = contents.layout, contents.coordinates
    group = zarr.create_group(
        target,
        attributes=_portable(
            {
                "jrae_jax_store": FORMAT,
                "chunk": list(layout.chunk),
                "shape": list(layout.shape),
                "results": list(contents.variables),
                "settings": contents.settings,
                "coordinates": [coordinate.name for coordinate in coordinates],
            }
        ),
    )
    for coordinate in coordinates:
        _write_coordinate(group, coordinate)
    # CF conventions: this makes what changes along an axis of another name a coordinate to xarray.
    along = " ".join(coordinate.name for coordinate in coordinates if coordinate.name != coordinate.dim)
    auxiliary = {"coordinates": along} if along else {}
    written = set()
    for name, (variable, shape, dtype) in contents.variables.items():
        for dim, values in variable.coords.items():
            if dim not in written:
                _write_coordinate(group, Coordinate(dim, dim, values, {"units": "s"} if dim == "time" else {}))
                written.add(dim)
        group.create_array(
            name,
            shape=(*layout.shape, *shape),
            chunks=(*layout.chunk, *shape),
            dtype=dtype,
            fill_value=_FILL[dtype.kind],
            compressors=_codecs(),
            dimension_names=(*contents.dims, *variable.dims),
            attributes=_portable(
                {"long_name": variable.long_name, "units": variable.units, **variable.attributes, **auxiliary}
            ),
        )
    group.create_array(
        COMPLETE,
        shape=(layout.chunks,),
        chunks=(1,),
        dtype=bool,
        fill_value=False,
        compressors=_codecs(),
        dimension_names=("chunk",),
    )
    return group


def _codecs() -> "list[ZstdCodec | Crc32cCodec]":
    from zarr.codecs import Crc32cCodec, ZstdCodec

    return [ZstdCodec(level=1), Crc32cCodec()]  # level 1: random numbers hardly compress, whatever the effort


def _write_coordinate(group: "zarr.Group", coordinate: Coordinate) -> None:
    from zarr.errors import UnstableSpecificationWarning

    with warnings.catch_warnings():  # strings are not in the zarr 3 core yet
        warnings.simplefilter("ignore", UnstableSpecificationWarning)
        group.create_array(
            coordinate.name,
            data=coordinate.values,
            compressors=_codecs(),
            config={"write_empty_chunks": True},
            dimension_names=(coordinate.dim,),
            attributes=_portable(coordinate.attributes),
        )


def _opened(path: Path, mode: Literal["r", "r+"]) -> "zarr.Group":
    import zarr

    try:
        group = zarr.open_group(path, mode=mode, use_consolidated=True)
    except Exception as error:  # whatever zarr makes of files that are no store, or a damaged one
        raise ValueError(f"`store` must be a parameter scan, got {path} ({_in_one_line(error)})") from error
    version = group.attrs.get("jrae_jax_store")
    if version != FORMAT:
        raise ValueError(
            f"`store` must be a parameter scan of version {FORMAT}, got version {version} at {path}: scan anew, or "
            "read it with xarray.open_zarr"
        )
    with _unless_damaged(f"{path}: {_DESCRIPTION}", _ANEW):
        _check_description(path, group)
    return group


_DESCRIPTION = "zarr.json"
_ANEW = "put that of another scan with the same arguments in its place, or scan anew"


def _check_description(path: Path, group: "zarr.Group") -> None:
    """Raise anything unless all parts of the description fit each other, and what is described is there."""
    # Those of zarr 2 may name a codec that runs what it reads, and a stranger may have written the store.
    if any(array.metadata.zarr_format != 3 for _, array in group.arrays()):
        raise ValueError("arrays are not of zarr 3")
    layout = _layout(group)
    if any(type(number) is not int or number < 1 for number in (*layout.shape, *layout.chunk)):
        raise ValueError("shape or chunk are no counts")
    _settings(group)
    if _array(group, COMPLETE).shape != (layout.chunks,):
        raise ValueError(f"{COMPLETE} is of another length")
    coordinates, results = (_names(group, attribute) for attribute in ("coordinates", "results"))
    for name in (COMPLETE, *coordinates, *results):
        _array(group, name)
        if not (path / name / _DESCRIPTION).is_file():
            raise ValueError(f"{path / name / _DESCRIPTION} is not there")
    for name in results:
        array, axes = _array(group, name), len(layout.shape)
        if array.shape[:axes] != layout.shape or array.chunks[:axes] != layout.chunk:
            raise ValueError(f"{name} is of another shape")


def _layout(group: "zarr.Group") -> Layout:
    return Layout(tuple(group.attrs["shape"]), tuple(group.attrs["chunk"]))  # pyright: ignore[reportArgumentType]


def _settings(group: "zarr.Group") -> dict[str, Any]:
    return json.loads(str(group.attrs["settings"]))


def _names(group: "zarr.Group", attribute: str) -> list[str]:
    return json.loads(str(group.attrs[attribute]))


def _array(group: "zarr.Group", name: str) -> "zarr.Array":
    import zarr

    array = group[name]
    assert isinstance(array, zarr.Array)
    return array
