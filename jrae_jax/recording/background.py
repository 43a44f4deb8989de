"""What sensors add to a recording beside white noise: a background that is coloured, and a constant offset."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._checks import as_float, check_choice, check_not_negative, check_positive, is_concrete
from ..column.quantities import described, unit
from ..column.states import CHANNELS

# Corner frequencies of the two parts of a background of 1/f, as fractions of the edges of the band, and how much lower
# they are where the power falls off faster: fitted by least squares to the logarithm of the power, for exponents from
# 0.5 to 2.
_CORNERS, _SHIFTS = (1.68, 0.53), (0.9, 0.95)
_BELOW, _FREQUENCIES = 0.7, 64  # of the lower edge, from where the power is fitted; at so many frequencies
_STEEPEST = 2.0
_LEAST_WEIGHT = 1e-4  # of the power at low frequencies, so that no part has a std of 0


class Background(eqx.Module):
    """A sum of independent Ornstein-Uhlenbeck processes and a constant, in one channel of a recording.

    Each process is Gaussian with an autocorrelation of `exp(-|s| / correlation_time)`; its power falls off as `1/f^2`
    above a frequency of `1 / (2 pi correlation_time)`. The batch, if there is one, is in front of the parts.

    **Arguments:**

    - `std`: standard deviation of each part, mV.
    - `correlation_time`: of each part, s.
    - `offset_std`: standard deviation of the constant, about 0, mV; `None`: there is none.
    - `channel`: the name of the channel.

    **Raises:** `ValueError` for shapes that do not fit together, values that are not positive, or an unknown channel.
    """

    std: Float[Array, "*batch part"] = eqx.field(converter=as_float, metadata=unit("mV"))
    correlation_time: Float[Array, "*batch part"] = eqx.field(converter=as_float, metadata=unit("s"))
    offset_std: Float[Array, "*batch"] | None = eqx.field(
        converter=lambda given: None if given is None else as_float(given), default=None, metadata=unit("mV")
    )
    channel: str = eqx.field(static=True, default="eeg", kw_only=True)

    def __check_init__(self):
        std, times = np.shape(self.std), np.shape(self.correlation_time)
        if std != times or len(std) not in (1, 2):
            raise ValueError(
                "`std` and `correlation_time` must have shape (part,) or (batch, part), the same for both, got "
                f"{std} and {times}"
            )
        if self.offset_std is not None and np.shape(self.offset_std) != std[:-1]:
            raise ValueError(f"`offset_std` must have shape {std[:-1]}, got {np.shape(self.offset_std)}")
        check_positive(std=self.std, correlation_time=self.correlation_time)
        if self.offset_std is not None:
            check_positive(offset_std=self.offset_std)
        check_choice(CHANNELS, channel=self.channel)

    @classmethod
    def one_over_f(
        cls,
        *,
        std: ArrayLike,
        exponent: ArrayLike,
        band: tuple[float, float] = (1.0, 45.0),
        offset_std: ArrayLike | None = None,
        channel: str = "eeg",
    ) -> "Background":
        """A background whose power falls off as `1/f^exponent` within a band, and is constant below it.

        As two parts, whose power is within 1 dB of that for exponents from 0.3 to 2 and bands as wide as the default,
        apart from the edges; above the band it falls off as `1/f^2`. Works on traced values.

        **Arguments:**

        - `std`: standard deviation of what lies within the band, mV.
        - `exponent`: from 0 to 2. Arguments have shape `()` or `(batch,)`.
        - `band`: its edges, Hz.
        - `offset_std`, `channel`: as for `Background`.

        **Raises:** `ValueError` for a band that does not rise, or an exponent that no sum of such parts has.
        """
        low, high = band
        if not 0 < low < high:
            raise ValueError(f"`band` must rise from above 0 Hz, got {low:g} to {high:g} Hz")
        check_not_negative(exponent=exponent)
        check_positive(std=std)
        std, exponent = jnp.broadcast_arrays(as_float(std), as_float(exponent))
        if is_concrete(exponent) and np.max(exponent) > _STEEPEST:
            raise ValueError(f"`exponent` must be from 0 to {_STEEPEST:g}, got {np.max(exponent):g}")
        if offset_std is not None:
            offset_std = jnp.broadcast_to(as_float(offset_std), std.shape)
        parts = functools.partial(_parts_of_one_over_f, band=band)
        part_std, times = (jax.vmap(parts) if std.ndim else parts)(std, exponent)
        return cls(part_std, times, offset_std, channel=channel)

    @property
    def parts(self) -> int:
        """How many processes there are."""
        return self.std.shape[-1]

    @property
    def batch(self) -> int | None:
        """How many backgrounds there are; `None` without a batch axis."""
        return len(self.std) if self.std.ndim == 2 else None

    def broadcast(self, batch: int) -> "Background":
        """The same with a batch axis of this length."""
        leaves, tree = jax.tree.flatten(self)
        own = 0 if self.batch is None else 1
        return jax.tree.unflatten(tree, [jnp.broadcast_to(x, (batch, *x.shape[own:])) for x in leaves])

    def __repr__(self) -> str:
        return described(self)


def _parts_of_one_over_f(
    std: Float[Array, ""], exponent: Float[Array, ""], band: tuple[float, float]
) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
    """Standard deviations and correlation times of two parts, as for `Background.one_over_f`."""
    low, high = band
    f = as_float(np.geomspace(_BELOW * low, high, _FREQUENCIES))
    corners = as_float(np.multiply(_CORNERS, band)) * jnp.exp(as_float(_SHIFTS) * (1 - exponent))
    wanted = (jnp.maximum(f, low) / low) ** -exponent
    # The least squares of relative errors; for these corners no weight is negative, apart from rounding.
    first, second = (1 / (1 + (f / corner) ** 2) / wanted for corner in corners)
    products = jnp.stack([first @ first, first @ second, second @ second])
    a, b = jnp.sum(first), jnp.sum(second)
    weights = jnp.stack([a * products[2] - b * products[1], b * products[0] - a * products[1]])
    weights = jnp.maximum(weights / (products[0] * products[2] - products[1] ** 2), _LEAST_WEIGHT)
    power = jnp.trapezoid(jnp.where(f >= low, wanted, 0), f)
    return std * jnp.sqrt(weights * corners * (jnp.pi / 2) / power), 1 / (2 * jnp.pi * corners)
