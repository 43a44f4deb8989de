"""What the estimators of hidden states are given: recordings, what is seen of them, and how noisy the sensors are."""

from typing import Any

import numpy as np
from jaxtyping import Float

from .._checks import check_finite, check_not_negative
from ..column.states import CHANNELS, STATES
from .mask import as_mask


def seen(recordings: Any, mask: Any) -> Float[np.ndarray, "trajectory time 7"]:
    """Recordings in double precision, with NaN for all that was not measured: by the mask, or at that instant.

    **Raises:** `ValueError` for recordings of another shape, or if what is seen is infinite.
    """
    shown = np.asarray(as_mask(mask).channels)
    values = np.asarray(recordings, dtype=float)
    if values.ndim != 3 or values.shape[-1] != len(CHANNELS):
        raise ValueError(f"`recordings` must have shape (trajectory, time, {len(CHANNELS)}), got {values.shape}")
    values = np.where(shown, values, np.nan)
    if np.isinf(values).any():
        trajectory, time, channel = np.argwhere(np.isinf(values))[0]
        raise ValueError(
            f"`recordings` must be finite, or NaN where nothing was measured, got "
            f"{values[trajectory, time, channel]} in {CHANNELS[channel]} of trajectory {trajectory}, sample {time}"
        )
    return values


def sensor_noise(noise_std: Any) -> Float[np.ndarray, "7"]:
    """The standard deviation of the sensor noise in each channel, mV and mV/s, from seven numbers or one for all.

    **Raises:** `ValueError` for another shape, or if one is negative or not finite.
    """
    values = np.asarray(noise_std, dtype=float)
    if values.shape not in ((), (len(CHANNELS),)):
        raise ValueError(f"`noise_std` must be one number or {len(CHANNELS)}, one a channel, got shape {values.shape}")
    check_not_negative(noise_std=values)
    return np.broadcast_to(values, (len(CHANNELS),))


def checked_states(states: Any) -> Float[np.ndarray, "trajectory time 6"]:
    """Simulated states in double precision.

    **Raises:** `ValueError` for states of another shape, or that are not finite.
    """
    values = np.asarray(states, dtype=float)
    if values.ndim != 3 or values.shape[-1] != len(STATES):
        raise ValueError(f"`states` must have shape (trajectory, time, {len(STATES)}), got {values.shape}")
    check_finite(states=values)
    return values
