"""The parameter scan: from a column and axes to labelled results, in chunks, on all devices, resumable."""

import dataclasses
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import diffrax
import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import ArrayLike, PRNGKeyArray

from .._checks import (
    Progress,
    as_float,
    as_number,
    check_finite,
    check_memory,
    check_progress,
    check_type,
    is_concrete,
    is_whole,
    nan_is_an_answer,
)
from .._files import as_path, check_output
from ..column.bounds import longest_bounded
from ..column.column import Column, check_single
from ..column.noise import checked_key
from ..column.solvers import StrangSplitting
from ..column.states import STATES, States
from ..column.step_size import check_step, count_steps, fastest_rates, steps_per_hold
from . import store as stores
from .axes import Axis, Grid
from .contents import AbstractResults, StoreContents, StoredVariable
from .engine import FAILURES, ScanPlan, ScanPoints, samples_name
from .in_memory import ResultsInMemory
from .layout import Layout
from .pieces import PieceSimulator
from .regime import Regime
from .settings import scan_settings
from .spectrum import Spectrum
from .store import COMPLETE
from .summaries import AbstractSummary, Moments, Samples, TrajectoryInfo, Variable

if TYPE_CHECKING:
    import xarray as xr

DEFAULT_SUMMARIES: tuple[AbstractSummary, ...] = (Moments(), Spectrum(), Regime())
"""What a parameter scan keeps unless `summaries` says otherwise."""

_MOST_POINTS = 2**32  # the number of a trajectory is a uint32
_LONGEST_BLOCK = 20_000  # samples; a tile of columns holds a block of them in memory


@nan_is_an_answer
def parameter_scan(
    column: Column,
    axes: Mapping[str, ArrayLike | Sequence[float | int]] | Sequence[Axis],
    *,
    t1: float,
    dt: float,
    burn_in: float = 0.0,
    repeats: int | None = None,
    y0: ArrayLike | Sequence[float | int] | None = None,
    solver: diffrax.AbstractSolver | None = None,
    summaries: Sequence[AbstractSummary] = DEFAULT_SUMMARIES,
    store: str | Path | None = None,
    key: PRNGKeyArray | None = None,
    progress: Progress | None = None,
) -> "xr.Dataset":
    """Simulate a column at every point of a grid of parameters and noise, and keep summaries of each trajectory.

    All local devices take part, or all cores that the process may use. For the solvers `StrangSplitting`,
    `FixedStepHeun`, `RK4` and `diffrax.Euler` and the inputs of this package all steps are one compiled loop; others
    are left to Diffrax, some ten times slower, and the attribute `integrator` says which it was.

    With a `store`, results are on disk chunk by chunk: called again with the same arguments after it was killed, a scan
    resumes after the last complete chunk, and its results have the same bits as those of a scan that was never stopped.
    If `jax.distributed` joined several processes, each computes its part of the chunks of one store, which must lie
    where all of them can write.

    The noise of a point depends on `key` and on its place in the grid; not on chunks, devices or processes. A
    trajectory that fails does so alone: `failed` and `failure_time` say which and when, `failure` says why, and its
    numbers are NaN. It fails where a state is not finite, where a potential is out of the range in which it can be, and
    where a synapse is too fast for the step.

    **Arguments:**

    - `column`: one column, for what no axis changes.
    - `axes`: for a grid, `{"C": values, "p": values}`; or a list of axes made by `zipped` and `sampled`. Any quantity
        of `column` can be named, such as `C`, `p` or `background.p`, and `initial_y0` to `initial_y5`.
    - `t1`, `dt`: duration and step, seconds.
    - `burn_in`: seconds at the start that are not summarised.
    - `repeats`: with a number, a last axis `repeat`, along which only the noise changes.
    - `y0`: the states at t = 0, mV and mV/s, shape `(6,)`; all zero if `None`.
    - `solver`: for fixed steps; `StrangSplitting()` if `None`.
    - `summaries`: what to keep; your own subclass of `AbstractSummary` as well.
    - `store`: a folder that does not exist yet, or holds this very scan; `None`: in memory.
    - `key`: needed when the input is random.
    - `progress`: called first and after each chunk, with how many points are done and how many there are.

    **Returns:** a labelled dataset; with a `store`, its values are read from there when they are needed.

    **Raises:** `ValueError` for arguments that do not fit together, a step with which the solver is stable at no point,
        a scan that does not fit on the disk or into memory, and a store that was made with other arguments; `OSError`
        if the store cannot be written.

    **Warns:** `LongStepWarning` for a step longer than any whose accuracy was measured.
    """
    check_single("column", column, "give what changes as `axes`")
    check_progress(progress)
    if not all(map(is_concrete, jax.tree.leaves(column))):
        raise ValueError("`column` must be known before tracing, got a traced one: scan outside jax.jit")
    plan = _checked_plan(column, t1, dt, burn_in, solver, summaries)
    y0 = as_float(np.zeros(len(STATES)) if y0 is None else y0, "y0")
    if y0.shape != (len(STATES),):
        raise ValueError(
            f"`y0` must have shape (6,), got {y0.shape}: give what changes as `axes` over initial_y0 to initial_y5"
        )
    check_finite(y0=y0)
    grid = Grid(ScanPoints(column, States.unstack(y0)), axes, repeats)
    if grid.size > _MOST_POINTS:
        raise ValueError(f"`axes` must make at most {_MOST_POINTS} points, got {grid.size}")
    corners = grid.points(grid.corners()).column  # raises for values that the column cannot take
    check_step(corners, dt, plan.solver, each=False, stacklevel=4)  # the caller of the decorated verb
    fastest = float(np.max(fastest_rates(corners)))
    plan = dataclasses.replace(plan, check_bounds=fastest * dt > longest_bounded(plan.solver))
    key = checked_key(type(column.input).__name__, key) if column.input.random else jax.random.key(0)
    variables = _variables(column, plan)
    _check_names(grid, variables)
    settings = scan_settings(grid, plan, key)
    contents = StoreContents(grid.dims, grid.coordinates, Layout.of_scan(grid.shape, plan.steps), variables, settings)
    path = None if store is None else as_path("store", store)
    if path is not None:
        check_output("store", path, folder=True)
    _check_space(path, contents, grid.size)
    opened = _opened(path, contents)
    _compute_chunks(opened, contents, grid, plan, key, progress)
    return opened.dataset()


def _checked_plan(
    column: Column,
    t1: float,
    dt: float,
    burn_in: float,
    solver: diffrax.AbstractSolver | None,
    summaries: Sequence[AbstractSummary],
) -> ScanPlan:
    t1, dt, burn_in = (as_number(name, value) for name, value in {"t1": t1, "dt": dt, "burn_in": burn_in}.items())
    steps = count_steps(0.0, t1, dt, burn_in)
    steps_per_hold(column.input, dt)
    solver = StrangSplitting() if solver is None else solver
    check_type(diffrax.AbstractSolver, solver=solver)
    if isinstance(solver, diffrax.AbstractImplicitSolver):
        raise ValueError(f"`solver` must be explicit in a parameter scan, got {type(solver).__name__}()")
    if not is_whole(burn_in / dt):
        raise ValueError(f"`burn_in` must be a whole number of steps of `dt` = {dt} s, got {burn_in} s")
    if not isinstance(summaries, Sequence):
        raise ValueError(f"`summaries` must be a list, got {type(summaries).__name__}: put it into brackets")
    if not summaries:
        raise ValueError("`summaries` must be at least one, got none")
    for summary in summaries:
        check_type(AbstractSummary, summaries=summary)
    plan = ScanPlan(solver, tuple(summaries), float(dt), steps, round(burn_in / dt))
    if plan.block > max(steps, _LONGEST_BLOCK):
        quanta = ", ".join(f"{type(summary).__name__} {math.prod(summary.blocks(plan.dt))}" for summary in summaries)
        raise ValueError(
            f"`summaries` must have blocks with a common multiple of at most {_LONGEST_BLOCK} samples, got {quanta}"
        )
    return plan


def _variables(column: Column, plan: ScanPlan) -> dict[str, StoredVariable]:
    """Every result of the scan."""
    info = plan.info(column, 1)
    dtype = np.dtype(column.parameters.A.dtype)
    codes = {"flag_values": list(range(len(FAILURES))), "flag_meanings": " ".join(FAILURES)}
    found = {
        "failed": StoredVariable(Variable("1", "whether the trajectory failed"), (), np.dtype(bool)),
        "failure": StoredVariable(Variable("1", "why it failed", attributes=codes), (), np.dtype(np.int8)),
        "failure_time": StoredVariable(Variable("s", "when it failed"), (), dtype),
    }
    for place, summary in enumerate(plan.summaries):
        described = summary.variables(info)
        results = _shapes(summary, info)
        if set(results) != set(described):
            raise ValueError(
                f"`summaries`: {type(summary).__name__} must give what it describes, {', '.join(described)}; "
                f"got {', '.join(results)}"
            )
        twice = set(results) & set(found)
        if twice:
            raise ValueError(f"`summaries` must have different results, got {', '.join(sorted(twice))} twice")
        for at, (name, variable) in enumerate(described.items()):
            within = (samples_name(place), at) if type(summary) is Samples else None
            found[name] = StoredVariable(variable, results[name].shape[:-1], np.dtype(results[name].dtype), within)
    return found


def _results_of_none(summary: AbstractSummary, info: TrajectoryInfo) -> dict[str, jax.Array]:
    return summary.result(info, summary.init(info))


_traced_once = jax.jit(_results_of_none, static_argnums=0)


def _shapes(summary: AbstractSummary, info: TrajectoryInfo) -> dict[str, jax.ShapeDtypeStruct]:
    """The results of a summary but for their values, traced once for equal summaries."""
    try:
        hash(summary)
    except TypeError:  # it has arrays of its own
        return jax.eval_shape(partial(_results_of_none, summary), info)
    return _traced_once.eval_shape(summary, info)


def _check_names(grid: Grid, variables: Mapping[str, StoredVariable]) -> None:
    """Raise if two things in the dataset would have one name."""
    dims = {coordinate.name: coordinate.dim for coordinate in grid.coordinates}
    inner = {dim for stored in variables.values() for dim in stored.variable.dims}
    taken = {*variables, *inner, COMPLETE, "chunk"}
    clash = ({*grid.dims, *dims} & taken) | {dim for dim in grid.dims if dims.get(dim, dim) != dim}
    if clash:
        raise ValueError(f"`axes` must have names that nothing else has, got {', '.join(sorted(clash))}")
    along = {}
    for name, (variable, shape, _, _) in variables.items():
        for dim, length in zip(variable.dims, shape, strict=True):
            values = variable.coords.get(dim, np.arange(length))
            if len(values) != length or not np.array_equal(along.setdefault(dim, values), values):
                raise ValueError(
                    f"`summaries` must agree on what lies along {dim}, got {length} other values in {name}"
                )


def _check_space(path: Path | None, contents: StoreContents, points: int) -> None:
    """Raise if the results of a new scan cannot fit where they will be kept."""
    if path is None:
        check_memory("results of all points without a `store`", contents.size, axes=points)
    elif not path.exists():
        free = shutil.disk_usage(path.parent).free
        if contents.size > free:
            raise ValueError(
                f"`axes` must make results that fit, got {points} points, {contents.size / 1e9:.3g} GB; there are "
                f"{free / 1e9:.3g} GB on the disk of {path.parent}"
            )


def _opened(path: Path | None, contents: StoreContents) -> AbstractResults:
    """The store, new or to be resumed; of several processes the first makes it."""
    if path is None:
        if jax.process_count() > 1:
            raise ValueError("`store` must be given when several processes take part in a scan, got None")
        return ResultsInMemory(contents)
    if jax.process_index() == 0 and not path.exists():
        stores.create(path, contents)
    _wait_for_all("the store is there")
    return stores.resume(path, contents.settings)


def _wait_for_all(what: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def _compute_chunks(
    store: AbstractResults,
    contents: StoreContents,
    grid: Grid,
    plan: ScanPlan,
    key: PRNGKeyArray,
    progress: Progress | None,
) -> None:
    """Compute and write every chunk that is not complete yet, of every n-th chunk that is for this of n processes."""
    layout = store.layout
    own = np.arange(jax.process_index(), layout.chunks, jax.process_count())
    missing = own[~store.complete()[own]]
    points = sum(layout.size(int(number)) for number in own)
    before = done = points - sum(layout.size(int(number)) for number in missing)
    failed, start = 0, time.perf_counter()
    simulator = PieceSimulator(grid, plan, key, min(layout.largest, grid.size))
    if progress is not None and len(missing):
        progress(done, points, "points, compiling")
    for number in map(int, missing):
        if store.holds(number):  # by another process, that was started beside this one
            done, before = done + layout.size(number), before + layout.size(number)
            continue
        results = store.memory(number, contents)
        simulator(layout.points(number), results)
        store.write(number, results)
        done += layout.size(number)
        failed += int(np.sum(results["failed"]))
        speed = (done - before) / (time.perf_counter() - start)
        if progress is not None:
            progress(
                done,
                points,
                f"points, {failed} failed, {speed * plan.steps / 1e6:.0f} million column-steps/s",
            )
    _wait_for_all("all chunks are written")
