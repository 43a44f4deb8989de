"""A column over one step, as seen by who does not know its input: where it goes, and how far off it may be."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_float
from .inputs import AbstractExternalInput, ConstantInput, UniformNoiseInput, WhiteNoiseInput
from .parameters import JansenRitParameters
from .solvers import RK4, StrangSplitting
from .states import EXCITATORY_STATES
from .terms import Clock, ColumnTerm

_LEAST_PROCESS_NOISE = 1e-7  # of the largest value, per step; it keeps covariances invertible


class KnownColumn(eqx.Module):
    """All that is known of one column."""

    parameters: JansenRitParameters
    p: Float[Array, "*batch"]
    """The mean of the input, 1/s."""
    held_std: Float[Array, "*batch"]
    """The standard deviation of the values held for a step, 1/s."""
    white: Float[Array, "*batch"]
    """The intensity of its white noise, s^-1/2."""


def known_column(parameters: JansenRitParameters, input: AbstractExternalInput, dt: float) -> KnownColumn:
    """What the equations, the parameters and the statistics of the input say.

    **Raises:** `ValueError` for an input of a kind, or held for a time, that the transition is not known for.
    """
    match input:
        case ConstantInput():
            return KnownColumn(parameters, input.p, jnp.zeros_like(input.p), jnp.zeros_like(input.p))
        case WhiteNoiseInput():
            return KnownColumn(parameters, input.p, jnp.zeros_like(input.p), input.intensity)
        case UniformNoiseInput() if abs(input.hold - dt) <= 1e-6 * dt:
            p, spread = (input.low + input.high) / 2, input.high - input.low
            return KnownColumn(parameters, p, spread / 12**0.5, jnp.zeros_like(p))
        case UniformNoiseInput():
            raise ValueError(f"`input` must be held for `dt` = {dt} s, got hold={input.hold} s")
    raise ValueError(
        f"`input` must be a ConstantInput, WhiteNoiseInput or UniformNoiseInput, got a {type(input).__name__}"
    )


class Transition(eqx.Module):
    """The column over one step: states in units of their largest values, then logarithms of the unknowns' factors."""

    column: KnownColumn
    dt: float = eqx.field(static=True)
    unknown: tuple[str, ...] = eqx.field(static=True)

    @property
    def scale(self) -> Float[Array, "6"]:
        """The largest value that each state can reach, mV and mV/s."""
        known = self.column.parameters
        excitatory, inhibitory = known.A / known.a, known.B / known.b
        y0 = 2 * known.e0 * excitatory
        y1 = excitatory * (2 * known.e0 * known.C2 + jnp.abs(self.column.p))
        y2 = 2 * known.e0 * inhibitory * known.C4
        return jnp.stack([y0, y1, y2, known.a * y0, known.a * y1, known.b * y2])

    def __call__(self, x: Float[Array, " n"]) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
        """Mean and Cholesky factor of the covariance of the state one step after `x`."""
        column = self._with_unknowns(x[6:])
        term = self._term(column, column.p)
        y, *_ = RK4().step(term, *_one_step(), x[:6] * self.scale, None, None, False)
        _, flow = StrangSplitting().init(term, *_one_step(), y, None)
        return jnp.concatenate([y / self.scale, x[6:]]), self._process_noise(column, flow, x)

    def step(self, y: Float[Array, "6"], deviation: Float[Array, ""]) -> Float[Array, "6"]:
        """The states one step after `y`, in mV and mV/s, under an input so many standard deviations from its mean."""
        column = self.column
        p = column.p + deviation * (column.held_std + column.white / self.dt**0.5)
        return RK4().step(self._term(column, p), *_one_step(), y, None, None, False)[0]

    def _term(self, column: KnownColumn, p: Float[Array, ""]) -> ColumnTerm:
        clock = Clock(jnp.zeros(()), as_float(self.dt), 1)
        return ColumnTerm(column.parameters, ConstantInput(p), None, clock, None)

    def _with_unknowns(self, logarithms: Float[Array, " unknown"]) -> KnownColumn:
        factors = dict(zip(self.unknown, jnp.exp(logarithms), strict=True))
        p = self.column.p * factors.pop("p", 1.0)
        known = self.column.parameters
        changed = {name: getattr(known, name) * factor for name, factor in factors.items()}
        return dataclasses.replace(self.column, parameters=dataclasses.replace(known, **changed), p=p)

    def _process_noise(self, column: KnownColumn, flow: Any, x: Float[Array, " n"]) -> Float[Array, "n n"]:
        """What the unseen part of the input adds to y1 and y4, by the exact flow of the damped linear part."""
        held, white = column.held_std, column.white
        y1, y4 = EXCITATORY_STATES
        least = _LEAST_PROCESS_NOISE * jnp.eye(len(x))
        first = (held * flow.response[0] + white * flow.spread[0]) / self.scale[y1]
        shared = (held * flow.response[1] + white * flow.spread[1]) / self.scale[y4]
        second = white * flow.spread[2] / self.scale[y4]
        return least.at[y1, y1].add(first).at[y4, y1].set(shared).at[y4, y4].add(second)


def _one_step() -> tuple[Float[Array, ""], Float[Array, ""]]:
    """From and to, counted in steps."""
    return as_float(-1.0), as_float(0.0)
