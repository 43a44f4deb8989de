"""External input p(t): the mean firing rate, in 1/s, of the afferents from outside the column."""

import math
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._checks import (
    as_positive,
    as_quantity,
    check_count,
    check_finite,
    check_not_negative,
    check_positive,
    check_type,
)
from .noise import NoiseStream
from .quantities import described, unit


class InputStatistics(NamedTuple):
    """An input over one step, as a sequence of independent values: what an estimator that cannot see it knows."""

    mean: Float[Array, "*batch"]
    """1/s"""
    held_std: Float[Array, "*batch"]
    """Standard deviation of the values held for a step, 1/s."""
    white: Float[Array, "*batch"]
    """Intensity of the white noise, s^-1/2."""


class InputRange(NamedTuple):
    """Between which values an input always is, 1/s; infinite where it has no bounds."""

    least: Float[Array, "*batch"]
    greatest: Float[Array, "*batch"]


class AbstractExternalInput(eqx.Module):
    """p(t): a smooth part `rate`, known at every instant, plus random values held for `hold` seconds, plus white noise.

    The three are apart because an integrator must treat them apart: it evaluates the smooth part at each of its
    stages, but what is held or white is one value for a whole step. Random numbers are a pure function of the
    trajectory's stream and a count, so that nothing depends on how a batch is cut. Array leaves have shape `()`, or
    `(batch,)` to give each column its own.
    """

    if TYPE_CHECKING:  # a type checker takes an AbstractVar for a field of the constructor

        @property
        def hold(self) -> float | None:
            """Seconds for which a random value is held; `None` if none is."""

    else:
        hold: eqx.AbstractVar[float | None]

    @abstractmethod
    def rate(self, t: Float[Array, ""]) -> Float[Array, ""]:
        """The smooth part at `t` seconds, 1/s."""

    @abstractmethod
    def held(self, index: Int[Array, ""], stream: NoiseStream) -> Float[Array, ""]:
        """The random value (1/s) of hold number `index`, counted from t = 0; 0 if none is held."""

    @property
    @abstractmethod
    def memory(self) -> Float[Array, "*batch"] | None:
        """The fraction of a held value that is carried over into the next, on top of its own; `None`: nothing."""

    @property
    @abstractmethod
    def white(self) -> Float[Array, "*batch"] | None:
        """Intensity of the white noise, s^-1/2: its integral over h seconds has the standard deviation
        `white * sqrt(h)`; `None`: there is none."""

    @abstractmethod
    def statistics(self, dt: float) -> InputStatistics:
        """Mean and spread over steps of `dt` seconds.

        **Raises:** `ValueError` for an input that is no sequence of independent values over such steps.
        """

    @property
    @abstractmethod
    def range(self) -> InputRange:
        """Between which values it always is."""

    @property
    def random(self) -> bool:
        """Whether anything in it is random."""
        return self.hold is not None or self.white is not None

    def __repr__(self) -> str:
        return described(self)


class ConstantInput(AbstractExternalInput):
    """p(t) = `p`.

    **Arguments:**

    - `p`: 1/s, shape `()` or `(batch,)`.

    **Raises:** `ValueError` if `p` is not finite.
    """

    p: Float[Array, "*batch"] = eqx.field(converter=as_quantity, metadata=unit("1/s"))
    hold = None  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __check_init__(self):
        check_finite(p=self.p)
        _check_one_shape(p=self.p)

    def rate(self, t):
        """`p`, whatever `t`."""
        return self.p

    def held(self, index, stream):
        """Nothing is held."""
        return jnp.zeros_like(self.p)

    @property
    def memory(self):
        """Nothing is carried over."""
        return None

    @property
    def white(self):
        """There is none."""
        return None

    @property
    def range(self):
        """`p` alone."""
        return InputRange(self.p, self.p)

    def statistics(self, dt):
        """No spread."""
        return InputStatistics(self.p, jnp.zeros_like(self.p), jnp.zeros_like(self.p))


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

    low: Float[Array, "*batch"] = eqx.field(converter=as_quantity, metadata=unit("1/s"))
    high: Float[Array, "*batch"] = eqx.field(converter=as_quantity, metadata=unit("1/s"))
    hold: float = eqx.field(  # pyright: ignore[reportIncompatibleMethodOverride]
        static=True, kw_only=True, converter=partial(as_positive, "hold"), metadata=unit("s")
    )

    def __check_init__(self):
        check_finite(low=self.low, high=self.high)
        _check_one_shape(low=self.low, high=self.high)
        check_positive(**{"high - low": self.high - self.low})

    def rate(self, t):
        """Zero: all of this input is drawn."""
        return jnp.zeros_like(self.low)

    def held(self, index, stream):
        """Uniform in [`low`, `high`)."""
        return self.low + (self.high - self.low) * stream.uniform(index)

    @property
    def memory(self):
        """Nothing is carried over."""
        return None

    @property
    def white(self):
        """There is none."""
        return None

    @property
    def range(self):
        """From `low` to `high`."""
        return InputRange(self.low, self.high)

    def statistics(self, dt):
        """Those of the uniform distribution if values are held for `dt`; else white noise of the same intensity."""
        mean, std = (self.low + self.high) / 2, (self.high - self.low) / 12**0.5
        if abs(self.hold - dt) <= 1e-6 * dt:
            return InputStatistics(mean, std, jnp.zeros_like(std))
        return InputStatistics(mean, jnp.zeros_like(std), std * self.hold**0.5)


class WhiteNoiseInput(AbstractExternalInput):
    """p(t) = `p` + `intensity` times Gaussian white noise, the derivative of a Wiener process.

    For fixed steps, one draw a step. It enters `y4` as `sigma dW` with `sigma = A a intensity`, so that the
    `sigma = 2000` of Ableidinger, Buckwar and Hinterleitner (2017), doi 10.1186/s13408-017-0046-4, and of the inference
    literature is an intensity of 2000/325 = 6.154 with the standard `A` and `a`.

    **Arguments:**

    - `p`: 1/s, shape `()` or `(batch,)`.
    - `intensity`: s^-1/2, shape `()` or `(batch,)`; 0 is allowed, for a scan that starts there.

    **Raises:** `ValueError` if `p` is not finite, or `intensity` is negative.
    """

    p: Float[Array, "*batch"] = eqx.field(converter=as_quantity, metadata=unit("1/s"))
    intensity: Float[Array, "*batch"] = eqx.field(converter=as_quantity, metadata=unit("s^-1/2"))
    hold = None  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __check_init__(self):
        check_finite(p=self.p)
        check_not_negative(intensity=self.intensity)
        _check_one_shape(p=self.p, intensity=self.intensity)

    def rate(self, t):
        """`p`, whatever `t`."""
        return self.p

    @property
    def white(self):
        """`intensity`."""
        return self.intensity

    def held(self, index, stream):
        """Nothing is held."""
        return jnp.zeros_like(self.p)

    @property
    def memory(self):
        """Nothing is carried over."""
        return None

    @property
    def range(self):
        """`p` alone without noise; else there are no bounds."""
        return _unbounded(self.p, self.intensity)

    def statistics(self, dt):
        """White noise about `p`."""
        return InputStatistics(self.p, jnp.zeros_like(self.p), self.intensity)


class OrnsteinUhlenbeckInput(AbstractExternalInput):
    """Gaussian noise around `p` whose correlation falls off as `exp(-|s| / correlation_time)`.

    Sampled exactly every `hold` seconds and held in between; stationary from t = 0 on.

    **Arguments:**

    - `p`: 1/s. `sd`: standard deviation, 1/s. `correlation_time`: seconds. Shapes `()` or `(batch,)`.
    - `hold`: seconds, one Python number for the whole batch; well below `correlation_time`.

    **Raises:** `ValueError` if `p` is not finite, `sd` is negative, or `correlation_time` or `hold` not positive.
    """

    p: Float[Array, "*batch"] = eqx.field(converter=as_quantity, metadata=unit("1/s"))
    sd: Float[Array, "*batch"] = eqx.field(converter=as_quantity, metadata=unit("1/s"))
    correlation_time: Float[Array, "*batch"] = eqx.field(converter=as_quantity, metadata=unit("s"))
    hold: float = eqx.field(  # pyright: ignore[reportIncompatibleMethodOverride]
        static=True, kw_only=True, converter=partial(as_positive, "hold"), metadata=unit("s")
    )

    def __check_init__(self):
        check_finite(p=self.p)
        check_not_negative(sd=self.sd)
        check_positive(correlation_time=self.correlation_time)
        _check_one_shape(p=self.p, sd=self.sd, correlation_time=self.correlation_time)

    def rate(self, t):
        """`p`, whatever `t`."""
        return self.p

    def held(self, index, stream):
        """The new part of a value: with the part carried over, its standard deviation is `sd`."""
        own = jnp.sqrt(-jnp.expm1(-2 * self.hold / self.correlation_time))
        return self.sd * jnp.where(index == 0, jnp.ones_like(own), own) * stream.normal_pair(index)[0]

    @property
    def memory(self):
        """`exp(-hold / correlation_time)`."""
        return jnp.exp(-self.hold / self.correlation_time)

    @property
    def white(self):
        """There is none."""
        return None

    @property
    def range(self):
        """`p` alone without noise; else there are no bounds."""
        return _unbounded(self.p, self.sd)

    def statistics(self, dt):
        """Not available: successive values depend on each other."""
        raise _no_statistics(self)


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

    onset: Float[Array, "*batch"] = eqx.field(converter=as_quantity, metadata=unit("s"))
    background: AbstractExternalInput
    q: Float[Array, "*batch"] = eqx.field(converter=as_quantity, default=0.5, kw_only=True, metadata=unit("1/s"))
    w: Float[Array, "*batch"] = eqx.field(converter=as_quantity, default=0.005, kw_only=True, metadata=unit("s"))
    n: int = eqx.field(static=True, default=7, kw_only=True)

    def __check_init__(self):
        check_type(AbstractExternalInput, background=self.background)
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

    def held(self, index, stream):
        """That of the background."""
        return self.background.held(index, stream)

    @property
    def memory(self):
        """That of the background."""
        return self.background.memory

    @property
    def white(self):
        """That of the background."""
        return self.background.white

    @property
    def range(self):
        """That of the background, widened by the peak of the pulse."""
        peak = self.q * (self.n / math.e) ** self.n
        least, greatest = self.background.range
        return InputRange(least + jnp.minimum(peak, 0), greatest + jnp.maximum(peak, 0))

    def statistics(self, dt):
        """Not available: the mean changes in time."""
        raise _no_statistics(self)


def _unbounded(p: Array, spread: Array) -> InputRange:
    """Of Gaussian noise about `p`."""
    reach = jnp.where(spread > 0, jnp.inf, jnp.zeros_like(spread))
    return InputRange(p - reach, p + reach)


def _check_one_shape(**arguments: Array) -> None:
    """Each argument is a scalar, or one value for each column of the same batch."""
    shapes = {np.shape(value) for value in arguments.values() if np.ndim(value)}
    for name, value in arguments.items():
        if np.ndim(value) > 1:
            raise ValueError(f"`{name}` must be a scalar or one value a column, got shape {np.shape(value)}")
    if len(shapes) > 1:
        names = " and ".join(f"`{name}`" for name in arguments)
        came = " and ".join(str(np.shape(value)) for value in arguments.values())
        raise ValueError(f"{names} must have one shape, got {came}")


def _no_statistics(input: AbstractExternalInput) -> ValueError:
    return ValueError(
        f"`column` must have a ConstantInput, WhiteNoiseInput or UniformNoiseInput, got {type(input).__name__}"
    )
