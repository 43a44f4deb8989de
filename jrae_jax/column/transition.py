"""A column over one step, for estimators that do not see its input: its mean, and the spread that the input adds."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_float
from .column import Column
from .equations import Coefficients
from .inputs import ConstantInput, InputStatistics
from .parameters import JansenRitParameters
from .quantities import described
from .solvers import RK4, LinearFlow
from .states import EXCITATORY_STATES, STATES
from .terms import Clock, ColumnTerm

# Of the largest value, per step. Without it the factors of covariances of states that the input does not reach are
# singular, and triangular solves divide by zero.
_LEAST_PROCESS_NOISE = 1e-7


class Transition(eqx.Module):
    """One step of a column: states in units of their largest values, then the logarithms of the unknowns' factors.

    **Arguments:**

    - `column`: one column.
    - `dt`: the step, s.
    - `unknown`: parameters, or `p`, the mean of the input, that are part of the state as constants.

    **Raises:** `ValueError` for an input that is no sequence of independent values over such steps.
    """

    parameters: JansenRitParameters
    input: InputStatistics
    dt: float = eqx.field(static=True)
    unknown: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, column: Column, dt: float, unknown: tuple[str, ...] = ()):
        """See the class."""
        self.parameters, self.input = column.parameters, column.input.statistics(dt)
        self.dt, self.unknown = float(dt), unknown

    def __repr__(self) -> str:
        return described(self)

    @property
    def scale(self) -> Float[Array, "6"]:
        """The largest value that each state can reach, mV and mV/s."""
        known = self.parameters
        excitatory, inhibitory = known.A / known.a, known.B / known.b
        y0 = 2 * known.e0 * excitatory
        y1 = excitatory * (2 * known.e0 * known.C2 + jnp.abs(self.input.mean))
        y2 = 2 * known.e0 * inhibitory * known.C4
        return jnp.stack([y0, y1, y2, known.a * y0, known.a * y1, known.b * y2])

    @property
    def unknown_values(self) -> Float[Array, " unknown"]:
        """The values of the unknowns beforehand, in their units."""
        known = vars(self.parameters) | {"p": self.input.mean}
        return jnp.stack([known[name] for name in self.unknown]) if self.unknown else jnp.zeros(0)

    def __call__(self, x: Float[Array, " n"]) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
        """Mean, and Cholesky factor of the covariance, of the state one step after `x`."""
        states, logarithms = jnp.split(x, [len(STATES)])
        column = self._column(logarithms)
        y = self._stepped(column, states * self.scale)
        flow = LinearFlow(Coefficients.from_parameters(column.parameters), as_float(self.dt))
        return jnp.concatenate([y / self.scale, logarithms]), self._process_noise(flow, len(x))

    def step(self, y: Float[Array, "6"], deviation: Float[Array, ""]) -> Float[Array, "6"]:
        """The states one step after `y`, in mV and mV/s, under an input so many standard deviations from its mean."""
        return self._stepped(Column(self.parameters, ConstantInput(self.rate(deviation))), y)

    def rate(self, deviations: Float[Array, "*step"]) -> Float[Array, "*step"]:
        """p, 1/s, from its deviations from the mean in standard deviations."""
        return self.input.mean + deviations * (self.input.held_std + self.input.white / self.dt**0.5)

    def _stepped(self, column: Column, y: Float[Array, "6"]) -> Float[Array, "6"]:
        term = ColumnTerm(column, None, Clock(jnp.zeros(()), as_float(self.dt), 1), None)
        return RK4().step(term, as_float(-1.0), as_float(0.0), y, None, None, False)[0]

    def _column(self, logarithms: Float[Array, " unknown"]) -> Column:
        """The column with other values of its unknowns, at the mean of its input."""
        factors = dict(zip(self.unknown, jnp.exp(logarithms), strict=True))
        p = self.input.mean * factors.pop("p", 1.0)
        known = Column(self.parameters, ConstantInput(p))
        return known.replace(**{name: known.value(name) * factor for name, factor in factors.items()})

    def _process_noise(self, flow: LinearFlow, size: int) -> Float[Array, "n n"]:
        """What the input adds to y1 and y4, by the exact flow of the damped linear part."""
        held, white, scale = self.input.held_std, self.input.white, self.scale
        y1, y4 = EXCITATORY_STATES
        first = (held * flow.response[0] + white * flow.spread[0]) / scale[y1]
        shared = (held * flow.response[1] + white * flow.spread[1]) / scale[y4]
        second = white * flow.spread[2] / scale[y4]
        least = _LEAST_PROCESS_NOISE * jnp.eye(size)
        return least.at[y1, y1].add(first).at[y4, y1].set(shared).at[y4, y4].add(second)
