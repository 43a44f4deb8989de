"""The compiled programs of a simulation: by the kernel; by Diffrax, with fixed steps or with tolerances."""

import math
from functools import partial
from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from equinox.internal import unvmap_any
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .bounds import out_of_bounds
from .column import Column
from .integrate import Holds, random_input, solve_adaptive, solve_fixed, streams
from .kernel import Kernel
from .noise import NoiseStream
from .one_function import WIDEST_VECTORS
from .quantities import batch_axes
from .states import STATES
from .step_size import fastest_rates
from .terms import Clock, ColumnTerm, RandomInput


class Plan(NamedTuple):
    """What a program is compiled for."""

    solver: type[diffrax.AbstractSolver]
    steps: int
    every: int
    """Save after every so many steps; 0: at given times."""
    kept: int
    """How many of them, the last, are not of the burn-in."""
    batch: int | None
    longest_stable: float
    """The longest step with which a column is simulated, in time constants of its faster synapse."""
    longest_unchecked: float
    """The longest with which its states are not checked; infinite where it is known that none need be."""


class Solved(NamedTuple):
    """What a program gives."""

    ys: Float[Array, "*batch time 6"]
    result: diffrax.RESULTS
    failed: Bool[Array, "*batch"]


def _by_kernel(
    column: Column,
    y0: Float[Array, "*given 6"],
    dt: Float[Array, ""],
    t0: Float[Array, ""],
    first_step: Int[Array, ""],
    key: PRNGKeyArray | None,
    first: Int[Array, ""],
    *,
    plan: Plan,
    steps_per_hold: int,
) -> Solved:
    """Fixed steps, faster than by Diffrax, and other by rounding; only for a program of its own, as XLA may fail where
    this is part of another.

    **Arguments:** as of `Kernel`; all that the loop begins with is data, as XLA fails on some constants.

    - `first_step`: counted as random values are, from t = 0; 0 without any.
    - `first`: the index of the first trajectory.
    """
    y0 = _where_stable(column, _columns_last(y0, plan.batch), dt, plan)
    stream = NoiseStream(*[first_step.astype(jnp.uint32)] * 2)
    if key is not None:
        stream = streams(key, plan.batch, first)
    kernel = Kernel(column, plan.solver, stream, dt, t0, steps_per_hold)
    ys = kernel.trajectories(kernel.start(y0, first_step), first_step, steps=plan.steps, every=plan.every)
    if plan.longest_unchecked < math.inf:
        ys = _bounded_where_long(column, y0, ys, dt, _saved_steps(plan, None), plan)
    return _solved(ys, diffrax.RESULTS.successful, plan)


_compiled = partial(jax.jit, static_argnames=("plan", "steps_per_hold"))
by_kernel_on_cpu, by_kernel = _compiled(_by_kernel, compiler_options=WIDEST_VECTORS), _compiled(_by_kernel)


@eqx.filter_jit
def by_diffrax(
    column: Column,
    y0: Float[Array, "*given 6"],
    clock: Clock,
    holds: Holds | None,
    key: PRNGKeyArray | None,
    ts: Float[Array, " time"] | None,
    solver: diffrax.AbstractSolver,
    tolerances: tuple[float, float] | None,
    adjoint: diffrax.AbstractAdjoint,
    *,
    plan: Plan,
) -> Solved:
    """Any solver, differentiable in any way.

    **Arguments:**

    - `ts`: the times to save at, in steps before the end; `None`: every so many steps.
    """
    y0 = _columns_last(y0, plan.batch)
    random = random_input(column.input, plan.steps, holds, plan.batch, key)
    saved = _saved_steps(plan, ts)
    if tolerances is None:
        y0 = _where_stable(column, y0, clock.dt, plan)
        saveat = diffrax.SaveAt(steps=plan.every) if plan.every else diffrax.SaveAt(ts=ts)
        ys, result = solve_fixed(ColumnTerm(column, random, clock, plan.batch), solver, y0, saveat, adjoint)
        ys, result = _batch_first(ys, plan.batch), result if ts is not None else diffrax.RESULTS.successful
        if plan.longest_unchecked < math.inf:
            ys = _bounded_where_long(column, y0, ys, clock.dt, saved, plan)
        return _solved(ys, result, plan)

    def solve(column, y0, random):
        terms = ColumnTerm(column, random, clock, None)
        saveat = diffrax.SaveAt(ts=saved - plan.steps)
        ys, result = solve_adaptive(terms, solver, y0, saveat, tolerances, holds, adjoint)
        return _within_bounds(column, y0, ys, elapsed=clock.dt * saved), result

    if plan.batch is not None:
        solve = jax.vmap(solve, in_axes=(column.axes, -1, _random_axes(random)))
    return _solved(*solve(column, y0, random), plan)


def _columns_last(y0: Float[Array, "*given 6"], batch: int | None) -> Float[Array, "6 *batch"]:
    return y0 if batch is None else jnp.broadcast_to(y0, (batch, len(STATES))).T


def _batch_first(ys: Float[Array, "time 6 *batch"], batch: int | None) -> Float[Array, "*batch time 6"]:
    return ys if batch is None else jnp.moveaxis(ys, -1, 0)


def _saved_steps(plan: Plan, ts: Float[Array, " time"] | None) -> Float[Array, " time"]:
    """After how many steps each sample is saved."""
    if ts is not None:
        return ts + plan.steps
    return jnp.arange(plan.every, plan.steps + 1, plan.every, dtype=jnp.result_type(float))


def _where_stable(
    column: Column, y0: Float[Array, "6 *batch"], dt: Float[Array, ""], plan: Plan
) -> Float[Array, "6 *batch"]:
    """NaN for columns that are too fast for the step."""
    stable = jnp.broadcast_to(fastest_rates(column) * dt < plan.longest_stable, y0.shape)
    return jnp.where(stable, y0, jnp.nan)


def _bounded_where_long(
    column: Column,
    y0: Float[Array, "6 *batch"],
    ys: Float[Array, "*batch time 6"],
    dt: Float[Array, ""],
    saved: Float[Array, " time"],
    plan: Plan,
) -> Float[Array, "*batch time 6"]:
    """The same within bounds, if there is a column whose step is longer than needs no check."""
    # Not batched, so that nothing is computed where every column has short steps, under `jax.vmap` as well.
    long = unvmap_any(fastest_rates(column) * dt > plan.longest_unchecked)
    bounded = partial(_within_bounds, elapsed=dt * saved)
    if plan.batch is not None:
        bounded = jax.vmap(bounded, in_axes=(column.axes, -1, 0))
    return jax.lax.cond(long, lambda ys: bounded(column, y0, ys), lambda ys: ys, ys)


def _within_bounds(
    column: Column, y0: Float[Array, "6"], ys: Float[Array, "time 6"], *, elapsed: Float[Array, " time"]
) -> Float[Array, "time 6"]:
    """NaN from the first time on at which a potential is where it cannot be."""
    outside = out_of_bounds(column, y0, ys[:, :3], elapsed)
    first = jnp.where(jnp.any(outside, axis=0), jnp.argmax(outside, axis=0), len(ys))
    failed = jax.vmap(lambda number: number >= first)(jnp.arange(len(ys)))
    return jnp.where(jnp.broadcast_to(jnp.expand_dims(failed, 1), ys.shape), jnp.nan, ys)


def _random_axes(random: RandomInput | None) -> RandomInput | None:
    """Where the batch axis of a random input is."""
    axes = batch_axes(random)
    return axes if random is None or random.table is None else eqx.tree_at(lambda axes: axes.table, axes, -1)


def _solved(ys: Float[Array, "*batch time 6"], result: diffrax.RESULTS, plan: Plan) -> Solved:
    """With what a column's last saved state adds: in these equations a value once not finite never is so again."""

    def checked(result, last):
        failed = (result == diffrax.RESULTS.successful) & ~jnp.all(jnp.isfinite(last))
        return diffrax.RESULTS.where(failed, diffrax.RESULTS.nonfinite, result)  # pyright: ignore[reportArgumentType]

    if plan.batch is None:
        result = checked(result, ys[-1])
    else:
        results = jax.tree.map(lambda code: jnp.broadcast_to(code, (plan.batch,)), result)
        result = jax.vmap(checked)(results, ys[:, -1])
    return Solved(ys[..., -plan.kept :, :], result, result != diffrax.RESULTS.successful)
