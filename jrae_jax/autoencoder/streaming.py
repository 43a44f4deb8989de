"""Decoding in real time: a recording comes in chunk by chunk, the states of each sample go out at once."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._checks import as_positive, check_count, check_memory, check_type, is_concrete, of_numbers
from ..column.quantities import described
from ..column.states import CHANNELS
from ..recording.estimate import Estimate, result_of
from ..recording.mask import ObservationMask, Observed, as_mask
from ..recording.recording import Recording
from ..recording.residuals import Running
from .base import check_dt
from .familiarity import residuals_of
from .reconstructor import Reconstructor, checked

_BEFORE = 2  # samples before a window that its first second difference compares with, for the noise estimate
_CHECKED_SECONDS = 10.0  # s: a recording that changes is noticed after a part of that


class StreamState(eqx.Module):
    """The last samples of the recordings so far."""

    values: Float[Array, "*batch memory 7"]
    """mV and mV/s."""
    measured: Bool[Array, "*batch memory 7"]
    """False before the first sample."""
    residuals: Running
    """Of the last seconds."""

    def __repr__(self) -> str:
        return described(self, "")


class StreamingDecoder(eqx.Module):
    """Decodes any number of recordings side by side, with the numbers that the whole recording would give.

    ```python
    decoder = jrae.StreamingDecoder(jrae.load_pretrained(causal=True), observed="eeg", dt=1e-3)
    state = decoder.init()
    state, estimate = decoder(state, chunk)  # chunk: a Recording
    ```

    **Arguments:**

    - `reconstructor`: that reads no future.
    - `observed`: which channels the recordings show: a mask, names, or truth values.
    - `dt`: seconds between samples.

    **Raises:** `ValueError` if the autoencoder reads the future, or was trained for other recordings.
    """

    reconstructor: Reconstructor
    observed: ObservationMask
    dt: float = eqx.field(static=True)

    def __init__(self, reconstructor: Reconstructor, *, observed: Observed, dt: float):
        """See the class."""
        check_type(Reconstructor, reconstructor=reconstructor)
        dt = as_positive("dt", dt)
        autoencoder = reconstructor.autoencoder
        if autoencoder.future:
            raise ValueError(
                f"`reconstructor` must be causal to decode in real time, got one that reads {autoencoder.future} "
                "samples of the future: WindowedAutoencoder(..., future=0.0), or load_pretrained(causal=True)"
            )
        check_dt(autoencoder, "dt", dt)
        self.observed, self.dt = as_mask(observed), dt
        self.reconstructor = reconstructor.check_kind("observed", self.observed, reconstructor)

    @of_numbers
    def __repr__(self) -> str:
        return f"StreamingDecoder({self.reconstructor!r}, observed={self.observed!r}, dt={self.dt:g} s)"

    def init(self, batch: int | None = None) -> StreamState:
        """The state before the first sample.

        **Arguments:**

        - `batch`: how many recordings there are side by side; `None` for chunks without a batch axis.
        """
        if batch is not None:
            check_count(1, batch=batch)
        shape = () if batch is None else (batch,)
        shape = (*shape, self.reconstructor.autoencoder.past + _BEFORE, len(CHANNELS))
        check_memory("their last samples", 5 * math.prod(shape), batch=batch)
        dtype = self.reconstructor.standardizer.mean.dtype
        residuals = Running.start(shape[:-2], self.dt, dtype)
        return StreamState(jnp.zeros(shape, dtype), jnp.zeros(shape, bool), residuals)

    def __call__(self, state: StreamState, chunk: Recording) -> tuple[StreamState, Estimate]:
        """The states of the next samples.

        **Arguments:**

        - `state`: from `init`, or the last call.
        - `chunk`: the next samples. Another length compiles anew.

        **Returns:** the new state, and the estimate, with standard deviations if the autoencoder is variational, and
            with the consistency of the last 10 s.

        **Warns:** `InconsistentRecordingWarning` as a `Reconstructor`.

        **Raises:** `ValueError` if the chunk is of another batch, `dt` or kind than the decoder's.
        """
        check_type(StreamState, state=state)
        check_type(Recording, chunk=chunk)
        if chunk.values.shape[:-2] != state.values.shape[:-2]:
            raise ValueError(
                f"`chunk` must have shape {(*state.values.shape[:-2], 'samples', len(CHANNELS))}, got "
                f"{chunk.values.shape}: init(batch)"
            )
        if not chunk.values.shape[-2]:
            raise ValueError("`chunk` must have at least one sample, got none")
        if abs(chunk.dt - self.dt) > 1e-4 * self.dt:
            raise ValueError(f"`chunk.dt` must be {self.dt:g} s, as the decoder was made for, got {chunk.dt:g} s")
        masks = self.observed, chunk.observed
        if all(is_concrete(mask.channels) for mask in masks) and self.observed.names != chunk.observed.names:
            raise ValueError(
                f"`chunk` must show {', '.join(self.observed.names)}, as the decoder was made for, got "
                f"{', '.join(chunk.observed.names)}"
            )
        state, estimate = _decode(self, state, chunk.without_info())
        return state, estimate.starting(chunk.start).warned("chunk")


@eqx.filter_jit
def _decode(decoder: StreamingDecoder, state: StreamState, chunk: Recording) -> tuple[StreamState, Estimate]:
    reconstructor, samples, memory = decoder.reconstructor, chunk.values.shape[-2], state.values.shape[-2]
    values = jnp.concatenate([state.values, chunk.values], axis=-2)
    measured = jnp.concatenate([state.measured, chunk.measured], axis=-2)
    standardized, kind = reconstructor.standardizer.standardize(values), reconstructor.kind(decoder.observed)

    def states(values, measured, start):
        values, measured = (jax.lax.dynamic_slice_in_dim(part, start, memory + 1) for part in (values, measured))
        features = reconstructor.autoencoder.last_features(values, measured, reconstructor.whitener)
        return reconstructor.states(features, kind)

    each_sample = jax.vmap(states, in_axes=(None, None, 0))
    each_recording = each_sample if chunk.batch is None else jax.vmap(each_sample, in_axes=(0, 0, None))
    mean, std = each_recording(standardized, measured, jnp.arange(samples))
    new = residuals_of(standardized[..., memory:, :], chunk.measured, mean, std, reconstructor.standardizer)
    residuals = state.residuals.add(new, decoder.dt, memory=_CHECKED_SECONDS)
    consistency = checked(reconstructor, residuals, decoder.observed, decoder.dt)
    state = StreamState(values[..., -memory:, :], measured[..., -memory:, :], residuals)
    return state, Estimate(mean, std, result=result_of(mean), consistency=consistency, dt=chunk.dt)
