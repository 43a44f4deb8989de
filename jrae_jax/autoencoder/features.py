"""Features of recordings: single samples, or windows around each instant with what of them was measured."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..column.quantities import described
from .base import AbstractRecordingFeatures
from .whitening import Whitener
from .window import Window, averaging

# Variance, of standardized signals: what float32 rounding leaves in the second differences of a smooth one.
_ROUNDING = 1e-6


class RecordingSamples(AbstractRecordingFeatures[Float[Array, "*instant 7"]]):
    """Standardized samples, 0 where nothing was measured: what an autoencoder without memory reads."""

    values: Float[Array, "row 7"]
    measured: Bool[Array, "row 7"]
    samples: int = eqx.field(static=True)

    @classmethod
    def from_recordings(
        cls, values: Float[Array, "recording time 7"], measured: Bool[Array, "recording time 7"]
    ) -> "RecordingSamples":
        """Of standardized recordings. What was not measured may be anything, even NaN."""
        channels, samples = jnp.where(measured, values, 0), values.shape[1]
        return cls(channels.reshape(-1, values.shape[-1]), measured.reshape(-1, values.shape[-1]), samples)

    @property
    def rows(self):
        """One a sample."""
        return np.arange(len(self.values), dtype=np.int32).reshape(-1, self.samples)

    def followed(self, rows, steps):
        """See `AbstractRecordingFeatures`."""
        return rows % self.samples + steps < self.samples

    def at(self, rows):
        """See `AbstractRecordingFeatures`."""
        return self.values[rows]

    def measured_at(self, rows):
        """See `AbstractRecordingFeatures`."""
        return self.values[rows], self.measured[rows]


class WindowFeatures(eqx.Module):
    """What an autoencoder with a window reads at one instant, standardized."""

    averages: Float[Array, "*batch average 7"]
    """Averages over what was measured, 0 where nothing was; or whitened components of them."""
    measured: Float[Array, "*batch average 7"]
    """The fraction of each average's samples that was measured."""
    fraction: Float[Array, "*batch 7"]
    """The fraction of the samples that was measured, over those that the noise is estimated from."""
    log_noise: Float[Array, "*batch 7"]
    """A noise estimate: logarithm of the size of second differences; 0 where nothing was measured."""

    def __repr__(self) -> str:
        return described(self, "")


class RecordingWindows(AbstractRecordingFeatures[WindowFeatures]):
    """Windows around every instant of recordings: averages over 1, 2, 4, ... samples, starting at each row.

    Between recordings there are rows that nothing was measured in, for windows to reach into.
    """

    values: tuple[Float[Array, "row 7"], ...]
    """Averages over 1, 2, 4, ... rows, from each row on, with 0 for what was not measured."""
    measured: tuple[Float[Array, "row 7"], ...]
    """The fraction of the same rows that was measured."""
    fraction: Float[Array, "row 7"]
    """The same over the `noise_samples` of the window."""
    log_noise: Float[Array, "row 7"]
    window: Window
    whitener: Whitener | None
    samples: int = eqx.field(static=True)

    @classmethod
    def from_recordings(
        cls,
        window: Window,
        values: Float[Array, "recording time 7"],
        measured: Bool[Array, "recording time 7"],
        whitener: Whitener | None = None,
    ) -> "RecordingWindows":
        """Of standardized recordings. What was not measured may be anything, even NaN."""
        room = ((0, 0), (window.past, window.future), (0, 0))
        channels = jnp.pad(jnp.where(measured, values, 0), room)
        there = jnp.pad(measured, room).astype(channels.dtype)
        squares, valid = (
            jnp.pad(part, ((0, 0), (channels.shape[1] - part.shape[1], 0), (0, 0)))
            for part in _second_differences(channels, there)
        )
        channels, there, squares, valid = (
            part.reshape(-1, part.shape[-1]) for part in (channels, there, squares, valid)
        )
        levels = max(window.widths).bit_length()
        squares, valid, fraction = (
            _averages(part, window.noise_samples.bit_length())[-1] for part in (squares, valid, there)
        )
        averages = _averages(channels, levels), _averages(there, levels)
        return cls(*averages, fraction, _log_noise(squares, valid), window, whitener, values.shape[1])

    @property
    def rows(self):
        """See `AbstractRecordingFeatures`."""
        recordings = len(self.fraction) // self._pitch
        starts = self.window.past + self._pitch * np.arange(recordings)
        return (starts[:, None] + np.arange(self.samples)[None]).astype(np.int32)

    def followed(self, rows, steps):
        """See `AbstractRecordingFeatures`."""
        return rows % self._pitch - self.window.past + steps < self.samples

    def at(self, rows):
        """Windows are gathered here, for these rows and no others."""
        measured = self._gathered(self.measured, rows)
        averages = self._gathered(self.values, rows) / jnp.where(measured > 0, measured, 1)
        start = rows - min(self.window.past, self.window.noise_samples - 1)
        return _whitened(averages, measured, self.fraction[start], self.log_noise[start], self.whitener)

    def measured_at(self, rows):
        """See `AbstractRecordingFeatures`."""
        return self.values[0][rows], self.measured[0][rows] > 0

    @property
    def _pitch(self) -> int:
        """Rows from one recording to the next."""
        return self.window.past + self.samples + self.window.future

    def _gathered(
        self, levels: tuple[Float[Array, "row 7"], ...], rows: Int[Array, " instant"]
    ) -> Float[Array, "instant average 7"]:
        starts, widths = np.array(self.window.starts), np.array(self.window.widths)
        parts, order = [], []
        for level, averages in enumerate(levels):
            (chosen,) = np.nonzero(widths == 1 << level)
            order.extend(chosen)
            parts.append(averages[rows[:, None] + jnp.asarray(starts[chosen], rows.dtype)[None]])
        return jnp.concatenate(parts, axis=1)[:, np.argsort(order)]


def last_window(
    window: Window, values: Float[Array, "time 7"], measured: Bool[Array, "time 7"], whitener: Whitener | None = None
) -> WindowFeatures:
    """The features at the last instant of a standardized recording, through a causal window.

    They are those of `RecordingWindows`, without the work for all other instants.

    **Arguments:**

    - `values`, `measured`: the window, and the two samples before it that its first second difference needs.
    """
    there = measured.astype(values.dtype)
    channels = jnp.where(measured, values, 0)
    average = jnp.asarray(averaging(window), channels.dtype)
    fractions = average @ there[-window.past - 1 :]
    averages = average @ channels[-window.past - 1 :] / jnp.where(fractions > 0, fractions, 1)
    squares, valid = (jnp.mean(part[-window.noise_samples :], axis=0) for part in _second_differences(channels, there))
    fraction = jnp.mean(there[-window.noise_samples :], axis=0)
    return _whitened(averages, fractions, fraction, _log_noise(squares, valid), whitener)


def _whitened(
    averages: Float[Array, "*batch average 7"],
    measured: Float[Array, "*batch average 7"],
    fraction: Float[Array, "*batch 7"],
    log_noise: Float[Array, "*batch 7"],
    whitener: Whitener | None,
) -> WindowFeatures:
    return WindowFeatures(
        averages if whitener is None else whitener(averages, log_noise), measured, fraction, log_noise
    )


def _second_differences(
    channels: Float[Array, "*recording time 7"], measured: Float[Array, "*recording time 7"]
) -> tuple[Float[Array, "*recording less 7"], Float[Array, "*recording less 7"]]:
    """Squared, of the size of the variance of white noise, and where all three samples were measured."""
    valid = measured[..., 2:, :] * measured[..., 1:-1, :] * measured[..., :-2, :]
    return valid * (channels[..., 2:, :] - 2 * channels[..., 1:-1, :] + channels[..., :-2, :]) ** 2 / 6, valid


def _log_noise(squares: Float[Array, "*batch 7"], valid: Float[Array, "*batch 7"]) -> Float[Array, "*batch 7"]:
    log_noise = 0.5 * jnp.log(squares / jnp.where(valid > 0, valid, 1) + _ROUNDING)
    return jnp.where(valid > 0, log_noise, 0)


def _averages(values: Float[Array, "row 7"], levels: int) -> tuple[Float[Array, "row 7"], ...]:
    """Over 1, 2, 4, ... rows, from each row on."""
    averages = [values]
    for level in range(levels - 1):
        later = jnp.pad(averages[-1][1 << level :], ((0, min(1 << level, len(values))), (0, 0)))
        averages.append((averages[-1] + later) / 2)
    return tuple(averages)
