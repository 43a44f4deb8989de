"""A column and the background of its recording as one system: transition, sensors, and the state before the first
sample. In units of the largest values that states and channels can reach."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..column.column import Column
from ..column.states import CHANNELS, STATES
from ..column.transition import Transition
from ..recording.background import Background
from ..recording.estimate import noise_std_of
from ..recording.linear_sensors import LinearSensors
from ..recording.recording import Recording
from .square_root import AbstractTransition, Gaussian, Measurements

_PRIOR_SECONDS = 1.0  # s; some ten alpha cycles
# Of the largest value. With a wider prior the first linearisation is so far off that some estimates never recover.
_PRIOR_SPREAD = 3e-3


class StateSpace(AbstractTransition):
    """The state: six of the column, the logarithms of unknown factors, the parts of the background, and its offset."""

    column: Transition
    sensors: LinearSensors
    decay: Float[Array, "added *batch"]
    """What remains of each part of the background at the next sample."""
    spread: Float[Array, "added *batch"]
    """Standard deviation of each part."""
    channel: int | None = eqx.field(static=True)
    """In which channel the background is."""
    parts: int = eqx.field(static=True)
    """How many parts change in time."""
    noisy: bool = eqx.field(static=True)
    noise: tuple[Float[Array, "*batch"], ...] | None
    """That of the column, where it is the same at each sample."""

    def __init__(self, column: Transition, noise_std: Float[Array, "7 *batch"], background: Background | None):
        """From the standard deviation of each sensor's white noise, mV and mV/s."""
        self.column, self.sensors = column, LinearSensors.from_scales(column.scale, noise_std)
        self.noisy = column.noisy
        self.noise = None if column.unknown else column.process_noise()
        empty = jnp.zeros((0, *column.input.mean.shape))
        self.decay = self.spread = empty
        self.channel, self.parts = None, 0
        if background is not None:
            self.channel, self.parts = CHANNELS.index(background.channel), background.parts
            scale = self.sensors.scale[self.channel]
            decay = jnp.exp(-column.dt / jnp.moveaxis(background.correlation_time, -1, 0))
            spread = jnp.moveaxis(background.std, -1, 0) / scale[None]
            offset = [] if background.offset_std is None else [(background.offset_std / scale)[None]]
            self.decay = jnp.concatenate([decay, *map(jnp.ones_like, offset)])
            self.spread = jnp.concatenate([spread, *offset])

    @property
    def coloured(self) -> Bool[np.ndarray, "7"]:
        """Which channels have a background."""
        return np.arange(len(CHANNELS)) == (-1 if self.channel is None else self.channel)

    @property
    def kick(self) -> Float[Array, "part *batch"]:
        """Standard deviation of what is added to each part of the background from sample to sample."""
        return (self.spread * jnp.sqrt(1 - self.decay**2))[: self.parts]

    @property
    def controls(self) -> int:
        """How many independent deviations there are from sample to sample."""
        return self.column.steps + self.parts

    def __call__(self, state):
        """See `AbstractTransition`."""
        mean, factor = state
        known, added, n = self.column.size, len(self.decay), len(mean)
        ahead, columns = self.column.moved(mean[:known], factor[:known], self.noise)
        if not added:
            return ahead, jnp.swapaxes(columns, 0, 1)
        faded, kick, batch = self.decay[:, None] * factor[known:], self.kick, mean.shape[1:]
        faded = jnp.concatenate([faded, jnp.zeros((added, columns.shape[1] - n, *batch))], axis=1)
        rows = jnp.swapaxes(jnp.concatenate([columns, faded]), 0, 1)
        places = np.eye(self.parts, n, known).reshape(self.parts, n, *(1 for _ in batch)).astype(kick.dtype)
        return jnp.concatenate([ahead, self.decay * mean[known:]]), jnp.concatenate([rows, places * kick[:, None]])

    def step(self, x: Float[Array, " n"], deviations: Float[Array, " control"]) -> Float[Array, " n"]:
        """The state at the next sample, under so many standard deviations of each of the `controls`."""
        scale, (inputs, kicks) = self.column.scale, jnp.split(deviations, [self.column.steps])
        states = self.column.step(x[: len(STATES)] * scale, inputs) / scale
        kicks = jnp.pad(self.kick * kicks, (0, len(self.decay) - self.parts))
        return jnp.concatenate([states, self.decay * x[len(STATES) :] + kicks])

    def prior(self, unknown_std: Float[Array, "*unknown"], unknown: Float[Array, "*unknown"] | None = None) -> Gaussian:
        """The state before the first sample: the column's anywhere about its trajectory under the mean input.

        **Arguments:**

        - `unknown_std`: of the logarithms of the unknowns' factors; of each, or of all alike.
        - `unknown`: their mean. Default 0: the values of the column.
        """
        model, batch = self.column, self.column.input.mean.shape
        steps = round(_PRIOR_SECONDS / model.dt)
        start = jnp.zeros((model.size, *batch))
        if unknown is not None:
            start = start.at[len(STATES) :].set(unknown.reshape(-1, *(1 for _ in batch)))
        _, xs = jax.lax.scan(lambda x, _: (model.mean(x), x), start, length=2 * steps)
        mean = jnp.mean(xs[steps:], axis=0)
        deviations = jnp.moveaxis(xs[steps:] - mean[None], 1, -1)
        # An unknown parameter shifts the trajectory as well, by part of its own spread.
        spread = _PRIOR_SPREAD + (jnp.max(unknown_std) / 4 if model.unknown else jnp.zeros(()))
        more = jnp.append(jnp.full(len(STATES), spread), jnp.broadcast_to(unknown_std, len(model.unknown)))
        covariance = jnp.einsum("t...i,t...j->...ij", deviations, deviations) / steps
        covariance = covariance + jnp.broadcast_to(jnp.diag(more**2), covariance.shape)
        factor = jnp.moveaxis(jnp.linalg.cholesky(covariance), (-2, -1), (0, 1))
        added = len(self.spread)
        if not added:
            return Gaussian(mean, factor)
        factor = jnp.pad(factor, [(0, added), (0, added), *((0, 0) for _ in batch)])
        places = np.arange(model.size, model.size + added)
        start = jnp.pad(mean, [(0, added), *((0, 0) for _ in batch)])
        return Gaussian(start, factor.at[places, places].set(self.spread))

    def rows(self, noise: Float[Array, "7 *batch"]) -> Float[Array, "7 n *batch"]:
        """From the state to each channel, in standard deviations of sensor noise, given in fractions of the scale."""
        batch = noise.shape[1:]
        matrix = jnp.pad(self.sensors.matrix, [(0, 0), (0, len(self.column.unknown)), *((0, 0) for _ in batch)])
        if self.channel is not None:
            here = self.coloured.astype(noise.dtype).reshape(-1, 1, *(1 for _ in batch))
            added = jnp.broadcast_to(here, (len(CHANNELS), len(self.decay), *batch))
            matrix = jnp.concatenate([matrix, added], axis=1)
        return matrix / noise[:, None]

    def background(self, x: Float[Array, "time n"]) -> Float[Array, "time 7"]:
        """What the background adds to each channel, mV, where the state is `x`."""
        values = jnp.sum(x[..., self.column.size :], axis=-1, keepdims=True)
        return values * jnp.where(jnp.asarray(self.coloured), self.sensors.scale, 0)[None]


def state_space(
    column: Column, recordings: Recording, background: Background | None, unknown: tuple[str, ...] = ()
) -> StateSpace:
    """That of a batch of recordings, with the batch as the last axis of every array."""
    batch = len(recordings)
    columns = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch,)), column)
    noise_std = noise_std_of(recordings, "this estimator").T
    background = None if background is None else background.broadcast(batch)
    return StateSpace(Transition(columns, recordings.dt, unknown), noise_std, background)


def measurements_of(
    model: StateSpace, recordings: Recording, channels: Int[Array | np.ndarray, " channel"]
) -> Measurements:
    """The samples of some channels of a batch of recordings, of the same batch as the model."""
    known = model.sensors
    samples = jnp.moveaxis(recordings.values[..., channels], 0, -1)
    measured = jnp.moveaxis(recordings.measured[..., channels], 0, -1)
    unit = (known.scale * known.noise)[channels]
    return Measurements(model.rows(known.noise)[channels], samples / unit[None], measured)
