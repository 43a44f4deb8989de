"""Integration of a column, or of a batch of columns."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, PRNGKeyArray

from .._checks import (
    Progress,
    as_float,
    as_number,
    check_flag,
    check_memory,
    check_progress,
    check_type,
    is_concrete,
)
from .arguments import checked_tolerances, resolved_batch, saved_samples
from .bounds import longest_bounded
from .column import Column
from .integrate import aligned_holds
from .kernel import takes
from .pieces import in_pieces
from .programs import Plan, by_diffrax
from .solvers import RK4
from .states import STATES
from .step_size import check_step, count_steps, fastest_rates, longest_stable
from .terms import Clock
from .tiles import on_all_cores
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
    `diffrax.Euler` take their fixed steps in one compiled loop, large batches on all cores: faster, and other by
    rounding.

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
    t0, t1, dt, burn_in = map(as_number, ("t0", "t1", "dt", "burn_in"), (t0, t1, dt, burn_in))
    steps = count_steps(t0, t1, dt, burn_in)
    solver = RK4() if solver is None else solver
    check_type(diffrax.AbstractSolver, solver=solver)
    tolerances = checked_tolerances(solver, rtol, atol)
    batch = resolved_batch(column, y0, batch)
    start = np.zeros(len(STATES)) if y0 is None else as_float(y0, "y0")
    holds = aligned_holds(column.input, t0, dt, steps, key, batch, fixed_step=tolerances is None)
    every, ts = saved_samples(saveat, t0, dt, steps, burn_in)
    if batch is not None:
        size = 2 * batch * len(ts) * jnp.result_type(float).itemsize * len(STATES)  # twice, as they may be copied
        check_memory(f"trajectories of {len(ts):,} saved samples", size, batch=batch)
    check_type(diffrax.AbstractAdjoint, adjoint=_BACKWARD if adjoint is None else adjoint)
    if progress is not None and every and tolerances is None and throw:

        def piece(begin, end, there):
            times = {"t0": t0 + begin * dt, "t1": t0 + end * dt, "dt": dt, "saveat": diffrax.SaveAt(steps=every)}
            own = {"y0": start if there is None else there, "solver": solver, "batch": batch, "adjoint": adjoint}
            return simulate(column, key=key, **times, **own)

        first, last = (round((time - t0) / dt) for time in (ts[0], ts[-1]))
        saved = {"every": every, "first": first, "last": last, "t0": float(ts[0]), "dt": dt}
        return in_pieces(piece, **saved, columns=batch or 1, progress=progress)
    if tolerances is None:
        check_step(column, dt, solver, each=throw, stacklevel=3)
    limits = longest_stable(solver), _longest_unchecked(column, dt, solver)
    plan = Plan(type(solver), steps, every, len(ts), batch, *limits)
    fixed = bool(every) and tolerances is None and adjoint is None and takes(column.input, solver)
    if fixed and _is_outermost(column, start, key):
        solved = on_all_cores(column, start, t0, dt, holds, key, plan)
    else:
        start, clock = jnp.asarray(start), Clock(as_float(t0), as_float(dt), steps)
        before_end = None if every else as_float(np.clip((ts - t0) / dt - steps, -steps, 0))
        adjoint = _BACKWARD if adjoint is None else adjoint
        with _explained(adjoint):
            solved = by_diffrax(column, start, clock, holds, key, before_end, solver, tolerances, adjoint, plan=plan)
    saved: dict[str, Any] = {"every": every, "t0": float(ts[0])} if every else {"times": tuple(ts.tolist())}
    trajectories = Trajectories(solved.ys, solved.result, dt=dt, **saved)
    return _raise_failures(trajectories, solved.failed) if throw else trajectories


def _longest_unchecked(column: Column, dt: float, solver: diffrax.AbstractSolver) -> float:
    rates, longest = fastest_rates(column), longest_bounded(solver)
    return math.inf if is_concrete(rates) and float(np.max(rates)) * dt <= longest else longest


_BACKWARD = diffrax.RecursiveCheckpointAdjoint()
_probe = jax.jit(lambda x: x)


def _is_outermost(*given: Any) -> bool:
    """Whether a program made of these is one of its own, and not a part of one that is being traced."""
    return all(map(is_concrete, (_probe(0.0), *jax.tree.leaves(given))))


@contextlib.contextmanager
def _explained(adjoint: diffrax.AbstractAdjoint) -> Iterator[None]:
    """With the remedy for an adjoint that is of no use for derivatives forward."""
    try:
        yield
    except TypeError as error:
        if "forward-mode autodiff" not in str(error):
            raise
        raise ValueError(
            "`adjoint` must be diffrax.ForwardMode() for jax.jvp and jax.jacfwd, got "
            f"{type(adjoint).__name__}(), which is for jax.grad"
        ) from error


def _raise_failures(trajectories: Trajectories, failed: Bool[Array, "*batch"]) -> Trajectories:
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
