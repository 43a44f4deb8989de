"""Where the potentials of a column can be: their bounds once its start has decayed, and from a given start on.

A potential is what a synapse of rate k makes of what drives it: `x'' = f - 2 k x' - k^2 x`, where f stays between two
values, as a firing rate does. So x is a mean of f / k^2 over the past with positive weights, and stays between these
values over k^2, for all that the columns are coupled and nonlinear. A Runge-Kutta step keeps to the same bounds while
its weights are positive too.
"""

from types import MappingProxyType
from typing import NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._checks import check_type
from .column import Column
from .solvers import RK4, FixedStepHeun, StrangSplitting

# In time constants of a synapse, the longest step whose weights are positive (`test_bounds.py`): Strang splitting
# samples the weights of the exact solution at any step.
_LONGEST_POSITIVE: MappingProxyType[type, float] = MappingProxyType(
    {diffrax.Euler: 1.0, FixedStepHeun: 1.0, RK4: 1.0, StrangSplitting: float("inf")}
)

# Of the distance between bounds: what a step that is stable and not yet wrong may be outside of them by.
_MARGIN = 0.05
# The same of what a trajectory begins with, which a long step makes decay too fast or too slowly.
_MARGIN_OF_START = 0.25


class PotentialBounds(NamedTuple):
    """The least and the greatest value of y0, y1 and y2, mV; infinite for y1 where the input has no bounds."""

    least: Float[Array, "*batch 3"]
    greatest: Float[Array, "*batch 3"]


def potential_bounds(column: Column) -> PotentialBounds:
    """Between which values the potentials of a column always are, once its start has decayed.

    y0 is in [0, 2 e0 A/a] and y2 in [0, 2 e0 C4 B/b] under any input; y1 is in
    [A/a p, A/a (p + 2 e0 C2)] with the least p on the left and the greatest on the right. It takes some 10 / a and
    10 / b seconds from any plausible start.
    """
    check_type(Column, column=column)
    least, greatest = (jnp.stack(jnp.broadcast_arrays(*values), axis=-1) for values in _bounds(column))
    return PotentialBounds(least, greatest)


def _bounds(column: Column) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    """The least and the greatest value of each potential."""
    known, p = column.parameters, column.input.range
    gain, firing = known.A / known.a, 2 * known.e0
    of_interneurons = gain * firing * known.C2
    ends = (
        (jnp.zeros_like(gain), gain * firing),
        (gain * p.least + jnp.minimum(of_interneurons, 0), gain * p.greatest + jnp.maximum(of_interneurons, 0)),
        (jnp.zeros_like(gain), known.B / known.b * firing * known.C4),
    )
    least, greatest = zip(*((jnp.minimum(*pair), jnp.maximum(*pair)) for pair in ends), strict=True)
    return least, greatest


def longest_bounded(solver: diffrax.AbstractSolver) -> float:
    """The longest step, in time constants of the faster synapse, with which a solver keeps to the bounds by itself; 0
    where none is known."""
    return _LONGEST_POSITIVE.get(type(solver), 0.0)


def out_of_bounds(
    column: Column, start: Float[Array, "6 *batch"], ys: Float[Array, "time 3 *batch"], elapsed: Float[Array, " time"]
) -> Bool[Array, "time *batch"]:
    """Whether a potential is where it cannot be, whatever the input and the others do.

    **Arguments:**

    - `start`: the states that the trajectories begin with, whose part decays as `exp(-k t) (x + (x' + k x) t)`.
    - `ys`: y0, y1 and y2.
    - `elapsed`: how long after the start, s.
    """

    def each(*values):
        return jnp.stack([jnp.broadcast_to(value, start.shape[1:]) for value in values])

    known = column.parameters
    least, greatest = (each(*values) for values in _bounds(column))
    k = each(known.a, known.a, known.b)
    x, slope = start[:3], start[3:] + k * start[:3]
    away = jnp.maximum(least, 0) + jnp.maximum(-greatest, 0)
    start_size = jnp.abs(x) + jnp.abs(slope) / k + jnp.where(jnp.isfinite(away), away, 0)

    def at_one_time(y, t):
        decay = jnp.exp(-k * t)
        begun, driven = decay * (x + slope * t), 1 - decay * (1 + k * t)
        # A drive that is never 0 pulls a potential away from there as it makes it forget its start.
        low = begun + jnp.minimum(least, 0) + jnp.maximum(least, 0) * driven
        high = begun + jnp.maximum(greatest, 0) + jnp.minimum(greatest, 0) * driven
        margin = _MARGIN * (greatest - least) + _MARGIN_OF_START * jnp.sqrt(decay) * start_size
        # The comparisons are false where a bound is infinite times 0, or infinite, as is the margin then.
        below, above = y < low - margin, y > high + margin
        return jnp.any(below | above, axis=0)

    return jax.vmap(at_one_time)(ys, elapsed)
