"""Trainings: how an ensemble is trained, and the record of each member."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PRNGKeyArray

from .._checks import Progress, of_numbers
from .base import AbstractAutoencoder
from .loss import AbstractInstantLoss, AbstractLoss
from .program import program_of
from .reconstructor import Reconstructor
from .sources import AbstractTrainingData, Advance, EpochSettings, StepSettings
from .train_step import initial_states
from .unfinished import Reached, UnfinishedTraining
from .whitening import Whitener

if TYPE_CHECKING:
    import pandas as pd


class Training(eqx.Module):
    """A trained autoencoder and how its training went."""

    reconstructor: Reconstructor
    train_loss: Float[np.ndarray, " epoch"]
    """Mean loss of each epoch, NaN where the member had stopped; on simulated recordings, of each draw of them."""
    validation_loss: Float[np.ndarray, " epoch"]
    """Loss on the validation trajectories after each epoch; NaN without any."""
    failed_epoch: int | None = eqx.field(static=True)
    """The epoch, from 1, in which the loss or a weight became non-finite; the reconstructor is that before it."""
    best_epoch: int | None = eqx.field(static=True)
    """With early stopping, the epoch, from 1, whose reconstructor was kept."""
    settings: EpochSettings | StepSettings

    def to_dataframe(self) -> "pd.DataFrame":
        """A row an epoch, or a draw of simulated recordings: `train_loss` and `validation_loss`."""
        import pandas as pd  # here, as importing it is slow

        columns = {"train_loss": self.train_loss, "validation_loss": self.validation_loss}
        return pd.DataFrame(columns, index=pd.RangeIndex(1, len(self.train_loss) + 1, name="epoch"))

    @of_numbers
    def __repr__(self) -> str:
        chosen = ", ".join(f"{name}={value}" for name, value in vars(self.settings).items())
        lines = [f"Training({chosen}", f"  {self.reconstructor!r}"]
        for name, losses in (("train_loss", self.train_loss), ("validation_loss", self.validation_loss)):
            known = np.asarray(losses)[np.isfinite(losses)]
            if known.size:
                lines.append(f"  {name}: {known[0]:.4g} to {known[-1]:.4g} over {known.size}")
        epochs = {"failed_epoch": self.failed_epoch, "best_epoch": self.best_epoch}
        lines += [f"  {name}: {epoch}" for name, epoch in epochs.items() if epoch is not None]
        return "\n".join(lines) + ")"


def trained(
    data: AbstractTrainingData,
    autoencoders: Sequence[AbstractAutoencoder],
    losses: Sequence[AbstractLoss],
    keys: Key[Array, " member"],
    optimiser: optax.GradientTransformation,
    factor: optax.Schedule,
    unfinished: UnfinishedTraining | None,
    progress: Progress | None,
) -> list[Training]:
    """The trainings of all members, by updates that are those of the optimiser times a factor at each step.

    **Raises:** `ValueError` for autoencoders or losses that do not fit the data or each other.
    """
    resolved = _resolved(data, autoencoders, losses)
    program, parameters = program_of(autoencoders, optimiser, batch_size=data.batch_size, patience=data.patience)
    whiteners = data.whiteners(autoencoders, keys)
    advance = data.advance(program, resolved, whiteners, keys, factor)
    state = program.place(initial_states(program, program.spread(parameters)))
    reached = Reached(0, state, np.zeros((len(autoencoders), 0, 2), program.dtype))
    if unfinished is not None:
        reached = unfinished.restored(reached, program)
    reached = _run_epochs(data, advance, reached, unfinished, progress)
    missing = data.epochs - reached.epochs
    history = np.pad(reached.losses, ((0, 0), (0, missing), (0, 0)), constant_values=np.nan)
    states = jax.device_get(reached.state)
    trainings = []
    for index, (loss, whitener, key) in enumerate(zip(losses, whiteners, keys, strict=True)):
        own = jax.tree.map(lambda leaf, index=index: leaf[index], states)
        kept = own.parameters if data.patience is None else own.best_parameters
        autoencoder = eqx.combine(jax.tree.map(jnp.asarray, kept), program.skeleton)
        trainings.append(
            Training(
                _reconstructor(data, autoencoder, index, whitener, key),
                *np.moveaxis(history[index], -1, 0),
                failed_epoch=None if own.failed_epoch < 0 else int(own.failed_epoch) + 1,
                best_epoch=None if data.patience is None or own.best_epoch < 0 else int(own.best_epoch) + 1,
                settings=data.settings(repr(loss)),
            )
        )
    return trainings


def _resolved(
    data: AbstractTrainingData, autoencoders: Sequence[AbstractAutoencoder], losses: Sequence[AbstractLoss]
) -> list[AbstractInstantLoss]:
    """What each member's loss is on its data, which its autoencoder has to fit."""
    resolved = []
    for index, (autoencoder, loss) in enumerate(zip(autoencoders, losses, strict=True)):
        data.check(autoencoder, index)
        kinds, dt, noise, _ = data.member(index)
        resolved.append(loss.resolve(autoencoder, kinds=kinds, dt=dt, noise=noise))
    if len({jax.tree.structure(loss) for loss in resolved}) > 1:
        raise ValueError(f"`loss` must be of one kind for all members, got {', '.join(map(repr, losses))}")
    return resolved


def _reconstructor(
    data: AbstractTrainingData,
    autoencoder: AbstractAutoencoder,
    index: int,
    whitener: Whitener | None,
    key: PRNGKeyArray,
) -> Reconstructor:
    """A trained member with what it is to know of its data."""
    source, calibration = data.member(index), data.calibration(autoencoder, whitener, key)
    reconstructor = Reconstructor(autoencoder, source.kinds, source.standardizer, calibration, whitener)
    if not autoencoder.reports_std:
        return reconstructor
    return dataclasses.replace(reconstructor, familiarity=data.familiarity(reconstructor, index, key))


def _run_epochs(
    data: AbstractTrainingData,
    advance: Advance,
    reached: Reached,
    unfinished: UnfinishedTraining | None,
    progress: Progress | None,
) -> Reached:
    """Train to the end, or until all members have stopped."""
    members = len(reached.losses)
    try:
        if progress is not None and reached.epochs:
            progress(reached.epochs, data.epochs, "resumed")
        while reached.epochs < data.epochs and not np.all(np.asarray(reached.state.stopped)):
            start = reached.epochs
            epochs = data.report_every - start % data.report_every
            if unfinished is not None:
                epochs = min(epochs, unfinished.advance)
            stop = min(start + epochs, data.epochs)
            state, losses = advance(reached.state, start, stop)
            losses = np.asarray(losses)[:members, : stop - start]
            reached = Reached(stop, state, np.concatenate([reached.losses, losses], axis=1))
            if unfinished is not None:
                unfinished.keep(reached)
            if progress is not None:
                last = losses[:, -1, 0]
                known = last[~np.isnan(last)]  # of members that have not stopped
                loss = f", loss {known.mean():.4g}" if known.size else ""
                progress(stop, data.epochs, f"training{loss}")
    finally:  # also when it is interrupted
        if unfinished is not None:
            unfinished.write(reached)
    return reached
