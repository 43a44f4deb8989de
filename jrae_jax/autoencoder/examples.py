"""Instants to train on: of recordings, with their truth and their loss."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..column.states import to_channels
from ..recording.dataset import Dataset, Split
from ..recording.standardizer import Standardizer
from .base import AbstractAutoencoder, AbstractRecordingFeatures
from .loss import AbstractInstantLoss, Instant
from .whitening import Whitener


class Examples(eqx.Module):
    """Instants to train on, standardized."""

    features: AbstractRecordingFeatures
    rows: Int[Array, " instant"]
    """Where the instants are in the features."""
    truth: Float[Array, "instant 7"]

    @classmethod
    def from_features(
        cls, features: AbstractRecordingFeatures, truth: Float[Array, "recording time 7"], every: int = 1
    ) -> "Examples":
        """Every n-th instant of standardized recordings."""
        return cls(
            features, jnp.asarray(features.rows[:, ::every].ravel()), truth[:, ::every].reshape(-1, truth.shape[-1])
        )


class MemberData(eqx.Module):
    """What one member trains on."""

    train: Examples
    validation: Examples | None
    standardizer: Standardizer
    loss: AbstractInstantLoss


@eqx.filter_jit
def member_data(
    autoencoder: AbstractAutoencoder,
    dataset: Dataset,
    loss: AbstractInstantLoss,
    whitener: Whitener | None,
    dtype: np.dtype,
) -> MemberData:
    """What a member trains on, in the float type of its autoencoder."""
    standardizer, every = dataset.standardizer, dataset.train_every
    # An autoencoder of single instants needs no others, unless the loss looks at what follows them.
    kept, left = (every, 1) if autoencoder.dt is None and loss.steps == 0 else (1, every)

    def examples(split: Split) -> Examples:
        values, truth = (
            standardizer.standardize(channels[:, ::kept])
            for channels in (split.recording.values, to_channels(split.states))
        )
        features = autoencoder.features(values, split.recording.measured[:, ::kept], whitener)
        return Examples.from_features(features, truth, left)

    validation = None if dataset.validation is None else examples(dataset.validation)
    data = MemberData(examples(dataset.train), validation, standardizer, loss)
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, data)


class Batch(eqx.Module):
    """Instants that are trained on together, gathered from their recordings."""

    instants: Instant
    counts: Float[Array, " instant"]
    """1 for each that is scored; 0 for those that are none, or too near to the end of their recording."""


def gather(examples: Examples, chosen: Int[Array, " instant"], steps: int) -> Batch:
    """Some instants, with the `steps` samples after each; negative numbers stand for none."""
    features = examples.features
    rows, truth = examples.rows[chosen], examples.truth[chosen]
    inside = features.followed(rows, steps)
    later = jnp.where(inside, rows + steps, rows)
    between = rows[:, None] + jnp.arange(1, steps + 1, dtype=rows.dtype)[None]
    instants = Instant(features.at(rows), features.at(later), truth, *features.measured_at(between))
    return Batch(instants, ((chosen >= 0) & inside).astype(truth.dtype))


def batch_loss(autoencoder: AbstractAutoencoder, data: MemberData, batch: Batch, key: PRNGKeyArray) -> Float[Array, ""]:
    """The mean loss of the instants that are scored."""
    losses = jax.vmap(data.loss, in_axes=(None, 0, None, 0))(
        autoencoder, batch.instants, data.standardizer, jax.random.split(key, len(batch.counts))
    )
    return jnp.sum(batch.counts * losses) / jnp.maximum(jnp.sum(batch.counts), 1)
