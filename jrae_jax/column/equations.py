"""The Jansen-Rit equations.

Jansen and Rit (1995), doi 10.1007/BF00199471, in the six-state form of Grimbert and Faugeras (2006),
doi 10.1162/neco.2006.18.12.3052:

    y0'' = A a S(y1 - y2)             - 2 a y0' - a^2 y0
    y1'' = A a (p + C2 S(C1 y0))      - 2 a y1' - a^2 y1
    y2'' = B b C4 S(C3 y0)            - 2 b y2' - b^2 y2
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Real

from .parameters import JansenRitParameters
from .states import EXTERNAL_INPUT_STATE


def sigmoid(v: Float[Array, "*batch"], parameters: JansenRitParameters) -> Float[Array, "*batch"]:
    """Firing rate of a population whose mean membrane potential is `v`: `2 e0 / (1 + exp(r (v0 - v)))`.

    **Arguments:**

    - `v`: mV.
    - `parameters`: `e0`, `v0` and `r` are used.

    **Returns:** 1/s, between 0 and `2 e0`; values and gradients stay finite at any finite `v`.
    """
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
    return derivative(y, p, coefficients(parameters))


def coefficients(parameters: JansenRitParameters) -> tuple[Float[Array, "*batch"], ...]:
    """The products of parameters that the equations need, worked out once for a whole simulation."""
    A, B, a, b, e0, r = (getattr(parameters, name) for name in ("A", "B", "a", "b", "e0", "r"))
    return (
        -r * parameters.v0,
        r,
        2 * e0 * A * a,
        r * parameters.C1,
        2 * e0 * A * a * parameters.C2,
        r * parameters.C3,
        2 * e0 * B * b * parameters.C4,
        2 * a,
        a**2,
        2 * b,
        b**2,
        A * a,
    )


def derivative(
    y: Float[Array, "6"], p: Float[Array, ""], coefficients: Sequence[Array] | Float[Array, " coefficients"]
) -> Float[Array, "6"]:
    """dy/dt of one column, from the `coefficients` of its parameters."""
    y0, y1, y2, y3, y4, y5 = y
    pyramidal, excitatory, inhibitory = synaptic_drive(y, coefficients)
    excitatory_damping, excitatory_stiffness, inhibitory_damping, inhibitory_stiffness, input_gain = (
        coefficients[i] for i in range(7, 12)
    )
    return jnp.stack(
        [
            y3,
            y4,
            y5,
            pyramidal - excitatory_damping * y3 - excitatory_stiffness * y0,
            excitatory + input_gain * p - excitatory_damping * y4 - excitatory_stiffness * y1,
            inhibitory - inhibitory_damping * y5 - inhibitory_stiffness * y2,
        ]
    )


def synaptic_drive(
    y: Float[Array, "6 *batch"] | Sequence[Array], coefficients: Sequence[Array] | Float[Array, " coefficients"]
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"], Float[Array, "*batch"]]:
    """What the three populations add to the derivatives of `y3`, `y4` and `y5`: all that is not linear, but for p."""
    (
        threshold,
        pyramidal_slope,
        pyramidal_drive,
        excitatory_slope,
        excitatory_drive,
        inhibitory_slope,
        inhibitory_drive,
    ) = (coefficients[i] for i in range(7))
    return (
        pyramidal_drive * jax.nn.sigmoid(pyramidal_slope * (y[1] - y[2]) + threshold),
        excitatory_drive * jax.nn.sigmoid(excitatory_slope * y[0] + threshold),
        inhibitory_drive * jax.nn.sigmoid(inhibitory_slope * y[0] + threshold),
    )


def external_input_direction(
    coefficients: Sequence[Array] | Float[Array, " coefficients"],
) -> Float[Array, "6"]:
    """Derivative of the vector field with respect to p: `A a` in the equation of `y4`, zero elsewhere."""
    gain = coefficients[11]
    return jnp.zeros(6, gain.dtype).at[EXTERNAL_INPUT_STATE].set(gain)
