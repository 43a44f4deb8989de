"""Recordings: what sensors gave of a column, which of it was measured, and how noisy the sensors are."""

import dataclasses
import functools
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from .._checks import as_float, as_numbers, as_positive, check_not_negative, check_type, is_concrete, nan_is_an_answer
from ..column.labelled import by_channel, over_time
from ..column.states import CHANNELS, STATES, states_first, to_channels
from .info import RecordingInfo
from .mask import ObservationMask, Observed, as_mask
from .sampling import even_sampling
from .suspect import check_signal
from .to_mne import as_raw
from .units import millivolts

if TYPE_CHECKING:
    import mne
    import xarray as xr


class Recording(eqx.Module):
    """One recording, or a batch of recordings of one kind, evenly sampled.

    Make one by the names of channels, with `Recording.of`; from simulated trajectories, with `observe`. Values are 0
    where nothing was measured and never NaN, so that recordings can be differentiated; NaN that comes in becomes
    `measured=False`.

    **Raises:** `ValueError` for arrays whose shapes do not fit together, or `dt` that is not positive.
    """

    values: Float[Array, "*batch time 7"]
    """mV, and mV/s for derivatives, in the order of `CHANNELS`."""
    measured: Bool[Array, "*batch time 7"]
    """Whether a sample was measured; never in a channel that is not observed."""
    observed: ObservationMask
    """Which channels are observed."""
    noise_std: Float[Array, "*batch 7"] | None = None
    """Standard deviation of the sensor noise of each channel, mV and mV/s; `None`: unknown."""
    dt: float = eqx.field(static=True, kw_only=True, converter=functools.partial(as_positive, "dt"))
    """Seconds between samples."""
    info: RecordingInfo | None = eqx.field(static=True, default=None, kw_only=True)

    def __check_init__(self):
        shape = np.shape(self.values)
        if len(shape) not in (2, 3) or shape[-1] != len(CHANNELS):
            raise ValueError(
                f"`values` must have shape (time, {len(CHANNELS)}) or (batch, time, {len(CHANNELS)}), got {shape}"
            )
        if np.shape(self.measured) != shape:
            raise ValueError(f"`measured` must have the shape of `values`, {shape}, got {np.shape(self.measured)}")
        expected = (*shape[:-2], len(CHANNELS))
        if self.noise_std is not None and np.shape(self.noise_std) != expected:
            raise ValueError(f"`noise_std` must have shape {expected}, got {np.shape(self.noise_std)}")
        check_type(ObservationMask, observed=self.observed)
        if self.info is not None:
            check_type(RecordingInfo, info=self.info)

    @classmethod
    @nan_is_an_answer
    def of(
        cls,
        *,
        dt: float | None = None,
        ts: ArrayLike | None = None,
        unit: str = "mV",
        noise_std: ArrayLike | None = None,
        info: RecordingInfo | None = None,
        **signals: ArrayLike,
    ) -> "Recording":
        """A recording of the channels that were really measured.

        **Arguments:**

        - `signals`: by channel name, such as `Recording.of(eeg=v, dt=1e-3)`: shape `(time,)` or `(batch, time)`, all of
            one shape; NaN: not measured.
        - `dt`: seconds between samples.
        - `ts`: the time of each sample instead, s; they have to be even, apart from rounding.
        - `unit`: of the signals and of `noise_std`: V, mV, uV or nV, and that per s for derivatives; `"column"`: the mV
            of a simulated column.
        - `noise_std`: standard deviation of the sensor noise, one number for all channels or one for each of
            `CHANNELS`, with the batch in front if there is one; `None` if unknown.

        Warns of values that are hardly a signal, such as -9999 for what is missing.

        **Raises:** `ValueError` for an unknown channel, no signal, signals of different shapes, times that are not
            even, an unknown unit, or values that are infinite.
        """
        mask = as_mask(tuple(signals), "signals")
        for name, signal in signals.items():
            if is_concrete(signal):
                as_numbers(name, signal)
        if info is not None:
            check_type(RecordingInfo, info=info)
        shapes = {name: np.shape(signal) for name, signal in signals.items()}
        shape = shapes[mask.names[0]]
        if len(set(shapes.values())) > 1:
            raise ValueError(f"`signals` must have one shape, got {shapes}")
        if len(shape) not in (1, 2):
            raise ValueError(f"`signals` must have shape (time,) or (batch, time), got {shapes}")
        if (dt is None) == (ts is None):
            raise ValueError(f"`dt` or `ts` must be given, one of them, got {'neither' if dt is None else 'both'}")
        if ts is not None:
            if as_numbers("ts", ts).shape != shape[-1:]:
                raise ValueError(f"`ts` must be the times of the {shape[-1]} samples, got shape {np.shape(ts)}")
            dt, start = even_sampling(ts)
            info = (info or RecordingInfo())._replace(start=start)
        assert dt is not None
        dt = as_positive("dt", dt)
        for name, signal in signals.items():
            check_signal(name, signal, dt, () if info is None or len(signals) > 1 else info.names)
        factor = millivolts(unit)
        # Channel by channel, as all seven are much memory and few are given.
        given = {name: factor * as_float(signal) for name, signal in signals.items()}
        absent, unmeasured = jnp.zeros(shape), jnp.zeros(shape, bool)
        measured = {name: ~jnp.isnan(signal) for name, signal in given.items()}
        values = [jnp.where(measured[name], given[name], 0) if name in given else absent for name in CHANNELS]
        if noise_std is not None:
            noise_std = factor * broadcast_noise_std(noise_std, (*shape, len(CHANNELS)))
        return cls(
            jnp.stack(values, axis=-1),
            jnp.stack([measured.get(name, unmeasured) for name in CHANNELS], axis=-1),
            mask,
            noise_std,
            dt=float(dt),
            info=_with_unit(info, unit),
        )

    @classmethod
    @nan_is_an_answer
    def from_array(
        cls,
        values: ArrayLike,
        *,
        observed: Observed,
        dt: float,
        unit: str = "mV",
        noise_std: ArrayLike | None = None,
        info: RecordingInfo | None = None,
    ) -> "Recording":
        """A recording from an array of all seven channels, or of the six states.

        **Arguments:**

        - `values`: shape `(time, 7)` or `(batch, time, 7)`, or with 6 for the states; NaN: not measured.
        - `observed`: which channels are recorded: a mask, names, or truth values. The others are dropped.
        - `dt`, `unit`, `noise_std`: as in `of`.

        **Raises:** `ValueError` for another shape, values that are infinite, or noise that is negative.
        """
        mask, channels = as_mask(observed), as_float(values, "values")
        if channels.ndim not in (2, 3) or channels.shape[-1] not in (len(STATES), len(CHANNELS)):
            raise ValueError(
                f"`values` must have shape (time, {len(CHANNELS)}) or (batch, time, {len(CHANNELS)}), or {len(STATES)} "
                f"for the states, got {channels.shape}{states_first(channels.shape)}"
            )
        factor = millivolts(unit)
        channels = to_channels(channels) if channels.shape[-1] == len(STATES) else channels
        signals, measured = _measured(channels, jnp.asarray(mask.channels))
        _check_not_infinite(channels, measured)
        if noise_std is not None:
            noise_std = factor * broadcast_noise_std(noise_std, channels.shape)
        if unit != "mV" and (info is None or info.unit is None):
            info = (info or RecordingInfo())._replace(unit=unit)
        signals = factor * signals if factor != 1 else signals
        return cls(signals, measured, mask, noise_std, dt=dt, info=info)

    @property
    def batch(self) -> int | None:
        """How many recordings there are; `None` for one without a batch axis."""
        return len(self.values) if self.values.ndim == 3 else None

    @property
    def start(self) -> float:
        """Time of the first sample, s."""
        return 0.0 if self.info is None else self.info.start

    @property
    def ts(self) -> Float[np.ndarray, " time"]:
        """The time of each sample, s, in double precision."""
        return self.start + self.dt * np.arange(self.values.shape[-2])

    @property
    def axes(self) -> "Recording":
        """The `in_axes` of `jax.vmap` over the batch: 0, and `None` for the mask, which all recordings have in common.

        All are `None` for a recording without a batch axis.
        """
        if self.batch is None:
            return jax.tree.map(lambda leaf: None, self)
        axes = jax.tree.map(lambda leaf: 0, self)
        return eqx.tree_at(lambda axes: axes.observed.channels, axes, None)

    def batched(self) -> "Recording":
        """The same with a batch axis: of length 1 where there is none."""
        if self.batch is not None:
            return self
        values, measured, noise_std = (
            None if leaf is None else leaf[None] for leaf in (self.values, self.measured, self.noise_std)
        )
        assert values is not None
        assert measured is not None
        return Recording(values, measured, self.observed, noise_std, dt=self.dt, info=self.info)

    def without_info(self) -> "Recording":
        """The same without its `info`, on which no estimate depends: a program is compiled anew for every other one."""
        return dataclasses.replace(self, info=None)

    def with_missing_as_nan(self, channel: str | None = None) -> Float[np.ndarray, "..."]:
        """The values in float64, NaN where nothing was measured, for NumPy and SciPy: of one channel, or all."""
        which = slice(None) if channel is None else CHANNELS.index(channel)
        values, measured = np.asarray(self.values)[..., which], np.asarray(self.measured)[..., which]
        return np.where(measured, values.astype(float), np.nan)

    def __len__(self) -> int:
        if self.batch is None:
            raise TypeError("a single Recording has no length")
        return self.batch

    def __getitem__(self, index: int | slice) -> "Recording":
        """One recording of a batch, or some of them."""
        positions = range(len(self))  # a single one has none, and its time is not to be sliced
        chosen = index if isinstance(index, slice) else positions[index]
        noise_std = None if self.noise_std is None else self.noise_std[chosen]
        info = self.info
        if info is not None and len(info.names) == len(self):
            names = info.names[chosen]
            info = info._replace(names=names if isinstance(names, tuple) else (names,))
        return Recording(self.values[chosen], self.measured[chosen], self.observed, noise_std, dt=self.dt, info=info)

    def to_dataset(self) -> "xr.Dataset":
        """With names and units: each observed channel over `recording` and `time`, NaN where nothing was measured; and
        its noise, as `eeg_noise_std`, where it is known."""
        signals = by_channel(self.with_missing_as_nan())
        found = over_time({name: signals[name] for name in self.observed.names}, self.ts, batch="recording")
        if self.noise_std is not None:
            for name in self.observed.names:
                std = np.asarray(self.noise_std)[..., CHANNELS.index(name)]
                about_noise = {"long_name": f"standard deviation of the noise of {name}", "units": signals[name].units}
                found[f"{name}_noise_std"] = (("recording",)[: std.ndim], std, about_noise)
        if self.info is None:
            return found
        # Not the unit it came in nor its start: what is here is in mV and has times.
        known = {"band": self.info.band, "reference": self.info.reference, "line_freq": self.info.line_freq}
        if self.batch is not None and len(self.info.names) == self.batch:
            found = found.assign_coords(recording=("recording", list(self.info.names)))
        elif self.info.names:
            known["names"] = ", ".join(self.info.names)
        return found.assign_attrs({name: value for name, value in known.items() if value is not None})

    def to_mne(self) -> "mne.io.RawArray":
        """The EEG as MNE has it, a channel a recording, in V: with its names, time, date, filters and annotations.

        NaN where nothing was measured. MNE has to be installed.

        **Raises:** `ValueError` for recordings of other channels, or of names that MNE does not distinguish, as epochs.
        """
        if self.observed.names != ("eeg",):
            raise ValueError(f"`to_mne` must have recordings of an EEG alone, got {', '.join(self.observed.names)}")
        info, values = self.info or RecordingInfo(), np.atleast_2d(self.with_missing_as_nan("eeg"))
        names = info.names or (("eeg",) if self.batch is None else tuple(f"eeg {row}" for row in range(len(values))))
        if len(set(names)) != len(values):
            raise ValueError(
                f"`to_mne` must have one name for each of {len(values)} recordings, got {', '.join(names)}"
            )
        return as_raw(values, names, kind=info.kind or "eeg", dt=self.dt, info=info)

    def __repr__(self) -> str:
        if not eqx.is_array_like(self.values) or np.ndim(self.values) not in (2, 3):  # of something else, such as axes
            return eqx.tree_pformat(self)
        *batch, time, _ = self.values.shape
        of = f"{batch[0]} x {time}" if batch else f"{time}"
        missing, noise = "", "unknown"
        if is_concrete(self.measured):
            measured = np.asarray(self.measured)[..., np.asarray(self.observed.channels)]
            missing = f", {1 - measured.mean():.1%} missing" if not measured.all() else ""
        if self.noise_std is not None and is_concrete(self.noise_std):
            levels = np.asarray(self.noise_std)[..., np.asarray(self.observed.channels)]
            levels = levels.reshape(-1, levels.shape[-1]).mean(axis=0)
            noise = ", ".join(f"{level:.3g}" for level in levels)
        names = ", ".join(self.observed.names) if is_concrete(self.observed.channels) else "traced"
        return f"Recording({names}: {of} samples at {1 / self.dt:g} Hz{missing}, noise_std {noise})"


@functools.partial(jax.jit, inline=True)
def _measured(
    channels: Float[Array, "*batch time 7"], observed: Bool[Array, "7"]
) -> tuple[Float[Array, "*batch time 7"], Bool[Array, "*batch time 7"]]:
    """The values of what was measured, and 0 for all else; and what was."""
    measured = jnp.broadcast_to(observed, channels.shape) & ~jnp.isnan(channels)
    return jnp.where(measured, channels, 0), measured


def _with_unit(info: RecordingInfo | None, unit: str) -> RecordingInfo | None:
    """The same with the unit that values came in, if nothing else is said of it."""
    if unit == "mV" or (info is not None and info.unit is not None):
        return info
    return (info or RecordingInfo())._replace(unit=unit)


def _check_not_infinite(channels: Float[Array, "*batch time 7"], measured: Bool[Array, "*batch time 7"]) -> None:
    if is_concrete(channels) and is_concrete(measured):
        wrong = np.argwhere(np.asarray(measured) & np.isinf(np.asarray(channels)))
        if len(wrong):
            *batch, time, channel = wrong[0]
            of = f" of recording {batch[0]}" if batch else ""
            raise ValueError(
                f"`values` must be finite, or NaN where nothing was measured, got {channels[tuple(wrong[0])]} in "
                f"{CHANNELS[channel]}{of}, sample {time}"
            )


def broadcast_noise_std(noise_std: ArrayLike, shape: tuple[int, ...]) -> Float[Array, "*batch 7"]:
    """The noise of each channel of recordings of this shape, from one number or one for each channel.

    **Raises:** `ValueError` for another shape, or noise that is negative.
    """
    given, expected = as_float(noise_std, "noise_std"), (*shape[:-2], len(CHANNELS))
    if given.shape not in ((), (len(CHANNELS),), expected):
        raise ValueError(f"`noise_std` must be one number or {len(CHANNELS)}, one a channel, got shape {given.shape}")
    check_not_negative(noise_std=given)
    return jnp.broadcast_to(given, expected)
