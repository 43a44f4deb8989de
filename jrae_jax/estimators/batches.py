"""How a batch of columns and a batch of recordings go together."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp

from .._checks import check_type
from ..column.column import Column
from ..recording.recording import Recording


def recordings_of(column: Column, recording: Recording, argument: str = "recording") -> Recording:
    """The recordings with a batch axis, as long as the batch of columns if there is one; without their `info`.

    **Arguments:**

    - `argument`: what the user gave, for the message.

    **Raises:** `ValueError` for batches of different lengths, neither of them 1.
    """
    check_type(Recording, **{argument: recording})
    # Programs are compiled anew for every `info`, on which no estimate depends.
    recordings, columns = dataclasses.replace(recording.batched(), info=None), column.batch
    if columns in (None, len(recordings)):
        return recordings
    if len(recordings) > 1:
        raise ValueError(f"`{argument}` must be one, or one for each of {columns} columns, got {len(recordings)}")
    batched = (recordings.values, recordings.measured, recordings.noise_std)
    repeated = tuple(None if leaf is None else jnp.repeat(leaf, columns, axis=0) for leaf in batched)
    return eqx.tree_at(
        lambda each: (each.values, each.measured, each.noise_std), recordings, repeated, is_leaf=lambda x: x is None
    )
