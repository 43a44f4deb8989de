"""Decoding as it happens: a recording comes in chunk by chunk, and the states of each sample at once."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..column.states import CHANNELS
from .features import last_view
from .reconstructor import Reconstructor, check_sampling
from .window import Window
from .windowed import WindowedAutoencoder


class StreamState(eqx.Module):
    """What a decoder remembers of the recordings so far."""

    recording: Float[Array, "*recording memory 7"]
    """The last samples, mV and mV/s; NaN before the first."""


class StreamingDecoder(eqx.Module):
    """Decodes any number of recordings side by side, with the numbers that the whole recording would give.

    ```python
    decoder = jrae.StreamingDecoder(model, dt=1e-3)
    state = decoder.init()
    state, states = decoder(state, chunk)  # (samples, 7) in, (samples, 6) out
    ```

    **Arguments:**

    - `model`: with a causal window.
    - `dt`: seconds between samples.

    **Raises:** `ValueError` if the network looks into the future or has no window, or for another sampling.
    """

    model: Reconstructor

    def __init__(self, model: Reconstructor, *, dt: float):
        """See the class."""
        if not isinstance(model.network, WindowedAutoencoder):
            raise ValueError("`model` must have a window to be streamed, got a memoryless network: call it as it is")
        window = model.network.window
        if window.future:
            raise ValueError(
                f"`model` must be causal to decode as it happens, got a window of {window.future * window.dt:g} s "
                "into the future"
            )
        check_sampling(dt, window.dt)
        self.model = model

    def init(self, *recordings: int) -> StreamState:
        """The state before the first sample.

        **Arguments:**

        - `recordings`: how many recordings there are side by side, if more than one: `init(256)`.
        """
        memory = self._window.past + 2  # the roughness compares three samples
        return StreamState(jnp.full((*recordings, memory, len(CHANNELS)), jnp.nan, self.model.standardizer.mean.dtype))

    @eqx.filter_jit
    def __call__(
        self, state: StreamState, chunk: Float[Array, "*recording samples 7"]
    ) -> tuple[StreamState, Float[Array, "*recording samples 6"]]:
        """The states of the next samples.

        **Arguments:**

        - `state`: from `init`, or the last call.
        - `chunk`: mV and mV/s; NaN in a channel that the mask shows: missing. Another length compiles anew.

        **Returns:** the new state, and the reconstructed states, mV and mV/s.

        **Raises:** `ValueError` if the chunk does not fit to the state.
        """
        if chunk.ndim != state.recording.ndim or chunk.shape[:-2] != state.recording.shape[:-2]:
            raise ValueError(
                f"`chunk` must have shape {(*state.recording.shape[:-2], 'samples', len(CHANNELS))}, got {chunk.shape}"
            )
        recording = jnp.concatenate([state.recording, chunk], axis=-2)
        memory = state.recording.shape[-2]
        trajectories = recording.reshape(-1, *recording.shape[-2:])
        found = jax.vmap(self._newest, in_axes=(0, None))(trajectories, chunk.shape[-2])
        return StreamState(recording[..., -memory:, :]), found.reshape(*chunk.shape[:-1], -1)

    def _newest(self, recording: Float[Array, "time 7"], samples: int) -> Float[Array, "samples 6"]:
        """The states of the last samples of one recording."""
        standardizer, window = self.model.standardizer, self._window
        all_seen = jnp.broadcast_to(self.model.mask.channels, recording.shape) & jnp.isfinite(recording)
        all_channels, needed = standardizer.standardize(recording), len(recording) - samples + 1

        def of_instant(start):
            channels, seen = (
                jax.lax.dynamic_slice_in_dim(values, start, needed) for values in (all_channels, all_seen)
            )
            return self._network(last_view(window, channels, seen, self.model.whitener))

        return standardizer.destandardize(jax.vmap(of_instant)(jnp.arange(samples)))

    @property
    def _network(self) -> WindowedAutoencoder:
        assert isinstance(self.model.network, WindowedAutoencoder)
        return self.model.network

    @property
    def _window(self) -> Window:
        return self._network.window
