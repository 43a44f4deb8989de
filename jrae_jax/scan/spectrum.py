"""Frequency content of a trajectory, as a summary of a parameter scan."""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_float, check_positive
from .summaries import CHANNEL_UNITS, AbstractSummary, Variable, check_channels

BANDS = {"delta": (0.5, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 80.0)}
"""EEG frequency bands, Hz: from, up to but not including."""


class Spectrum(AbstractSummary):
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
    resolution: float = eqx.field(static=True, default=0.5)

    def __check_init__(self):
        check_channels((self.channel,))
        check_positive(resolution=self.resolution)

    @property
    def channels(self):
        """The one channel."""
        return (self.channel,)

    def quantum(self, dt):
        """Half a segment."""
        return self._thinning(dt) * self._half(dt)

    def variables(self, dt, start, samples):
        """`dominant_frequency` in Hz, and `band_power` in the channel's unit squared, over `band`.

        A band that lies above the Nyquist frequency, or between two bins of the resolution, has power NaN.
        """
        del start
        if samples < 2 * self.quantum(dt):
            raise ValueError(
                f"`resolution` = {self.resolution} Hz needs {2 * self.quantum(dt) * dt:g} s to summarise, "
                f"got {samples * dt:g} s"
            )
        edges = {"band_edges_hz": [list(edges) for edges in BANDS.values()]}
        return {
            "dominant_frequency": Variable("Hz", f"dominant frequency of {self.channel}"),
            "band_power": Variable(
                f"{CHANNEL_UNITS[self.channel]}^2",
                f"power of {self.channel} in a frequency band",
                ("band",),
                {"band": np.array(list(BANDS))},
                edges,
            ),
        }

    def init(self, run):
        """The last half segment, the sum of the spectra, and how many halves there were."""
        half = self._half(run.dt)
        return jnp.zeros((half, run.columns)), jnp.zeros((half + 1, run.columns)), jnp.zeros(())

    def update(self, run, state, samples):
        """One more spectrum for each half segment."""
        half = self._half(run.dt)
        thinned = samples[self._thinning(run.dt) - 1 :: self._thinning(run.dt), 0]
        for start in range(0, len(thinned) - half + 1, half):
            state = self._with_half(state, thinned[start : start + half])
        return state

    def _with_half(self, state, new: Float[Array, "half columns"]):
        last, density, seen = state
        segment = jnp.concatenate([last, new])
        window = jnp.asarray(_hann(len(segment)), segment.dtype)
        transformed = jnp.fft.rfft((segment - jnp.mean(segment, axis=0)[None]) * window[:, None], axis=0)
        power = transformed.real**2 + transformed.imag**2
        return new, jnp.where(seen > 0, density + power, density), seen + 1

    def result(self, run, state):
        """See `variables`."""
        _, density, seen = state
        rate = 1 / (run.dt * self._thinning(run.dt))
        size = 2 * self._half(run.dt)
        sides = np.full(size // 2 + 1, 2.0)
        sides[[0, -1]] = 1.0  # the mean and the Nyquist frequency have no negative twin
        scale = jnp.asarray(sides / (rate * float(np.sum(_hann(size) ** 2))), density.dtype)
        density = density * (scale / as_float(seen - 1))[:, None]
        frequencies = np.fft.rfftfreq(size, 1 / rate)
        inside = [(frequencies >= low) & (frequencies < high) for low, high in BANDS.values()]
        powers = [jnp.sum(density[bins], axis=0) * (rate / size) for bins in inside]
        empty = np.array([not bins.any() for bins in inside])
        powers = jnp.where(jnp.asarray(empty)[:, None], jnp.nan, jnp.stack(powers))
        return {"dominant_frequency": _peak(density) * (rate / size), "band_power": powers}

    def _thinning(self, dt: float) -> int:
        return max(1, math.floor(_LEAST_RATE**-1 / dt * (1 + 1e-9)))

    def _half(self, dt: float) -> int:
        return max(2, round(0.5 / (self.resolution * dt * self._thinning(dt))))


_LEAST_RATE = 200.0  # Hz


def _hann(size: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def _peak(density: Float[Array, "frequency columns"]) -> Float[Array, " columns"]:
    """Where the density peaks, in bins from 1 on; NaN where there is none to speak of."""
    peak = jnp.argmax(density[1:-1], axis=0) + 1
    heights = [jnp.take_along_axis(density, peak[None] + i, axis=0)[0] for i in (-1, 0, 1)]
    left, middle, right = (jnp.log(height) for height in heights)
    curvature = left - 2 * middle + right
    shift = jnp.where(curvature < 0, (left - right) / 2 / jnp.where(curvature < 0, curvature, -1.0), 0.0)
    shift = jnp.where(peak > 1, jnp.clip(shift, -0.5, 0.5), 0.0)  # the mean was taken off: no slope to the left
    return jnp.where(heights[1] > _NO_POWER, peak.astype(shift.dtype) + shift, jnp.nan)


_NO_POWER = 1e-8  # mV^2/Hz; what rounding leaves of an equilibrium
