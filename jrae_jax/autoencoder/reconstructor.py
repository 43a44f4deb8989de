"""A trained network with all it needs to read a recording."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..column.states import CHANNELS, STATES
from ..recording.dataset import Standardizer
from ..recording.mask import ObservationMask, as_mask, to_channels
from .autoencoder import Autoencoder
from .calibration import Calibration
from .features import Surroundings, View, rows_of, surroundings
from .loss import masked
from .whitening import Whitener
from .windowed import Gaussian, WindowedAutoencoder

_AT_ONCE = 1024  # instants whose windows are gathered together


class Reconstructor(eqx.Module):
    """Recording in, all six states out, in mV and mV/s: network, observation mask and standardizer in one."""

    network: Autoencoder | WindowedAutoencoder
    mask: ObservationMask
    standardizer: Standardizer
    trained_masks: Bool[np.ndarray, "masks 7"] | None = None
    """What the network saw in training, one row for each kind of recording; nothing but `mask` if `None`."""
    calibration: Calibration | None = None
    """Puts right the standard deviations that a variational network tells; `None`: they are left alone."""
    whitener: Whitener | None = None
    """Of a network with a window, what is done to the windows before it sees them."""

    def observing(self, observed: Any) -> "Reconstructor":
        """The same for recordings that show other channels.

        **Arguments:**

        - `observed`: a mask, names of channels, or truth values, as for `make_dataset`.

        **Raises:** `ValueError` for a mask that the network was not trained for.
        """
        mask, trained = as_mask(observed), self._kinds
        if not np.any(np.all(trained == np.asarray(mask.channels), axis=1)):
            told = "; ".join(", ".join(ObservationMask(row).names) for row in trained[:3])
            more = f"; and {len(trained) - 3} more" if len(trained) > 3 else ""
            raise ValueError(
                f"`observed` must be what the network was trained for ({told}{more}), got {', '.join(mask.names)}"
            )
        return eqx.tree_at(lambda model: model.mask, self, mask)

    def __call__(
        self, recording: Float[Array, "*time channels"], *, dt: float | None = None
    ) -> Float[Array, "*time 6"]:
        """Reconstruct all six states.

        **Arguments:**

        - `recording`: the last axis holds seven channels (see `recording`) or the six states, the one before it
            time. What the mask hides is never read and may be NaN. A network with a window takes NaN in a channel
            that the mask shows for a sample that is missing.
        - `dt`: seconds between samples; a network with a window wants to be told.

        **Returns:** the states, mV and mV/s.

        **Raises:** `ValueError` if the last axis is neither 7 nor 6 long, or the sampling is not that of training.
        """
        return self.standardizer.destandardize(self._each_instant(recording, dt, _states))

    def latents(
        self, recording: Float[Array, "*time channels"], *, dt: float | None = None
    ) -> Float[Array, "*time latent"]:
        """The latent at each instant of a recording. Arguments and errors are those of a call."""
        return self._each_instant(recording, dt, _latent)

    def distribution(self, recording: Float[Array, "*time channels"], *, dt: float | None = None) -> Gaussian:
        """Mean and standard deviation of each state, mV and mV/s, as a variational network sees them.

        The latent is taken at its mean. Arguments as in a call.

        **Raises:** `ValueError` as in a call, and if the network is not variational.
        """
        if not (isinstance(self.network, WindowedAutoencoder) and self.network.variational):
            raise ValueError("`network` must be variational to tell how sure it is, got one that is not")
        mean, std = jnp.split(self._each_instant(recording, dt, _mean_and_std), 2, axis=-1)
        if self.calibration is not None:
            kind = np.argmax(np.all(self._kinds == np.asarray(self.mask.channels), axis=1))
            std = self.calibration(std, int(kind))
        scale = jnp.broadcast_to(self.standardizer.std[:6], std.shape)
        return Gaussian(self.standardizer.destandardize(mean), std * scale)

    @property
    def _kinds(self) -> Bool[np.ndarray, "masks 7"]:
        return np.asarray(self.mask.channels)[None] if self.trained_masks is None else self.trained_masks

    def surroundings(self, trajectories: Float[Array, "trajectory time 7"]) -> Surroundings:
        """What a network with a window is shown of recordings in mV and mV/s."""
        assert isinstance(self.network, WindowedAutoencoder)
        shown = jnp.broadcast_to(jnp.asarray(self.mask.channels), trajectories.shape) & jnp.isfinite(trajectories)
        channels = self.standardizer.standardize(trajectories)
        return surroundings(self.network.window, channels, shown, self.whitener)

    def _each_instant(self, recording: Any, dt: float | None, function: Callable[[Any, Any], Array]) -> Array:
        if isinstance(self.network, WindowedAutoencoder):
            check_sampling(dt, self.network.window.dt)
        return self._compiled(recording, function)

    @eqx.filter_jit
    def _compiled(self, recording: Array, function: Callable[[Any, Any], Array]) -> Array:
        channels = self._channels(recording)
        instants = channels.shape[:-1]
        if isinstance(self.network, Autoencoder):
            seen = masked(self.standardizer.standardize(channels), jnp.asarray(self.mask.channels))
            flat = jax.vmap(partial(function, self.network))(seen.reshape(math.prod(instants), len(CHANNELS)))
        else:
            flat = self._through_windows(self.network, channels, partial(function, self.network))
        return flat.reshape(*instants, flat.shape[-1])

    def _channels(self, recording: Array) -> Array:
        if recording.shape[-1] not in (len(STATES), len(CHANNELS)):
            raise ValueError(
                f"`recording` must end in an axis of {len(CHANNELS)} channels or {len(STATES)} states, "
                f"got shape {recording.shape}"
            )
        return to_channels(recording) if recording.shape[-1] == len(STATES) else recording

    def _through_windows(self, network: WindowedAutoencoder, channels: Array, function: Callable) -> Array:
        window = network.window
        if channels.ndim < 2 or not channels.size:
            raise ValueError(f"`recording` must have samples along an axis of time, got shape {channels.shape}")
        trajectories = channels.reshape(-1, *channels.shape[-2:])
        around = self.surroundings(trajectories)
        rows = rows_of(window, *trajectories.shape[:2]).ravel()
        at_once = min(_AT_ONCE, len(rows))
        batches = np.pad(rows, (0, -len(rows) % at_once), mode="edge").reshape(-1, at_once)
        found = jax.lax.map(lambda some: jax.vmap(function)(around.at(some)), jnp.asarray(batches))
        return found.reshape(-1, found.shape[-1])[: len(rows)]


def _states(network: Any, seen: Any) -> Float[Array, "6"]:
    return network(seen)


def _latent(network: Any, seen: Any) -> Float[Array, " latent"]:
    return network.encode(seen)


def _mean_and_std(network: WindowedAutoencoder, view: View) -> Float[Array, "12"]:
    states = network.likelihood(network.encode(view))
    return jnp.concatenate([states.mean, states.std])


def check_sampling(dt: float | None, trained: float) -> None:
    """Raise if a recording is not sampled as the network was trained."""
    if dt is None or not abs(dt - trained) <= 1e-4 * trained:
        came = "none" if dt is None else f"{dt:g} s: resample it first, with scipy.signal.resample_poly"
        raise ValueError(f"`dt` must be the {trained:g} s between samples that the network was trained on, got {came}")
