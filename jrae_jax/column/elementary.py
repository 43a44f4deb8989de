"""Powers of two and logarithms as polynomials, which a loop over many columns can evaluate side by side.

XLA's own also care for infinities, NaN and subnormal numbers, and take twice the time. Those of other precisions than
float32 are XLA's own.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, UInt32


def polynomial(function: Callable[[np.ndarray], np.ndarray], low: float, high: float, degree: int) -> tuple[float, ...]:
    """Coefficients, lowest power first, of the interpolation of a function in Chebyshev's points."""
    fitted = np.polynomial.Chebyshev.interpolate(function, degree, [low, high])
    return tuple(fitted.convert(kind=np.polynomial.Polynomial).coef.tolist())


def evaluated(coefficients: tuple[float, ...], x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """A polynomial by Horner's rule."""
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value


_LEAST_MANTISSA = 0.5**0.5
_LEAST_BITS = np.float32(_LEAST_MANTISSA).view(np.uint32)
_MANTISSA = np.uint32(2**23 - 1)
_POWER = polynomial(np.exp2, -0.5, 0.5, 5)
# Of log(1 + f) / f, which is 0 / 0 at a point that the interpolation does not use.
_LOG = polynomial(lambda f: -2 * np.log1p(f) / f, _LEAST_MANTISSA - 1, 2 * _LEAST_MANTISSA - 1, 7)
_WHOLE = np.float32(1.5 * 2**23)  # added to a whole number, it leaves that number in the last bits


def power_of_two(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """`2^x` to 3e-7 of it, for |x| below 126."""
    if x.dtype != jnp.float32:
        return lax.exp2(x)
    # Adding and taking off a large number would round as well, but XLA simplifies that to nothing.
    whole = lax.floor(x + 0.5)
    power = evaluated(_POWER, x - whole)
    return _as_float(_as_bits(power) + (_as_bits(whole + _WHOLE) << 23))


def minus_twice_log(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """`-2 log(x)` to 3e-7 of it, for positive normal x up to 1; never negative."""
    if x.dtype != jnp.float32:
        return -2 * lax.log(x)
    shifted = _as_bits(x) - _LEAST_BITS  # so that the mantissa lies between sqrt(1/2) and sqrt(2)
    exponent = (lax.bitcast_convert_type(shifted, jnp.int32) >> 23).astype(jnp.float32)
    f = _as_float((shifted & _MANTISSA) + _LEAST_BITS) - 1
    return evaluated(_LOG, f) * f - 2 * np.float32(np.log(2)) * exponent


def clipped(x: Float[Array, "*batch"], limit: float) -> Float[Array, "*batch"]:
    """Between `-limit` and `limit`; what NaN becomes does not matter where a state is NaN as well.

    `lax.max` and `lax.min` keep NaN, which takes twice as many instructions.
    """
    limits = jnp.full_like(x, limit)
    x = lax.select(x > limits, limits, x)
    return lax.select(x < -limits, -limits, x)


def _as_bits(x: Float[Array, "*batch"]) -> UInt32[Array, "*batch"]:
    return lax.bitcast_convert_type(x, jnp.uint32)


def _as_float(bits: UInt32[Array, "*batch"]) -> Float[Array, "*batch"]:
    return lax.bitcast_convert_type(bits, jnp.float32)
