"""Features of a window of a recording by which its column is recognised: spectrum, waveform and envelope.

They are functions of frequencies in Hz and of delays in seconds, so that the rate of the recording does not matter.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float
from scipy.special import expit

from ..recording.recording_model import CORE

FREQUENCIES = np.arange(2.0, 45.01, 0.5)
"""Hz, at which the logarithm of the power density is a feature."""

_RHYTHM = (6.0, 14.0)  # Hz; where the envelope is taken
_SEGMENT = 2.0  # s; resolves 0.5 Hz
_EDGE = 0.5  # s, at both ends of a window, where filters are not to be relied on
WAVEFORM = 10
"""How many measures of waveform and envelope there are."""

_DELAYS = (0.15, 0.3, 0.6, 1.2)  # s; of the autocorrelation of the envelope, whose rhythm waxes and wanes in a second
RESOLUTION = FREQUENCIES[1] - FREQUENCIES[0]
IN_CORE = (CORE[0] <= FREQUENCIES) & (CORE[1] >= FREQUENCIES)


class Features(NamedTuple):
    """Of windows of recordings."""

    log_density: Float[Array, "*batch frequency"]
    """Logarithm of the power density at `FREQUENCIES`, with the power in `CORE` as unit, 1/Hz."""
    waveform: Float[Array, "*batch 10"]
    """Of the signal in `CORE`: kurtosis and skewness of values and slopes; of the envelope of its rhythm: variation,
    skewness and autocorrelation."""
    log_std: Float[Array, "*batch"]
    """Logarithm of the standard deviation in `CORE`, in the unit of the recording."""


def within(bands: Float[Array, "*batch 2"]) -> Bool[Array, "*batch feature"]:
    """Which features, densities first, can be relied on where a recording is usable between these frequencies, Hz."""
    low, high = (jnp.broadcast_to(bands[..., i, None], (*bands.shape[:-1], len(FREQUENCIES))) for i in range(2))
    frequencies = jnp.broadcast_to(jnp.asarray(FREQUENCIES, bands.dtype), low.shape)
    inside = (low < frequencies + RESOLUTION / 2) & (high > frequencies - RESOLUTION / 2)
    return jnp.concatenate([inside, jnp.ones((*inside.shape[:-1], WAVEFORM), bool)], axis=-1)


def features(values: Float[Array, "batch time"], dt: float) -> Features:
    """Of windows of at least 10 s, in any unit, at 100 Hz or more."""
    density = power_density(values, dt)
    log_std = jnp.log(jnp.sum(jnp.where(IN_CORE[None], density, 0), axis=-1) * RESOLUTION) / 2
    return Features(jnp.log(density) - 2 * log_std[:, None], _waveform(values, dt), log_std)


def power_density(values: Float[Array, "batch time"], dt: float) -> Float[Array, "batch frequency"]:
    """At `FREQUENCIES`, by Welch's method: segments of 2 s under a Hann window, half overlapping."""
    length = round(_SEGMENT / dt)
    hop, window = length // 2, np.hanning(length + 1)[:-1]
    starts = range(0, values.shape[-1] - length + 1, hop)
    segments = jnp.stack([values[:, start : start + length] for start in starts], axis=1)
    segments = segments - jnp.mean(segments, axis=-1, keepdims=True)
    # Not a fast transform: its frequencies are whole multiples of 1/2 Hz only where 2 s are a whole number of samples.
    angles = 2 * np.pi * FREQUENCIES[:, None] * dt * np.arange(length)
    waves = jnp.asarray(np.concatenate([np.cos(angles) * window, np.sin(angles) * window]), values.dtype)
    products = jnp.einsum("bst,wt->bsw", segments, waves).reshape(len(values), len(starts), 2, len(FREQUENCIES))
    return jnp.mean(jnp.sum(products**2, axis=2), axis=1) * (2 * dt / np.sum(window**2))


def _waveform(values: Float[Array, "batch time"], dt: float) -> Float[Array, "batch 10"]:
    edge = round(_EDGE / dt)
    signal = _standardized(_band_passed(values, dt, CORE)[:, edge:-edge].real)
    slope = _standardized(jnp.diff(signal, axis=-1))
    envelope = jnp.abs(_band_passed(values, dt, _RHYTHM))[:, edge:-edge]
    envelope = envelope / jnp.mean(envelope, axis=-1, keepdims=True)
    changes = _standardized(envelope)
    found = [
        jnp.log(jnp.std(envelope, axis=-1)),
        jnp.log(jnp.mean(signal**4, axis=-1)),
        jnp.mean(signal**3, axis=-1),
        jnp.mean(slope**3, axis=-1),
        jnp.log(jnp.mean(slope**4, axis=-1)),
        jnp.mean(changes**3, axis=-1),
    ]
    for delay in _DELAYS:
        lag = round(delay / dt)
        found.append(jnp.mean(changes[:, lag:] * changes[:, :-lag], axis=-1))
    return jnp.stack(found, axis=-1)


def _standardized(values: Float[Array, "batch time"]) -> Float[Array, "batch time"]:
    centred = values - jnp.mean(values, axis=-1, keepdims=True)
    return centred / jnp.std(centred, axis=-1, keepdims=True)


def _band_passed(
    values: Float[Array, "batch time"], dt: float, band: tuple[float, float]
) -> Complex[Array, "batch time"]:
    """The analytic signal: in the band, with the Hilbert transform as its imaginary part."""
    low, high = band
    frequencies = np.fft.fftfreq(values.shape[-1], dt)
    edges = expit((frequencies - low) / 0.25) * expit((high - frequencies) / 0.5)
    spectrum = jnp.fft.fft(values - jnp.mean(values, axis=-1, keepdims=True))
    gain = jnp.asarray(np.where(frequencies > 0, 2 * edges, 0), spectrum.dtype)
    return jnp.fft.ifft(spectrum * gain[None])
