"""Recordings with their true states, split by trajectory into training and held-out data."""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import as_number, check_count, of_numbers
from ..column.states import to_channels
from ..column.trajectories import Trajectories
from .mask import ObservationMask, Observed, as_mask
from .observe import check_finite_trajectories, noise_of, sampling_interval, with_noise
from .recording import Recording
from .standardizer import Standardizer


class Split(eqx.Module):
    """One part of a dataset."""

    recording: Recording
    """Of shape `(trajectory, time, 7)`, with sensor noise."""
    states: Float[Array, "trajectory time 6"]
    """The true states, mV and mV/s."""

    @of_numbers
    def __repr__(self) -> str:
        return f"Split({self.recording!r})"


class Dataset(eqx.Module):
    """Recordings with their true states, split by trajectory; made by `make_dataset`."""

    train: Split
    validation: Split | None
    """Trajectories that early stopping may look at; never those that are scored."""
    held_out: Split | None
    """Trajectories that scores are computed on."""
    standardizer: Standardizer
    train_every: int = eqx.field(static=True)
    """Every how many samples there is an instant to train on."""

    @property
    def observed(self) -> ObservationMask:
        """Which channels are observed."""
        return self.train.recording.observed

    @property
    def dt(self) -> float:
        """Seconds between samples."""
        return self.train.recording.dt

    @of_numbers
    def __repr__(self) -> str:
        parts = {"train": self.train, "validation": self.validation, "held_out": self.held_out}
        sizes = ", ".join(f"{name} {len(part.states)}" for name, part in parts.items() if part is not None)
        return f"Dataset({sizes} trajectories, each {self.train.recording[0]!r})"


def make_dataset(
    trajectories: Trajectories,
    *,
    observed: Observed,
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

    - `trajectories`: of all six states, one or a batch, evenly sampled.
    - `observed`: what the encoder sees: a mask such as `jrae.recording.EEG`, names such as `("y0", "eeg")`,
        or six truth values.
    - `held_out`: how many trajectories to score on; with 0, scores can only be had on the training data.
    - `validation`: how many further trajectories early stopping watches.
    - `burn_in`: seconds to drop from the start of each trajectory.
    - `train_every`: train on every n-th instant, and validate on them; neighbouring milliseconds add little, and
        cost as much as independent samples.
    - `noise`: standard deviation of Gaussian sensor noise, as a fraction of each channel's own.
    - `key`: needed when `noise` is not 0.

    **Returns:** a `Dataset`; its standardizer is fitted to the training trajectories alone.

    **Raises:** `ValueError` for a mask that is empty, unknown or of wrong length, for trajectories that are not finite
        or not evenly sampled, or when too few trajectories or samples are left to train on.
    """
    mask = as_mask(observed)
    check_count(0, held_out=held_out, validation=validation)
    check_count(1, train_every=train_every)
    ys, dt = _after_burn_in(trajectories, burn_in), sampling_interval(trajectories)
    training = ys.shape[0] - held_out - validation
    if training < 1:
        raise ValueError(
            f"`held_out` + `validation` must leave a trajectory to train on, got {held_out} + {validation} "
            f"of {ys.shape[0]}"
        )
    channels = to_channels(ys)
    standardizer = Standardizer.fit(channels[:training, ::train_every], "trajectories")
    noise_std = noise_of(standardizer.std, noise)
    recorded = with_noise(channels, noise_std, key) if noise else channels

    def split(start: int, count: int) -> Split | None:
        if not count:
            return None
        part = slice(start, start + count)
        recording = Recording.from_array(recorded[part], observed=mask, dt=dt, noise_std=noise_std)
        return Split(recording, ys[part])

    train = split(0, training)
    assert train is not None
    parts = train, split(training, validation), split(training + validation, held_out)
    return Dataset(*parts, standardizer, int(train_every))


def _after_burn_in(trajectories: Trajectories, burn_in: float) -> Float[Array, "trajectory time 6"]:
    check_finite_trajectories(trajectories)
    burn_in = as_number("burn_in", burn_in)
    ys = trajectories.ys if trajectories.ys.ndim == 3 else trajectories.ys[None]
    ts = trajectories.ts
    kept = ts >= ts[0] + burn_in - 1e-6
    if burn_in < 0 or kept.sum() < 2:
        raise ValueError(f"`burn_in` must be from 0 to less than the {ts[-1] - ts[0]:.6g} s recorded, got {burn_in} s")
    return ys[:, np.argmax(kept) :]
