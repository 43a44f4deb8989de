"""The column as a Diffrax term, in a time that counts steps up to the end.

Inside the integrator time runs from minus the number of steps to zero, in units of `dt`. So every step of a fixed-step
solve begins and ends on a whole number, which a float holds exactly, where seconds in float32 drift by a whole noise
hold within minutes; and the end is zero, because Diffrax merges all steps that lie within 100 ulps of it.
"""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Real

from .column import Column
from .equations import Coefficients, derivative, external_input_direction
from .inputs import AbstractExternalInput
from .noise import NoiseStream
from .quantities import batch_axes


class Clock(eqx.Module):
    """Seconds from the integrator's time."""

    t0: Float[Array, ""]
    dt: Float[Array, ""]
    steps: int = eqx.field(static=True)

    def seconds(self, t: Real[Array, ""]) -> Float[Array, ""]:
        """The time in seconds when the integrator's is `t`, from `-steps` to 0."""
        return self.t0 + self.dt * (t + self.steps)


class RandomInput(eqx.Module):
    """Where the random part of the external input is to be looked up, over a simulation or a block of one."""

    stream: NoiseStream
    first_step: Int[ArrayLike, ""]
    """The integrator's first step, counted from t = 0."""
    first_hold: Int[ArrayLike, ""]
    """The hold in which the integrator starts, counted from t = 0."""
    origin: Float[ArrayLike, ""]
    """Steps from the start of that hold to the integrator's time 0."""
    steps_per_hold: float = eqx.field(static=True)
    table: Float[Array, "holds *batch"] | None = None
    """The held values from `first_hold` on, where each depends on the one before."""

    def hold(self, t0: Real[ArrayLike, ""], t1: Real[ArrayLike, ""]) -> Int[Array, ""]:
        """The hold that a step lies in, counted from `first_hold`: the one that holds the step's middle."""
        return jnp.floor((jnp.add(t0, t1) / 2 + self.origin) / self.steps_per_hold).astype(jnp.int32)


class ColumnTerm(diffrax.AbstractTerm):
    """One column as a system of shape `(6,)`, or a batch of columns as one system of shape `(6, batch)`.

    The smooth part of the external input enters through the vector field. The random part is a control, whose
    integral over a step is known exactly: so each stage of a step sees one and the same value, even the stage
    that sits on the boundary to the next hold, and a solver may reuse its last stage (FSAL).
    """

    input: AbstractExternalInput
    random: RandomInput | None
    clock: Clock
    batch: int | None = eqx.field(static=True)
    _constants: Coefficients | Float[Array, " coefficient"]

    def __init__(self, column: Column, random: RandomInput | None, clock: Clock, batch: int | None):
        """See the class."""
        constants = Coefficients.from_parameters(column.parameters)
        # Read by index from one vector, the constants of a single column keep the body of the loop below the
        # size (1 kB) up to which XLA compiles a loop on a CPU into one function: 8 times faster.
        self._constants = jnp.stack(constants) if batch is None else constants
        self.input = column.input
        self.random = random
        self.clock = clock
        self.batch = batch

    @property
    def coefficients(self) -> Coefficients:
        """The constants of the equations, by name."""
        constants = self._constants
        return (
            constants
            if isinstance(constants, Coefficients)
            else Coefficients(*(constants[i] for i in range(len(Coefficients._fields))))
        )

    def vf(self, t, y, args):
        """The derivative without the random input, and the direction of the latter."""
        del args
        direction = self._over_columns(external_input_direction, (batch_axes(self.coefficients),))
        return self._derivative(t, y, 0.0), direction(self.coefficients)

    def contr(self, t0, t1, **kwargs):
        """The length of a step in seconds, and the mean of the random input over it."""
        del kwargs
        duration, mean, white = self.duration(t0, t1), self.held(t0, t1), self.white_pair(t0)
        if white is not None:
            mean = mean + white[0] / jnp.sqrt(duration)
        # Without the barrier XLA works out the random numbers anew in each of several kernels.
        return duration, mean if self.random is None else jax.lax.optimization_barrier(mean)

    def prod(self, vf, control):
        """The increment of the state over a step."""
        (slope, direction), (duration, mean) = vf, control
        return duration * slope + jnp.broadcast_to(duration * mean, direction.shape) * direction

    def vf_prod(self, t, y, args, control):
        """The same in one go, as most solvers ask for it."""
        del args
        duration, mean = control
        return duration * self._derivative(t, y, mean)

    def duration(self, t0: Real[ArrayLike, ""], t1: Real[ArrayLike, ""]) -> Float[Array, ""]:
        """The length of a step in seconds."""
        return jnp.subtract(t1, t0) * self.clock.dt

    def held(self, t0: Real[ArrayLike, ""], t1: Real[ArrayLike, ""]) -> Float[Array, "*batch"] | float:
        """The random value held over a step, 1/s."""
        random = self.random
        if random is None or self.input.hold is None:
            return 0.0
        hold = random.hold(t0, t1)
        if random.table is not None:
            return random.table[hold]

        def held_by_one(input, stream):
            return input.held(random.first_hold + hold, stream)

        axes = (batch_axes(self.input), batch_axes(random.stream))
        return self._over_columns(held_by_one, axes)(self.input, random.stream)

    def rate(self, t: Real[Array, ""]) -> Float[Array, "*batch"]:
        """The smooth part of the external input, 1/s."""
        return self._over_columns(lambda input: input.rate(self.clock.seconds(t)), (batch_axes(self.input),))(
            self.input
        )

    def white_pair(self, t0: Real[ArrayLike, ""]) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]] | None:
        """The intensity of the white noise times two standard normal numbers for the step from `t0` on; s^-1/2."""
        if self.random is None or self.input.white is None:
            return None
        step = jnp.add(self.random.first_step, jnp.round(jnp.add(t0, self.clock.steps)).astype(jnp.int32))
        # An input may hold values as well, which are not to be made of the same bits.
        stream = NoiseStream(self.random.stream.second, self.random.stream.first)
        first, second = stream.normal_pair(step)
        return self.input.white * first, self.input.white * second

    def _derivative(self, t, y, random):
        def of_one(y, random, coefficients, input):
            return derivative(y, input.rate(self.clock.seconds(t)) + random, coefficients)

        axes = (-1, 0 if jnp.ndim(random) else None, batch_axes(self.coefficients), batch_axes(self.input))
        return self._over_columns(of_one, axes)(y, random, self.coefficients, self.input)

    def _over_columns(self, function, axes):
        if self.batch is None:
            return function
        return jax.vmap(function, in_axes=axes, out_axes=-1, axis_size=self.batch)
