"""What is seen through a window, turned into components that all matter alike, however noisy the recording."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .window import Window, averaging

_INSTANTS = 8192
_UNSURE = 0.1  # of what second differences of the signal are by themselves: their size varies, and noise is the rest
_LARGEST = 8.0  # standard deviations, that components stay below; only the edges of gaps would go beyond


class Whitener(eqx.Module):
    """Principal components of each channel's window, as far as they stand out of the noise, in standard deviations.

    Neighbouring samples are so much alike that what a recording tells about fast states lies in differences a
    thousand times smaller than the signal. Each component is replaced by what a Wiener filter makes of it (Wiener
    1949), and divided by its standard deviation: a small one counts as much as a large one where it can be measured,
    and as nothing where it is lost in noise, whose size each window tells anew.
    """

    basis: Float[Array, "7 taps component"]
    """Of averages over so many samples that white noise is white in the components, too."""
    variance: Float[Array, "7 component"]
    """Of the components, without noise."""
    roughness: Float[Array, "7"]
    """That of the signals: the size of their second differences."""

    @classmethod
    def fitted_to(
        cls,
        window: Window,
        recordings: Float[np.ndarray, "trajectory time 7"],
        noise: Float[np.ndarray, "7"] | float = 0.0,
    ) -> "Whitener":
        """That of standardized recordings; trajectories with a NaN are left out.

        **Arguments:**

        - `noise`: standard deviation of the sensor noise that they come with, standardized; it is taken off.

        **Raises:** `ValueError` if the recordings are shorter than the window.
        """
        values = np.asarray(recordings)
        samples, length = values.shape[1], window.past + 1 + window.future
        if samples < length:
            raise ValueError(
                f"`network` must have a window that fits into the recordings of {samples} samples, got one of {length}"
            )
        values = values[np.isfinite(values).all(axis=(1, 2))]
        each = max(1, _INSTANTS // max(1, len(values)))
        starts = np.linspace(0, samples - length, min(each, samples - length + 1)).astype(int)
        found = [_components(window, values[:, :, channel], starts) for channel in range(values.shape[-1])]
        bases, variances = zip(*found, strict=True)
        squares = np.diff(values.astype(float), 2, axis=1) ** 2 / 6
        rough = squares.sum(axis=(0, 1)) / max(1, len(values) * squares.shape[1])
        noise = np.broadcast_to(np.square(noise), rough.shape)
        clean = np.maximum(np.stack(variances) - noise[:, None], 0), np.sqrt(np.maximum(rough - noise, 0))
        return cls(*(jnp.asarray(part, values.dtype) for part in (np.stack(bases), *clean)))

    @classmethod
    def blank(cls, window: Window, dtype: np.dtype) -> "Whitener":
        """One of the right shape and of no content."""
        shape = (7, window.taps, window.taps)
        return cls(jnp.zeros(shape, dtype), jnp.zeros(shape[:-1], dtype), jnp.zeros(shape[:1], dtype))

    def __call__(
        self, values: Float[Array, "*batch taps 7"], roughness: Float[Array, "*batch 7"]
    ) -> Float[Array, "*batch component 7"]:
        """The components of averages over taps, with as much noise as second differences tell.

        **Arguments:**

        - `values`: 0 where nothing was measured.
        - `roughness`: logarithm of the size of second differences.
        """
        components = jnp.einsum("...tc,cts->...sc", values, self.basis)
        signal = jnp.broadcast_to(self.variance.T, components.shape)
        own = jnp.broadcast_to(self.roughness**2, roughness.shape)
        noise = jnp.maximum(jnp.exp(2 * roughness) - own, _UNSURE * own)[..., None, :]
        scaled = components * signal**0.5 / (signal + noise)
        return scaled * (1 + (scaled / _LARGEST) ** 2) ** -0.5


def _components(
    window: Window, channel: Float[np.ndarray, "trajectory time"], starts: np.ndarray
) -> tuple[Float[np.ndarray, "taps component"], Float[np.ndarray, " component"]]:
    scale = np.sqrt(np.array(window.widths, dtype=float))[:, None]
    average = scale * averaging(window)
    seen = np.lib.stride_tricks.sliding_window_view(channel, average.shape[1], axis=1)[:, starts]
    taps = seen.reshape(-1, average.shape[1]).astype(float) @ average.T
    variance, basis = np.linalg.eigh(taps.T @ taps / max(1, len(taps)))
    return scale * basis, np.maximum(variance, 0)
