"""Summaries: what a parameter scan keeps of each trajectory, computed while it is integrated.

A summary gets the samples of many columns block by block and keeps a state of fixed size, so that memory does not grow
with duration. The columns are the last axis of every array: that is how they lie in memory, and what a processor works
on side by side. (Under `jax.vmap` over that axis each broadcast would transpose all samples.)
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from .._checks import check_count, check_names
from ..column.column import Column
from ..column.quantities import described
from ..column.states import CHANNEL_UNITS, CHANNELS

UNIT_OF_CHANNEL: dict[str, str] = dict(zip(CHANNELS, CHANNEL_UNITS, strict=True))


class Variable(NamedTuple):
    """The description of one result of a summary, as the dataset has it."""

    units: str
    long_name: str
    dims: tuple[str, ...] = ()
    """Axes beside those of the scan."""
    coords: dict[str, np.ndarray] = {}  # noqa: RUF012
    """The values along those axes, by name."""
    attributes: dict[str, Any] = {}  # noqa: RUF012
    """Further attributes of the variable in the dataset."""


class Blocks(NamedTuple):
    """The samples that a summary gets, block by block."""

    every: int = 1
    """It gets every n-th sample."""
    multiple: int = 1
    """A block, but for the last, has a whole multiple of so many of these."""


class TrajectoryInfo(eqx.Module):
    """What a summary knows of the trajectories before the first sample."""

    column: Column
    """Leaves of shape `()`, or `(batch,)` where they differ between the trajectories."""
    batch: int = eqx.field(static=True)
    """How many trajectories there are side by side."""
    dt: float = eqx.field(static=True)
    """Seconds between samples; each is the state at the end of a step."""
    start: float = eqx.field(static=True)
    """Seconds from the start of the trajectory to one `dt` before the first sample: the burn-in."""
    samples: int = eqx.field(static=True)
    """How many samples there will be."""

    def __repr__(self) -> str:
        return described(self)


_State = TypeVar("_State")


class AbstractSummary(eqx.Module, Generic[_State]):
    """What to keep of each trajectory. Subclass it for a summary of your own.

    In every array that a summary gets, keeps or returns, the columns are the last axis, and no column may depend on
    another. `update` is called with consecutive blocks of the samples that `blocks` says.

    ```python
    class TimeAbove(jrae.scan.AbstractSummary):
        threshold: float  # mV
        channels = ("eeg",)

        def blocks(self, dt):
            return jrae.scan.Blocks()

        def variables(self, info):
            return {"time_above": jrae.scan.Variable("1", f"fraction of time above {self.threshold} mV")}

        def init(self, info):
            return jnp.zeros(info.batch)

        def update(self, info, state, samples):
            return state + jnp.sum(samples[:, 0] > self.threshold, axis=0, dtype=state.dtype)

        def result(self, info, state):
            return {"time_above": state / info.samples}
    ```
    """

    if TYPE_CHECKING:  # a type checker takes an AbstractVar for a field of the constructor

        @property
        def channels(self) -> tuple[str, ...]:
            """Which of `CHANNELS` the summary is made of."""
            ...

    else:
        channels: eqx.AbstractVar[tuple[str, ...]]

    @abstractmethod
    def blocks(self, dt: float) -> Blocks:
        """Which samples it is made of, and in what blocks it gets them, where they are `dt` seconds apart."""

    @abstractmethod
    def variables(self, info: TrajectoryInfo) -> dict[str, Variable]:
        """The results by name.

        **Raises:** `ValueError` if such trajectories cannot be summarised.
        """

    @abstractmethod
    def init(self, info: TrajectoryInfo) -> _State:
        """The state before the first sample: any PyTree of arrays."""

    @abstractmethod
    def update(self, info: TrajectoryInfo, state: _State, samples: Float[Array, "time channels batch"]) -> _State:
        """The state after a block of samples."""

    @abstractmethod
    def result(self, info: TrajectoryInfo, state: _State) -> dict[str, Array]:
        """The results by the names of `variables`, each with its dimensions there, and the columns after them."""


class AbstractRunningSummary(AbstractSummary[_State]):
    """A summary that can also be made sample by sample, inside the loop over time, which stores no samples then.

    `begin` and `add` are of elementwise operations alone; what they keep are arrays with one number a column.
    """

    @abstractmethod
    def begin(self, channel: Callable[[str], Float[Array, " batch"]]) -> Any:
        """What is kept within a block, from the channels just before its first sample."""

    @abstractmethod
    def add(self, running: Any, channel: Callable[[str], Float[Array, " batch"]]) -> Any:
        """The same with one more sample."""

    @abstractmethod
    def end(self, state: _State, running: Any, samples: int) -> _State:
        """The state after the block."""


def _listed(channels: Sequence[str]) -> tuple[str, ...]:
    check_names(CHANNELS, channels=channels)
    if not len(channels):
        raise ValueError(f"`channels` must be some of {', '.join(CHANNELS)}, got none")
    return tuple(channels)


class MomentsState(NamedTuple):
    """Moments of the samples so far."""

    number: Float[Array, ""]
    """How many samples there were."""
    mean: Float[Array, "channels batch"]
    square: Float[Array, "channels batch"]
    """Sum of the squared deviations from the mean."""
    least: Float[Array, "channels batch"]
    largest: Float[Array, "channels batch"]


class _RunningMoments(NamedTuple):
    """Of one channel within a block."""

    origin: Float[Array, " batch"]
    """What is taken off each sample, so that little is lost in sums of squares."""
    total: Float[Array, " batch"]
    squares: Float[Array, " batch"]
    least: Float[Array, " batch"]
    largest: Float[Array, " batch"]


class Moments(AbstractRunningSummary[MomentsState]):
    """Mean, standard deviation, least and largest value of each channel.

    **Arguments:**

    - `channels`: some of `CHANNELS`.
    """

    channels: tuple[str, ...] = eqx.field(  # pyright: ignore[reportIncompatibleMethodOverride]
        static=True, default=("eeg",), converter=_listed
    )

    def blocks(self, dt):
        """All samples, in blocks of any length."""
        del dt
        return Blocks()

    def variables(self, info):
        """`<channel>_mean`, `_sd`, `_min` and `_max`, in the channel's unit."""
        del info
        names = {"mean": "mean", "sd": "standard deviation", "min": "least value", "max": "largest value"}
        return {
            f"{channel}_{short}": Variable(UNIT_OF_CHANNEL[channel], f"{name} of {channel}")
            for channel in self.channels
            for short, name in names.items()
        }

    def init(self, info):
        """No samples yet."""
        zeros = jnp.zeros((len(self.channels), info.batch))
        return MomentsState(jnp.zeros(()), zeros, zeros, zeros + jnp.inf, zeros - jnp.inf)

    def update(self, info, state, samples):
        """Add a block."""
        del info
        mean = jnp.mean(samples, axis=0)
        square = jnp.sum((samples - mean[None]) ** 2, axis=0)
        return _pooled(state, len(samples), mean, square, jnp.min(samples, axis=0), jnp.max(samples, axis=0))

    def begin(self, channel):
        """About the sample before."""
        values = [channel(name) for name in self.channels]
        zeros, infinite = jnp.zeros_like(values[0]), jnp.full_like(values[0], jnp.inf)
        return tuple(_RunningMoments(value, zeros, zeros, infinite, -infinite) for value in values)

    def add(self, running, channel):
        """Four operations for each channel."""

        def added(kept, x):
            away = x - kept.origin
            # `lax.min` and `lax.max` keep NaN, which takes twice as many instructions; who is NaN has failed.
            least, largest = lax.select(x < kept.least, x, kept.least), lax.select(x > kept.largest, x, kept.largest)
            return _RunningMoments(kept.origin, kept.total + away, kept.squares + away * away, least, largest)

        return tuple(added(kept, channel(name)) for kept, name in zip(running, self.channels, strict=True))

    def end(self, state, running, samples):
        """Add the block."""
        origin, total, squares, least, largest = (jnp.stack(values) for values in zip(*running, strict=True))
        square = jnp.maximum(squares - total * total / samples, 0)
        return _pooled(state, samples, origin + total / samples, square, least, largest)

    def result(self, info, state):
        """See `variables`; NaN for a trajectory that failed."""
        del info
        finite = jnp.isfinite(state.mean)
        mean, least, largest = (jnp.where(finite, value, jnp.nan) for value in (state.mean, state.least, state.largest))
        numbers = {"mean": mean, "sd": jnp.sqrt(state.square / state.number), "min": least, "max": largest}
        return {f"{channel}_{name}": numbers[name][i] for i, channel in enumerate(self.channels) for name in numbers}


def _pooled(state: MomentsState, more: int, mean: Array, square: Array, least: Array, largest: Array) -> MomentsState:
    """By the pairwise formula of Chan, Golub and LeVeque (1983), doi 10.1080/00031305.1983.10483115."""
    number, total = state.number, state.number + more
    step = mean - state.mean
    return MomentsState(
        total,
        state.mean + step * (more / total),
        state.square + square + step**2 * (number * more / total),
        jnp.minimum(state.least, least),
        jnp.maximum(state.largest, largest),
    )


class SamplesState(NamedTuple):
    """All samples that will be kept, and how many of them there are so far."""

    kept: Float[Array, "kept channels batch"]
    filled: Int[Array, ""]


class Samples(AbstractSummary[SamplesState]):
    """The trajectory itself, every n-th sample of it, after the burn-in.

    **Arguments:**

    - `every`: keep one of so many samples.
    - `channels`: some of `CHANNELS`.

    **Raises:** `ValueError` if `every` is no whole number of at least 1, or more than there are samples.
    """

    every: int = eqx.field(static=True, default=1)
    channels: tuple[str, ...] = eqx.field(  # pyright: ignore[reportIncompatibleMethodOverride]
        static=True, default=("eeg",), converter=_listed
    )

    def __check_init__(self):
        check_count(1, every=self.every)

    def blocks(self, dt):
        """Every n-th sample, in blocks of any length."""
        del dt
        return Blocks(self.every)

    def variables(self, info):
        """`<channel>_samples` for each channel, with an axis `time`."""
        if self.every > info.samples:
            raise ValueError(f"`every` must be at most the {info.samples} samples there are, got {self.every}")
        time = info.start + info.dt * np.arange(self.every, info.samples + 1, self.every)
        return {
            f"{channel}_samples": Variable(UNIT_OF_CHANNEL[channel], channel, ("time",), {"time": time})
            for channel in self.channels
        }

    def init(self, info):
        """Nothing kept yet."""
        kept = jnp.zeros((info.samples // self.every, len(self.channels), info.batch))
        return SamplesState(kept, jnp.zeros((), jnp.int32))

    def update(self, info, state, samples):
        """Put the samples of the block in their place."""
        del info
        kept = lax.dynamic_update_slice_in_dim(state.kept, samples, state.filled, axis=0)
        return SamplesState(kept, state.filled + len(samples))

    def result(self, info, state):
        """See `variables`."""
        del info
        return {f"{channel}_samples": state.kept[:, i] for i, channel in enumerate(self.channels)}
