"""The column as a Diffrax term, in a time that counts steps up to the end.

Inside the integrator time runs from minus the number of steps to zero, in units of `dt`. So every step of a fixed-step
solve begins and ends on a whole number, which a float holds exactly, where seconds in float32 drift by a whole noise
hold within minutes; and the end is zero, because Diffrax merges all steps that lie within 100 ulps of it.
"""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

from .._model.external_input import AbstractExternalInput
from .._model.parameters import JansenRitParameters
from .._model.vector_field import coefficients, derivative, external_input_direction


class Clock(eqx.Module):
    """Seconds from the integrator's time."""

    t0: Float[Array, ""]
    dt: Float[Array, ""]
    steps: int = eqx.field(static=True)

    def seconds(self, t: Real[Array, ""]) -> Float[Array, ""]:
        """The time in seconds when the integrator's is `t`, from `-steps` to 0."""
        return self.t0 + self.dt * (t + self.steps)


class HeldInput(eqx.Module):
    """The drawn part of the external input over a simulation."""

    values: Float[Array, "holds *batch"]
    origin: float = eqx.field(static=True)
    """Steps from the start of the first hold to the integrator's time 0."""
    steps_per_hold: float = eqx.field(static=True)

    def over(self, t0: Real[ArrayLike, ""], t1: Real[ArrayLike, ""]) -> Float[Array, "*batch"]:
        """The value over a step from `t0` to `t1`, which lies within one hold: its middle says which."""
        hold = jnp.floor((jnp.add(t0, t1) / 2 + self.origin) / self.steps_per_hold)
        return self.values[hold.astype(jnp.int32)]


class ColumnTerm(diffrax.AbstractTerm):
    """One column as a system of shape `(6,)`, or a batch of columns as one system of shape `(6, batch)`.

    The smooth part of the external input enters through the vector field. The held part is a control, whose
    integral over a step is known exactly: so each stage of a step sees one and the same value, even the stage
    that sits on the boundary to the next hold, and a solver may reuse its last stage (FSAL).
    """

    coefficients: tuple[Array, ...] | Float[Array, " coefficients"]
    input: AbstractExternalInput
    held: HeldInput | None
    clock: Clock
    batch: int | None = eqx.field(static=True)

    def __init__(
        self,
        parameters: JansenRitParameters,
        input: AbstractExternalInput,
        held: HeldInput | None,
        clock: Clock,
        batch: int | None,
    ):
        """See the class."""
        constants = coefficients(parameters)
        # Read by index from one vector, the constants of a single column keep the body of the loop below the
        # size (1 kB) up to which XLA compiles a loop on a CPU into one function: 8 times faster.
        self.coefficients = jnp.stack(constants) if batch is None else constants
        self.input = input
        self.held = held
        self.clock = clock
        self.batch = batch

    def vf(self, t, y, args):
        """The derivative without the held input, and the direction of the latter."""
        del args
        direction = self._over_columns(external_input_direction, (batch_axes(self.coefficients),))
        return self._derivative(t, y, 0.0), direction(self.coefficients)

    def contr(self, t0, t1, **kwargs):
        """The length of a step in seconds, and the mean of the held input over it."""
        del kwargs
        duration = (t1 - t0) * self.clock.dt
        return duration, 0.0 if self.held is None else self.held.over(t0, t1)

    def prod(self, vf, control):
        """The increment of the state over a step."""
        (slope, direction), (duration, mean) = vf, control
        return duration * slope + jnp.broadcast_to(duration * mean, direction.shape) * direction

    def vf_prod(self, t, y, args, control):
        """The same in one go, as most solvers ask for it."""
        del args
        duration, mean = control
        return duration * self._derivative(t, y, mean)

    def _derivative(self, t, y, held):
        def of_column(y, held, coefficients, input):
            return derivative(y, input.rate(self.clock.seconds(t)) + held, coefficients)

        axes = (-1, 0 if jnp.ndim(held) else None, batch_axes(self.coefficients), batch_axes(self.input))
        return self._over_columns(of_column, axes)(y, held, self.coefficients, self.input)

    def _over_columns(self, function, axes):
        if self.batch is None:
            return function
        return jax.vmap(function, in_axes=axes, out_axes=-1, axis_size=self.batch)


def batch_axes(record: Any) -> Any:
    """For `jax.vmap`: 0 for the leaves of `record` that have a batch axis, `None` for those that have none."""
    return jax.tree.map(lambda leaf: 0 if jnp.ndim(leaf) else None, record)
