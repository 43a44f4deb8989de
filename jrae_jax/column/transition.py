"""A column from one sample to the next, for estimators that do not see its input: its mean, and the spread it gets."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_float, as_positive, check_names, check_type, is_concrete
from .column import Column
from .equations import Coefficients
from .inputs import ConstantInput, InputStatistics
from .parameters import JansenRitParameters
from .quantities import described
from .solvers import RK4, LinearFlow
from .states import EXCITATORY_STATES, STATES
from .step_size import fastest_rates, longest_stable
from .terms import Clock, ColumnTerm

_LONGEST_STEP = 1e-3  # s, of the integration between samples
_INPUTS = 2  # independent numbers that the input adds in a step: to y1, and to y4 given y1


class Transition(eqx.Module):
    """A column between samples: states in units of their largest values, then the logarithms of the unknowns' factors.

    The interval is integrated by `RK4` in equal steps of at most 1 ms. Everything is elementwise over the axes behind
    the states, which are none for one column, or the batch.

    **Arguments:**

    - `column`: one column, or a batch of which every leaf has the batch axis.
    - `dt`: the interval between samples, s.
    - `unknown`: parameters, or `p`, the mean of the input, that are part of the state as constants.

    **Raises:** `ValueError` for an input that is no sequence of independent values over such steps, or a column that is
        too fast for them.
    """

    parameters: JansenRitParameters
    input: InputStatistics
    noisy: bool = eqx.field(static=True)
    """Whether anything in the input is random."""
    dt: float = eqx.field(static=True)
    unknown: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, column: Column, dt: float, unknown: tuple[str, ...] = ()):
        """See the class."""
        check_type(Column, column=column)
        check_names((*vars(column.parameters), "p"), unknown=unknown)
        self.dt, self.unknown = as_positive("dt", dt), tuple(unknown)
        self.parameters, self.input = column.parameters, column.input.statistics(self.step_length)
        self.noisy = column.input.random
        _check_rates(column, self.step_length)

    def __repr__(self) -> str:
        return described(self)

    @property
    def steps(self) -> int:
        """How many steps of the integration there are between samples."""
        return max(1, math.ceil(self.dt / _LONGEST_STEP - 1e-6))

    @property
    def step_length(self) -> float:
        """Of the integration, s."""
        return self.dt / self.steps

    @property
    def size(self) -> int:
        """How many numbers the state has."""
        return len(STATES) + len(self.unknown)

    @property
    def scale(self) -> Float[Array, "6 *batch"]:
        """The largest value that each state can reach, mV and mV/s."""
        known = self.parameters
        excitatory, inhibitory = known.A / known.a, known.B / known.b
        y0 = 2 * known.e0 * excitatory
        y1 = excitatory * (2 * known.e0 * known.C2 + jnp.abs(self.input.mean))
        y2 = 2 * known.e0 * inhibitory * known.C4
        return jnp.stack([y0, y1, y2, known.a * y0, known.a * y1, known.b * y2])

    @property
    def unknown_values(self) -> Float[Array, "unknown *batch"]:
        """The values of the unknowns beforehand, in their units."""
        known = vars(self.parameters) | {"p": self.input.mean}
        values = [known[name] for name in self.unknown]
        return jnp.stack(values) if values else jnp.zeros((0, *self.input.mean.shape))

    def mean(self, x: Float[Array, "n *batch"]) -> Float[Array, "n *batch"]:
        """The state at the next sample under the mean input."""
        return (
            jax.lax.fori_loop(0, self.steps, lambda _, x: self._stepped(x), x) if self.steps > 1 else self._stepped(x)
        )

    def moved(
        self,
        x: Float[Array, "n *batch"],
        columns: Float[Array, "n column *batch"],
        noise: tuple[Float[Array, "*batch"], ...] | None = None,
    ) -> tuple[Float[Array, "n *batch"], Float[Array, "n more *batch"]]:
        """The state at the next sample under the mean input, what small deviations of it become, and behind these
        what the input of each step adds until then, as columns of a factor of its covariance.

        **Arguments:**

        - `noise`: `process_noise()`, computed beforehand where nothing is unknown.
        """
        noise = self.process_noise(x) if noise is None else noise
        count, added = columns.shape[1], _INPUTS * self.steps
        columns = jnp.concatenate([columns, jnp.zeros((columns.shape[0], added, *columns.shape[2:]))], axis=1)
        place = np.arange(count + added).reshape(-1, *(1 for _ in columns.shape[2:]))
        y1, y4 = EXCITATORY_STATES
        first, shared, second = (part[None] for part in noise)

        def step(k, carry):
            x, columns = carry
            x, along = jax.linearize(self._stepped, x)
            columns = jax.vmap(along, in_axes=1, out_axes=1)(columns)
            here, next_one = place == count + _INPUTS * k, place == count + _INPUTS * k + 1
            return x, (
                columns.at[y1].add(jnp.where(here, first, 0))
                .at[y4].add(jnp.where(here, shared, jnp.where(next_one, second, 0)))
            )  # fmt: skip

        return step(0, (x, columns)) if self.steps == 1 else jax.lax.fori_loop(0, self.steps, step, (x, columns))

    def process_noise(
        self, x: Float[Array, "n *batch"] | None = None
    ) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"], Float[Array, "*batch"]]:
        """What the input adds in one step, by the exact flow of the damped linear part: the Cholesky factor of the
        covariance of y1 and y4, row by row, where the unknowns are as in `x`."""
        column = (
            Column(self.parameters, ConstantInput(self.input.mean)) if x is None else self._column(x[len(STATES) :])
        )
        flow = LinearFlow(Coefficients.from_parameters(column.parameters), as_float(self.step_length))
        held, white, scale = self.input.held_std, self.input.white, self.scale
        y1, y4 = EXCITATORY_STATES
        first = (held * flow.response[0] + white * flow.spread[0]) / scale[y1]
        shared = (held * flow.response[1] + white * flow.spread[1]) / scale[y4]
        return first, shared, white * flow.spread[2] / scale[y4]

    def step(self, y: Float[Array, "6"], deviations: Float[Array, " step"]) -> Float[Array, "6"]:
        """The states at the next sample, mV and mV/s, under an input that is so many standard deviations from its mean
        in each step."""
        if self.steps == 1:
            return self._integrated(Column(self.parameters, ConstantInput(self.rate(deviations[0]))), y)

        def one_step(y, p):
            return self._integrated(Column(self.parameters, ConstantInput(p)), y), None

        return jax.lax.scan(one_step, y, self.rate(deviations))[0]

    def rate(self, deviations: Float[Array, "*step"]) -> Float[Array, "*step"]:
        """p, 1/s, from its deviations from the mean in standard deviations."""
        return self.input.mean + deviations * (self.input.held_std + self.input.white / self.step_length**0.5)

    def _stepped(self, x: Float[Array, "n *batch"]) -> Float[Array, "n *batch"]:
        states, logarithms = x[: len(STATES)], x[len(STATES) :]
        scale = self.scale
        return jnp.concatenate([self._integrated(self._column(logarithms), states * scale) / scale, logarithms])

    def _integrated(self, column: Column, y: Float[Array, "6 *batch"]) -> Float[Array, "6 *batch"]:
        term = ColumnTerm(column, None, Clock(jnp.zeros(()), as_float(self.step_length), 1), None)
        return RK4().step(term, as_float(-1.0), as_float(0.0), y, None, None, False)[0]

    def _column(self, logarithms: Float[Array, "unknown *batch"]) -> Column:
        """The column with other values of its unknowns, at the mean of its input."""
        factors = {name: jnp.exp(logarithms[i]) for i, name in enumerate(self.unknown)}
        p = self.input.mean * factors.pop("p", 1.0)
        known = Column(self.parameters, ConstantInput(p))
        return known.replace(**{name: known.value(name) * factor for name, factor in factors.items()})


def _check_rates(column: Column, step: float) -> None:
    """Raise for synapses that the integration between samples cannot follow."""
    rates, limit = fastest_rates(column), longest_stable(RK4()) / step
    if is_concrete(rates) and np.max(rates) >= limit:
        raise ValueError(
            f"`column` must have synapses with rates a and b below {limit:.4g} /s, up to which steps of {step:.3g} s "
            f"between samples are stable, got {np.max(rates):g} /s"
        )
