"""Whitening of windows: components that count alike, as far as they stand out of the sensor noise."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..column.quantities import described
from ..column.states import CHANNELS
from .window import Window, averaging

_INSTANTS = 8192  # windows that the components are fitted to, some hundred times as many as there are components
# Of the power of the signal's own second differences: it varies from window to window, so that noise far below it
# cannot be estimated by subtracting it.
_LEAST_NOISE = 0.1
_LARGEST_COMPONENT = 8.0  # standard deviations; only the edges of gaps would go beyond


class Whitener(eqx.Module):
    """Principal components of each channel's window, as far as they stand out of the noise, in standard deviations.

    Neighbouring samples are so much alike that the information on fast states lies in differences a thousand times
    smaller than the signal. Each component is replaced by its Wiener estimate (Wiener 1949, Extrapolation,
    Interpolation, and Smoothing of Stationary Time Series) and divided by its standard deviation: a small one counts
    as much as a large one where it can be measured, and nothing where it is lost in noise, whose size is estimated
    from each window anew.
    """

    basis: Float[Array, "7 average component"]
    """Of averages that are scaled so that white noise is white in the components, too."""
    variance: Float[Array, "7 component"]
    """Of the components, without noise."""
    signal_noise: Float[Array, "7"]
    """The noise estimate of signals without noise: the size of their own second differences."""

    def __repr__(self) -> str:
        return described(self, "")

    @classmethod
    def fit(
        cls,
        window: Window,
        recordings: Float[np.ndarray, "recording time 7"],
        noise: Float[np.ndarray, "7"] | float = 0.0,
    ) -> "Whitener":
        """That of standardized recordings; recordings with a NaN are left out.

        **Arguments:**

        - `noise`: standard deviation of the sensor noise that they come with, standardized; it is taken off.

        **Raises:** `ValueError` if the recordings are shorter than the window.
        """
        values = np.asarray(recordings)
        samples, length = values.shape[1], window.past + 1 + window.future
        if samples < length:
            raise ValueError(
                f"`autoencoder` must have a window that fits into the {samples} samples of the recordings, got one of "
                f"{length}"
            )
        values = values[np.isfinite(values).all(axis=(1, 2))]
        each = max(1, _INSTANTS // max(1, len(values)))
        starts = np.linspace(0, samples - length, min(each, samples - length + 1)).astype(int)
        components = [_components(window, values[:, :, channel], starts) for channel in range(len(CHANNELS))]
        bases, variances = zip(*components, strict=True)
        squares = np.diff(values.astype(float), 2, axis=1) ** 2 / 6
        mean_square = squares.sum(axis=(0, 1)) / max(1, len(values) * squares.shape[1])
        power = np.broadcast_to(np.square(noise), mean_square.shape)
        clean = np.maximum(np.stack(variances) - power[:, None], 0), np.sqrt(np.maximum(mean_square - power, 0))
        return cls(*(jnp.asarray(part, values.dtype) for part in (np.stack(bases), *clean)))

    @classmethod
    def blank(cls, size: int, dtype: np.dtype) -> "Whitener":
        """One of zeros, for windows of so many averages."""
        shape = (len(CHANNELS), size, size)
        return cls(jnp.zeros(shape, dtype), jnp.zeros(shape[:-1], dtype), jnp.zeros(shape[:1], dtype))

    def __call__(
        self, averages: Float[Array, "*batch average 7"], log_noise: Float[Array, "*batch 7"]
    ) -> Float[Array, "*batch component 7"]:
        """The whitened components of windows.

        **Arguments:**

        - `averages`: standardized, 0 where nothing was measured.
        - `log_noise`: logarithm of the size of second differences.
        """
        components = jnp.einsum("...tc,cts->...sc", averages, self.basis)
        signal = jnp.broadcast_to(self.variance.T, components.shape)
        own = jnp.broadcast_to(self.signal_noise**2, log_noise.shape)
        noise = jnp.maximum(jnp.exp(2 * log_noise) - own, _LEAST_NOISE * own)[..., None, :]
        scaled = components * signal**0.5 / (signal + noise)
        return scaled * (1 + (scaled / _LARGEST_COMPONENT) ** 2) ** -0.5


def _components(
    window: Window, channel: Float[np.ndarray, "recording time"], starts: np.ndarray
) -> tuple[Float[np.ndarray, "average component"], Float[np.ndarray, " component"]]:
    scale = np.sqrt(np.array(window.widths, dtype=float))[:, None]
    average = scale * averaging(window)
    windows = np.lib.stride_tricks.sliding_window_view(channel, average.shape[1], axis=1)[:, starts]
    averages = windows.reshape(-1, average.shape[1]).astype(float) @ average.T
    variance, basis = np.linalg.eigh(averages.T @ averages / max(1, len(averages)))
    return scale * basis, np.maximum(variance, 0)
