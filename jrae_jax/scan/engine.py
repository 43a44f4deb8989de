"""Many columns from start to end, summarised as they go: what one device, or all of them, does in one call."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt32

from .._checks import as_float
from ..column.inputs import AbstractExternalInput
from ..column.integrate import Holds, next_held, solve_fixed
from ..column.noise import NoiseStream, noise_stream
from ..column.parameters import JansenRitParameters
from ..column.states import CHANNELS, STATES, eeg
from ..column.terms import Clock, ColumnTerm, RandomInput
from .summaries import AbstractSummary, Run

_CPU_TILE = 1024  # columns whose states stay in the cache; fewer, and the loop around them costs more
_CPU_TILE_IN_ONE_FUNCTION = 256  # where XLA compiles the loop into one function, it costs next to nothing
_LOOP_OPTION = "xla_cpu_small_while_loop_byte_threshold"
_BLOCK = 1000  # samples; what a block has at least


class InitialState(eqx.Module):
    """The states of a column at t = 0; leaves of shape `()`, or `(batch,)`."""

    initial_y0: Float[Array, "*batch"] = eqx.field(default=0.0, converter=as_float)
    """mV"""
    initial_y1: Float[Array, "*batch"] = eqx.field(default=0.0, converter=as_float)
    """mV"""
    initial_y2: Float[Array, "*batch"] = eqx.field(default=0.0, converter=as_float)
    """mV"""
    initial_y3: Float[Array, "*batch"] = eqx.field(default=0.0, converter=as_float)
    """mV/s"""
    initial_y4: Float[Array, "*batch"] = eqx.field(default=0.0, converter=as_float)
    """mV/s"""
    initial_y5: Float[Array, "*batch"] = eqx.field(default=0.0, converter=as_float)
    """mV/s"""


class Columns(eqx.Module):
    """Columns to be simulated; each array leaf is the same for all, or has one value a column."""

    parameters: JansenRitParameters
    input: AbstractExternalInput
    initial: InitialState
    trajectory: UInt32[Array, "*batch"]
    """Which noise each gets."""


class Protocol(eqx.Module):
    """How columns are simulated and what is kept; a compiled program is made for one protocol."""

    solver: diffrax.AbstractSolver
    summaries: tuple[AbstractSummary, ...]
    dt: float = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    burn_in: int = eqx.field(static=True)
    """Steps before the first sample that is summarised."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Whatever any of the summaries wants to see."""
        wanted = {channel for summary in self.summaries for channel in summary.channels}
        return tuple(channel for channel in CHANNELS if channel in wanted)

    @property
    def block(self) -> int:
        """Samples in a block."""
        quantum = int(np.lcm.reduce([summary.quantum(self.dt) for summary in self.summaries], initial=1))
        return quantum * max(1, _BLOCK // quantum)

    def run(self, parameters: JansenRitParameters, columns: int) -> Run:
        """What a summary is told."""
        return Run(parameters, columns, self.dt, self.burn_in * self.dt, self.steps - self.burn_in)


@eqx.filter_jit
def summarise(columns: Columns, protocol: Protocol, key: PRNGKeyArray, mesh: Mesh) -> dict[str, Array]:
    """The results of every summary, and `failed` and `failure_time`; the columns are shared out over the mesh.

    **Arguments:**

    - `columns`: as many as `column_multiple(mesh)` divides.
    - `mesh`: devices along one axis.
    """
    each, shared = eqx.partition(columns, lambda leaf: leaf.ndim == 1)

    def on_device(each, shared, key):
        tile = _tile(mesh, each.trajectory.size)
        tiles = jax.tree.map(lambda leaf: leaf.reshape(-1, tile), each)
        kept = jax.lax.map(lambda tile: _summarise_tile(eqx.combine(tile, shared), protocol, key), tiles)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), kept)

    split, whole = PartitionSpec(*mesh.axis_names), PartitionSpec()
    spread = jax.shard_map(on_device, mesh=mesh, in_specs=(split, whole, whole), out_specs=split, check_vma=False)
    return spread(each, shared, key)


def column_multiple(mesh: Mesh) -> int:
    """What a number of columns must be a multiple of."""
    return mesh.size * (_cpu_tile() if _on_cpu(mesh) else 1)


def place(columns: Columns, mesh: Mesh) -> Columns:
    """The columns on the devices that will simulate them, so that a call does not compile anew for where they lie."""
    split, whole = (NamedSharding(mesh, spec) for spec in (PartitionSpec(*mesh.axis_names), PartitionSpec()))
    return jax.tree.map(lambda leaf: jax.device_put(leaf, split if jnp.ndim(leaf) else whole), columns)


def _tile(mesh: Mesh, columns: int) -> int:
    return _cpu_tile() if _on_cpu(mesh) else columns


def _cpu_tile() -> int:
    return _CPU_TILE_IN_ONE_FUNCTION if _LOOP_OPTION in os.environ.get("XLA_FLAGS", "") else _CPU_TILE


def _on_cpu(mesh: Mesh) -> bool:
    return mesh.devices.flat[0].platform == "cpu"


class _Progress(eqx.Module):
    """Where a tile is: what one block hands to the next."""

    y: Float[Array, "6 batch"]
    held: Float[Array, " batch"]
    """The value of the last hold that is over, for an input with memory."""
    failure_step: Int[Array, " batch"]
    """The first step after which something is not finite; 0: none so far."""
    kept: tuple[Any, ...]
    """The state of each summary."""


def _summarise_tile(columns: Columns, protocol: Protocol, key: PRNGKeyArray) -> dict[str, Array]:
    batch = columns.trajectory.size
    stream = noise_stream(key, columns.trajectory)
    run = protocol.run(columns.parameters, batch)
    progress = _Progress(
        jnp.stack([jnp.broadcast_to(leaf, batch) for leaf in jax.tree.leaves(columns.initial)]),
        jnp.zeros(batch),
        jnp.zeros(batch, jnp.int32),
        tuple(summary.init(run) for summary in protocol.summaries),
    )
    for first, last, summarised in ((0, protocol.burn_in, False), (protocol.burn_in, protocol.steps, True)):
        blocks, rest = divmod(last - first, protocol.block)
        advance = partial(_block, columns, protocol, stream, run, summarised=summarised)
        if blocks:
            starts = first + protocol.block * jnp.arange(blocks, dtype=jnp.int32)
            progress = _scan(partial(advance, steps=protocol.block), progress, starts)
        if rest:
            progress = advance(progress, jnp.asarray(last - rest, jnp.int32), steps=rest)
    return _results(progress, protocol, run)


def _scan(advance: Callable[[_Progress, Array], _Progress], progress: _Progress, starts: Array) -> _Progress:
    return jax.lax.scan(lambda progress, start: (advance(progress, start), None), progress, starts)[0]


def _block(
    columns: Columns,
    protocol: Protocol,
    stream: NoiseStream,
    run: Run,
    progress: _Progress,
    first_step: Int[Array, ""],
    *,
    steps: int,
    summarised: bool,
) -> _Progress:
    """The next `steps` steps of a tile."""
    batch = columns.trajectory.size
    random, held = _random_input(columns, protocol, stream, progress.held, first_step, steps)
    clock = Clock(as_float(first_step) * protocol.dt, as_float(protocol.dt), steps)
    terms = ColumnTerm(columns.parameters, columns.input, random, clock, batch)
    saveat = diffrax.SaveAt(
        subs=[diffrax.SubSaveAt(steps=1, fn=partial(_seen, protocol.channels)), diffrax.SubSaveAt(t1=True)]
    )
    (samples, y), _ = solve_fixed(terms, protocol.solver, progress.y, saveat)
    kept = progress.kept
    if summarised:
        kept = tuple(
            _updated(summary, run, state, samples, protocol.channels)
            for summary, state in zip(protocol.summaries, kept, strict=True)
        )
    failure_step = _first_failure(progress.failure_step, y[0], samples, first_step)
    return _Progress(y[0], held, failure_step, kept)


def _seen(channels: tuple[str, ...], t: Any, y: Float[Array, "6 batch"], args: Any) -> Float[Array, "channels batch"]:
    del t, args
    return jnp.stack([eeg(y.T) if channel == "eeg" else y[STATES.index(channel)] for channel in channels])


def _updated(
    summary: AbstractSummary,
    run: Run,
    state: Any,
    samples: Float[Array, "time channels batch"],
    channels: tuple[str, ...],
) -> Any:
    if summary.channels != channels:  # by slices, which are views, where an index array is a gather
        samples = jnp.stack([samples[:, channels.index(channel)] for channel in summary.channels], axis=1)
    return summary.update(run, state, samples)


def _first_failure(
    failure_step: Int[Array, " batch"],
    y: Float[Array, "6 batch"],
    samples: Float[Array, "time channels batch"],
    first_step: Int[Array, ""],
) -> Int[Array, " batch"]:
    """A state once not finite never is so again: so the end of a block tells whether to look into it."""
    failed = ~jnp.all(jnp.isfinite(y), axis=0) & (failure_step == 0)

    def look():
        wrong = ~jnp.all(jnp.isfinite(samples), axis=1)
        at = jnp.where(jnp.any(wrong, axis=0), jnp.argmax(wrong, axis=0), len(samples) - 1)
        return jnp.where(failed, first_step + 1 + at.astype(jnp.int32), failure_step)

    return jax.lax.cond(jnp.any(failed), look, lambda: failure_step)


def _random_input(
    columns: Columns,
    protocol: Protocol,
    stream: NoiseStream,
    held: Float[Array, " batch"],
    first_step: Int[Array, ""],
    steps: int,
) -> tuple[RandomInput | None, Float[Array, " batch"]]:
    """The random input over a block, and the value of the last hold that is over at its end."""
    input = columns.input
    if not input.random:
        return None, held
    per_hold = 1 if input.hold is None else round(input.hold / protocol.dt)
    first = first_step // per_hold
    touched = (steps + 2 * per_hold - 2) // per_hold
    holds = Holds(first_step, first, as_float(first_step - first * per_hold), float(per_hold), touched)
    if input.memory is None:
        return holds.random_input(stream, steps, None), held
    table = next_held(input, stream, holds, held.size, held)
    over = (first_step + steps) // per_hold - first
    return holds.random_input(stream, steps, table), jnp.concatenate([held[None], table])[over]


def _results(progress: _Progress, protocol: Protocol, run: Run) -> dict[str, Array]:
    failed = progress.failure_step > 0
    results = {
        "failed": failed,
        "failure_time": jnp.where(failed, as_float(progress.failure_step) * protocol.dt, jnp.nan),
    }
    for summary, state in zip(protocol.summaries, progress.kept, strict=True):
        results |= {name: jnp.moveaxis(values, -1, 0) for name, values in summary.result(run, state).items()}
    return results
