"""Limit cycles by shooting: periods, extrema and Floquet multipliers.

A cycle is a root: its states come back after one period, and they are those where y1 - y2 is largest.
"""

from collections.abc import Callable
from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Bool, Complex, Float

from .._checks import as_float, check_positive, is_concrete
from ..column.column import Column, check_constant
from ..column.equations import jansen_rit_vector_field
from ..column.simulate import simulate
from ..column.states import STATES, States, eeg
from .equilibria import described_points

_DT = 1e-3  # s, of the simulation that a guess is read from
# Fractions of the largest distance from a point, at which states have left it and come back to it. Newton's method
# converges from a return that near; the small loops of a spike cycle are not taken for the cycle.
_LEFT, _BACK = 0.3, 0.15
_LEAST_SWING = 1e-3  # of y1 - y2, in 1/r; below it the root is an equilibrium
_SAMPLES = 257  # of a cycle, to look for its extrema: a parabola through the nearest is right to rounding or so
_RELIABLE = 0.1  # by so much the multiplier along the orbit, which is 1, may differ from it
_FEW = 5  # steps of Newton's method; after fewer the next step along a branch may be longer


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
    def stable(self) -> Bool[Array, "*batch"]:
        """Whether small deviations decay, but for those along the orbit."""
        nearest = jnp.argmin(jnp.abs(self.multipliers - 1), axis=-1)
        orbit = jax.nn.one_hot(nearest, self.multipliers.shape[-1], dtype=bool)
        return self.exists & jnp.all(orbit | (jnp.abs(self.multipliers) < 1), axis=-1)

    @property
    def frequency(self) -> Float[Array, "*batch"]:
        """Hz"""
        return 1 / self.period

    def __repr__(self) -> str:
        if not eqx.is_array(self.p) or not is_concrete(self.p):  # a tree of something else, such as axes
            return eqx.tree_pformat(self)
        with jax.enable_x64(self.p.dtype == jnp.float64):  # so that it prints after double precision is disabled, too
            least, largest = jnp.moveaxis(self.extrema, -1, 0)
            quantities = {self.parameter: (self.value, ""), "p": (self.p, "1/s"), "frequency": (self.frequency, "Hz")}
            quantities |= {"least y1 - y2": (least, "mV"), "largest": (largest, "mV")}
            return described_points("LimitCycle", self.exists, self.stable, quantities)


def limit_cycle(
    column: Column, *, y0: ArrayLike | None = None, burn_in: float = 20.0, longest: float = 1.0
) -> LimitCycle:
    """The cycle that a column comes to at constant input, by simulation and then by Newton's method.

    In double precision periods are right to some nine digits, in single precision to some four.

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
    check_positive(burn_in=burn_in, longest=longest)
    burn_in, longest = (round(seconds / _DT) * _DT for seconds in (burn_in, longest))
    ys = simulate(column, t1=burn_in + 2 * longest, dt=_DT, y0=y0, burn_in=burn_in, throw=False).ys
    return _near(column, ys) if ys.ndim == 2 else jax.vmap(_near, in_axes=(column.axes, 0))(column, ys)


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
    period = _DT * (jnp.argmax(returned) - start).astype(ys.dtype)
    packed = equations.pack(CyclePoint(ys[start], period, column.value("p")))
    guess, value = packed[:-1], packed[-1]
    found = find_root(lambda unknown: equations.residual(jnp.append(unknown, value)), guess)
    return equations.cycle(jnp.append(found.value, value), found.converged & jnp.any(returned))


class CyclePoint(NamedTuple):
    """A point of a branch of cycles."""

    states: Float[Array, "6"]
    """mV and mV/s."""
    period: Float[Array, ""]
    """s"""
    value: Float[Array, ""]
    """Of the quantity that changes."""


class CycleEquations(eqx.Module):
    """What vanishes on a cycle, as a function of a point packed into one vector of numbers of about one."""

    column: Column
    parameter: str = eqx.field(static=True)
    """The quantity that changes; the column's own value of it sets the scale."""

    @property
    def scale(self) -> CyclePoint:
        """A large change of each part of a point."""
        known = self.column.parameters
        potential = 5 / known.r
        y0 = 2 * potential / known.C1
        states = States(y0, potential, potential, known.a * y0, known.a * potential, known.b * potential)
        # p and v0 may be 0, and so cannot set their own scale.
        special = {"p": 2 * potential * known.a / (5 * known.A), "v0": potential}
        own = jnp.abs(self.column.value(self.parameter)) / 4
        return CyclePoint(jnp.stack(list(states)), 10 / known.a, special.get(self.parameter, own))

    def pack(self, point: CyclePoint) -> Float[Array, "8"]:
        """A point in units of `scale`: the states, the period, and last the value of what changes."""
        return ravel_pytree(jax.tree.map(jnp.divide, point, self.scale))[0]

    def unpack(self, packed: Float[Array, "8"]) -> CyclePoint:
        """The inverse of `pack`."""
        scale = self.scale
        return jax.tree.map(jnp.multiply, ravel_pytree(scale)[1](packed), scale)

    def residual(self, packed: Float[Array, "8"]) -> Float[Array, "7"]:
        """How far states are from where they started one period ago, and how fast y1 - y2 changes there."""
        point, scale = self.unpack(packed), self.scale.states
        end = self.flow(point, jnp.ones(1, packed.dtype))[0]
        slope = eeg(self.vector_field(point.value)(point.states))
        return jnp.append((end - point.states) / scale, slope / States.unstack(scale).y4)

    def vector_field(self, value: Float[Array, ""]) -> Callable[[Float[Array, "6"]], Float[Array, "6"]]:
        """The time derivative of the states, mV/s and mV/s^2, where what changes has this value."""
        there = self.column.replace(**{self.parameter: value})
        return lambda y: jansen_rit_vector_field(0.0, y, (there.parameters, there.value("p")))

    def flow(self, point: CyclePoint, times: Float[Array, " time"]) -> Float[Array, "time 6"]:
        """States at some fractions of a period."""
        vector_field = self.vector_field(point.value)
        tolerance = tolerance_of(point.states.dtype)
        controller = diffrax.PIDController(rtol=tolerance, atol=tolerance)
        ys = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: point.period * vector_field(y)),
            diffrax.Dopri8(),
            0.0,
            1.0,
            None,
            point.states,
            saveat=diffrax.SaveAt(ts=times),
            # Steps end at the times, as Dopri8's interpolation is less accurate than its steps.
            stepsize_controller=diffrax.ClipStepSizeController(controller, step_ts=times),
            adjoint=diffrax.ForwardMode(),
            throw=False,
        ).ys
        assert ys is not None
        return ys

    def at_maximum(self, packed: Float[Array, "8"]) -> Bool[Array, ""]:
        """Whether y1 - y2 has a maximum there, and not a minimum."""
        point = self.unpack(packed)
        vector_field = self.vector_field(point.value)
        rate = vector_field(point.states)
        return jax.jvp(lambda y: eeg(vector_field(y)), (point.states,), (rate,))[1] < 0

    def cycle(self, packed: Float[Array, "8"], there: Bool[Array, ""]) -> LimitCycle:
        """The cycle at a root of `residual`, or NaN where it is none."""
        packed = jnp.where(there, packed, jnp.ones_like(packed))  # a NaN would make the solver fail
        point, scale = self.unpack(packed), self.scale.states
        one_period = jnp.ones(1, packed.dtype)
        monodromy = jax.jacfwd(lambda states: self.flow(point._replace(states=states), one_period)[0])(point.states)
        monodromy = monodromy * scale[None] / scale[:, None]  # the same eigenvalues, less rounding
        multipliers = jnp.linalg.eigvals(jnp.where(jnp.isfinite(monodromy), monodromy, 0))
        multipliers = multipliers[jnp.argsort(-jnp.abs(multipliers))]
        extrema = self._extrema(point)
        column = self.column.replace(**{self.parameter: point.value})
        there &= jnp.min(jnp.abs(multipliers - 1)) < _RELIABLE
        there &= (point.period > 0) & (extrema[1] - extrema[0] > _LEAST_SWING / column.parameters.r)
        found = LimitCycle(
            column.value("p"), point.period, point.states, multipliers, extrema, point.value, self.parameter
        )
        return jax.tree.map(lambda leaf: jnp.where(there, leaf, jnp.nan), found)

    def _extrema(self, point: CyclePoint) -> Float[Array, "2"]:
        """Of y1 - y2: those of samples, moved to where a parabola has its own."""
        ys = self.flow(point, jnp.linspace(0.0, 1.0, _SAMPLES, dtype=point.states.dtype))
        vector_field = self.vector_field(point.value)

        def extremum(y):
            rate = vector_field(y)
            _, curvature = jax.jvp(lambda y: eeg(vector_field(y)), (y,), (rate,))
            return eeg(y) - eeg(rate) ** 2 / (2 * curvature)

        v = eeg(ys)
        return jnp.stack([extremum(ys[jnp.argmin(v)]), extremum(ys[jnp.argmax(v)])])


def no_cycles(shape: tuple[int, ...], parameter: str) -> LimitCycle:
    """Of a shape with a zero in it."""
    none = as_float(np.zeros(shape))
    states, extrema = (jnp.zeros((*shape, width), none.dtype) for width in (len(STATES), 2))
    return LimitCycle(none, none, states, jax.lax.complex(states, states), extrema, none, parameter)


class Root(NamedTuple):
    """Where Newton's method came to."""

    value: Float[Array, " unknown"]
    converged: Bool[Array, ""]
    easy: Bool[Array, ""]
    """Whether few steps were enough."""


def find_root(
    function: Callable[[Float[Array, " unknown"]], Float[Array, " unknown"]], guess: Float[Array, " unknown"]
) -> Root:
    """A root of the equations of cycles, from a guess nearby."""
    tolerance = 10 * tolerance_of(guess.dtype)  # the residual is known no better than the solver of the cycle is
    solver = optimistix.Newton(rtol=tolerance, atol=tolerance)
    found = optimistix.root_find(lambda unknown, args: function(unknown), solver, guess, max_steps=16, throw=False)
    return Root(found.value, found.result == optimistix.RESULTS.successful, found.stats["num_steps"] <= _FEW)


def tolerance_of(dtype: jnp.dtype) -> float:
    """Of the solver of cycles, relative and absolute (mV, mV/s): some hundred times rounding."""
    return 1e-10 if dtype == jnp.float64 else 1e-5
