"""External input p(t): the mean firing rate, in 1/s, of the afferents from outside the column."""

from abc import abstractmethod
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .._validation import as_float, check_count, check_finite, check_positive


class AbstractExternalInput(eqx.Module):
    """p(t) as a smooth part, known at every instant, plus values drawn anew every `hold` seconds.

    The two are apart because an integrator must treat them apart: it evaluates the smooth part at each of its
    stages, but a held value is the same for a whole step. Array leaves have shape `()`, or `(batch,)` to give
    each column its own.
    """

    if TYPE_CHECKING:  # a type checker takes an AbstractVar for a field of the constructor

        @property
        def hold(self) -> float | None:
            """Seconds for which a drawn value is held; `None` if nothing is drawn."""

    else:
        hold: eqx.AbstractVar[float | None]

    @abstractmethod
    def rate(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """The smooth part at `t` seconds, 1/s."""

    @abstractmethod
    def draw(self, holds: int, *, key: PRNGKeyArray) -> Float[Array, " holds"]:
        """The drawn part, one value (1/s) for each of the first `holds` holds."""


class _AbstractDeterministicInput(AbstractExternalInput):
    hold = None  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def draw(self, holds, *, key):
        return jnp.zeros(holds)


class ConstantInput(_AbstractDeterministicInput):
    """p(t) = `p`.

    **Arguments:**

    - `p`: 1/s, shape `()` or `(batch,)`.

    **Raises:** `ValueError` if `p` is not finite.
    """

    p: Float[Array, "*batch"] = eqx.field(converter=as_float)

    def __check_init__(self):
        check_finite(p=self.p)

    def rate(self, t):
        """`p`, whatever `t`."""
        return self.p


class UniformNoiseInput(AbstractExternalInput):
    """Independent uniform values, each held for `hold` seconds.

    `hold` is part of the model and not of the integrator: noise redrawn at every step would have a power
    proportional to the step. Held uniform noise acts like white noise of intensity
    `A a (high - low) / sqrt(12) * sqrt(hold)` on `y4`.

    **Arguments:**

    - `low`, `high`: the range, 1/s, shape `()` or `(batch,)`. Jansen and Rit (1995) use 120 to 320.
    - `hold`: seconds, one Python number for the whole batch.

    **Raises:** `ValueError` if `hold` is not positive, or `high` is not above `low`.
    """

    low: Float[Array, "*batch"] = eqx.field(converter=as_float)
    high: Float[Array, "*batch"] = eqx.field(converter=as_float)
    hold: float = eqx.field(static=True, kw_only=True)  # pyright: ignore[reportIncompatibleMethodOverride]

    def __check_init__(self):
        check_finite(low=self.low, high=self.high)
        if self.low.ndim and self.high.ndim and self.low.shape != self.high.shape:
            raise ValueError(f"`low` and `high` must have one shape, got {self.low.shape} and {self.high.shape}")
        check_positive(hold=self.hold)
        check_positive(**{"high - low": self.high - self.low})

    def rate(self, t):
        """Zero: all of this input is drawn."""
        return jnp.zeros_like(self.low)

    def draw(self, holds, *, key):
        """`holds` values, uniform in [`low`, `high`)."""
        return self.low + (self.high - self.low) * jax.random.uniform(key, (holds,), dtype=self.low.dtype)


class EvokedPulseInput(AbstractExternalInput):
    """A pulse of afferent firing on top of a background: `q (s/w)^n exp(-s/w)`, with s the time since `onset`.

    The shape and the standard values are those of Jansen and Rit (1995), doi 10.1007/BF00199471; the pulse
    peaks `n w` = 35 ms after `onset`, at about 375 /s.

    **Arguments:**

    - `onset`: seconds, shape `()` or `(batch,)`.
    - `background`: any other external input.
    - `q`: amplitude, 1/s. `w`: width, seconds. `n`: order, a whole number.

    **Raises:** `ValueError` if `w` is not positive, `n` is no whole number of at least 1, or `onset` or `q` is not
        finite.
    """

    onset: Float[Array, "*batch"] = eqx.field(converter=as_float)
    background: AbstractExternalInput
    q: Float[Array, "*batch"] = eqx.field(converter=as_float, default=0.5, kw_only=True)
    w: Float[Array, "*batch"] = eqx.field(converter=as_float, default=0.005, kw_only=True)
    n: int = eqx.field(static=True, default=7, kw_only=True)

    def __check_init__(self):
        check_finite(onset=self.onset, q=self.q)
        check_positive(w=self.w)
        check_count(1, n=self.n)

    @property
    def hold(self) -> float | None:
        """That of the background."""
        return self.background.hold

    def rate(self, t):
        """Background plus pulse; the pulse is zero before `onset`."""
        s = jnp.maximum((t - self.onset) / self.w, 0)
        return self.background.rate(t) + self.q * s**self.n * jnp.exp(-s)

    def draw(self, holds, *, key):
        """What the background draws."""
        return self.background.draw(holds, key=key)
