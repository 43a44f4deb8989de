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
from jaxtyping import Array, Float, Int, Integer, PRNGKeyArray, UInt32

from .._checks import check_key, check_not_negative
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
        return _unit(_mix(self._halfway(index) ^ self.second))

    def normal_pair(self, index: Int[Array, ""]) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        """Numbers `index` of two independent standard normal sequences, by Box and Muller (1958); tails to 6.6 sd.

        They share the hash of `uniform`: take either from one stream, not both.
        """
        halfway = self._halfway(index)
        factor, shift = _SECOND_LANE
        radius_bits = _mix(halfway ^ self.second)
        angle_bits = _mix(halfway + (self.second * factor + shift))
        dtype = jnp.result_type(float)
        radius = jnp.sqrt(-2 * jnp.log(((radius_bits >> 1).astype(jnp.int32).astype(dtype) + 0.5) * 2.0**-31))
        cosine, sine = _on_circle(angle_bits, dtype)
        return radius * cosine, radius * sine

    def _halfway(self, index: Int[Array, ""]) -> UInt32[Array, "*batch"]:
        counter = jax.lax.convert_element_type(index, jnp.uint32) * _WEYL
        return _mix(counter + self.first)


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


def _unit(bits: UInt32[Array, "*batch"]) -> Float[Array, "*batch"]:
    return (bits >> 8).astype(jnp.int32).astype(jnp.result_type(float)) * 2.0**-24


def _on_circle(bits: UInt32[Array, "*batch"], dtype) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """A point uniform on the unit circle: 29 bits say where in an eighth of it, 3 which eighth.

    XLA's own sine and cosine are not vectorised on a CPU, and an eighth needs no range reduction.
    """
    turn = (bits >> 3).astype(jnp.int32).astype(dtype) + 0.5
    angle = turn * np.asarray(np.pi / 4 * 2.0**-29, dtype)
    square = angle * angle
    sine = angle * _polynomial(square, _SINE)
    cosine = _polynomial(square, _COSINE)
    swapped = (bits & 1).astype(bool)
    x, y = jnp.where(swapped, sine, cosine), jnp.where(swapped, cosine, sine)
    return jnp.where((bits & 2).astype(bool), -x, x), jnp.where((bits & 4).astype(bool), -y, y)


_SINE = tuple((-1) ** n / float(np.prod(np.arange(1.0, 2 * n + 2))) for n in range(8))
_COSINE = tuple((-1) ** n / float(np.prod(np.arange(1.0, 2 * n + 1))) for n in range(8))
_TERMS = {"float32": 5, "float64": 8}


def _polynomial(x: Float[Array, "*batch"], taylor: tuple[float, ...]) -> Float[Array, "*batch"]:
    value = jnp.full_like(x, taylor[_TERMS[str(x.dtype)] - 1])
    for coefficient in reversed(taylor[: _TERMS[str(x.dtype)] - 1]):
        value = value * x + coefficient
    return value
