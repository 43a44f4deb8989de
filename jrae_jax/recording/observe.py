"""From simulated trajectories to recordings of them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._checks import as_number, as_numbers, check_key, check_type, is_concrete
from ..column.states import STATES, to_channels
from ..column.trajectories import Trajectories
from .info import RecordingInfo
from .mask import Observed, as_mask
from .recording import Recording, broadcast_noise_std
from .sampling import even_sampling
from .units import SIMULATED


def observe(
    trajectories: Trajectories,
    *,
    observed: Observed,
    noise: float = 0.0,
    noise_std: ArrayLike | None = None,
    key: PRNGKeyArray | None = None,
) -> Recording:
    """What sensors give of trajectories: some channels, with Gaussian noise.

    The noise of a channel is the same, up to its size, whatever else is observed.

    **Arguments:**

    - `trajectories`: evenly sampled, and finite.
    - `observed`: which channels are recorded: a mask such as `jrae.recording.EEG`, names such as
        `("y0", "eeg")`, or six truth values.
    - `noise`: standard deviation of the sensor noise, as a fraction of each channel's own over all trajectories.
    - `noise_std`: the same in mV and mV/s instead, one number for all channels or one for each of `CHANNELS`,
        with the batch in front if it differs from recording to recording.
    - `key`: needed when there is noise.

    **Returns:** a `Recording`, of one trajectory or of the batch.

    **Raises:** `ValueError` for a mask that is empty or unknown, trajectories that are not finite or not evenly
        sampled, noise out of range, or noise without a key.
    """
    mask = as_mask(observed)
    check_finite_trajectories(trajectories)
    channels = to_channels(trajectories.ys)
    if noise_std is None:
        std = jnp.std(channels.reshape(-1, channels.shape[-1]), axis=0)
        noiseless, noise_std = noise == 0, noise_of(std, noise)
    elif noise:
        raise ValueError(f"`noise` and `noise_std` exclude each other, got {noise} and {noise_std}")
    else:
        noiseless = is_concrete(noise_std) and not np.any(as_numbers("noise_std", noise_std))
    noise_std = broadcast_noise_std(noise_std, channels.shape)
    recorded = channels if noiseless else with_noise(channels, noise_std[..., None, :], key)
    info = RecordingInfo(unit=SIMULATED, start=float(trajectories.ts[0]))
    return Recording.from_array(
        recorded, observed=mask, dt=sampling_interval(trajectories), noise_std=noise_std, info=info
    )


def noise_of(std: Float[Array, "7"], noise: float) -> Float[Array, "7"]:
    """The standard deviation of the noise, from that of the channels and the fraction of it that is noise."""
    if not 0 <= as_number("noise", noise) < math.inf:
        raise ValueError(f"`noise` must be a fraction of the signal's standard deviation, 0 or more, got {noise}")
    return float(noise) * std


def with_noise(
    channels: Float[Array, "*batch time 7"], noise_std: Float[Array, "*channel"], key: PRNGKeyArray | None
) -> Float[Array, "*batch time 7"]:
    """The channels with Gaussian noise."""
    if key is None:
        raise ValueError("`key` must be a PRNG key where there is sensor noise, got None")
    check_key(key=key)
    std = jnp.broadcast_to(noise_std, channels.shape)
    return channels + std * jax.random.normal(key, channels.shape, channels.dtype)


def sampling_interval(trajectories: Trajectories) -> float:
    """Seconds between samples, if they are even.

    **Raises:** `ValueError` for trajectories that were saved at uneven times.
    """
    if trajectories.times is None:
        return trajectories.interval
    return even_sampling(
        trajectories.ts, argument="trajectories.ts", remedy="to be a recording, simulate with SaveAt(steps=n)"
    ).dt


def check_finite_trajectories(trajectories: Trajectories) -> None:
    """Raise, naming where, if a state is not finite."""
    check_type(Trajectories, trajectories=trajectories)
    ys = trajectories.ys
    if is_concrete(ys) and not np.all(np.isfinite(np.asarray(ys))):
        *batch, time, state = np.argwhere(~np.isfinite(np.asarray(ys)))[0]
        of = f" in trajectory {batch[0]}" if batch else ""
        raise ValueError(
            f"`trajectories` must be finite, got {STATES[state]} = {ys[(*batch, time, state)]}{of} at "
            f"t = {trajectories.ts[time]:.6g} s"
        )
