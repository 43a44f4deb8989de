"""Trajectories of all six states: what a simulation returns."""

from functools import partial
from typing import TYPE_CHECKING

import diffrax
import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_array, as_number, as_numbers, as_positive, check_count, check_finite
from .labelled import by_channel, over_time
from .states import STATES, eeg, states_first, to_channels

if TYPE_CHECKING:
    import xarray as xr


class Trajectories(eqx.Module):
    """Trajectories of all six states, of one column or of a batch.

    Trajectories from elsewhere come in the same way: `Trajectories(ys, dt=1e-3)`.

    **Raises:** `ValueError` for states of another shape, or times that do not fit them.
    """

    ys: Float[Array, "*batch time 6"] = eqx.field(converter=lambda ys: as_array(ys, "ys"))
    """States in mV and mV/s; the batch axis, if any, is in front."""
    result: diffrax.RESULTS = eqx.field(default_factory=lambda: diffrax.RESULTS.successful)
    """How each trajectory ended: `diffrax.RESULTS.successful`, or what went wrong; shape `()` or `(batch,)`."""
    dt: float = eqx.field(static=True, kw_only=True, converter=partial(as_positive, "dt"))
    """Step of the integration, s."""
    every: int = eqx.field(static=True, default=1, kw_only=True)
    """Steps from each sample to the next."""
    t0: float = eqx.field(static=True, default=0.0, kw_only=True, converter=partial(as_number, "t0"))
    """Time of the first sample, s."""
    times: tuple[float, ...] | None = eqx.field(static=True, default=None, kw_only=True)
    """The time of every sample, where they were saved at given times; `None`: every so many steps."""

    def __check_init__(self):
        shape = np.shape(self.ys)
        if len(shape) not in (2, 3) or shape[-1] != len(STATES):
            raise ValueError(f"`ys` must have shape (time, 6) or (batch, time, 6), got {shape}{states_first(shape)}")
        check_count(1, every=self.every)
        check_finite(t0=self.t0)
        if self.times is not None and as_numbers("times", self.times).shape != shape[-2:-1]:
            raise ValueError(f"`times` must be one for each of {shape[-2]} samples, got shape {np.shape(self.times)}")

    @property
    def ts(self) -> Float[np.ndarray, " time"]:
        """The time of each sample, s, in double precision."""
        if self.times is not None:
            return np.array(self.times)
        return self.t0 + self.interval * np.arange(self.ys.shape[-2])

    @property
    def interval(self) -> float:
        """Seconds from each sample to the next, where they are evenly spaced."""
        return self.dt * self.every

    @property
    def eeg(self) -> Float[Array, "*batch time"]:
        """The EEG-like signal `y1 - y2`, mV."""
        return eeg(self.ys)

    def __len__(self) -> int:
        if self.ys.ndim == 2:
            raise TypeError("a single trajectory has no length")
        return len(self.ys)

    def __getitem__(self, index: int | slice) -> "Trajectories":
        """One trajectory of a batch, or some of them."""
        positions = range(len(self))  # a single one has none, and its time is not to be sliced
        chosen = index if isinstance(index, slice) else positions[index]
        result = jax.tree.map(lambda code: code[chosen] if np.ndim(code) else code, self.result)
        return Trajectories(self.ys[chosen], result, dt=self.dt, every=self.every, t0=self.t0, times=self.times)

    def to_dataset(self) -> "xr.Dataset":
        """With names and units: `y0..y5` and `eeg` over `column` and `time`."""
        return over_time(by_channel(to_channels(self.ys)), self.ts, batch="column")

    def __repr__(self) -> str:
        if not eqx.is_array_like(self.ys) or np.ndim(self.ys) < 2:  # a tree of something else, such as axes
            return eqx.tree_pformat(self)
        *batch, time, _ = self.ys.shape
        of = f"{batch[0]} x {time}" if batch else f"{time}"
        return f"Trajectories({of} samples of {len(STATES)} states, {self.ts[0]:.6g} to {self.ts[-1]:.6g} s)"
