"""How the posterior over columns is learned: from recordings of columns of the prior, simulated once."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import paramax
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import Progress, check_count, check_key, check_progress, check_type
from ..recording.recording_model import EDGES
from .posterior import ColumnPosterior, promotion
from .prior import Prior
from .simulated import Simulated, simulated_windows

WORST_BAND = (3.0, 30.0)
"""Hz; edges of the narrowest filters that are learned."""

_RECORDINGS = 3  # of each column, for a background costs less than a column
_BATCH, _RATE, _DECAY, _CHUNK = 512, 1e-3, 1e-4, 500
_HELD_OUT = 2048  # columns, at most as many as there are to learn from


class PosteriorTraining(NamedTuple):
    """A posterior, and how its training went."""

    posterior: ColumnPosterior
    losses: Float[np.ndarray, " check"]
    """Mean negative logarithm of the posterior density at the truth, of recordings that were not trained on."""


def train_posterior(
    prior: Prior | None = None,
    *,
    columns: int = 262_144,
    steps: int = 24_000,
    key: PRNGKeyArray,
    progress: Progress | None = None,
) -> PosteriorTraining:
    """Simulate recordings, and learn which columns they come from.

    The posterior is that which, of those after every 500 steps, had the least loss on recordings not trained on.
    """
    check_count(1, columns=columns, steps=steps)
    check_key(key=key)
    check_progress(progress)
    prior = Prior() if prior is None else prior
    check_type(Prior, prior=prior)
    simulation_key, held_out_key, flow_key, training_key = jax.random.split(key, 4)
    data = simulated_windows(prior, columns, recordings=_RECORDINGS, key=simulation_key, progress=progress)
    held_out = simulated_windows(prior, min(_HELD_OUT, columns), recordings=1, key=held_out_key)
    posterior = _standardizing(ColumnPosterior(prior, key=flow_key), data)
    examples, checked = _examples(posterior, data), _examples(posterior, held_out)
    del data
    parameters, static = eqx.partition(
        posterior.flow, eqx.is_inexact_array, is_leaf=lambda leaf: isinstance(leaf, paramax.NonTrainable)
    )
    optimiser = optax.chain(
        optax.clip_by_global_norm(5.0), optax.adamw(optax.cosine_decay_schedule(_RATE, steps), weight_decay=_DECAY)
    )

    def loss(parameters, chosen: _Examples, key):
        known = eqx.tree_at(lambda tree: tree.flow, posterior, eqx.combine(parameters, static))
        # Drawn anew at every step, so that no recording is learned by heart.
        condition = known.condition(chosen.standardized, chosen.seconds, random_bands(len(chosen.seconds), key=key))
        return -jnp.mean(known.log_density(chosen.latent, condition))

    # The recordings are an argument: what a program closes over is compiled into it.
    @jax.jit
    def chunk(carry, keys, examples: _Examples, checked: _Examples):
        def step(carry, key):
            parameters, state = carry
            choice_key, band_key = jax.random.split(key)
            chosen = jax.random.randint(choice_key, (_BATCH,), 0, len(examples.seconds))
            slope = jax.grad(loss)(parameters, jax.tree.map(lambda leaf: leaf[chosen], examples), band_key)
            with promotion():
                updates, state = optimiser.update(slope, state, parameters)
            return (optax.apply_updates(parameters, updates), state), None

        carry, _ = jax.lax.scan(step, carry, keys)
        return carry, loss(carry[0], checked, held_out_key)

    carry, losses, best = (parameters, optimiser.init(parameters)), [], parameters
    for done in range(0, steps, _CHUNK):
        keys = jax.random.split(jax.random.fold_in(training_key, done), min(_CHUNK, steps - done))
        carry, held_out_loss = chunk(carry, keys, examples, checked)
        if not losses or held_out_loss < min(losses):
            best = carry[0]
        losses.append(float(held_out_loss))
        if progress is not None:
            progress(done + len(keys), steps, f"steps, loss {held_out_loss:.3f}")
    trained = eqx.tree_at(lambda tree: tree.flow, posterior, eqx.combine(best, static))
    return PosteriorTraining(trained, np.asarray(losses))


def random_bands(number: int, *, key: PRNGKeyArray) -> Float[Array, "window 2"]:
    """Usable frequencies of amplifiers: half have no high-pass filter, half no low-pass filter below 60 Hz."""
    keys = jax.random.split(key, 4)
    none = [jax.random.bernoulli(key, 0.5, (number,)) for key in keys[:2]]
    low = jnp.where(none[0], 0, jax.random.uniform(keys[2], (number,), maxval=WORST_BAND[0]))
    high = jnp.where(none[1], 60, jax.random.uniform(keys[3], (number,), minval=WORST_BAND[1], maxval=60))
    return jnp.stack([EDGES[0] * low, EDGES[1] * high], axis=-1)


class _Examples(NamedTuple):
    """What a posterior learns from."""

    standardized: Float[Array, "window feature"]
    seconds: Float[Array, " window"]
    latent: Float[Array, "window latent"]


def _examples(posterior: ColumnPosterior, data: Simulated) -> _Examples:
    latent = posterior.latent(data.normal, data.log_column_std)
    return _Examples(posterior.standardized(data.found), data.seconds, latent)


def _standardizing(posterior: ColumnPosterior, data: Simulated) -> ColumnPosterior:
    """The posterior, with means and standard deviations of features and of what is inferred beside the prior's."""
    together = jnp.concatenate([data.found.log_density, data.found.waveform], axis=-1)
    moments = (
        jnp.mean(together, axis=0),
        jnp.std(together, axis=0),
        jnp.mean(data.log_column_std),
        jnp.std(data.log_column_std),
    )
    return eqx.tree_at(
        lambda tree: (tree.feature_mean, tree.feature_std, tree.log_std_mean, tree.log_std_std), posterior, moments
    )
