"""Fixed steps of one column or a batch: by the kernel, where it has the solver and the input, else by Diffrax."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .column import Column
from .inputs import AbstractExternalInput
from .integrate import Holds, held_with_memory, solve_fixed
from .kernel import Kernel
from .noise import NoiseStream, noise_stream
from .states import STATES
from .terms import Clock, ColumnTerm, RandomInput


class Steps(eqx.Module):
    """The steps of a simulation, what makes its noise, and what is saved."""

    clock: Clock
    holds: Holds | None
    key: PRNGKeyArray | None
    solver: diffrax.AbstractSolver
    adjoint: diffrax.AbstractAdjoint
    batch: int | None = eqx.field(static=True)
    every: int = eqx.field(static=True)
    """The states are saved after every so many steps."""


def by_diffrax(column: Column, y0: Float[Array, "6 *batch"], steps: Steps) -> Float[Array, "*batch time 6"]:
    """The states after every n-th step, differentiable in any way."""
    random = random_input(column.input, steps.clock.steps, steps.holds, steps.batch, steps.key)
    terms = ColumnTerm(column, random, steps.clock, steps.batch)
    ys, _ = solve_fixed(terms, steps.solver, y0, diffrax.SaveAt(steps=steps.every), steps.adjoint)
    return ys if steps.batch is None else jnp.moveaxis(ys, -1, 0)


def by_kernel(column: Column, y0: Float[Array, "6 *batch"], steps: Steps) -> Float[Array, "*batch time 6"]:
    """The same but for rounding, faster; only for a program of its own, as XLA may fail where it is part of another."""
    clock, holds, t0 = steps.clock, steps.holds, steps.clock.t0
    # None of what goes into the loop is a constant of the program: XLA fails on some that are.
    first_step = (0 * t0).astype(jnp.int32)
    stream, per_hold = NoiseStream(*[first_step.astype(jnp.uint32)] * 2), 1
    if holds is not None and steps.key is not None:
        stream = _stream(steps.key, steps.batch)
        # Random values are counted from t = 0.
        first_step, per_hold, t0 = jnp.asarray(holds.first_step), round(holds.steps_per_hold), jnp.zeros_like(t0)
    kernel = Kernel(column, steps.solver, stream, clock.dt, t0, per_hold)
    begun = kernel.start(y0, first_step)
    settings = {"steps": clock.steps, "every": steps.every, "channels": STATES}
    ys = kernel.advance(begun, first_step, (), add=lambda running, channel: running, **settings)[-1]
    return ys if steps.batch is None else jnp.moveaxis(ys, -1, 0)


def random_input(
    input: AbstractExternalInput, steps: int, holds: Holds | None, batch: int | None, key: PRNGKeyArray | None
) -> RandomInput | None:
    """The random part of the input over a whole simulation; `None` if there is none."""
    if holds is None or key is None:
        return None
    stream = _stream(key, batch)
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


def _stream(key: PRNGKeyArray, batch: int | None) -> NoiseStream:
    return noise_stream(key, 0 if batch is None else jnp.arange(batch))
