"""How a batch of columns, a batch of backgrounds and a batch of recordings go together."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from .._checks import check_type, is_concrete
from ..column.column import Column
from ..column.states import CHANNELS
from ..recording.background import Background
from ..recording.recording import Recording


def recordings_of(
    column: Column, recording: Recording, argument: str = "recording", background: Background | None = None
) -> Recording:
    """The recordings with a batch axis, as long as the batch of columns or backgrounds if there is one; without their
    `info`.

    **Arguments:**

    - `argument`: what the user gave, for the message.

    **Raises:** `ValueError` for batches of different lengths, those of recordings not 1, or a background of a channel
        that is not observed.
    """
    check_type(Recording, **{argument: recording})
    recordings, wanted, what = recording.batched().without_info(), column.batch, "columns"
    if background is not None:
        check_background(background)
        _check_channel(background, recordings, argument)
        if wanted is not None and background.batch not in (None, wanted):
            raise ValueError(f"`background` must be one, or one for each of {wanted} columns, got {background.batch}")
        wanted, what = (background.batch, "backgrounds") if wanted is None else (wanted, what)
    if wanted in (None, len(recordings)):
        return recordings
    if len(recordings) > 1:
        raise ValueError(f"`{argument}` must be one, or one for each of {wanted} {what}, got {len(recordings)}")
    batched = (recordings.values, recordings.measured, recordings.noise_std)
    repeated = tuple(None if leaf is None else jnp.repeat(leaf, wanted, axis=0) for leaf in batched)
    return eqx.tree_at(
        lambda each: (each.values, each.measured, each.noise_std), recordings, repeated, is_leaf=lambda x: x is None
    )


def is_batch(recording: Recording, column: Column, background: Background | None) -> bool:
    """Whether an estimate has a batch axis."""
    batches = (recording.batch, column.batch, None if background is None else background.batch)
    return any(batch is not None for batch in batches)


def channels_of(recording: Recording) -> Int[np.ndarray, " channel"]:
    """Indices of the channels that an estimator has to look at: of the observed ones, or all where that is traced."""
    observed = recording.observed.channels
    return np.flatnonzero(observed) if is_concrete(observed) else np.arange(len(CHANNELS))


def check_background(background: object) -> None:
    """Raise for what is neither a `Background` nor `None`."""
    if background is not None:
        check_type(Background, background=background)


def _check_channel(background: Background, recordings: Recording, argument: str) -> None:
    observed = recordings.observed
    if is_concrete(observed.channels) and background.channel not in observed.names:
        raise ValueError(
            f"`background` must be of a channel that `{argument}` observes, {' or '.join(observed.names)}, got "
            f"channel={background.channel!r}"
        )
