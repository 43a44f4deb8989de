"""From trajectories to training and held-out data."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_count, check_type, is_concrete
from ..column.states import CHANNELS, STATES
from ..column.trajectories import Trajectories
from .mask import ObservationMask, as_mask, to_channels


class Standardizer(eqx.Module):
    """Mean and standard deviation of each channel over the training data, and of nothing else."""

    mean: Float[Array, "7"]
    std: Float[Array, "7"]

    @classmethod
    def fitted_to(cls, channels: Float[Array, "trajectory time 7"]) -> "Standardizer":
        """Mean and standard deviation over trajectories and time.

        **Raises:** `ValueError` if a channel is constant, or too large to square.
        """
        mean, std = jnp.mean(channels, axis=(0, 1)), jnp.std(channels, axis=(0, 1))
        if is_concrete(std):
            _check_spread(np.asarray(mean), np.asarray(std))
        return cls(mean, std)

    def standardize(self, channels: Float[Array, "*batch 7"]) -> Float[Array, "*batch 7"]:
        """Channels in units of standard deviations from the mean."""
        mean, std, channels = jnp.broadcast_arrays(self.mean, self.std, channels)
        return (channels - mean) / std

    def destandardize(self, states: Float[Array, "*batch 6"]) -> Float[Array, "*batch 6"]:
        """Standardized states in mV and mV/s again."""
        mean, std, states = jnp.broadcast_arrays(self.mean[:6], self.std[:6], states)
        return states * std + mean

    def with_eeg(self, states: Float[Array, "*batch 6"]) -> Float[Array, "*batch 7"]:
        """Standardized states, and the standardized EEG that follows from them."""
        difference = states[..., 1] * self.std[1] - states[..., 2] * self.std[2]
        return jnp.concatenate([states, (difference / self.std[6])[..., None]], axis=-1)


class Split(eqx.Module):
    """One part of a dataset, in mV and mV/s."""

    recording: Float[Array, "trajectory time 7"]
    """All channels as sensors would give them, with their noise; which of them are seen, the mask says."""
    states: Float[Array, "trajectory time 6"]
    """The true states."""


class Dataset(eqx.Module):
    """Recordings split by trajectory, with what is seen of them."""

    train: Split
    validation: Split | None
    """Trajectories that early stopping may look at; never those that are scored."""
    held_out: Split | None
    """Trajectories that scores are computed on."""
    mask: ObservationMask
    standardizer: Standardizer
    noise_std: Float[Array, "7"]
    """Standard deviation of the sensor noise of each channel, mV and mV/s."""
    dt: float = eqx.field(static=True)
    """Seconds between samples."""
    train_every: int = eqx.field(static=True)
    """Every how many samples there is an instant to train on."""


def make_dataset(
    recordings: Trajectories,
    *,
    observed: Any,
    held_out: int,
    validation: int = 0,
    burn_in: float = 0.0,
    train_every: int = 1,
    noise: float = 0.0,
    key: PRNGKeyArray | None = None,
) -> Dataset:
    """Hide states, add sensor noise and split by trajectory.

    Whole trajectories are held out, the last ones of the batch: neighbouring samples of one trajectory are
    nearly the same, and would leak.

    **Arguments:**

    - `recordings`: trajectories of all six states, shape `(time, 6)` or `(batch, time, 6)`.
    - `observed`: what the encoder sees: a mask such as `PYRAMIDAL` or `EEG`, names such as `("y0", "eeg")`,
        or six truth values.
    - `held_out`: how many trajectories to score on; with 0, scores can only be had on the training data.
    - `validation`: how many further trajectories early stopping watches.
    - `burn_in`: seconds to drop from the start of each recording.
    - `train_every`: train on every n-th instant, and validate on them; neighbouring milliseconds add little, and
        cost as much as independent samples.
    - `noise`: standard deviation of Gaussian sensor noise, as a fraction of each channel's own.
    - `key`: needed when `noise` is not 0.

    **Returns:** a `Dataset`; its standardizer is fitted to the training trajectories alone.

    **Raises:** `ValueError` for a mask that is empty, unknown or of wrong length, for values that are not finite,
        or when too few trajectories or samples are left to train on.
    """
    mask = as_mask(observed)
    check_count(0, held_out=held_out, validation=validation)
    check_count(1, train_every=train_every)
    ys = _after_burn_in(recordings, burn_in)
    training = ys.shape[0] - held_out - validation
    if training < 1:
        raise ValueError(
            f"`held_out` + `validation` must leave a trajectory to train on, got {held_out} + {validation} "
            f"of {ys.shape[0]}"
        )
    channels = to_channels(ys)
    standardizer = Standardizer.fitted_to(channels[:training, ::train_every])
    recorded = _with_sensor_noise(channels, standardizer, noise, key)

    def split(start: int, count: int) -> Split | None:
        part = slice(start, start + count)
        return Split(recorded[part], ys[part]) if count else None

    train = split(0, training)
    assert train is not None
    return Dataset(
        train,
        split(training, validation),
        split(training + validation, held_out),
        mask,
        standardizer,
        noise * standardizer.std,
        float(recordings.ts[-1] - recordings.ts[0]) / (len(recordings.ts) - 1),
        int(train_every),
    )


def _check_spread(mean: np.ndarray, std: np.ndarray) -> None:
    size = np.abs(mean)
    size[CHANNELS.index("eeg")] = size[1] + size[2]  # the EEG is rounded as its two terms are
    for name, spread, least in zip(CHANNELS, std, 10 * np.finfo(std.dtype).eps * size, strict=True):
        if not np.isfinite(spread):
            raise ValueError(
                f"`recordings` must have a finite variance, got a standard deviation of {spread} in {name}"
            )
        if spread <= least:
            raise ValueError(f"`recordings` must vary, got a constant {name} over the training data")


def _after_burn_in(recordings: Trajectories, burn_in: float) -> Float[Array, "trajectory time 6"]:
    check_type(Trajectories, recordings=recordings)
    ys = recordings.ys if recordings.ys.ndim == 3 else recordings.ys[None]
    if is_concrete(ys) and not np.all(np.isfinite(np.asarray(ys))):
        trajectory, time, state = np.argwhere(~np.isfinite(np.asarray(ys)))[0]
        raise ValueError(
            f"`recordings` must be finite, got {STATES[state]} = {ys[trajectory, time, state]} in trajectory "
            f"{trajectory} at t = {float(recordings.ts[time]):.6g} s"
        )
    ts = np.asarray(recordings.ts, dtype=float)
    kept = ts >= ts[0] + burn_in - 1e-6
    if burn_in < 0 or kept.sum() < 2:
        raise ValueError(f"`burn_in` must be from 0 to less than the {ts[-1] - ts[0]:.6g} s recorded, got {burn_in} s")
    return ys[:, np.argmax(kept) :]


def _with_sensor_noise(
    channels: Float[Array, "trajectory time 7"], standardizer: Standardizer, noise: float, key: PRNGKeyArray | None
) -> Float[Array, "trajectory time 7"]:
    if not 0 <= noise < math.inf:
        raise ValueError(f"`noise` must be a fraction of the signal's standard deviation, 0 or more, got {noise}")
    if not noise:
        return channels
    if key is None:
        raise ValueError(f"`key` must be a PRNG key when `noise` is {noise}, got None")
    std = jnp.broadcast_to(standardizer.std, channels.shape)
    return channels + noise * std * jax.random.normal(key, channels.shape, channels.dtype)
