"""From axes to labelled results: a parameter scan in chunks, on all devices, that can be killed and goes on."""

import dataclasses
import hashlib
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jaxtyping import ArrayLike, PRNGKeyArray

from .._checks import check_type
from ..column.arguments import checked_key, count_steps, is_whole, steps_per_hold
from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters, batch_size
from ..column.solvers import StrangSplitting
from . import store as stores
from .axes import Axis, Grid
from .engine import Columns, InitialState, Protocol, column_multiple, place, summarise
from .regime import Regime
from .spectrum import Spectrum
from .store import Layout, ScanStore
from .summaries import AbstractSummary, Moments, Variable

DEFAULT_SUMMARIES = (Moments(), Spectrum(), Regime())
"""What a parameter scan keeps if not told otherwise."""

_MOST_POINTS = 2**32  # what the number of a trajectory has room for
_LONGEST_BLOCK = 20_000  # samples; a tile of columns holds a block of them in memory

Progress = Callable[[str, float], None]
"""Called with what is being done and how much of the whole is done, 0 to 1."""


def parameter_scan(
    parameters: JansenRitParameters,
    input: AbstractExternalInput,
    axes: Mapping[str, ArrayLike] | Sequence[Axis],
    *,
    t1: float,
    dt: float,
    burn_in: float = 0.0,
    repeats: int | None = None,
    initial: InitialState | None = None,
    solver: diffrax.AbstractSolver | None = None,
    summaries: Sequence[AbstractSummary] = DEFAULT_SUMMARIES,
    store: str | Path | None = None,
    key: PRNGKeyArray | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Simulate a column at every point of a grid of parameters and noise, and keep summaries of each trajectory.

    All local devices share the work. With a `store`, results are on disk chunk by chunk: called again with the same
    arguments after it was killed, a scan goes on from the last whole chunk, and ends with the same bits as one that
    was never stopped. If `jax.distributed` joined several processes, each does its share of the chunks of one store,
    which all of them must see.

    The noise of a point depends on `key` and on its place in the grid; not on chunks, devices or processes. A
    trajectory that fails does so alone: `failed` and `failure_time` tell which and when, and its numbers are NaN.

    **Arguments:**

    - `parameters`, `input`: the column where no axis says otherwise; leaves of shape `()`.
    - `axes`: for a grid, `{"C": values, "p": values}`; or a list of axes made by `zipped` and `sampled`. Any field of
        `parameters`, of `input` (`background.p` for a field of its background) or of `InitialState` can be named.
    - `t1`, `dt`: duration and step, seconds. `burn_in`: seconds at the start that no summary sees.
    - `repeats`: with a number, a last axis `repeat`, along which only the noise changes.
    - `initial`: the states at t = 0; all zero if `None`.
    - `solver`: for fixed steps; `StrangSplitting()` if `None`.
    - `summaries`: what to keep; your own subclass of `AbstractSummary` as well.
    - `store`: a folder that does not exist yet, or holds this very scan; `None`: in memory.
    - `key`: needed when the input is random.
    - `progress`: called after each chunk.

    **Returns:** a labelled dataset; with a `store`, its values are read from there when they are asked for.

    **Raises:** `ValueError` for arguments that do not fit together, a scan that does not fit on the disk or into
        memory, and a store that was made with other arguments; `OSError` if the store cannot be written.
    """
    grid = Grid(axes, repeats)
    base = Columns(parameters, input, InitialState() if initial is None else initial, jnp.zeros((), jnp.uint32))
    protocol = _protocol(input, t1, dt, burn_in, solver, summaries)
    key = _checked_key(base, grid, key)
    variables = _variables(base, protocol)
    _check_names(grid, variables)
    path = None if store is None else Path(store)
    _check_room(path, grid, variables)
    layout = Layout.of(grid.shape, protocol.steps)
    opened = _opened(path, grid, layout, variables, _settings(base, grid, protocol, key))
    _work_through(opened, path, grid, base, protocol, key, progress)
    return stores.dataset(path, opened)


def _protocol(
    input: AbstractExternalInput,
    t1: float,
    dt: float,
    burn_in: float,
    solver: diffrax.AbstractSolver | None,
    summaries: Sequence[AbstractSummary],
) -> Protocol:
    check_type(AbstractExternalInput, input=input)
    steps = count_steps(0.0, t1, dt, burn_in)
    steps_per_hold(input, dt)
    solver = StrangSplitting() if solver is None else solver
    check_type(diffrax.AbstractSolver, solver=solver)
    if isinstance(solver, diffrax.AbstractImplicitSolver):
        raise ValueError(f"`solver` must be explicit in a parameter scan, got {type(solver).__name__}()")
    if not is_whole(burn_in / dt):
        raise ValueError(f"`burn_in` must be a whole number of steps of `dt` = {dt} s, got {burn_in} s")
    if not summaries:
        raise ValueError("`summaries` must be at least one, got none")
    for summary in summaries:
        check_type(AbstractSummary, summaries=summary)
    protocol = Protocol(solver, tuple(summaries), float(dt), steps, round(burn_in / dt))
    if protocol.block > max(steps, _LONGEST_BLOCK):
        quanta = ", ".join(f"{type(summary).__name__} {summary.quantum(protocol.dt)}" for summary in summaries)
        raise ValueError(
            f"`summaries` must have blocks with a common multiple of at most {_LONGEST_BLOCK} samples, got {quanta}"
        )
    return protocol


def _checked_key(base: Columns, grid: Grid, key: PRNGKeyArray | None) -> PRNGKeyArray:
    """The key of the scan, once its columns are known to be fine."""
    check_type(JansenRitParameters, parameters=base.parameters)
    check_type(InitialState, initial=base.initial)
    for name, record in {"parameters": base.parameters, "input": base.input, "initial": base.initial}.items():
        if batch_size(**{name: record}) is not None:
            raise ValueError(f"`{name}` must be those of one column, got a batch: give what changes in `axes`")
    if grid.size > _MOST_POINTS:
        raise ValueError(f"`axes` must make at most {_MOST_POINTS} points, got {grid.size}")
    grid.columns(base, grid.corners())
    if not base.input.random:
        return jax.random.key(0)
    return checked_key(base.input, key)


def _variables(base: Columns, protocol: Protocol) -> dict[str, tuple[Variable, tuple[int, ...], np.dtype]]:
    """Every result of the scan with its shape beside the axes of the scan, and its dtype."""
    run = protocol.run(base.parameters, 1)
    found = {
        "failed": (Variable("1", "something was not finite"), (), np.dtype(bool)),
        "failure_time": (
            Variable("s", "when something that is kept first was not finite"),
            (),
            np.dtype(base.parameters.A.dtype),
        ),
    }
    for summary in protocol.summaries:
        described = summary.variables(run.dt, run.start, run.samples)
        results = jax.eval_shape(lambda run, summary=summary: summary.result(run, summary.init(run)), run)
        if set(results) != set(described):
            raise ValueError(
                f"`summaries`: {type(summary).__name__} must give what it describes, {', '.join(described)}; "
                f"got {', '.join(results)}"
            )
        twice = set(results) & set(found)
        if twice:
            raise ValueError(f"`summaries` must have different results, got {', '.join(sorted(twice))} twice")
        for name, variable in described.items():
            found[name] = (variable, tuple(results[name].shape[:-1]), np.dtype(results[name].dtype))
    return found


def _check_names(grid: Grid, variables: Mapping[str, tuple[Variable, tuple[int, ...], np.dtype]]) -> None:
    """Raise if two things in the dataset would have one name."""
    quantities = {name: dim for name, dim, _, _ in grid.coordinates()}
    inner = {dim for variable, _, _ in variables.values() for dim in variable.dims}
    taken = {*variables, *inner, stores.COMPLETE, "chunk"}
    clash = ({*grid.dims, *quantities} & taken) | {dim for dim in grid.dims if quantities.get(dim, dim) != dim}
    if clash:
        raise ValueError(f"`axes` must have names that nothing else has, got {', '.join(sorted(clash))}")
    along = {}
    for name, (variable, shape, _) in variables.items():
        for dim, length in zip(variable.dims, shape, strict=True):
            values = variable.coords.get(dim, np.arange(length))
            if len(values) != length or not np.array_equal(along.setdefault(dim, values), values):
                raise ValueError(
                    f"`summaries` must agree on what lies along {dim}, got {length} other values in {name}"
                )


def _check_room(
    path: Path | None, grid: Grid, variables: Mapping[str, tuple[Variable, tuple[int, ...], np.dtype]]
) -> None:
    """Raise if the results of a new scan cannot fit where they are to go."""
    size = grid.size * sum(dtype.itemsize * math.prod(shape) for _, shape, dtype in variables.values())
    if path is None:
        room, where = _free_memory(), "in memory: give a `store`"
    elif path.exists():
        return
    else:
        if not path.parent.is_dir():
            raise ValueError(f"`store` must lie in a folder that exists, got {path}")
        room, where = shutil.disk_usage(path.parent).free, f"on the disk of {path.parent}"
    if room is not None and size > room:
        raise ValueError(
            f"`axes` must make results that fit, got {grid.size} points, {size / 1e9:.3g} GB; there are "
            f"{room / 1e9:.3g} GB {where}"
        )


def _free_memory() -> int | None:
    """Bytes of main memory that can be had, where the system says so."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _opened(path: Path | None, grid: Grid, layout: Layout, variables: Any, settings: dict[str, Any]) -> ScanStore:
    """The store, new or to be gone on with; of several processes the first makes it."""
    if path is None:
        if jax.process_count() > 1:
            raise ValueError("`store` must be given when several processes share a scan, got None")
        return stores.create(None, grid, layout, variables, settings)
    if jax.process_index() == 0 and not path.exists():
        stores.create(path, grid, layout, variables, settings)
    _wait_for_all("the store is there")
    return stores.resume(path, settings)


def _wait_for_all(what: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def _work_through(
    store: ScanStore,
    path: Path | None,
    grid: Grid,
    base: Columns,
    protocol: Protocol,
    key: PRNGKeyArray,
    progress: Progress | None,
) -> None:
    """Compute and write every chunk that is not whole yet and is this process's to do."""
    mine = np.arange(jax.process_index(), store.layout.chunks, jax.process_count())
    todo = mine[~store.complete()[mine]]
    sizes = {int(number): store.layout.size(int(number)) for number in mine}
    report = _Report(
        sum(sizes.values()), sum(sizes.values()) - sum(sizes[int(n)] for n in todo), protocol.steps, progress
    )
    compute = _Computer(grid, base, protocol, key, min(store.layout.largest, grid.size))
    for number in todo:
        results = compute(store.layout.points(int(number)))
        try:
            store.write(int(number), results)
        except OSError as error:
            whole = np.sum(store.complete())
            raise OSError(
                f"`store` {path}: chunk {number} could not be written ({error.strerror or error}); {whole} of "
                f"{store.layout.chunks} chunks are whole, and the same call goes on from there"
            ) from error
        report(sizes[int(number)], int(np.sum(results["failed"])))
    _wait_for_all("all chunks are written")


class _Computer:
    """Results of any number of points, a piece at a time; pieces get smaller when memory runs out."""

    def __init__(self, grid: Grid, base: Columns, protocol: Protocol, key: PRNGKeyArray, points: int):
        """For up to `points` points at a time."""
        self.mesh = Mesh(np.array(jax.local_devices()), ("columns",))
        self.least = column_multiple(self.mesh)
        self.piece = self._multiple(points)
        self.grid, self.base, self.protocol, self.key = grid, base, protocol, key

    def __call__(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Every result, with the points along its first axis."""
        while True:
            try:
                pieces = [self._results(points[i : i + self.piece]) for i in range(0, len(points), self.piece)]
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

    def _results(self, points: np.ndarray) -> dict[str, np.ndarray]:
        padded = np.concatenate([points, np.full(self.piece - len(points), points[-1], points.dtype)])
        columns = place(self.grid.columns(self.base, padded), self.mesh)
        results = summarise(columns, self.protocol, self.key, self.mesh)
        return {name: np.asarray(values)[: len(points)] for name, values in results.items()}

    def _multiple(self, points: int) -> int:
        return self.least * max(1, math.ceil(points / self.least))


class _Report:
    """Progress in words: how far, how fast, how long to go."""

    def __init__(self, points: int, done: int, steps: int, progress: Progress | None):
        """`done` of `points` points were done before."""
        self.points, self.done, self.before, self.steps, self.progress = points, done, done, steps, progress
        self.failed = 0
        self.start = time.perf_counter()

    def __call__(self, points: int, failed: int) -> None:
        """So many more are done, so many of them failed."""
        self.done += points
        self.failed += failed
        if self.progress is None:
            return
        speed = (self.done - self.before) / (time.perf_counter() - self.start)
        self.progress(
            f"{self.done} of {self.points} points, {self.failed} failed, {speed * self.steps / 1e6:.0f} million "
            f"column-steps/s, {(self.points - self.done) / speed:.0f} s left",
            self.done / self.points,
        )


def _settings(base: Columns, grid: Grid, protocol: Protocol, key: PRNGKeyArray) -> dict[str, Any]:
    """What makes the results what they are, in words that can be compared."""
    return {
        "axes": {name: f"{_told(values)}, along {dim}" for name, dim, values, _ in grid.coordinates()},
        "dims": list(grid.dims),
        "parameters": _told(base.parameters),
        "input": _told(base.input),
        "initial": _told(base.initial),
        "solver": _told(protocol.solver),
        "summaries": [_told(summary) for summary in protocol.summaries],
        "dt": protocol.dt,
        "steps": protocol.steps,
        "burn_in_steps": protocol.burn_in,
        "key": [str(jax.random.key_impl(key)), *np.asarray(jax.random.key_data(key)).tolist()],
        "dtype": str(base.parameters.A.dtype),
        "compiled_for": [jax.default_backend(), *_compiler_options()],
    }


def _compiler_options() -> list[str]:
    """What decides over the last bits of results, beside the code."""
    return [flag for flag in os.environ.get("XLA_FLAGS", "").split() if "xla_backend_extra_options" in flag]


def _told(value: Any) -> Any:
    """A record as a dictionary, an array as its ends and a digest."""
    if isinstance(value, eqx.Module):
        fields = {field.name: _told(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, jax.Array | np.ndarray):
        array = np.asarray(value)
        if not array.ndim:
            return array.item()
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]
        return f"{array.ravel()[0]:.6g} to {array.ravel()[-1]:.6g}, {array.size} values, sha256 {digest}"
    if isinstance(value, tuple):
        return [_told(item) for item in value]
    if hasattr(value, "__qualname__"):  # a function, which would otherwise be told by where it lies in memory
        return f"{value.__module__}.{value.__qualname__}"
    return value if isinstance(value, int | float | str | None) else repr(value)
