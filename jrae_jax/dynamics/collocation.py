"""Periodic orbits of a column by collocation at Gauss points: Newton's method for all of an orbit at once.

A period is divided into equal intervals, in each of which the states are polynomials that satisfy the equations at
Gauss points (Doedel, Keller and Kernevez 1991, doi 10.1142/S0218127491000555): the implicit Runge-Kutta method of Gauss
and Legendre. As synapses are linear, all within an interval follows from y1 - y2 at its points. These are eliminated,
interval by interval; what the intervals do to small deviations, one after the other, is the monodromy matrix.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..column.column import Column
from ..column.equations import Coefficients, jansen_rit_vector_field, synaptic_drive
from ..column.states import States, eeg
from .gauss import NODES, POINTS, TO_POWERS, Synapse

INTERVALS = 128
"""Of a period. At a period of two seconds, spikes of the standard column are resolved to ten digits."""
_FRACTIONS = (np.arange(INTERVALS)[:, None] + (1 + NODES) / 2) / INTERVALS  # of a period, at which the points lie
_MOST_STEPS = 16  # of Newton's method
_FEW = 5  # steps; after no more of them the next one along a branch may be longer


class Orbit(NamedTuple):
    """A periodic orbit, or a deviation from one, in units of `CycleEquations.scale`."""

    states: Float[Array, "interval 6"]
    """Where intervals begin: the potentials y, and y' + k y with the rate constant k of each."""
    v: Float[Array, "interval point"]
    """y1 - y2 at the points."""
    period: Float[Array, ""]
    value: Float[Array, ""]
    """Of the quantity that changes."""

    @property
    def place(self) -> Float[Array, "8"]:
        """The states at its start, its period, and last the value of what changes."""
        return jnp.concatenate([self.states[0], self.period[None], self.value[None]])


class Root(NamedTuple):
    """Where Newton's method came to."""

    orbit: Orbit
    tangent: Orbit
    """How the orbit changes along its branch: its `place` by a vector of length one."""
    monodromy: Float[Array, "6 6"]
    converged: Bool[Array, ""]
    easy: Bool[Array, ""]
    """Whether few steps were enough."""


class _Response(NamedTuple):
    """How an orbit responds to nine numbers: a place, and 1, which stands for its present errors."""

    states: Float[Array, "end 6 9"]
    """Deviations where intervals begin, and last where the period ends."""
    v: Float[Array, "interval point 9"]
    """y1 - y2 at the points, to a place that stands for the start of the interval."""

    def __call__(self, place: Float[Array, "8"], one: float) -> Orbit:
        """The deviation."""
        states = self.states[:-1] @ jnp.append(place, one)
        rest = jnp.broadcast_to(jnp.append(place[6:], one), (INTERVALS, 3))
        v = jnp.einsum("ipk,ik->ip", self.v, jnp.concatenate([states, rest], axis=1))
        return Orbit(states, v, place[6], place[7])


class CycleEquations(eqx.Module):
    """What vanishes on a cycle, and where it does, in numbers of about one."""

    column: Column
    parameter: str = eqx.field(static=True)
    """The quantity that changes; the column's own value of it sets the scale."""

    @property
    def scale(self) -> Orbit:
        """A large change of each part of an orbit."""
        known = self.column.parameters
        potential = 5 / known.r
        y0 = 2 * potential / known.C1
        states = States(y0, potential, potential, known.a * y0, known.a * potential, known.b * potential)
        # p and v0 may be 0, and so cannot set their own scale.
        special = {"p": 2 * potential * known.a / (5 * known.A), "v0": potential}
        own = jnp.abs(self.column.value(self.parameter)) / 4
        return Orbit(jnp.stack(list(states)), potential, 10 / known.a, special.get(self.parameter, own))

    def at(self, value: Float[Array, ""]) -> Column:
        """The column where what changes has a value."""
        return self.column.replace(**{self.parameter: value})

    def interval(
        self, states: Float[Array, "6"], v: Float[Array, " point"], period: Float[Array, ""], value: Float[Array, ""]
    ) -> tuple[Float[Array, " point"], Float[Array, "6"]]:
        """By how much y1 - y2 at the points differs from what it makes of itself, and the states at the end."""
        scale, column = self.scale, self.at(value * self.scale.value)
        c = Coefficients.from_parameters(column.parameters)
        synapses = Synapse.over(period * scale.period / INTERVALS, _rates(column))
        x, z = jnp.split(states * scale.states, 2)
        drive = c.pyramidal_drive * jax.nn.sigmoid(c.pyramidal_slope * scale.v * v + c.threshold)
        y0, *pyramidal = synapses[0](x[0], z[0], drive)
        drive = c.excitatory_drive * jax.nn.sigmoid(c.excitatory_slope * y0 + c.threshold)
        y1, *excitatory = synapses[1](x[1], z[1], drive + c.input_gain * column.value("p"))
        drive = c.inhibitory_drive * jax.nn.sigmoid(c.inhibitory_slope * y0 + c.threshold)
        y2, *inhibitory = synapses[2](x[2], z[2], drive)
        end = jnp.stack([part for parts in zip(pyramidal, excitatory, inhibitory, strict=True) for part in parts])
        return v - (y1 - y2) / scale.v, end / scale.states

    def closest(self, guess: Orbit, way: Float[Array, "8"]) -> Root:
        """The cycle near a guess whose `place` differs from it at right angles to a way."""
        tolerance = 10 * tolerance_of(guess.v.dtype)

        def unfinished(progress):
            _, error, steps = progress
            return (error > tolerance) & (steps < _MOST_STEPS)  # not with an error of NaN either

        def step(progress):
            root, _, steps = progress
            orbit = root.orbit
            response = self._response(orbit)
            end = response.states[-1]
            phase, phase_slope = jax.value_and_grad(self._phase)(orbit.place)
            matrix = jnp.concatenate([end[:, :8] - jnp.eye(6, 8), phase_slope[None], way[None]])
            errors = jnp.concatenate([end[:, 8], phase[None], (way @ (orbit.place - guess.place))[None]])
            onwards = jnp.zeros_like(errors).at[-1].set(1.0)  # nothing of the errors, all of the way
            change, tangent = jnp.linalg.solve(matrix, jnp.stack([-errors, onwards], axis=1)).T
            change, tangent = response(change, 1.0), response(tangent / jnp.linalg.norm(tangent), 0.0)
            error = jnp.max(jnp.abs(jnp.append(change.states, change.place)))
            found = Root(jax.tree.map(jnp.add, orbit, change), tangent, end[:, :6], error <= tolerance, steps < _FEW)
            return found, error, steps + 1

        nothing, zeros = jax.tree.map(jnp.zeros_like, guess), jnp.zeros((6, 6), guess.v.dtype)
        begin = Root(guess, nothing, zeros, jnp.bool_(False), jnp.bool_(True))
        return jax.lax.while_loop(unfinished, step, (begin, jnp.full_like(guess.period, jnp.inf), jnp.int32(0)))[0]

    def _response(self, orbit: Orbit) -> _Response:
        along = (0, 0, None, None)

        def with_itself(*place):
            found = self.interval(*place)
            return found, found

        own, (errors, ends) = jax.vmap(jax.jacfwd(with_itself, (0, 1), has_aux=True), along)(*orbit)
        common = jax.vmap(jax.jacfwd(self.interval, (2, 3)), along)(*orbit)
        (v_by_states, v_by_v), (ends_by_states, ends_by_v) = own
        v_by_rest, ends_by_rest = (jnp.stack(slopes, axis=-1) for slopes in common)
        v = jnp.concatenate([v_by_states, v_by_rest, errors[..., None]], axis=-1)
        v = -jnp.linalg.solve(v_by_v, v)
        gaps = ends - jnp.roll(orbit.states, -1, axis=0)
        maps = jnp.concatenate([ends_by_states, ends_by_rest, gaps[..., None]], axis=-1) + ends_by_v @ v
        maps = jnp.concatenate([maps, jnp.broadcast_to(jnp.eye(3, 9, 6, dtype=v.dtype), (INTERVALS, 3, 9))], axis=1)
        start = jnp.eye(9, dtype=v.dtype)
        _, states = jax.lax.scan(lambda product, onwards: (onwards @ product, onwards @ product), start, maps)
        return _Response(jnp.concatenate([start[None], states])[:, :6], v)

    def _phase(self, place: Float[Array, "8"]) -> Float[Array, ""]:
        """How fast y1 - y2 changes at the start."""
        y, value = States.unstack(place[:6]), place[7]
        k, own = (
            _rates(column) / self.column.parameters.a for column in (self.at(value * self.scale.value), self.column)
        )
        return (y.y4 - k[1] * y.y1) - (own[2] * y.y5 - k[2] * y.y2)

    def states(self, orbit: Orbit) -> Float[Array, "6"]:
        """Those at its start, mV and mV/s."""
        x, z = jnp.split(orbit.states[0] * self.scale.states, 2)
        return jnp.concatenate([x, z - _rates(self.at(orbit.value * self.scale.value)) * x])

    def oscillation(
        self, states: Float[Array, "6"], frequency: Float[Array, ""], value: Float[Array, ""]
    ) -> tuple[Orbit, Orbit]:
        """At rest at an equilibrium (mV, mV/s), and how it oscillates there (Hz), from where y1 - y2 is largest."""
        column, scale, rates = self.at(value), self.scale, _rates(self.at(value))
        v = jnp.full(_FRACTIONS.shape, eeg(states) / scale.v)
        rest = jnp.concatenate([states[:3], rates * states[:3]]) / scale.states
        rest = Orbit(jnp.broadcast_to(rest, (INTERVALS, 6)), v, 1 / (frequency * scale.period), value / scale.value)

        def drives(v, y0):
            drive = synaptic_drive(States.unstack(states)._replace(y0=y0, y1=v, y2=jnp.zeros_like(v)), coefficients)
            return jnp.stack(list(drive))

        # With a rate of 1/s of y1 - y2, and then of y0, from (iw + k)^2 y = slope: amplitudes of potentials.
        coefficients, one = Coefficients.from_parameters(column.parameters), jnp.ones_like(value)
        _, slopes = jax.jvp(drives, (eeg(states), States.unstack(states).y0), (one, one))
        turn = jax.lax.complex(rates, jnp.broadcast_to(2 * jnp.pi * frequency, rates.shape))
        own = jax.lax.complex(slopes, jnp.zeros_like(slopes)) / turn**2
        x = own * jnp.stack([jax.lax.complex(one, 0 * one), own[0], own[0]])
        amplitudes = jnp.concatenate([x, turn * x])
        begins = 2 * jnp.pi * jnp.arange(INTERVALS, dtype=v.dtype)[:, None] / INTERVALS
        deviations = jnp.cos(begins) * amplitudes.real[None] - jnp.sin(begins) * amplitudes.imag[None]
        v = jnp.cos(2 * jnp.pi * jnp.asarray(_FRACTIONS, v.dtype)) / scale.v
        return rest, Orbit(deviations / scale.states[None], v, 0 * one, 0 * one)

    def orbit_along(
        self,
        ys: Float[Array, "time 6"],
        first: Float[Array, ""],
        last: Float[Array, ""],
        period: Float[Array, ""],
        value: Float[Array, ""],
    ) -> Orbit:
        """One period (s) of a trajectory (mV and mV/s), given the numbers of its first and its last sample."""
        x, slopes = jnp.split(ys, 2, axis=1)
        states = jnp.concatenate([x, slopes + _rates(self.at(value))[None] * x], axis=1)
        samples, begins = (jnp.arange(count, dtype=ys.dtype) for count in (len(ys), INTERVALS))
        begins = first + (last - first) * begins / INTERVALS
        states = jax.vmap(lambda along: jnp.interp(begins, samples, along), 1, 1)(states)
        v = jnp.interp(first + (last - first) * jnp.asarray(_FRACTIONS, ys.dtype), samples, eeg(ys))
        scale = self.scale
        return Orbit(states / scale.states[None], v / scale.v, period / scale.period, value / scale.value)

    def at_maximum(self, orbit: Orbit) -> Bool[Array, ""]:
        """Whether y1 - y2 has a maximum at the start, and not a minimum."""
        column = self.at(orbit.value * self.scale.value)
        rate = jansen_rit_vector_field(0.0, self.states(orbit), (column.parameters, column.value("p")))
        _, _, _, _, y4, y5 = rate
        return y4 < y5

    def extrema(self, orbit: Orbit) -> Float[Array, "2"]:
        """Least and largest y1 - y2, mV: of the polynomial around the least and the largest value at a point."""

        def extremum(number):
            interval, point = number // POINTS, number % POINTS
            powers = jnp.asarray(TO_POWERS, orbit.v.dtype) @ orbit.v[interval]
            slope, curvature = jnp.polyder(powers), jnp.polyder(powers, 2)
            at = jnp.asarray(NODES, orbit.v.dtype)[point]
            for _ in range(3):  # steps of Newton's method
                at = at - jnp.polyval(slope, at) / jnp.polyval(curvature, at)
            return jnp.polyval(powers, at)

        return self.scale.v * jax.vmap(extremum)(jnp.stack([jnp.argmin(orbit.v), jnp.argmax(orbit.v)]))


def _rates(column: Column) -> Float[Array, "3"]:
    """The rate constants of the three potentials, 1/s."""
    return jnp.stack([column.parameters.a, column.parameters.a, column.parameters.b])


def tolerance_of(dtype: jnp.dtype) -> float:
    """Of cycles, in numbers of about one: some hundred thousand times rounding in double precision, and in single as
    little as cycles near Hopf points allow."""
    return 1e-10 if dtype == jnp.float64 else 3e-5
