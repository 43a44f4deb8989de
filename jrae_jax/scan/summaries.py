"""What a parameter scan keeps of a trajectory when it does not keep the trajectory.

A summary is fed the samples of many columns block by block, as they are integrated, and keeps a state of fixed size.
So memory does not grow with duration, and a summary of your own needs no more than three methods and the description of
what it gives. The columns are the last axis of every array: that is how they lie in memory, and what a processor works
on side by side. (Under `jax.vmap` over that axis each broadcast would transpose all samples.)
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import check_choice, check_count
from ..column.parameters import JansenRitParameters
from ..column.states import CHANNELS, STATE_UNITS

CHANNEL_UNITS: dict[str, str] = dict(zip(CHANNELS, (*STATE_UNITS, "mV"), strict=True))


class Variable(NamedTuple):
    """The description of one result of a summary, as it stands in the dataset."""

    units: str
    long_name: str
    dims: tuple[str, ...] = ()
    """Axes beside those of the scan."""
    coords: dict[str, np.ndarray] = {}  # noqa: RUF012
    attributes: dict[str, Any] = {}  # noqa: RUF012


class Run(eqx.Module):
    """What a summary is told about the trajectories it is going to see."""

    parameters: JansenRitParameters
    """Those of the columns; leaves of shape `()`, or `(columns,)`."""
    columns: int = eqx.field(static=True)
    """How many columns there are side by side."""
    dt: float = eqx.field(static=True)
    """Seconds between samples; each is the state at the end of a step."""
    start: float = eqx.field(static=True)
    """Seconds from the start of the trajectory to one `dt` before the first sample: the burn-in."""
    samples: int = eqx.field(static=True)
    """How many there will be."""


class AbstractSummary(eqx.Module):
    """What to keep of each trajectory. Subclass it for a summary of your own.

    In every array that it gets, keeps or gives, the columns are the last axis, and no column may depend on another.
    `update` is called with consecutive blocks, whose lengths are whole multiples of `quantum` samples but for the last.
    """

    if TYPE_CHECKING:  # a type checker takes an AbstractVar for a field of the constructor

        @property
        def channels(self) -> tuple[str, ...]:
            """Which of `CHANNELS` it wants to see."""
            ...

    else:
        channels: eqx.AbstractVar[tuple[str, ...]]

    def quantum(self, dt: float) -> int:
        """A block is to be a whole multiple of so many samples."""
        del dt
        return 1

    @abstractmethod
    def variables(self, dt: float, start: float, samples: int) -> dict[str, Variable]:
        """The results by name. The arguments are those of `Run`."""

    @abstractmethod
    def init(self, run: Run) -> Any:
        """The state before the first sample: any PyTree of arrays."""

    @abstractmethod
    def update(self, run: Run, state: Any, samples: Float[Array, "time channels columns"]) -> Any:
        """The state after a block of samples."""

    @abstractmethod
    def result(self, run: Run, state: Any) -> dict[str, Array]:
        """The results by the names of `variables`, each with its dimensions there, and the columns after them."""


class Moments(AbstractSummary):
    """Mean, standard deviation, least and largest value of each channel.

    **Arguments:**

    - `channels`: which of `CHANNELS`.
    """

    channels: tuple[str, ...] = eqx.field(  # pyright: ignore[reportIncompatibleMethodOverride]
        static=True, default=("eeg",), converter=tuple
    )

    def __check_init__(self):
        check_channels(self.channels)

    def variables(self, dt, start, samples):
        """`<channel>_mean`, `_sd`, `_min` and `_max`, in the channel's unit."""
        del dt, start, samples
        names = {"mean": "mean", "sd": "standard deviation", "min": "least value", "max": "largest value"}
        return {
            f"{channel}_{short}": Variable(CHANNEL_UNITS[channel], f"{name} of {channel}")
            for channel in self.channels
            for short, name in names.items()
        }

    def init(self, run):
        """Count, mean, sum of squared deviations, least and largest."""
        zeros = jnp.zeros((len(self.channels), run.columns))
        return jnp.zeros(()), zeros, zeros, zeros + jnp.inf, zeros - jnp.inf

    def update(self, run, state, samples):
        """By the pairwise formula of Chan, Golub and LeVeque (1983), doi 10.1080/00031305.1983.10483115."""
        del run
        count, mean, square, least, largest = state
        more = len(samples)
        total = count + more
        block_mean = jnp.mean(samples, axis=0)
        step = block_mean - mean
        block_square = jnp.sum((samples - block_mean[None]) ** 2, axis=0)
        square = square + block_square + step**2 * (count * more / total)
        least, largest = jnp.minimum(least, jnp.min(samples, axis=0)), jnp.maximum(largest, jnp.max(samples, axis=0))
        return total, mean + step * (more / total), square, least, largest

    def result(self, run, state):
        """See `variables`; NaN for a trajectory that failed."""
        del run
        count, mean, square, least, largest = state
        finite = jnp.isfinite(mean)
        least, largest = (jnp.where(finite, value, jnp.nan) for value in (least, largest))
        mean = jnp.where(finite, mean, jnp.nan)
        numbers = {"mean": mean, "sd": jnp.sqrt(square / count), "min": least, "max": largest}
        return {f"{channel}_{name}": numbers[name][i] for i, channel in enumerate(self.channels) for name in numbers}


class Samples(AbstractSummary):
    """The trajectory itself, every n-th sample of it, after the burn-in.

    **Arguments:**

    - `every`: keep one of so many samples.
    - `channels`: which of `CHANNELS`.

    **Raises:** `ValueError` if `every` is no whole number of at least 1, or more than there are samples.
    """

    every: int = eqx.field(static=True, default=1)
    channels: tuple[str, ...] = eqx.field(  # pyright: ignore[reportIncompatibleMethodOverride]
        static=True, default=("eeg",), converter=tuple
    )

    def __check_init__(self):
        check_count(1, every=self.every)
        check_channels(self.channels)

    def quantum(self, dt):
        """`every`."""
        del dt
        return self.every

    def variables(self, dt, start, samples):
        """One variable for each channel, named as the channel and with an axis `time`."""
        if self.every > samples:
            raise ValueError(f"`every` must be at most the {samples} samples there are, got {self.every}")
        time = start + dt * np.arange(self.every, samples + 1, self.every)
        return {
            f"{channel}_samples": Variable(CHANNEL_UNITS[channel], channel, ("time",), {"time": time})
            for channel in self.channels
        }

    def init(self, run):
        """All that will be kept, empty, and how much is filled."""
        return jnp.zeros((run.samples // self.every, len(self.channels), run.columns)), jnp.zeros((), jnp.int32)

    def update(self, run, state, samples):
        """The block's share put in its place."""
        del run
        kept, filled = state
        new = samples[self.every - 1 :: self.every]
        if not len(new):
            return state
        return jax.lax.dynamic_update_slice_in_dim(kept, new, filled, axis=0), filled + len(new)

    def result(self, run, state):
        """See `variables`."""
        del run
        return {f"{channel}_samples": state[0][:, i] for i, channel in enumerate(self.channels)}


def check_channels(channels: tuple[str, ...]) -> None:
    """Raise if there is no channel, or one of them is unknown."""
    if not channels:
        raise ValueError(f"`channels` must be some of {', '.join(CHANNELS)}, got none")
    for channel in channels:
        check_choice(CHANNELS, channels=channel)
