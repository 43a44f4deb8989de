"""The engine of a parameter scan: many columns from start to end on all devices, summarised as they are integrated."""

import os
from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt32

from .._checks import as_float
from ..column.bounds import out_of_bounds
from ..column.column import Column
from ..column.integrate import Holds, next_held, solve_fixed
from ..column.noise import NoiseStream, noise_stream
from ..column.states import CHANNELS, POTENTIAL_STATES, STATES, States, eeg
from ..column.step_size import fastest_rates, longest_stable
from ..column.terms import Clock, ColumnTerm, RandomInput
from .summaries import AbstractSummary, TrajectoryInfo

FAILURES = ("none", "not_finite", "out_of_bounds", "step_too_long")
"""Why a trajectory failed, in the order of the codes."""

_POTENTIALS = tuple(STATES[i] for i in POTENTIAL_STATES)


def _zero_states() -> States:
    return States(*(as_float(0.0) for _ in STATES))


class ScanPoints(eqx.Module):
    """Points of a scan; each array leaf is the same for all of them, or has one value a point."""

    column: Column
    y0: States = eqx.field(default_factory=_zero_states)
    """The states at t = 0, mV and mV/s."""
    trajectory: UInt32[Array, "*batch"] = eqx.field(default_factory=lambda: jnp.zeros((), jnp.uint32))
    """The number of each trajectory, which its noise depends on."""


def cpu_tile() -> int:
    """How many columns a CPU integrates together: so many that their states stay in its cache."""
    # With fewer, the loop around the tiles costs more; but next to nothing where this option makes XLA compile the loop
    # into one function.
    in_one_function = "xla_cpu_small_while_loop_byte_threshold" in os.environ.get("XLA_FLAGS", "")
    return 256 if in_one_function else 1024


class ScanPlan(eqx.Module):
    """How the points of a scan are simulated and what is kept; a compiled program is made for one plan."""

    solver: diffrax.AbstractSolver
    summaries: tuple[AbstractSummary, ...]
    dt: float = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    burn_in: int = eqx.field(static=True)
    """Steps before the first sample that is summarised."""
    tile: int = eqx.field(static=True, default_factory=cpu_tile)
    """Columns that a CPU integrates together."""
    shortest_block: int = eqx.field(static=True, default=1000)
    """Samples in a block, at least: enough that what happens between blocks takes no time."""
    check_bounds: bool = eqx.field(static=True, default=False)
    """Whether a step is so long that potentials may leave their bounds, so that every sample is checked."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that any of the summaries is made of."""
        wanted = {channel for summary in self.summaries for channel in summary.channels}
        return tuple(channel for channel in CHANNELS if channel in wanted)

    @property
    def block(self) -> int:
        """Samples in a block."""
        quantum = int(np.lcm.reduce([summary.quantum(self.dt) for summary in self.summaries], initial=1))
        return quantum * max(1, self.shortest_block // quantum)

    def info(self, column: Column, batch: int) -> TrajectoryInfo:
        """What a summary knows of the trajectories of so many columns."""
        return TrajectoryInfo(column, batch, self.dt, self.burn_in * self.dt, self.steps - self.burn_in)

    def multiple(self, mesh: Mesh) -> int:
        """What the number of points must be a multiple of."""
        return mesh.size * (self.tile if _on_cpu(mesh) else 1)


def place(points: ScanPoints, mesh: Mesh) -> ScanPoints:
    """The points on the devices that will simulate them, so that a call does not compile anew for where they lie."""
    split, whole = (NamedSharding(mesh, spec) for spec in (PartitionSpec(*mesh.axis_names), PartitionSpec()))
    return jax.tree.map(lambda leaf: jax.device_put(leaf, split if jnp.ndim(leaf) else whole), points)


@eqx.filter_jit
def summarise(points: ScanPoints, plan: ScanPlan, key: PRNGKeyArray, mesh: Mesh) -> dict[str, Array]:
    """The results of every summary, and `failed` and `failure_time`, for points divided among the devices of a mesh.

    **Arguments:**

    - `points`: a multiple of `plan.multiple(mesh)`.
    - `mesh`: devices along one axis.

    **Returns:** by name, with the points along the first axis.
    """
    each, common = eqx.partition(points, lambda leaf: leaf.ndim == 1)

    def on_device(each, common, key):
        tile = plan.tile if _on_cpu(mesh) else each.trajectory.size
        tiles = jax.tree.map(lambda leaf: leaf.reshape(-1, tile), each)
        results = jax.lax.map(lambda tile: _summarise_tile(eqx.combine(tile, common), plan, key), tiles)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), results)

    split, whole = PartitionSpec(*mesh.axis_names), PartitionSpec()
    sharded = jax.shard_map(on_device, mesh=mesh, in_specs=(split, whole, whole), out_specs=split, check_vma=False)
    return sharded(each, common, key)


def _on_cpu(mesh: Mesh) -> bool:
    return mesh.devices.flat[0].platform == "cpu"


class _TileState(eqx.Module):
    """What one block of a tile hands to the next."""

    y: Float[Array, "6 batch"]
    held: Float[Array, " batch"]
    """The value of the last hold that is over, for an input with memory."""
    failure_step: Int[Array, " batch"]
    """The first step after which something is wrong; 0: none so far."""
    failure: Int[Array, " batch"]
    """What it was, a code into `FAILURES`."""
    summaries: tuple[Any, ...]
    """The state of each summary."""


def _summarise_tile(points: ScanPoints, plan: ScanPlan, key: PRNGKeyArray) -> dict[str, Array]:
    batch = points.trajectory.size
    too_long = jnp.broadcast_to(fastest_rates(points.column) * plan.dt >= longest_stable(plan.solver), batch)
    start = jnp.stack([jnp.where(too_long, jnp.nan, leaf) for leaf in points.y0])
    tile = _Tile(points.column, plan, noise_stream(key, points.trajectory), start, batch)
    none = jnp.zeros(batch, jnp.int32)
    state = _TileState(
        start, jnp.zeros(batch), none, none, tuple(summary.init(tile.info) for summary in plan.summaries)
    )
    for first, last, summarised in ((0, plan.burn_in, False), (plan.burn_in, plan.steps, True)):
        blocks, rest = divmod(last - first, plan.block)
        if blocks:
            starts = first + plan.block * jnp.arange(blocks, dtype=jnp.int32)
            advance = partial(tile.advance, steps=plan.block, summarised=summarised)
            state, _ = jax.lax.scan(lambda state, start, advance=advance: (advance(state, start), None), state, starts)
        if rest:
            state = tile.advance(state, jnp.asarray(last - rest, jnp.int32), steps=rest, summarised=summarised)
    failed = state.failure_step > 0
    failure_time = jnp.where(failed, as_float(jnp.where(too_long, 0, state.failure_step)) * plan.dt, jnp.nan)
    failure = jnp.where(too_long, FAILURES.index("step_too_long"), state.failure).astype(jnp.int8)
    results = {"failed": failed, "failure": failure, "failure_time": failure_time}
    for summary, of_summary in zip(plan.summaries, state.summaries, strict=True):
        found = summary.result(tile.info, _nan_where(failed, of_summary))
        results |= {name: jnp.moveaxis(values, -1, 0) for name, values in found.items()}
    return results


def _nan_where(failed: Bool[Array, " batch"], of_summary: Any) -> Any:
    """The state of a summary, with NaN for columns that failed, whose samples need not have been NaN."""

    def replaced(leaf):
        each = jnp.ndim(leaf) and leaf.shape[-1] == failed.size and jnp.issubdtype(leaf.dtype, jnp.inexact)
        return jnp.where(jnp.broadcast_to(failed, leaf.shape), jnp.nan, leaf) if each else leaf

    return jax.tree.map(replaced, of_summary)


class _Tile(eqx.Module):
    """Columns that are integrated together as one system."""

    column: Column
    plan: ScanPlan
    stream: NoiseStream
    start: Float[Array, "6 batch"]
    batch: int = eqx.field(static=True)

    @property
    def info(self) -> TrajectoryInfo:
        """What the summaries know."""
        return self.plan.info(self.column, self.batch)

    def advance(self, state: _TileState, first_step: Int[Array, ""], *, steps: int, summarised: bool) -> _TileState:
        """The next `steps` steps."""
        plan = self.plan
        random, held = self._random_input(state.held, first_step, steps)
        clock = Clock(as_float(first_step) * plan.dt, as_float(plan.dt), steps)
        looked_at = _POTENTIALS if plan.check_bounds else ()
        stacked = diffrax.SubSaveAt(steps=1, fn=partial(_stacked_channels, (*looked_at, *plan.channels)))
        saveat = diffrax.SaveAt(subs=[stacked, diffrax.SubSaveAt(t1=True)])
        terms = ColumnTerm(self.column, random, clock, self.batch)
        (samples, ys), _ = solve_fixed(terms, plan.solver, state.y, saveat)
        potentials, samples = samples[:, : len(looked_at)], samples[:, len(looked_at) :]
        summaries = state.summaries
        if summarised:
            summaries = tuple(
                summary.update(self.info, of_summary, _chosen_channels(samples, plan.channels, summary.channels))
                for summary, of_summary in zip(plan.summaries, summaries, strict=True)
            )
        (y,) = ys
        outside = None
        if plan.check_bounds:
            elapsed = clock.t0 + clock.dt * jnp.arange(1, steps + 1, dtype=y.dtype)
            outside = out_of_bounds(self.column, self.start, potentials, elapsed)
        failure_step, failure = _first_failure(state, y, samples, outside, first_step)
        return _TileState(y, held, failure_step, failure, summaries)

    def _random_input(
        self, held: Float[Array, " batch"], first_step: Int[Array, ""], steps: int
    ) -> tuple[RandomInput | None, Float[Array, " batch"]]:
        """The random input over a block, and the value of the last hold that is over at its end."""
        input = self.column.input
        if not input.random:
            return None, held
        per_hold = 1 if input.hold is None else round(input.hold / self.plan.dt)
        first = first_step // per_hold
        touched = (steps + 2 * per_hold - 2) // per_hold
        holds = Holds(first_step, first, as_float(first_step - first * per_hold), float(per_hold), touched)
        if input.memory is None:
            return holds.random_input(self.stream, steps, None), held
        table = next_held(input, self.stream, holds, self.batch, held)
        over = (first_step + steps) // per_hold - first
        return holds.random_input(self.stream, steps, table), jnp.concatenate([held[None], table])[over]


def _stacked_channels(
    channels: tuple[str, ...], t: Float[Array, ""], y: Float[Array, "6 batch"], args: None
) -> Float[Array, "channels batch"]:
    del t, args
    return jnp.stack([eeg(y.T) if channel == "eeg" else y[STATES.index(channel)] for channel in channels])


def _chosen_channels(
    samples: Float[Array, "time channels batch"], channels: tuple[str, ...], chosen: tuple[str, ...]
) -> Float[Array, "time chosen batch"]:
    if chosen == channels:
        return samples
    # By slices, which are views, where an index array is a gather.
    return jnp.stack([samples[:, channels.index(channel)] for channel in chosen], axis=1)


def _first_failure(
    state: _TileState,
    y: Float[Array, "6 batch"],
    samples: Float[Array, "time channels batch"],
    outside: Bool[Array, "time batch"] | None,
    first_step: Int[Array, ""],
) -> tuple[Int[Array, " batch"], Int[Array, " batch"]]:
    """The step of the first failure so far, and what failed; `y` is the end of the block."""
    # A state once not finite never is so again: only where the end of a block is not finite the block is searched.
    failed = ~jnp.all(jnp.isfinite(y), axis=0)
    failed = (failed if outside is None else failed | jnp.any(outside, axis=0)) & (state.failure_step == 0)

    def searched():
        infinite = ~jnp.all(jnp.isfinite(samples), axis=1)
        wrong = infinite if outside is None else infinite | outside
        at = jnp.where(jnp.any(wrong, axis=0), jnp.argmax(wrong, axis=0), len(samples) - 1)
        failure = jnp.full_like(state.failure, FAILURES.index("not_finite"))
        if outside is not None:
            is_outside = jnp.take_along_axis(outside, at[None], axis=0)[0]
            failure = jnp.where(is_outside, FAILURES.index("out_of_bounds"), failure)
        step = first_step + 1 + at.astype(jnp.int32)
        return jnp.where(failed, step, state.failure_step), jnp.where(failed, failure, state.failure)

    return jax.lax.cond(jnp.any(failed), searched, lambda: (state.failure_step, state.failure))
