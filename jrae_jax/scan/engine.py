"""The engine of a parameter scan: many columns from start to end, summarised as they are integrated."""

import functools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt32

from .._checks import as_float
from ..column.bounds import out_of_bounds
from ..column.column import Column
from ..column.kernel import Kept
from ..column.noise import noise_stream
from ..column.one_function import WIDEST_VECTORS
from ..column.states import CHANNELS, POTENTIAL_STATES, STATES, States
from ..column.step_size import fastest_rates, longest_stable
from .integrators import AbstractIntegrator, ScanTime, integrator_for
from .summaries import AbstractSummary, Samples, TrajectoryInfo

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


class ScanPlan(eqx.Module):
    """How the points of a scan are simulated and what is kept; a compiled program is made for one plan."""

    solver: diffrax.AbstractSolver
    summaries: tuple[AbstractSummary, ...]
    dt: float = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    burn_in: int = eqx.field(static=True)
    """Steps before the first sample that is summarised."""
    tile: int = eqx.field(static=True, default=256)
    """Columns that a CPU integrates together: so many that their states stay in its nearest cache."""
    shortest_block: int = eqx.field(static=True, default=1000)
    """Samples in a block, at least: enough that what happens between blocks takes no time."""
    check_bounds: bool = eqx.field(static=True, default=False)
    """Whether a step is so long that potentials may leave their bounds, so that every sample is checked."""

    @property
    def block(self) -> int:
        """Samples in a block."""
        quantum = math.lcm(*(math.prod(summary.blocks(self.dt)) for summary in self.summaries))
        return quantum * max(1, self.shortest_block // quantum)

    @property
    def kept_samples(self) -> int:
        """Numbers that are kept of each trajectory by `Samples`."""
        kept = [summary for summary in self.summaries if type(summary) is Samples]
        return sum((self.steps - self.burn_in) // summary.every * len(summary.channels) for summary in kept)

    def info(self, column: Column, batch: int) -> TrajectoryInfo:
        """What a summary knows of the trajectories of so many columns."""
        return TrajectoryInfo(column, batch, self.dt, self.burn_in * self.dt, self.steps - self.burn_in)


def summarise(points: ScanPoints, plan: ScanPlan, key: PRNGKeyArray) -> dict[str, Array]:
    """The results of every summary, and `failed`, `failure` and `failure_time`, on the device that holds the points.

    **Arguments:**

    - `points`: on a CPU a multiple of `plan.tile`.

    **Returns:** by name, with the points along the first axis. Of each `Samples` all channels are together under the
        name that `samples_name` gives it, and those of trajectories that failed need not be NaN.
    """
    (device,) = points.trajectory.devices()
    on_cpu = device.platform == "cpu"
    tile = plan.tile if on_cpu else points.trajectory.size
    time = _scan_time(plan.dt, points.column.parameters.A.dtype)
    return (_on_cpu if on_cpu else _elsewhere)(points, plan, key, time, tile, on_cpu)


@functools.cache
def _scan_time(dt: float, dtype: np.dtype) -> ScanTime:
    return ScanTime(jnp.zeros((), jnp.int32), jnp.asarray(dt, dtype), jnp.zeros((), dtype))


def samples_name(place: int) -> str:
    """What the samples of the summary at this place of the plan are called together."""
    return f"samples of summary {place}"


def _summarise(
    points: ScanPoints, plan: ScanPlan, key: PRNGKeyArray, time: ScanTime, tile: int, on_cpu: bool
) -> dict[str, Array]:
    if points.trajectory.size == tile:  # whose samples are then not copied
        return _summarise_tile(points, plan, key, time, on_cpu)
    each, common = eqx.partition(points, lambda leaf: leaf.ndim == 1)
    tiles = jax.tree.map(lambda leaf: leaf.reshape(-1, tile), each)
    results = jax.lax.map(lambda tile: _summarise_tile(eqx.combine(tile, common), plan, key, time, on_cpu), tiles)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), results)


_on_cpu = eqx.filter_jit(_summarise, compiler_options=WIDEST_VECTORS)  # pyright: ignore[reportCallIssue]
_elsewhere = eqx.filter_jit(_summarise)


class _TileState(eqx.Module):
    """What one block of a tile hands to the next."""

    integrated: Any
    """The state of the integrator."""
    failure_step: Int[Array, " batch"]
    """The first step after which something is wrong; 0: none so far."""
    failure: Int[Array, " batch"]
    """What it was, a code into `FAILURES`."""
    summaries: tuple[Any, ...]
    """The state of each summary; of samples that the integrator keeps, where they are."""


def _summarise_tile(
    points: ScanPoints, plan: ScanPlan, key: PRNGKeyArray, time: ScanTime, on_cpu: bool
) -> dict[str, Array]:
    batch = points.trajectory.size
    too_long = jnp.broadcast_to(fastest_rates(points.column) * plan.dt >= longest_stable(plan.solver), batch)
    y0 = jnp.stack([jnp.where(too_long, jnp.nan, leaf) for leaf in points.y0])
    integrator = integrator_for(points.column, plan.solver, noise_stream(key, points.trajectory), plan.dt, time, on_cpu)
    tile, none = _Tile(points.column, plan, integrator, y0, batch), jnp.zeros(batch, jnp.int32)
    summaries = tuple(
        jnp.zeros((batch, math.ceil(tile.info.samples / summary.every), len(summary.channels)))
        if integrator.keeps(summary)
        else summary.init(tile.info)
        for summary in plan.summaries
    )
    state = _TileState(integrator.start(y0), none, none, summaries)
    for first, last, summarised in ((0, plan.burn_in, ()), (plan.burn_in, plan.steps, plan.summaries)):
        blocks, rest = divmod(last - first, plan.block)
        if blocks:
            starts = time.first_step + first + plan.block * jnp.arange(blocks, dtype=jnp.int32)
            advance = partial(tile.advance, steps=plan.block, summaries=summarised)
            state, _ = jax.lax.scan(lambda state, start, advance=advance: (advance(state, start), None), state, starts)
        if rest:
            state = tile.advance(state, time.first_step + (last - rest), steps=rest, summaries=summarised)
    failed = state.failure_step > 0
    failure_time = jnp.where(failed, as_float(jnp.where(too_long, 0, state.failure_step)) * plan.dt, jnp.nan)
    failure = jnp.where(too_long, FAILURES.index("step_too_long"), state.failure).astype(jnp.int8)
    results = {"failed": failed, "failure": failure, "failure_time": failure_time}
    for place, (summary, of_summary) in enumerate(zip(plan.summaries, state.summaries, strict=True)):
        if integrator.keeps(summary):
            results[samples_name(place)] = of_summary[:, : tile.info.samples // summary.every]
            continue
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
    """Columns that are integrated together."""

    column: Column
    plan: ScanPlan
    integrator: AbstractIntegrator[Any]
    start: Float[Array, "6 batch"]
    batch: int = eqx.field(static=True)

    @property
    def info(self) -> TrajectoryInfo:
        """What the summaries know."""
        return self.plan.info(self.column, self.batch)

    def advance(
        self, state: _TileState, first_step: Int[Array, ""], *, steps: int, summaries: tuple[AbstractSummary, ...]
    ) -> _TileState:
        """The next `steps` steps, of which these summaries are made."""
        plan, integrator, before = self.plan, self.integrator, state.integrated
        inside = [summary for summary in summaries if integrator.makes(summary)]
        kept = [
            Kept(whole, (first_step - plan.burn_in) // summary.every, summary.every, summary.channels)
            for summary, whole in zip(summaries, state.summaries, strict=False)
            if integrator.keeps(summary)
        ]
        outside = [summary for summary in summaries if not (integrator.makes(summary) or integrator.keeps(summary))]
        channels = _ordered(outside)
        thinning = [summary.blocks(plan.dt).every for summary in outside]
        looked_at = _POTENTIALS if plan.check_bounds else ()
        every = 1 if looked_at else math.gcd(*thinning) or steps
        integrated, running, samples, kept = integrator.advance(
            before,
            first_step,
            [summary.begin(partial(integrator.channel, before)) for summary in inside],
            steps=steps,
            every=every,
            channels=(*looked_at, *channels),
            add=lambda running, channel: [
                summary.add(kept, channel) for summary, kept in zip(inside, running, strict=True)
            ],
            kept=kept,
        )
        potentials, samples = samples[:, : len(looked_at)], samples[:, len(looked_at) :]

        made, put = iter(running), iter(kept)

        def updated(summary, of_summary):
            if integrator.makes(summary):
                return summary.end(of_summary, next(made), steps)
            if integrator.keeps(summary):
                return next(put)
            n = summary.blocks(plan.dt).every // every
            return summary.update(self.info, of_summary, _chosen(samples[n - 1 :: n], channels, summary.channels))

        states = state.summaries
        if summaries:
            states = tuple(updated(*pair) for pair in zip(summaries, states, strict=True))
        failure_step, failure = self._first_failure(state, integrated, potentials, first_step, steps)
        return _TileState(integrated, failure_step, failure, states)

    def _first_failure(
        self,
        state: _TileState,
        integrated: Any,
        potentials: Float[Array, "time potentials batch"],
        first_step: Int[Array, ""],
        steps: int,
    ) -> tuple[Int[Array, " batch"], Int[Array, " batch"]]:
        """The step of the first failure so far, and what failed, from the potentials if their bounds are checked."""
        failed = ~self.integrator.finite(integrated)
        outside = None
        if self.plan.check_bounds:
            elapsed = as_float(self.plan.dt) * as_float(first_step + jnp.arange(1, steps + 1))
            outside = out_of_bounds(self.column, self.start, potentials, elapsed)
            failed = failed | jnp.any(outside, axis=0)
        failed = failed & (state.failure_step == 0)

        def searched():
            # Only where something failed its samples are looked at, and made anew for that.
            samples = self.integrator.states(state.integrated, first_step, steps=steps)
            infinite = ~jnp.all(jnp.isfinite(samples), axis=1)
            wrong = infinite if outside is None else infinite | outside
            at = jnp.where(jnp.any(wrong, axis=0), jnp.argmax(wrong, axis=0), steps - 1)
            failure = jnp.full_like(state.failure, FAILURES.index("not_finite"))
            if outside is not None:
                is_outside = jnp.take_along_axis(outside, at[None], axis=0)[0]
                failure = jnp.where(is_outside, FAILURES.index("out_of_bounds"), failure)
            step = first_step + 1 + at.astype(jnp.int32)
            return jnp.where(failed, step, state.failure_step), jnp.where(failed, failure, state.failure)

        return jax.lax.cond(jnp.any(failed), searched, lambda: (state.failure_step, state.failure))


def _ordered(summaries: Sequence[AbstractSummary]) -> tuple[str, ...]:
    """The channels that any of the summaries is made of."""
    wanted = {channel for summary in summaries for channel in summary.channels}
    return tuple(channel for channel in CHANNELS if channel in wanted)


def _chosen(
    samples: Float[Array, "time channels batch"], channels: tuple[str, ...], chosen: tuple[str, ...]
) -> Float[Array, "time chosen batch"]:
    if chosen == channels:
        return samples
    # By slices, which are views, where an index array is a gather.
    return jnp.stack([samples[:, channels.index(channel)] for channel in chosen], axis=1)
