"""One `diffeqsolve`: over a batch with a fixed step, or over one column with tolerances."""

import math
from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, PRNGKeyArray

from .._checks import is_whole
from .inputs import AbstractExternalInput
from .noise import NoiseStream, checked_key, noise_stream
from .quantities import batch_axes
from .step_size import steps_per_hold
from .terms import ColumnTerm, RandomInput

_LONGEST_ADAPTIVE_STEP = 0.02  # s; the synapses' slowest standard time constant, so that no pulse is stepped over
_BACKWARD = diffrax.RecursiveCheckpointAdjoint()
_MOST_COUNTED = 2**31 - 1  # steps from t = 0 on, an int32
_ADAPTIVE_STEPS_PER_DT, _FEWEST_ADAPTIVE_STEPS = 256, 4096


class Holds(eqx.Module):
    """How the steps of a simulation, or of a block of one, and the holds of its random input are aligned."""

    first_step: Int[ArrayLike, ""]
    """The first step, counted from t = 0."""
    first: Int[ArrayLike, ""]
    """The hold in which it begins, counted from t = 0."""
    offset: Float[ArrayLike, ""]
    """Steps from the start of that hold to the first step."""
    steps_per_hold: float = eqx.field(static=True)
    count: int = eqx.field(static=True)
    """How many holds it touches."""
    carried_on: bool = eqx.field(static=True, default=True)
    """Whether there are holds before the first."""

    def random_input(self, stream: NoiseStream, steps: int, table: Float[Array, "holds *batch"] | None) -> RandomInput:
        """The random input over `steps` steps."""
        return RandomInput(stream, self.first_step, self.first, self.offset + steps, self.steps_per_hold, table)


def aligned_holds(
    input: AbstractExternalInput,
    t0: float,
    dt: float,
    steps: int,
    key: PRNGKeyArray | None,
    batch: int | None,
    *,
    fixed_step: bool,
) -> Holds | None:
    """How steps from `t0` on and the holds of a random input are aligned; `None` for an input that is not random.

    **Raises:** `ValueError` for times that do not go with the input.
    """
    if not input.random:
        return None
    kind = type(input).__name__
    checked_key(kind, key)
    if input.white is not None and not fixed_step:
        raise ValueError(f"`rtol` and `atol` are not for white noise, which has no smooth path, got a {kind}")
    ratio, start = (input.hold or dt) / dt, t0 / dt
    if fixed_step:
        if t0 < 0 or not is_whole(start):
            raise ValueError(f"`t0` must be a whole number of `dt` = {dt} s for a {kind}, got {t0} s")
        ratio, start = float(steps_per_hold(input, dt)), float(round(start))
    elif t0 < 0:
        raise ValueError(f"`t0` must not be negative for a {kind}, got {t0} s")
    if start + steps > _MOST_COUNTED:
        raise ValueError(
            f"`t1` must be at most {_MOST_COUNTED * dt:.6g} s for a {kind}, whose values are counted from t = 0 by a "
            f"32-bit number of `dt` = {dt:g} s, got {t0 + steps * dt:.6g} s"
        )
    first = math.floor(start / ratio * (1 + 1e-12))
    count = math.ceil((start + steps) / ratio * (1 - 1e-12)) - first
    first_step, offset = round(start), start - first * ratio
    # The start is data, so that a run is carried on by the same program; but the alignment of steps and holds, which is
    # mostly the same, is a constant for a single column, whose loop is to touch little: see `ColumnTerm`.
    starts = np.int32(first_step), np.int32(first)
    carried_on = first > 0 and input.memory is not None
    return Holds(
        *starts, offset if batch is None else np.asarray(offset, jnp.result_type(float)), ratio, count, carried_on
    )


def random_input(
    input: AbstractExternalInput, steps: int, holds: Holds | None, batch: int | None, key: PRNGKeyArray | None
) -> RandomInput | None:
    """The random part of the input over a whole simulation; `None` if there is none."""
    if holds is None or key is None:
        return None
    stream = streams(key, batch)
    table = None
    if input.memory is not None:
        table = held_with_memory(input, stream, holds, batch)
    elif input.hold is not None and batch is None:
        # Looked up and not made in the loop, the values of a single column keep its body below the size up to which
        # XLA compiles a loop on a CPU into one function; see `ColumnTerm`.
        table = jax.vmap(lambda index: input.held(index, stream))(
            holds.first + jnp.arange(holds.count, dtype=jnp.int32)
        )
    return holds.random_input(stream, steps, table)


def streams(key: PRNGKeyArray, batch: int | None, first: Int[Array, ""] | int = 0) -> NoiseStream:
    """Of the trajectories from the first on."""
    return noise_stream(key, first if batch is None else first + jnp.arange(batch, dtype=jnp.int32))


def held_with_memory(
    input: AbstractExternalInput, stream: NoiseStream, holds: Holds, batch: int | None
) -> Float[Array, "holds *batch"]:
    """The held values of an input with memory over a whole simulation."""
    start = jnp.zeros(() if batch is None else batch, jnp.result_type(float))
    if holds.carried_on:
        start = jax.lax.fori_loop(0, holds.first, partial(_next_held, input, stream, batch), start)
    return next_held(input, stream, holds, batch, start)


def next_held(
    input: AbstractExternalInput,
    stream: NoiseStream,
    holds: Holds,
    batch: int | None,
    before: Float[Array, "*batch"],
) -> Float[Array, "holds *batch"]:
    """The same, given the value of the hold before."""

    def step(value, index):
        value = _next_held(input, stream, batch, index, value)
        return value, value

    return jax.lax.scan(step, before, holds.first + jnp.arange(holds.count, dtype=jnp.int32))[1]


def _next_held(input: AbstractExternalInput, stream: NoiseStream, batch: int | None, index: Array, before: Array):
    def following(input, stream, before):
        return input.memory * before + input.held(index, stream)

    if batch is not None:
        following = jax.vmap(following, (batch_axes(input), batch_axes(stream), 0))
    return following(input, stream, before)


def solve_fixed(
    terms: ColumnTerm,
    solver: diffrax.AbstractSolver,
    y0: Float[Array, "6 *batch"],
    saveat: diffrax.SaveAt,
    adjoint: diffrax.AbstractAdjoint = _BACKWARD,
) -> tuple[Any, diffrax.RESULTS]:
    """All the steps of `terms.clock`, one after the other; what is saved has the structure of `saveat`."""
    return _solve(terms, solver, y0, saveat, _WholeSteps(), adjoint, dt0=None, max_steps=terms.clock.steps)


class _WholeSteps(diffrax.AbstractStepSizeController[None, None]):
    """Steps of 1, which a float counts exactly.

    `diffrax.ConstantStepSize` divides the whole time anew at each step. `diffrax.StepTo` looks every step up, and
    checks its table by a callback to Python; JAX keeps no compiled program that has one.
    """

    def wrap(self, direction):
        """The same: time runs forward."""
        return self

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order):
        """The end of the first step."""
        return t0 + 1, None

    def adapt_step_size(self, t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state):
        """Every step is taken; the next one begins where it ends."""
        return True, t1, t1 + 1, False, None, diffrax.RESULTS.successful


def solve_adaptive(
    terms: ColumnTerm,
    solver: diffrax.AbstractSolver,
    y0: Float[Array, "6"],
    saveat: diffrax.SaveAt,
    tolerances: tuple[float, float],
    holds: Holds | None,
    adjoint: diffrax.AbstractAdjoint,
) -> tuple[Array, diffrax.RESULTS]:
    """Steps as long as the tolerances let them be, none across the end of a hold."""
    rtol, atol = tolerances
    controller = diffrax.PIDController(rtol=rtol, atol=atol, dtmax=_LONGEST_ADAPTIVE_STEP / terms.clock.dt)
    if holds is not None:
        # Steps to and not jumps: around a jump Diffrax leaves out some ulps of time, which in float32 add up, and a
        # solver may keep its last stage across one, as the held input is not in the vector field.
        ends = jnp.arange(1, holds.count, dtype=y0.dtype) * holds.steps_per_hold - holds.offset - terms.clock.steps
        controller = diffrax.ClipStepSizeController(controller, step_ts=ends)
    max_steps = max(_FEWEST_ADAPTIVE_STEPS, _ADAPTIVE_STEPS_PER_DT * terms.clock.steps)
    return _solve(terms, solver, y0, saveat, controller, adjoint, dt0=1.0, max_steps=max_steps)


def _solve(terms: ColumnTerm, solver, y0, saveat, controller, adjoint, *, dt0: float | None, max_steps: int):
    solution = diffrax.diffeqsolve(
        terms,
        solver,
        t0=-float(terms.clock.steps),
        t1=0.0,
        dt0=dt0,
        y0=y0,
        saveat=saveat,
        stepsize_controller=controller,
        max_steps=max_steps,
        adjoint=adjoint,
        throw=False,
    )
    assert solution.ys is not None
    return solution.ys, solution.result
