"""Integration of a column, or of a batch of columns."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equinox.internal import unvmap_any
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._checks import (
    Progress,
    as_float,
    as_number,
    as_numbers,
    as_positive,
    check_count,
    check_finite,
    check_flag,
    check_memory,
    check_progress,
    check_type,
    is_concrete,
)
from .bounds import longest_bounded, out_of_bounds
from .column import Column
from .fixed_steps import Steps, by_diffrax, by_kernel, random_input
from .integrate import Holds, aligned_holds, solve_adaptive, solve_fixed
from .kernel import MOST_COLUMNS, takes
from .pieces import in_pieces
from .quantities import batch_axes
from .solvers import RK4
from .states import STATES
from .step_size import check_step, count_steps, fastest_rates, longest_stable
from .terms import Clock, ColumnTerm, RandomInput
from .trajectories import Trajectories


def simulate(
    column: Column,
    *,
    t1: float,
    dt: float,
    t0: float = 0.0,
    y0: ArrayLike | Sequence[float | int] | Sequence[Sequence[float | int]] | None = None,
    solver: diffrax.AbstractSolver | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    saveat: diffrax.SaveAt | None = None,
    burn_in: float = 0.0,
    batch: int | None = None,
    key: PRNGKeyArray | None = None,
    throw: bool = True,
    adjoint: diffrax.AbstractAdjoint | None = None,
    progress: Progress | None = None,
) -> Trajectories:
    """Integrate one Jansen-Rit column, or a batch of columns.

    With a fixed step (the default) a batch is one system that shares nothing but the clock: one `diffeqsolve` of
    Diffrax over a vmapped vector field. With tolerances each column has its own step sizes, so that a trajectory is
    the same whatever its neighbours do. Where nothing is traced, `RK4`, `StrangSplitting`, `FixedStepHeun` and
    `diffrax.Euler` take their fixed steps in one compiled loop, up to 512 columns: faster, and other by rounding.

    The noise of a trajectory depends on `key`, on its index in the batch and on time; not on the batch size,
    the duration, the solver or the step. A run can be carried on: `simulate(..., t0=t1, y0=ys[-1], key=key)`.

    Everything is differentiable: parameters, input and `y0`, backward or forward, under `jax.vmap` too. On a limit
    cycle without noise, mind the length: what a parameter changes in the period adds up, so that the sensitivity of
    the state at time t grows with t, and the squared difference of two long trajectories is full of local minima.
    The residuals in `jrae_jax.inference` do not suffer from that.

    **Arguments:**

    - `column`: every array leaf has shape `()`, or `(batch,)`.
    - `t0`, `t1`, `dt`: start, end and step, seconds; the duration is a whole number of steps. With
        tolerances, `dt` is the first step tried and the grid on which `SaveAt(steps=n)` saves.
    - `y0`: state at `t0`, mV and mV/s, shape `(6,)` or `(batch, 6)`; all zero if `None`.
    - `solver`: any Diffrax solver; `RK4()` if `None`.
    - `rtol`, `atol`: tolerances (mV, mV/s) of an adaptive solver such as `diffrax.Tsit5()`, `diffrax.Dopri8()` or, for
        stiff parameters, `diffrax.Kvaerno5()` (below 1e-4 in float64 only); both or neither. No step crosses a jump of
        held noise.
    - `saveat`: `diffrax.SaveAt(steps=n)` saves after every n-th `dt` (`steps=1` if `None`);
        `SaveAt(t1=True)` saves the end; `SaveAt(ts=...)` saves at any times, by the solver's interpolation.
    - `burn_in`: seconds from `t0` on, of which nothing is saved.
    - `batch`: how many columns; needed only when no leaf and no `y0` has a batch axis.
    - `key`: needed when the input is random.
    - `throw`: raise if a trajectory fails; if `False` it carries its failure in `result`, and its neighbours are
        untouched.
    - `adjoint`: how it is differentiated: backward if `None`, as by `jax.grad`, with the memory of recursive
        checkpointing; `diffrax.ForwardMode()` for `jax.jvp` and `jax.jacfwd`, which take less for few parameters. With
        any given it is Diffrax that integrates.
    - `progress`: called with the steps done and how many there are, where it takes long: it is then simulated piece by
        piece, to the same numbers. Not with tolerances, at given times or without `throw`.

    **Returns:** `Trajectories`, with `ys` of shape `(time, 6)`, or `(batch, time, 6)`.

    A trajectory also fails that leaves the range in which its potentials can be and, with a fixed step, whose column
    has a synapse that is too fast for the step (if `throw` is false; else that is refused): a step that is too long
    makes numbers that are finite and wrong. Its states are NaN from the first saved one on that is out of range.

    **Raises:** `ValueError` for arguments that do not fit together, and a step for which the solver is not stable;
        `RuntimeError` for a trajectory that fails.

    **Warns:** `LongStepWarning` for a step longer than any whose accuracy was measured; see `suggest_dt`.
    """
    check_type(Column, column=column)
    check_flag(throw=throw)
    check_progress(progress)
    t0, t1, dt, burn_in = (
        as_number(name, value) for name, value in {"t0": t0, "t1": t1, "dt": dt, "burn_in": burn_in}.items()
    )
    steps = count_steps(t0, t1, dt, burn_in)
    solver = RK4() if solver is None else solver
    check_type(diffrax.AbstractSolver, solver=solver)
    tolerances = _checked_tolerances(solver, rtol, atol)
    batch = resolved_batch(column, y0, batch)
    state = as_float(np.zeros(len(STATES)) if y0 is None else y0, "y0")
    holds = aligned_holds(column.input, t0, dt, steps, key, batch, fixed_step=tolerances is None)
    every, ts = _save_times(saveat, t0, dt, steps, burn_in)
    if batch is not None:
        size = 2 * batch * len(ts) * state.dtype.itemsize * len(STATES)  # twice, as their axes are put in order
        check_memory(f"trajectories of {len(ts):,} saved samples", size, batch=batch)
    if adjoint is not None:
        check_type(diffrax.AbstractAdjoint, adjoint=adjoint)
    if progress is not None and every and tolerances is None and throw:
        first = round((ts[0] - t0) / dt)
        own = {"dt": dt, "solver": solver, "saveat": diffrax.SaveAt(steps=every)}
        own |= {"batch": batch, "key": key, "adjoint": adjoint}

        def piece(start, end, there):
            return simulate(column, t0=t0 + start * dt, t1=t0 + end * dt, y0=state if there is None else there, **own)

        last, columns = first + every * (len(ts) - 1), batch or 1
        return in_pieces(
            piece,
            every=every,
            first=first,
            last=last,
            t0=float(ts[0]),
            dt=float(dt),
            columns=columns,
            progress=progress,
        )
    if tolerances is None:
        check_step(column, dt, solver, each=throw, stacklevel=3)
    kernel = bool(every) and tolerances is None and adjoint is None and takes(column.input, solver)
    kernel = kernel and (batch or 1) <= MOST_COLUMNS
    plan = _Plan(
        every,
        len(ts),
        kernel and _is_outermost(column, state, key),
        batch,
        longest_stable(solver),
        _longest_unchecked(column, dt, solver),
    )
    differentiable = diffrax.RecursiveCheckpointAdjoint() if adjoint is None else adjoint
    try:
        ys, result = _integrate(
            column,
            _columns_last(state, batch),
            Clock(as_float(t0), as_float(dt), steps),
            holds,
            plan,
            None if every else as_float(np.clip((ts - t0) / dt - steps, -steps, 0)),
            solver,
            tolerances,
            key,
            differentiable,
        )
    except TypeError as error:
        if "forward-mode autodiff" not in str(error):
            raise
        raise ValueError(
            "`adjoint` must be diffrax.ForwardMode() for jax.jvp and jax.jacfwd, got "
            f"{type(differentiable).__name__}(), which is for jax.grad"
        ) from error
    saved: dict[str, Any] = {"every": every, "t0": float(ts[0])} if every else {"times": tuple(ts.tolist())}
    trajectories = Trajectories(ys, result, dt=float(dt), **saved)
    return _raise_failures(trajectories) if throw else trajectories


class _Plan(eqx.Module):
    """The sizes of a simulation, which the compiled program is made for."""

    every: int = eqx.field(static=True)
    """Save after every so many steps; 0: at given times."""
    kept: int = eqx.field(static=True)
    """How many of them, the last, are not of the burn-in."""
    by_kernel: bool = eqx.field(static=True)
    batch: int | None = eqx.field(static=True)
    longest_stable: float = eqx.field(static=True)
    """The longest step with which a column is simulated, in time constants of its faster synapse."""
    longest_unchecked: float = eqx.field(static=True)
    """The longest with which its states are not checked; infinite where it is known that none need be."""


def _is_outermost(*given: Any) -> bool:
    """Whether a program made of these is one of its own, and not a part of one that is being traced."""
    return all(map(is_concrete, (jnp.zeros(()), *jax.tree.leaves(given))))


def _longest_unchecked(column: Column, dt: float, solver: diffrax.AbstractSolver) -> float:
    rates, longest = fastest_rates(column), longest_bounded(solver)
    return math.inf if is_concrete(rates) and float(np.max(rates)) * dt <= longest else longest


def _checked_tolerances(
    solver: diffrax.AbstractSolver, rtol: float | None, atol: float | None
) -> tuple[float, float] | None:
    if rtol is None and atol is None:
        if isinstance(solver, diffrax.AbstractImplicitSolver):
            raise ValueError(f"`rtol` and `atol` must be given for the implicit {type(solver).__name__}(), got none")
        return None
    if rtol is None or atol is None:
        raise ValueError(f"`rtol` and `atol` go together, got rtol={rtol} and atol={atol}")
    rtol, atol = as_positive("rtol", rtol), as_positive("atol", atol)
    if not isinstance(solver, diffrax.AbstractAdaptiveSolver):
        raise ValueError(
            f"`solver` must estimate its error to be used with tolerances, got {type(solver).__name__}(): "
            "take diffrax.Tsit5(), Dopri8() or Kvaerno5()"
        )
    return rtol, atol


def resolved_batch(column: Column, y0: Any, batch: int | None) -> int | None:
    """How many columns there are; `None` for a single one.

    **Raises:** `ValueError` for a `y0` of another shape or that is not finite, or numbers that differ.
    """
    sizes = {"batch": batch, "column": column.batch}
    if y0 is not None:
        check_finite(y0=y0)
        shape = np.shape(y0)
        if not shape or shape[-1] != len(STATES) or len(shape) > 2:
            raise ValueError(f"`y0` must have shape (6,) or (batch, 6), got {shape}")
        sizes["y0"] = shape[0] if len(shape) == 2 else None
    if batch is not None:
        check_count(1, batch=batch)
    known = {name: size for name, size in sizes.items() if size is not None}
    if len(set(known.values())) > 1:
        came = ", ".join(f"{size} from `{name}`" for name, size in known.items())
        raise ValueError(f"`batch` must be the same everywhere, got {came}")
    batch = next(iter(known.values()), None)
    if batch is not None:
        check_count(1, batch=batch)
    return batch


def _save_times(
    saveat: diffrax.SaveAt | None, t0: float, dt: float, steps: int, burn_in: float
) -> tuple[int, np.ndarray]:
    """Every how many steps to save (0: at given times), and the times in seconds, in double precision."""
    saveat = diffrax.SaveAt(steps=1) if saveat is None else saveat
    check_type(diffrax.SaveAt, saveat=saveat)
    sub = saveat.subs
    more = saveat.dense or saveat.solver_state or saveat.controller_state or saveat.made_jump
    if (
        not isinstance(sub, diffrax.SubSaveAt)
        or sum([bool(sub.steps), sub.t1, sub.ts is not None]) != 1
        or (more or sub.t0 or sub.fn is not diffrax.SubSaveAt(t1=True).fn)
    ):
        raise ValueError("`saveat` must be SaveAt(steps=n), SaveAt(t1=True) or SaveAt(ts=...), one of them, no more")
    first = t0 + burn_in
    if sub.ts is not None:
        if not is_concrete(sub.ts):
            raise ValueError("`saveat` must have times that are known before tracing, got traced ones")
        ts = as_numbers("saveat", sub.ts).astype(float)
        if ts.ndim != 1:
            raise ValueError(f"`saveat` must have a row of times, got shape {ts.shape}")
        end = t0 + steps * dt
        if np.any(np.diff(ts) <= 0) or not (first - 1e-6 <= ts[0] and ts[-1] <= end * (1 + 1e-6)):
            raise ValueError(
                f"`saveat` must have increasing times from {first} to {end} s, got {ts[0]:.6g} to {ts[-1]:.6g} s"
            )
        return 0, np.clip(ts, t0, end)
    every = steps if sub.t1 else sub.steps
    check_count(1, **{"saveat.steps": every})
    ts = t0 + dt * np.arange(every, steps + 1, every)
    ts = ts[ts > first + 1e-6 * dt] if burn_in else ts
    if not len(ts):
        raise ValueError(f"`saveat` saves nothing: every {every} steps of {steps}, after {burn_in} s of burn-in")
    return every, ts


def _columns_last(y0: Float[Array, "*given 6"], batch: int | None) -> Float[Array, "6 *batch"]:
    if batch is None:
        return y0
    return jnp.broadcast_to(y0, (batch, len(STATES))).T


@eqx.filter_jit
def _integrate(
    column: Column,
    y0: Float[Array, "6 *batch"],
    clock: Clock,
    holds: Holds | None,
    plan: _Plan,
    ts: Float[Array, " time"] | None,
    solver: diffrax.AbstractSolver,
    tolerances: tuple[float, float] | None,
    key: PRNGKeyArray | None,
    adjoint: diffrax.AbstractAdjoint,
) -> tuple[Float[Array, "*batch time 6"], diffrax.RESULTS]:
    if tolerances is None:
        in_time_constants = fastest_rates(column) * clock.dt
        stable = jnp.broadcast_to(in_time_constants < plan.longest_stable, y0.shape)
        y0 = jnp.where(stable, y0, jnp.nan)
        result = diffrax.RESULTS.successful
        if plan.every:
            steps = Steps(clock, holds, key, solver, adjoint, plan.batch, plan.every)
            ys = (by_kernel if plan.by_kernel else by_diffrax)(column, y0, steps)
        else:
            random = random_input(column.input, clock.steps, holds, plan.batch, key)
            terms = ColumnTerm(column, random, clock, plan.batch)
            ys, result = solve_fixed(terms, solver, y0, diffrax.SaveAt(ts=ts), adjoint)
            ys = ys if plan.batch is None else jnp.moveaxis(ys, -1, 0)
        if plan.longest_unchecked < math.inf:
            saved = (
                jnp.arange(plan.every, clock.steps + 1, plan.every, dtype=y0.dtype) if ts is None else ts + clock.steps
            )
            # Not batched, so that nothing is computed where every column has short steps, under `jax.vmap` as well.
            long = unvmap_any(in_time_constants > plan.longest_unchecked)
            bounded = partial(_within_bounds, elapsed=clock.dt * saved)
            if plan.batch is not None:
                bounded = jax.vmap(bounded, in_axes=(column.axes, -1, 0))
            ys = jax.lax.cond(long, lambda ys: bounded(column, y0, ys), lambda ys: ys, ys)
    else:
        steps, random = clock.steps, random_input(column.input, clock.steps, holds, plan.batch, key)
        elapsed_steps = jnp.arange(plan.every, steps + 1, plan.every, dtype=y0.dtype) if ts is None else ts + steps

        def solve(column, y0, random):
            terms = ColumnTerm(column, random, clock, None)
            ys, result = solve_adaptive(
                terms, solver, y0, diffrax.SaveAt(ts=elapsed_steps - steps), tolerances, holds, adjoint
            )
            return _within_bounds(column, y0, ys, elapsed=clock.dt * elapsed_steps), result

        if plan.batch is not None:
            solve = jax.vmap(solve, in_axes=(column.axes, -1, _random_axes(random)))
        ys, result = solve(column, y0, random)
    return ys[..., -plan.kept :, :], _with_nonfinite(result, ys, plan)


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


def _with_nonfinite(result: diffrax.RESULTS, ys: Float[Array, "*batch time 6"], plan: _Plan) -> diffrax.RESULTS:
    """What a column's last saved state adds: in these equations a value once not finite never is so again."""

    def checked(result, last):
        failed = (result == diffrax.RESULTS.successful) & ~jnp.all(jnp.isfinite(last))
        return diffrax.RESULTS.where(failed, diffrax.RESULTS.nonfinite, result)  # pyright: ignore[reportArgumentType]

    if plan.batch is None:
        return checked(result, ys[-1])
    results = jax.tree.map(lambda code: jnp.broadcast_to(code, (plan.batch,)), result)
    return jax.vmap(checked)(results, ys[:, -1])


def _raise_failures(trajectories: Trajectories) -> Trajectories:
    failed = trajectories.result != diffrax.RESULTS.successful
    remedy = "take a smaller `dt` or larger tolerances, or `throw=False` to get every trajectory with its `result`"
    if not is_concrete(failed):
        return eqx.error_if(trajectories, failed, f"`simulate`: a trajectory failed; {remedy}")
    columns = np.flatnonzero(failed)
    if len(columns):
        codes = jax.tree.map(jnp.atleast_1d, trajectories.result)
        result = jax.tree.map(lambda codes: codes[columns[0]], codes)
        reason = diffrax.RESULTS[result]
        if result == diffrax.RESULTS.nonfinite:
            ys = np.asarray(trajectories.ys).reshape(-1, *trajectories.ys.shape[-2:])[columns[0]]
            time = trajectories.ts[np.argmin(np.isfinite(ys).all(axis=-1))]
            reason = f"it had left the range that a column can reach by {time:g} s"
        raise RuntimeError(
            f"`simulate`: {len(columns)} of {np.size(failed)} trajectories failed, the first is "
            f"{columns[0]} ({reason}); {remedy}"
        )
    return trajectories
