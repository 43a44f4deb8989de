"""One step of each fixed-step solver for a tile of columns, as elementwise operations: the inside of the kernel.

The same equations as in `equations.py` and `solvers.py`, arranged for speed. Every array has shape `()` or `(tile,)`.

Sums are of one product after the other: a processor adds a product with one rounding, and `a * b + c * d` would leave
it to the compiler which of the two, and with that the last bits to how the loop around it is compiled.
"""

from abc import abstractmethod
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .elementary import clipped, power_of_two
from .equations import Coefficients, Drive
from .one_function import Stage, together
from .solvers import RK4, FixedStepHeun, LinearFlow, StrangSplitting
from .states import States


class WhiteNoise(NamedTuple):
    """White noise over one step."""

    intensity: Float[Array, "*tile"]
    """s^-1/2"""
    normals: tuple[Float[Array, "*tile"], Float[Array, "*tile"]]
    """Two independent standard normals."""


class Forcing(NamedTuple):
    """The external input over one step."""

    rate: Callable[[float], Float[Array, "*tile"]]
    """What is not white, 1/s, at a fraction of the step."""
    white: WhiteNoise | None


_Carry = TypeVar("_Carry", bound=tuple)


class AbstractScheme(eqx.Module, Generic[_Carry]):
    """A solver's steps of one length. What it carries from step to step begins with the three potentials."""

    @abstractmethod
    def __init__(self, c: Coefficients, dt: Float[Array, ""]):
        """For steps of `dt` seconds."""

    @abstractmethod
    def start(self, y: States) -> _Carry:
        """What is carried, from the states."""

    @abstractmethod
    def step(self, carry: _Carry, forcing: Forcing, stage: Stage) -> _Carry:
        """One step on."""

    @abstractmethod
    def states(self, carry: _Carry, stage: Stage) -> States:
        """The states, from what is carried."""


class _Firing(NamedTuple):
    """The firing rates of the three populations as fractions of the greatest: 1/u, 1/v and 1/w.

    By one division for all three, 1/u = v w / (u v w), as a division takes longest of all.
    """

    u: Array
    v: Array
    w: Array
    inverse: Array
    """Of the product."""

    def drive(self, strength: Drive) -> Drive:
        """What the populations add, from what they add at the greatest rate."""
        u, v, w, inverse = self
        return Drive(
            strength.pyramidal * (inverse * (v * w)),
            strength.excitatory * ((inverse * u) * w),
            strength.inhibitory * ((inverse * u) * v),
        )


class _Synapses(eqx.Module):
    """What populations add to the derivatives, `equations.synaptic_drive`, times a factor for each kind of synapse."""

    lift: Float[Array, "*tile"]
    pyramidal_slope: Float[Array, "*tile"]
    excitatory_slope: Float[Array, "*tile"]
    inhibitory_slope: Float[Array, "*tile"]
    strength: Drive

    def __init__(self, c: Coefficients, excitatory: Array, inhibitory: Array):
        """See the class."""
        in_base_2 = float(np.log2(np.e))
        self.lift = -in_base_2 * c.threshold
        self.pyramidal_slope = in_base_2 * c.pyramidal_slope
        self.excitatory_slope = in_base_2 * c.excitatory_slope
        self.inhibitory_slope = in_base_2 * c.inhibitory_slope
        self.strength = Drive(
            excitatory * c.pyramidal_drive, excitatory * c.excitatory_drive, inhibitory * c.inhibitory_drive
        )

    def firing(self, y0: Array, y1: Array, y2: Array, stage: Stage) -> _Firing:
        """At these potentials."""

        def denominators(synapses, y0, y1, y2):
            exponents = (
                synapses.lift - synapses.pyramidal_slope * (y1 - y2),
                synapses.lift - synapses.excitatory_slope * y0,
                synapses.lift - synapses.inhibitory_slope * y0,
            )
            # So that the product of all three is finite.
            limit = float(jnp.finfo(exponents[0].dtype).maxexp // 3 - 2)
            return tuple(1 + power_of_two(clipped(exponent, limit)) for exponent in exponents)

        u, v, w = stage(denominators)(self, y0, y1, y2)
        return _Firing(u, v, w, stage(lambda u, v, w: 1 / (u * (v * w)))(u, v, w))


class _StrangCarry(NamedTuple):
    x0: Array
    x1: Array
    x2: Array
    u0: Array
    u1: Array
    u2: Array
    """`x' + k x`, half a kick ahead: the second half of one step and the first of the next are given at once, mV/s."""


class StrangScheme(AbstractScheme[_StrangCarry]):
    """`StrangSplitting`, in x and `u = x' + k x`, of which u decays by itself: `u' = f - k u`, `x' = u - k x`."""

    synapses: _Synapses
    """Over a whole step."""
    rates: tuple[Array, Array]
    """The rate constants k of the two kinds of synapse, 1/s."""
    lost: tuple[Array, Array]
    """`1 - exp(-k h)`: exact where the step is short."""
    moved: tuple[Array, Array]
    """`h exp(-k h)`, from u to x."""
    response: tuple[Array, Array]
    """Of x1 and u1 to an external input of 1/s."""
    spread: tuple[Array, Array, Array]
    """The Cholesky factor of the covariance of x1 and u1 under white noise of intensity 1."""

    def __init__(self, c: Coefficients, dt: Float[Array, ""]):
        """For steps of `dt` seconds."""
        flow = LinearFlow(c, dt)
        a, b = self.rates = c.excitatory_damping / 2, c.inhibitory_damping / 2
        self.synapses = _Synapses(c, dt, dt)
        self.lost = -jnp.expm1(-a * dt), -jnp.expm1(-b * dt)
        self.moved = flow.excitatory.x_from_slope, flow.inhibitory.x_from_slope
        self.response = flow.response[0], c.input_gain * self.lost[0] / a
        self.spread = flow.spread[0], flow.spread[1] + a * flow.spread[0], flow.spread[2]

    def start(self, y: States) -> _StrangCarry:
        """Half a kick ahead."""
        a, b = self.rates
        half = self._half_kick(y.y0, y.y1, y.y2, together)
        u0, u1, u2 = y.y3 + a * y.y0, y.y4 + a * y.y1, y.y5 + b * y.y2
        return _StrangCarry(y.y0, y.y1, y.y2, u0 + half.pyramidal, u1 + half.excitatory, u2 + half.inhibitory)

    def states(self, carry: _StrangCarry, stage: Stage) -> States:
        """Without that half kick."""
        x0, x1, x2, u0, u1, u2 = carry
        a, b = self.rates
        half = self._half_kick(x0, x1, x2, stage)
        y3, y4, y5 = u0 - half.pyramidal - a * x0, u1 - half.excitatory - a * x1, u2 - half.inhibitory - b * x2
        return States(x0, x1, x2, y3, y4, y5)

    def _half_kick(self, x0: Array, x1: Array, x2: Array, stage: Stage) -> Drive:
        return Drive(*(kick / 2 for kick in self.synapses.firing(x0, x1, x2, stage).drive(self.synapses.strength)))

    def step(self, carry: _StrangCarry, forcing: Forcing, stage: Stage) -> _StrangCarry:
        """The exact flow of the linear part, and a kick."""
        x0, x1, x2, u0, u1, u2 = carry
        p, white = forcing.rate(0.5), forcing.white

        def flow(scheme, x0, x1, x2, u0, u1, u2, p, white):
            (lost_a, lost_b), (moved_a, moved_b) = scheme.lost, scheme.moved
            x1 = x1 + moved_a * u1 - lost_a * x1 + scheme.response[0] * p
            if white is not None:
                x1 = x1 + (scheme.spread[0] * white.intensity) * white.normals[0]
            return x0 + moved_a * u0 - lost_a * x0, x1, x2 + moved_b * u2 - lost_b * x2

        def kicked(scheme, u0, u1, u2, p, white, firing):
            (lost_a, lost_b), kick = scheme.lost, firing.drive(scheme.synapses.strength)
            u1 = u1 - lost_a * u1 + kick.excitatory + scheme.response[1] * p
            if white is not None:
                first, second = (spread * white.intensity for spread in scheme.spread[1:])
                u1 = u1 + first * white.normals[0] + second * white.normals[1]
            return u0 - lost_a * u0 + kick.pyramidal, u1, u2 - lost_b * u2 + kick.inhibitory

        x0, x1, x2 = stage(flow)(self, x0, x1, x2, u0, u1, u2, p, white)
        firing = self.synapses.firing(x0, x1, x2, stage)
        return _StrangCarry(x0, x1, x2, *stage(kicked)(self, u0, u1, u2, p, white, firing))


class AbstractRungeKuttaScheme(AbstractScheme[States]):
    """Carries the states as they are; white noise is one value for all stages of a step.

    The derivative is `x'' = 2 k (f / 2 k - x' - k x / 2)`.
    """

    synapses: _Synapses
    """Over 2 k."""
    rates: tuple[Array, Array]
    """The rate constants k of the two kinds of synapse, 1/s."""
    gain: Array
    """From an external input of 1/s to f / 2 k of y1."""
    dt: Float[Array, ""]

    def __init__(self, c: Coefficients, dt: Float[Array, ""]):
        """For steps of `dt` seconds."""
        self.rates, self.dt = (c.excitatory_damping / 2, c.inhibitory_damping / 2), dt
        self.synapses = _Synapses(c, 1 / c.excitatory_damping, 1 / c.inhibitory_damping)
        self.gain = c.input_gain / c.excitatory_damping

    def start(self, y: States) -> States:
        """The states."""
        return y

    def step(self, carry: States, forcing: Forcing, stage: Stage) -> States:
        """By the stages of the method."""

        def slope(y, fraction):
            firing = self.synapses.firing(y.y0, y.y1, y.y2, stage)
            given = self, y, firing, forcing.rate(fraction), forcing.white
            return States(y.y3, y.y4, y.y5, *stage(AbstractRungeKuttaScheme._accelerations)(*given))

        return self._advance(carry, slope, stage)

    @abstractmethod
    def _advance(self, y: States, slope: Callable[[States, float], States], stage: Stage) -> States:
        """The states after a step, from their derivative at a fraction of it."""

    def states(self, carry: States, stage: Stage) -> States:
        """What is carried."""
        return carry

    def _accelerations(self, y: States, firing: _Firing, p: Array, white: WhiteNoise | None) -> tuple[Array, ...]:
        (a, b), drive = self.rates, firing.drive(self.synapses.strength)
        excitatory = drive.excitatory - (y.y4 + a / 2 * y.y1) + self.gain * p
        if white is not None:
            excitatory = excitatory + (self.gain * white.intensity / jnp.sqrt(self.dt)) * white.normals[0]
        return (
            2 * a * (drive.pyramidal - (y.y3 + a / 2 * y.y0)),
            2 * a * excitatory,
            2 * b * (drive.inhibitory - (y.y5 + b / 2 * y.y2)),
        )


def _moved(y: States, slope: States, seconds: Array) -> States:
    return States(*(x + seconds * k for x, k in zip(y, slope, strict=True)))


class EulerScheme(AbstractRungeKuttaScheme):
    """`diffrax.Euler`, with white noise the method of Euler and Maruyama."""

    def _advance(self, y, slope, stage):
        return stage(_moved)(y, slope(y, 0.0), self.dt)


class HeunScheme(AbstractRungeKuttaScheme):
    """`FixedStepHeun`."""

    def _advance(self, y, slope, stage):
        k1 = slope(y, 0.0)
        k2 = slope(stage(_moved)(y, k1, self.dt), 1.0)
        return stage(lambda y, k1, k2, h: _moved(_moved(y, k1, h / 2), k2, h / 2))(y, k1, k2, self.dt)


class RK4Scheme(AbstractRungeKuttaScheme):
    """`RK4`."""

    def _advance(self, y, slope, stage):
        h = self.dt
        k1 = slope(y, 0.0)
        k2 = slope(stage(_moved)(y, k1, h / 2), 0.5)
        k3 = slope(stage(_moved)(y, k2, h / 2), 0.5)
        k4 = slope(stage(_moved)(y, k3, h), 1.0)

        def mean(k1, k2, k3, k4):
            return States(*((a + 2 * (b + c) + d) / 6 for a, b, c, d in zip(k1, k2, k3, k4, strict=True)))

        return stage(lambda y, slopes, h: _moved(y, mean(*slopes), h))(y, (k1, k2, k3, k4), h)


SCHEMES: MappingProxyType[type[diffrax.AbstractSolver[Any]], type[AbstractScheme[Any]]] = MappingProxyType(
    {StrangSplitting: StrangScheme, diffrax.Euler: EulerScheme, FixedStepHeun: HeunScheme, RK4: RK4Scheme}
)
"""The schemes by the solvers whose steps they take."""
