"""Windows of recordings as columns would give them, and their features: to learn from, and to compare with."""

from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from .._checks import Progress
from ..column.column import Column
from ..column.simulate import simulate
from ..column.solvers import StrangSplitting
from ..recording.recording_model import RecordingModel
from .features import Features, features
from .posterior import Draws
from .prior import Prior

DURATIONS = (10.0, 12.5, 15.0, 20.0)
"""s; windows of these lengths are learned, and those between are like them."""

SAMPLED = 5e-3
"""Seconds between samples: 200 Hz contain every frequency of a feature."""

_DT = 1e-3  # s
_BURN_IN = 2.0  # s, after which no start is left in a column
_AT_ONCE = 1024  # columns


class Simulated(NamedTuple):
    """Windows of recordings of columns of the prior."""

    normal: Float[Array, "window quantity"]
    """Of the prior."""
    log_column_std: Float[Array, " window"]
    """Logarithm of the standard deviation of the column in the core band, mV."""
    found: Features
    seconds: Float[Array, " window"]


class Predicted(NamedTuple):
    """What columns and models of recordings would give."""

    found: Features
    """Of recordings."""
    eeg_mean: Float[Array, "*draw"]
    """Of the potential of each column, mV."""
    eeg_std: Float[Array, "*draw"]


@eqx.filter_jit
def eeg_of(columns: Column, seconds: float, *, key: PRNGKeyArray) -> Float[Array, "column time"]:
    """The potentials of columns, every 5 ms; NaN for one that blows up."""
    return simulate(
        columns,
        t1=_BURN_IN + seconds,
        dt=_DT,
        burn_in=_BURN_IN,
        solver=StrangSplitting(),
        saveat=diffrax.SaveAt(steps=round(SAMPLED / _DT)),
        key=key,
        throw=False,
    ).eeg


def simulated_windows(
    prior: Prior, columns: int, *, recordings: int, key: PRNGKeyArray, progress: Progress | None = None
) -> Simulated:
    """So many recordings of each of a number of columns, 10 to 20 s long, one column after the other."""
    parts, size = [], min(_AT_ONCE, -(-columns // len(DURATIONS)))
    for i, start in enumerate(range(0, columns, size)):
        prior_key, noise_key, sensor_key = jax.random.split(jax.random.fold_in(key, i), 3)
        seconds = DURATIONS[i % len(DURATIONS)]
        normal = prior.draw(size, key=prior_key)
        eeg = eeg_of(prior.columns(prior.values(normal)), seconds, key=noise_key)
        for j in range(recordings):
            draw_key, record_key = jax.random.split(jax.random.fold_in(sensor_key, j))
            normal = prior.draw_sensors(normal, key=draw_key)
            found, log_std = _recorded(prior, normal, eeg, record_key)
            parts.append(Simulated(normal, log_std, found, jnp.full(len(normal), seconds)))
        if progress is not None:
            progress(min(start + size, columns), columns, "columns simulated")
    whole = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
    # A column that blew up has no features; none of the standard prior does.
    finite = jnp.isfinite(whole.log_column_std) & jnp.all(jnp.isfinite(whole.found.log_density), axis=1)
    return jax.tree.map(lambda leaf: leaf[finite], whole)


@eqx.filter_jit
def _recorded(
    prior: Prior, normal: Float[Array, "window quantity"], eeg: Float[Array, "window time"], key: PRNGKeyArray
) -> tuple[Features, Float[Array, " window"]]:
    values = prior.values(normal)
    column_std = jnp.exp(features(eeg, SAMPLED).log_std)
    background = values["background"] * column_std
    model = RecordingModel(jnp.ones_like(column_std), background, values["exponent"], values["white"] * background)
    return features(model.record(eeg, SAMPLED, key=key), SAMPLED), jnp.log(column_std)


@eqx.filter_jit
def predicted(prior: Prior, draws: Draws, seconds: float, *, keys: Key[Array, " window"]) -> Predicted:
    """A recording of each draw, as long as a window, shape `(window, draw)`, of a key for each window."""

    def of_window(own: Draws, key: PRNGKeyArray) -> Predicted:
        noise_key, sensor_key = jax.random.split(key)
        eeg = eeg_of(prior.columns(own.values), round(seconds / SAMPLED) * SAMPLED, key=noise_key)
        found = features(own.model.record(eeg, SAMPLED, key=sensor_key), SAMPLED)
        return Predicted(found, jnp.mean(eeg, axis=-1), jnp.std(eeg, axis=-1))

    return jax.vmap(of_window)(draws, keys)
