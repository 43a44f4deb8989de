"""Limit cycles: periods, extrema and Floquet multipliers.

A cycle is an orbit that closes, and that begins where y1 - y2 is largest; see `collocation`.
"""

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Complex, Float

from .._checks import as_float, as_positive, is_concrete, nan_is_an_answer, of_numbers
from ..column.column import Column, check_constant
from ..column.simulate import simulate
from ..column.solvers import RK4
from ..column.states import STATES, eeg
from ..column.step_size import check_rates, fastest_rates
from .collocation import CycleEquations, Root
from .equilibria import described_points
from .points import table_of_points
from .precision import in_double

if TYPE_CHECKING:
    import pandas as pd

_DT = 1e-3  # s, of the simulation that a guess is read from
# Fractions of the largest distance from a point, at which states have left it and come back to it. Newton's method
# converges from a return that near; the small loops of a spike cycle are not taken for the cycle.
_LEFT, _BACK = 0.3, 0.15
_LEAST_SWING = 1e-3  # of y1 - y2, in 1/r; below it the root is an equilibrium
_RELIABLE = 0.1  # by so much the multiplier along the orbit, which is 1, may differ from it


class LimitCycle(eqx.Module):
    """Periodic orbits; NaN where none was found."""

    p: Float[Array, "*batch"]
    """External input, 1/s."""
    period: Float[Array, "*batch"]
    """s"""
    states: Float[Array, "*batch 6"]
    """Where y1 - y2 is at a maximum, mV and mV/s."""
    multipliers: Complex[Array, "*batch 6"]
    """Floquet multipliers, by falling size; one of them is 1."""
    extrema: Float[Array, "*batch 2"]
    """Least and largest y1 - y2 on the orbit, mV."""
    value: Float[Array, "*batch"]
    """Of the quantity that changes, in its own unit."""
    parameter: str = eqx.field(static=True, default="p")
    """The quantity that changes."""

    @property
    def exists(self) -> Bool[Array, "*batch"]:
        """Whether there is one."""
        return jnp.isfinite(self.period)

    @property
    @nan_is_an_answer
    def stable(self) -> Bool[Array, "*batch"]:
        """Whether small deviations decay, but for those along the orbit."""
        nearest = jnp.argmin(jnp.abs(self.multipliers - 1), axis=-1)
        orbit = jax.nn.one_hot(nearest, self.multipliers.shape[-1], dtype=bool)
        return self.exists & jnp.all(orbit | (jnp.abs(self.multipliers) < 1), axis=-1)

    @property
    @nan_is_an_answer
    def frequency(self) -> Float[Array, "*batch"]:
        """Hz"""
        return 1 / self.period

    @nan_is_an_answer
    def to_dataframe(self) -> "pd.DataFrame":
        """As that of `Equilibria`."""
        return table_of_points(self)

    @nan_is_an_answer
    @of_numbers
    def __repr__(self) -> str:
        with jax.enable_x64(self.p.dtype == jnp.float64):  # so that it prints after double precision is disabled, too
            least, largest = jnp.moveaxis(self.extrema, -1, 0)
            quantities = {self.parameter: (self.value, ""), "p": (self.p, "1/s"), "frequency": (self.frequency, "Hz")}
            quantities |= {"least y1 - y2": (least, "mV"), "largest": (largest, "mV")}
            return described_points("LimitCycle", self.exists, self.stable, quantities)


@nan_is_an_answer
def limit_cycle(
    column: Column, *, y0: ArrayLike | None = None, burn_in: float = 20.0, longest: float = 1.0
) -> LimitCycle:
    """The cycle that a column comes to at constant input, by simulation and then by Newton's method.

    Other cycles, stable or not, are found by `limit_cycles`. Newton's method is in double precision where values are
    concrete; under a JAX transformation in single precision periods are right to some four digits, and none may be
    found right beside a Hopf point.

    **Arguments:**

    - `column`: one column, or a batch, with a `ConstantInput`.
    - `y0`: where it starts, mV and mV/s, shape `(6,)` or `(batch, 6)`; zero if `None`. Where several cycles are stable,
        this decides.
    - `burn_in`: seconds that it is simulated before a cycle is looked for.
    - `longest`: the longest period that is looked for, s.

    **Returns:** NaN for columns that come to rest, or whose period is longer.

    **Raises:** `ValueError` for another input, batches of different lengths, or times that are not positive.
    """
    check_constant("column", column)
    burn_in, longest = (
        round(as_positive(name, seconds) / _DT) * _DT
        for name, seconds in {"burn_in": burn_in, "longest": longest}.items()
    )
    if is_concrete(fastest_rates(column)):
        check_rates("column", column, _DT, RK4())
    ys = simulate(column, t1=burn_in + 2 * longest, dt=_DT, y0=y0, burn_in=burn_in, throw=False).ys
    return in_double(_near if ys.ndim == 2 else jax.vmap(_near, in_axes=(column.axes, 0)), column, ys)


@eqx.filter_jit
def _near(column: Column, ys: Float[Array, "time 6"]) -> LimitCycle:
    """The cycle that a trajectory follows."""
    equations = CycleEquations(column, "p")
    start = jnp.argmax(eeg(ys[: len(ys) // 2]))
    distance = jax.vmap(lambda y: jnp.linalg.norm((y - ys[start]) / equations.scale.states))(ys)
    after = jnp.arange(len(ys)) > start
    left = after & (jnp.cumsum(after & (distance > _LEFT * jnp.max(distance))) > 0)
    back = left & (distance < _BACK * jnp.max(distance))
    nearest = jnp.pad((distance[1:-1] <= distance[:-2]) & (distance[1:-1] <= distance[2:]), 1)
    returned = back & nearest
    first, last = start.astype(ys.dtype), jnp.argmax(returned).astype(ys.dtype)
    guess = equations.orbit_along(ys, first, last, _DT * (last - first), column.value("p"))
    found = equations.closest(guess, jnp.zeros_like(guess.place).at[-1].set(1.0))  # p stays what it is
    return cycle_at(equations, found, jnp.any(returned))


def cycle_at(equations: CycleEquations, root: Root, there: Bool[Array, ""] | bool = True) -> LimitCycle:
    """The cycle at a root, or NaN where it is none."""
    multipliers = jnp.linalg.eigvals(jnp.where(jnp.isfinite(root.monodromy), root.monodromy, 0))
    multipliers = multipliers[jnp.argsort(-jnp.abs(multipliers))]
    extrema, orbit, scale = equations.extrema(root.orbit), root.orbit, equations.scale
    period, value = orbit.period * scale.period, orbit.value * scale.value
    column = equations.at(value)
    there &= root.converged & (jnp.min(jnp.abs(multipliers - 1)) < _RELIABLE)
    there &= (period > 0) & (extrema[1] - extrema[0] > _LEAST_SWING / column.parameters.r)
    found = LimitCycle(
        column.value("p"), period, equations.states(orbit), multipliers, extrema, value, equations.parameter
    )
    return jax.tree.map(lambda leaf: jnp.where(there, leaf, jnp.nan), found)


def no_cycles(shape: tuple[int, ...], parameter: str) -> LimitCycle:
    """Of a shape with a zero in it."""
    none = as_float(np.zeros(shape))
    states, extrema = (jnp.zeros((*shape, width), none.dtype) for width in (len(STATES), 2))
    return LimitCycle(none, none, states, jax.lax.complex(states, states), extrema, none, parameter)
