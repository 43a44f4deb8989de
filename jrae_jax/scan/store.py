"""The results of a parameter scan on disk: a zarr store that is written chunk by chunk and outlives the process.

Every array is divided into the same chunks of the scan. A chunk is complete once its element of `chunk_complete` says
so, which is written after everything else of it; files appear under their name only when they are written completely.
Every chunk carries a checksum.

zarr and xarray are imported where they are used, as they take half a second that a column alone need not wait for.
"""

import contextlib
import errno
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .._files import as_path, atomic_path
from .comparison import differences
from .contents import FORMAT, AbstractResults, Coordinate, StoreContents, portable
from .layout import Layout

if TYPE_CHECKING:
    import xarray as xr
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

COMPLETE = "chunk_complete"


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


class ScanStore(AbstractResults):
    """A store on disk that is open for writing."""

    def __init__(self, path: Path, group: "zarr.Group"):
        """Of a group that `create` made."""
        self.path, self.group = path, group
        self.layout = _layout(group)

    def complete(self) -> np.ndarray:
        """Which chunks are complete."""
        remedy = f"delete what is in {self.path}/{COMPLETE}/c and run again to have every chunk computed anew"
        with _unless_damaged(f"{self.path}: {COMPLETE}", remedy):
            return np.asarray(_array(self.group, COMPLETE)[:])

    def holds(self, number: int) -> bool:
        """Whether one chunk is complete by now."""
        return bool(_array(self.group, COMPLETE)[number])

    def memory(self, number: int, contents: StoreContents) -> dict[str, np.ndarray]:
        """Of its own for each chunk."""
        return contents.memory(self.layout.size(number))

    def read(self, number: int) -> dict[str, np.ndarray]:
        """The results of one chunk that is complete, by name, along the axes of the scan."""
        region = self.layout.region(number)
        return {name: np.asarray(_array(self.group, name)[region]) for name in _names(self.group, "results")}

    def write(self, number: int, results: Mapping[str, np.ndarray]) -> None:
        """One chunk: `results` by name, its points along the first axis. Marks it as complete at the end.

        **Raises:** `OSError` that names the chunk if it cannot be written.
        """
        region = self.layout.region(number)
        lengths = tuple(s.stop - s.start for s in region)
        try:
            for name in _names(self.group, "results"):
                values = results[name]
                # A chunk that is all fill value is written as well, so that one that is not there is a lost one.
                array = _array(self.group, name).with_config({"write_empty_chunks": True})
                array[region] = np.asarray(values).reshape((*lengths, *values.shape[1:]))
            _array(self.group, COMPLETE)[number] = True
        except OSError as error:
            complete = np.sum(self.complete())
            raise OSError(
                f"`store` {self.path}: chunk {number} could not be written ({error.strerror or error}); {complete} of "
                f"{self.layout.chunks} chunks are complete, and the same call resumes there"
            ) from error

    def dataset(self) -> "xr.Dataset":
        """The results, labelled, whose values are read when they are needed."""
        import xarray as xr

        # By the one description of all arrays: what else lies in the folder is nothing to warn of.
        # Absolute, as xarray takes a folder called "~" for the user's home.
        with _unless_damaged(f"{self.path}: {_DESCRIPTION}", _ANEW):
            found = xr.open_dataset(self.path.absolute(), engine="zarr", chunks=None, consolidated=True)  # pyright: ignore[reportArgumentType]
        return found[_names(self.group, "results")].assign_attrs(self.attributes(_settings(self.group)))


def create(path: Path, contents: StoreContents) -> ScanStore:
    """A new store; it appears under its name only when all of it is there.

    Where another process makes the same store at this moment, that of the quicker one is taken.

    **Raises:** `OSError` if it cannot be written; `ValueError` if the other process made another one.
    """
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
    store = ScanStore(path, group)
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
    store = ScanStore(path, _opened(path, "r"))
    _check_coordinates(path, store)
    _check_complete_chunks(path, store, content=False)
    return store.dataset()


@contextlib.contextmanager
def values_read(path: str | Path) -> Iterator[None]:
    """Where values of an opened scan are read, which is when a chunk is known to be damaged.

    **Raises:** `ValueError` that names the chunk.
    """
    try:
        yield
    except Exception as error:
        _check_complete_chunks(Path(path), ScanStore(Path(path), _opened(Path(path), "r")))
        with _unless_damaged(f"{path}: a chunk that is not complete", "run again to have it computed anew"):
            raise error


_FILL = {"f": np.nan, "i": -1, "u": 0, "b": False}


def _new_group(path: Path, contents: StoreContents) -> None:
    import zarr

    layout, coordinates = contents.layout, contents.coordinates
    group = zarr.create_group(path, attributes=contents.attributes)
    for coordinate in (*coordinates, *contents.inner_coordinates):
        _write_coordinate(group, coordinate)
    # CF conventions: this makes what changes along an axis of another name a coordinate to xarray.
    along = " ".join(coordinate.name for coordinate in coordinates if coordinate.name != coordinate.dim)
    auxiliary = {"coordinates": along} if along else {}
    for name, (variable, shape, dtype, _) in contents.variables.items():
        group.create_array(
            name,
            shape=(*layout.shape, *shape),
            chunks=(*layout.chunk, *shape),
            dtype=dtype,
            fill_value=_FILL[dtype.kind],
            compressors=_codecs(),
            dimension_names=(*contents.dims, *variable.dims),
            attributes=contents.attributes_of(name) | auxiliary,
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
            attributes=portable(coordinate.attributes),
        )


def _opened(path: Path, mode: Literal["r", "r+"]) -> "zarr.Group":
    import zarr

    try:
        group = zarr.open_group(path, mode=mode, use_consolidated=True)
    except Exception as error:  # whatever zarr makes of files that are no store, or a damaged one
        raise ValueError(f"`store` must be a store that jrae_jax wrote, got {path} ({_in_one_line(error)})") from error
    version = group.attrs.get("jrae_jax_store")
    if version != FORMAT:
        raise ValueError(
            f"`store` must be a store that jrae_jax wrote, of version {FORMAT}, got version {version} at {path}: write "
            "a new one, or read it with xarray.open_zarr"
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
