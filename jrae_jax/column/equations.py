"""The Jansen-Rit equations.

Jansen and Rit (1995), doi 10.1007/BF00199471, in the six-state form of Grimbert and Faugeras (2006),
doi 10.1162/neco.2006.18.12.3052:

    y0'' = A a S(y1 - y2)             - 2 a y0' - a^2 y0
    y1'' = A a (p + C2 S(C1 y0))      - 2 a y1' - a^2 y1
    y2'' = B b C4 S(C3 y0)            - 2 b y2' - b^2 y2
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Real

from .._checks import as_array, check_type
from .parameters import JansenRitParameters
from .states import EXTERNAL_INPUT_STATE, STATES, States


def sigmoid(v: Float[Array, "*batch"], parameters: JansenRitParameters) -> Float[Array, "*batch"]:
    """Firing rate of a population whose mean membrane potential is `v`: `2 e0 / (1 + exp(r (v0 - v)))`.

    **Arguments:**

    - `v`: mV.
    - `parameters`: `e0`, `v0` and `r` are used.

    **Returns:** 1/s, between 0 and `2 e0`; values and gradients stay finite at any finite `v`.
    """
    check_type(JansenRitParameters, parameters=parameters)
    v = as_array(v, "v")
    return 2 * parameters.e0 * jax.nn.sigmoid(parameters.r * (v - parameters.v0))


def jansen_rit_vector_field(
    t: Real[Array, ""] | float,
    y: Float[Array, "6"],
    args: tuple[JansenRitParameters, Float[Array, ""]],
) -> Float[Array, "6"]:
    """Time derivative of one column's state, in the signature Diffrax expects.

    **Arguments:**

    - `t`: seconds; unused, as time enters through p alone.
    - `y`: the six states, mV and mV/s.
    - `args`: the parameters of the column, and its external input p at this instant, 1/s.

    **Returns:** dy/dt, in mV/s and mV/s².
    """
    del t
    parameters, p = args
    return derivative(y, p, Coefficients.from_parameters(parameters))


class Coefficients(NamedTuple):
    """The products of parameters that the equations need, computed once for a whole simulation."""

    threshold: Float[Array, "*batch"]
    """`-r v0`"""
    pyramidal_slope: Float[Array, "*batch"]
    pyramidal_drive: Float[Array, "*batch"]
    excitatory_slope: Float[Array, "*batch"]
    excitatory_drive: Float[Array, "*batch"]
    inhibitory_slope: Float[Array, "*batch"]
    inhibitory_drive: Float[Array, "*batch"]
    """Slopes of the sigmoids' arguments, and the largest drive (mV/s^2) of each population."""
    excitatory_damping: Float[Array, "*batch"]
    excitatory_stiffness: Float[Array, "*batch"]
    inhibitory_damping: Float[Array, "*batch"]
    inhibitory_stiffness: Float[Array, "*batch"]
    """`2 k` and `k^2` of the synapses' rate constants k."""
    input_gain: Float[Array, "*batch"]
    """`A a`: from p to the derivative of `y4`."""

    @classmethod
    def from_parameters(cls, parameters: JansenRitParameters) -> "Coefficients":
        """From the parameters of one column, or of a batch."""
        A, B, a, b, e0, r = (parameters.A, parameters.B, parameters.a, parameters.b, parameters.e0, parameters.r)
        return cls(
            threshold=-r * parameters.v0,
            pyramidal_slope=r,
            pyramidal_drive=2 * e0 * A * a,
            excitatory_slope=r * parameters.C1,
            excitatory_drive=2 * e0 * A * a * parameters.C2,
            inhibitory_slope=r * parameters.C3,
            inhibitory_drive=2 * e0 * B * b * parameters.C4,
            excitatory_damping=2 * a,
            excitatory_stiffness=a**2,
            inhibitory_damping=2 * b,
            inhibitory_stiffness=b**2,
            input_gain=A * a,
        )


class Drive(NamedTuple):
    """What the three populations add to the derivatives of `y3`, `y4` and `y5`, mV/s^2."""

    pyramidal: Float[Array, "*batch"]
    excitatory: Float[Array, "*batch"]
    inhibitory: Float[Array, "*batch"]


def derivative(
    y: Float[Array, "6 *batch"], p: Float[Array, "*batch"], coefficients: Coefficients
) -> Float[Array, "6 *batch"]:
    """dy/dt of one column, or of a batch in which each has its own p, from the coefficients of its parameters."""
    y0, y1, y2, y3, y4, y5 = states = States.unstack(y)
    drive = synaptic_drive(states, coefficients)
    c = coefficients
    return jnp.stack(
        [
            y3,
            y4,
            y5,
            drive.pyramidal - c.excitatory_damping * y3 - c.excitatory_stiffness * y0,
            drive.excitatory + c.input_gain * p - c.excitatory_damping * y4 - c.excitatory_stiffness * y1,
            drive.inhibitory - c.inhibitory_damping * y5 - c.inhibitory_stiffness * y2,
        ]
    )


def synaptic_drive(y: States, coefficients: Coefficients) -> Drive:
    """The three sigmoids: all that is nonlinear in the equations."""
    c = coefficients
    return Drive(
        c.pyramidal_drive * jax.nn.sigmoid(c.pyramidal_slope * (y.y1 - y.y2) + c.threshold),
        c.excitatory_drive * jax.nn.sigmoid(c.excitatory_slope * y.y0 + c.threshold),
        c.inhibitory_drive * jax.nn.sigmoid(c.inhibitory_slope * y.y0 + c.threshold),
    )


def external_input_direction(coefficients: Coefficients) -> Float[Array, "6"]:
    """Derivative of the vector field with respect to p: `A a` in the equation of `y4`, zero elsewhere."""
    gain = coefficients.input_gain
    return jnp.zeros(len(STATES), gain.dtype).at[EXTERNAL_INPUT_STATE].set(gain)
