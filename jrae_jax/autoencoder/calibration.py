"""Standard deviations that hold what they say."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_KNOTS = 16
_MEDIAN_OF_HALF_NORMAL = 0.6744897501960817


class Calibration(eqx.Module):
    """By what each standard deviation that a network tells is to be multiplied: for each kind of recording and state.

    Where it told so much on new recordings, half of the errors were within the interval that should hold half of them
    (after Levi et al. 2022, doi 10.3390/s22155540). Between such points by straight lines over the logarithm.
    """

    log_std: Float[Array, "kind 6 knot"]
    """Told, standardized; increasing."""
    factor: Float[Array, "kind 6 knot"]

    @classmethod
    def blank(cls, kinds: int, dtype: np.dtype) -> "Calibration":
        """One of the right shape and of no content."""
        shape = (kinds, 6, _KNOTS)
        return cls(jnp.zeros(shape, dtype), jnp.ones(shape, dtype))

    def __call__(self, std: Float[Array, "*batch 6"], kind: int) -> Float[Array, "*batch 6"]:
        """Standard deviations put right, standardized."""
        interpolate = jax.vmap(jnp.interp, in_axes=(-1, 0, 0), out_axes=-1)
        return std * interpolate(jnp.log(std), self.log_std[kind], self.factor[kind])


@eqx.filter_jit
def calibration(std: Float[Array, "sample 6"], error: Float[Array, "sample 6"]) -> Calibration:
    """Of one kind of recording, from what was told on new ones and how far off the means were."""

    def of_state(std, size):
        order = jnp.argsort(std)[: len(std) // _KNOTS * _KNOTS]
        std, size = (values[order].reshape(_KNOTS, -1) for values in (std, size))
        factor = jnp.median(size / std, axis=1) / _MEDIAN_OF_HALF_NORMAL
        return jnp.log(jnp.median(std, axis=1)), factor

    log_std, factor = jax.vmap(of_state, in_axes=-1)(std, jnp.abs(error))
    return Calibration(log_std[None], factor[None])
