"""Frequency content of a trajectory, as a summary of a parameter scan."""

import math
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_float, as_positive, check_choice
from ..column.one_function import one_function
from ..column.states import CHANNELS
from .summaries import UNIT_OF_CHANNEL, AbstractSummary, Blocks, Variable

BANDS = {"delta": (0.5, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 80.0)}
"""EEG frequency bands, Hz: from, up to but not including."""

# Hz that are left after thinning: the Nyquist frequency then lies above the gamma band.
_LEAST_RATE = 200.0
# mV^2/Hz. What rounding in float32 leaves of an equilibrium lies below it.
_NO_POWER = 1e-8


class SpectrumState(NamedTuple):
    """The spectra of the segments so far."""

    last: Float[Array, "half batch"]
    """The last half segment, the first half of the next segment."""
    total: Float[Array, " batch"]
    """Its sum."""
    density: Float[Array, "frequency batch"]
    """Sum of the squared transforms."""
    halves: Float[Array, ""]
    """How many half segments there were."""


class Spectrum(AbstractSummary[SpectrumState]):
    """Dominant frequency and band powers of a channel, by Welch's method (1967, doi 10.1109/TAU.1967.1161901).

    Segments of `1 / resolution` seconds, half overlapping, each with its mean taken off, under a Hann window: the
    numbers are those of `scipy.signal.welch` on every n-th sample, n such that at least 200 a second are left. The
    dominant frequency is the peak of the density, from the resolution up, by a parabola through its logarithm.

    **Arguments:**

    - `channel`: one of `CHANNELS`.
    - `resolution`: Hz.

    **Raises:** `ValueError` if no segment fits into the trajectory.
    """

    channel: str = eqx.field(static=True, default="eeg")
    resolution: float = eqx.field(static=True, default=0.5, converter=partial(as_positive, "resolution"))

    def __check_init__(self):
        check_choice(CHANNELS, channel=self.channel)

    @property
    def channels(self):
        """The one channel."""
        return (self.channel,)

    def blocks(self, dt):
        """Half segments of at least 200 samples a second."""
        every = max(1, math.floor(_LEAST_RATE**-1 / dt * (1 + 1e-9)))  # 1e-9: what rounding of 1 / dt may take off
        return Blocks(every, max(2, round(0.5 / (self.resolution * dt * every))))

    def variables(self, info):
        """`dominant_frequency` in Hz, and `band_power` in the channel's unit squared, over `band`.

        A band that reaches above the Nyquist frequency, or lies between two bins of the resolution, has power NaN.
        """
        every, half = self.blocks(info.dt)
        segment = 2 * half * every
        if info.samples < segment:
            raise ValueError(
                f"`summaries`: Spectrum with a resolution of {self.resolution} Hz needs {segment * info.dt:g} s to "
                f"summarise, got {info.samples * info.dt:g} s"
            )
        edges = {"band_edges_hz": [list(edges) for edges in BANDS.values()]}
        return {
            "dominant_frequency": Variable("Hz", f"dominant frequency of {self.channel}"),
            "band_power": Variable(
                f"{UNIT_OF_CHANNEL[self.channel]}^2",
                f"power of {self.channel} in a frequency band",
                ("band",),
                {"band": np.array(list(BANDS))},
                edges,
            ),
        }

    def init(self, info):
        """No segment yet."""
        half, none = self.blocks(info.dt).multiple, jnp.zeros(info.batch)
        return SpectrumState(jnp.zeros((half, info.batch)), none, jnp.zeros((half + 1, info.batch)), jnp.zeros(()))

    def update(self, info, state, samples):
        """Add one spectrum for each half segment."""
        half = self.blocks(info.dt).multiple
        window = jnp.asarray(_hann(2 * half), samples.dtype)[:, None]
        for start in range(0, len(samples) - half + 1, half):
            new = samples[start : start + half, 0]
            total = jnp.sum(new, axis=0)
            mean = (state.total + total) / (2 * half)
            segment = (jnp.concatenate([state.last, new]) - mean[None]) * window
            transformed = jnp.fft.rfft(_transposed(segment))
            power = _transposed(transformed.real**2 + transformed.imag**2)
            # The first half alone is no segment yet.
            density = jnp.where(state.halves > 0, state.density + power, state.density)
            state = SpectrumState(new, total, density, state.halves + 1)
        return state

    def result(self, info, state):
        """See `variables`."""
        every, half = self.blocks(info.dt)
        rate, size = 1 / (info.dt * every), 2 * half
        sides = np.full(size // 2 + 1, 2.0)
        sides[[0, -1]] = 1.0  # the mean and the Nyquist frequency have no negative twin
        scale = jnp.asarray(sides / (rate * float(np.sum(_hann(size) ** 2))), state.density.dtype)
        density = state.density * (scale / as_float(state.halves - 1))[:, None]
        frequencies = np.fft.rfftfreq(size, 1 / rate)
        inside = [(frequencies >= low) & (frequencies < high) for low, high in BANDS.values()]
        powers = [jnp.sum(density[bins], axis=0) * (rate / size) for bins in inside]
        # The power of a part of a band is not that of the band.
        bands = zip(inside, BANDS.values(), strict=True)
        empty = np.array([not bins.any() or high > rate / 2 for bins, (_, high) in bands])
        powers = jnp.where(jnp.asarray(empty)[:, None], jnp.nan, jnp.stack(powers))
        return {"dominant_frequency": _peak(density) * (rate / size), "band_power": powers}


_transposed = one_function(lambda stage, values: values.T)
"""XLA transforms along the last axis. On a CPU it brings an axis there twice as fast within one function as outside."""


def _hann(size: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def _peak(density: Float[Array, "frequency batch"]) -> Float[Array, " batch"]:
    """Where the density peaks, in bins from 1 on; NaN where there is no power."""
    peak = jnp.argmax(density[1:-1], axis=0) + 1
    heights = [jnp.take_along_axis(density, peak[None] + i, axis=0)[0] for i in (-1, 0, 1)]
    left, middle, right = (jnp.log(height) for height in heights)
    curvature = left - 2 * middle + right
    shift = jnp.where(curvature < 0, (left - right) / 2 / jnp.where(curvature < 0, curvature, -1.0), 0.0)
    shift = jnp.where(peak > 1, jnp.clip(shift, -0.5, 0.5), 0.0)  # the mean was taken off: no slope to the left
    return jnp.where(heights[1] > _NO_POWER, peak.astype(shift.dtype) + shift, jnp.nan)
