"""Random numbers as a pure function of (key, trajectory, index), light enough for the inside of an integration loop.

A trajectory's stream is 64 bits made once by `jax.random`. The numbers of the stream come from a keyed counter hash:
two rounds of a 32-bit multiply-xorshift permutation (constants of Wellons' `lowbias32`, found by its search for the
least avalanche bias), the first word of the stream added before the first round, the second before the second. Some
ten times cheaper than threefry, which is made for more than simulations need.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Integer, PRNGKeyArray, UInt32

from .._checks import check_key, check_not_negative
from .elementary import evaluated, minus_twice_log
from .one_function import Stage, together
from .quantities import described

_WEYL = np.uint32(0x9E3779B9)
_SECOND_LANE = (np.uint32(0x2C1B3C6D), np.uint32(0x85EBCA6B))


class NoiseStream(eqx.Module):
    """The random numbers of one trajectory, made from two words of 32 bits."""

    first: UInt32[Array, "*batch"]
    second: UInt32[Array, "*batch"]

    def __repr__(self) -> str:
        return described(self)

    def uniform(self, index: Int[Array, ""]) -> Float[Array, "*batch"]:
        """Number `index` of the stream, uniform in [0, 1), in steps of 2^-24."""
        return _unit(_mix(_halfway(self.first, index) ^ self.second))

    def normal_pair(
        self, index: Int[Array, ""], stage: Stage = together
    ) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        """Numbers `index` of two independent standard normal sequences, by Box and Muller (1958); tails to 6.6 sd.

        They share the hash of `uniform`: take either from one stream, not both.
        """
        halfway = stage(_halfway)(self.first, index)
        radius, angle_bits = stage(_radius_and_angle_bits)(halfway, self.second)
        return stage(_on_circle)(radius, *stage(_in_an_eighth)(angle_bits), angle_bits)


def noise_stream(key: PRNGKeyArray, trajectory: Integer[Array, "*batch"] | int) -> NoiseStream:
    """The stream of one trajectory, or of each of several.

    **Arguments:**

    - `key`: of the whole batch or parameter scan.
    - `trajectory`: the index of the trajectory in it, below 2^32.
    """

    check_key(key=key)
    check_not_negative(trajectory=trajectory)

    def words(trajectory):
        return jax.random.bits(jax.random.fold_in(key, trajectory), (2,), jnp.uint32)

    first, second = (jax.vmap(words, out_axes=1) if jnp.ndim(trajectory) else words)(trajectory)
    return NoiseStream(first, second)


def checked_key(kind: str, key: PRNGKeyArray | None) -> PRNGKeyArray:
    """`key`, if it is one typed key, which a random input of this kind needs.

    **Raises:** `ValueError` for none, for several, or for what is no key.
    """
    if key is None:
        raise ValueError(f"`key` must be one key of jax.random.key for a {kind}, got None")
    check_key(key=key)
    return key


def _mix(x: UInt32[Array, "*batch"]) -> UInt32[Array, "*batch"]:
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    return x ^ (x >> 16)


def _halfway(first: UInt32[Array, "*batch"], index: Int[Array, ""]) -> UInt32[Array, "*batch"]:
    return _mix(lax.convert_element_type(index, jnp.uint32) * _WEYL + first)


def _unit(bits: UInt32[Array, "*batch"]) -> Float[Array, "*batch"]:
    return (bits >> 8).astype(jnp.int32).astype(jnp.result_type(float)) * 2.0**-24


def _radius_and_angle_bits(
    halfway: UInt32[Array, "*batch"], second: UInt32[Array, "*batch"]
) -> tuple[Float[Array, "*batch"], UInt32[Array, "*batch"]]:
    factor, shift = _SECOND_LANE
    # By way of int32: a vector of unsigned numbers has no conversion to floats before AVX-512.
    number = (_mix(halfway ^ second) >> 1).astype(jnp.int32).astype(jnp.result_type(float)) + 0.5
    return jnp.sqrt(minus_twice_log(number * 2.0**-31)), _mix(halfway + (second * factor + shift))


def _in_an_eighth(angle_bits: UInt32[Array, "*batch"]) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Sine and cosine of an angle in the first eighth of the circle, where 29 bits say.

    XLA's own sine and cosine are not vectorised on a CPU, and an eighth needs no range reduction.
    """
    dtype = jnp.result_type(float)
    turn = (angle_bits >> 3).astype(jnp.int32).astype(dtype) + 0.5
    angle = turn * np.asarray(np.pi / 4 * 2.0**-29, dtype)
    square, terms = angle * angle, _TERMS[str(dtype)]
    return angle * evaluated(_SINE[:terms], square), evaluated(_COSINE[:terms], square)


def _on_circle(
    radius: Float[Array, "*batch"],
    sine: Float[Array, "*batch"],
    cosine: Float[Array, "*batch"],
    angle_bits: UInt32[Array, "*batch"],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """A point on the circle; three bits say in which eighth."""
    swapped, left, lower = ((angle_bits & bit) != 0 for bit in (1, 2, 4))
    x, y = radius * lax.select(swapped, sine, cosine), radius * lax.select(swapped, cosine, sine)
    return lax.select(left, -x, x), lax.select(lower, -y, y)


# Taylor series, to the precision of the type within an eighth.
_SINE = tuple((-1) ** n / float(np.prod(np.arange(1.0, 2 * n + 2))) for n in range(8))
_COSINE = tuple((-1) ** n / float(np.prod(np.arange(1.0, 2 * n + 1))) for n in range(8))
_TERMS = {"float32": 5, "float64": 8}
