"""The verbs of training: of one autoencoder, or of an ensemble of them, by one compiled program."""

import os
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Key, PRNGKeyArray

from .._checks import (
    Progress,
    as_positive,
    check_count,
    check_key,
    check_keys,
    check_progress,
    check_type,
    nan_is_an_answer,
)
from ..recording.dataset import Dataset
from ..recording.simulated import SimulatedRecordings
from .base import AbstractAutoencoder
from .loss import AbstractLoss, ReconstructionLoss
from .program import ADAM
from .sources import AbstractTrainingData, DatasetPasses, SimulatedDraws
from .training import Training, trained
from .unfinished import UnfinishedTraining, training_settings


def train(
    autoencoder: AbstractAutoencoder,
    data: Dataset | SimulatedRecordings,
    *,
    key: PRNGKeyArray,
    loss: AbstractLoss | None = None,
    optimiser: optax.GradientTransformation | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    patience: int | None = None,
    steps: int | None = None,
    steps_per_draw: int = 32,
    calibration_draws: int = 16,
    calibration_instants: int = 8192,
    checkpoint: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train one autoencoder to reconstruct all six states from what is observed.

    On a `Dataset` it passes over the training trajectories again and again. On `SimulatedRecordings` no instant is
    used twice but by chance, so nothing is overfitted, and the error on new recordings is limited by the autoencoder
    and the time given to it.

    **Arguments:**

    - `autoencoder`: the initial one.
    - `data`: from `make_dataset`, whose recordings show what the encoder reads; or `SimulatedRecordings`.
    - `key`: for the order of instants, and for simulated recordings.
    - `loss`: `ReconstructionLoss.all()` if `None`; `ReconstructionLoss.observed()` scores only what is observed, as
        the study did; `PhysicsLoss(column)` needs no true states.
    - `optimiser`: any Optax gradient transformation; Adam if `None`: for a small autoencoder it takes
        less time than `optax.adam(1e-3)` given here.
    - `learning_rate`: of Adam; 1e-3 on a dataset. On simulated recordings it is warmed up to it, 2e-3 if `None`, and
        lowered to 0 along a cosine.
    - `batch_size`: instants a step; 32 of a dataset, the last step of an epoch taking what is left; 1024 of simulated
        recordings.
    - `epochs`, `patience`: on a dataset, passes over the training instants, 50 if `None`; and after how many without a
        better loss on the validation trajectories to stop and keep the best, which needs `make_dataset(validation=1)`.
    - `steps`, `steps_per_draw`: on simulated recordings, steps of the optimiser, and steps before new recordings are
        drawn.
    - `calibration_draws`, `calibration_instants`: on simulated recordings, how many times they are drawn to calibrate
        the standard deviations of a variational autoencoder, and instants of each draw.
    - `checkpoint`: a file that the training is written to every half a minute, when it is interrupted and at its end.
        The same call resumes there, and ends with the same bits on the same device. Delete it once the result is saved.
    - `progress`: called with the epochs done, how many there are, and the training loss.

    **Returns:** a `Training`, whose `reconstructor` turns recordings into estimates.

    **Raises:** `ValueError` for arguments that do not fit together; `RuntimeError` naming the epoch, which on
        simulated recordings is a draw of them, if the loss becomes non-finite.
    """
    check_key(key=key)
    (training,) = train_ensemble(
        [autoencoder],
        data,
        keys=key[None],
        loss=loss,
        optimiser=optimiser,
        learning_rate=learning_rate,
        batch_size=batch_size,
        epochs=epochs,
        patience=patience,
        steps=steps,
        steps_per_draw=steps_per_draw,
        calibration_draws=calibration_draws,
        calibration_instants=calibration_instants,
        checkpoint=checkpoint,
        progress=progress,
    )
    if training.failed_epoch is not None:
        raise RuntimeError(
            f"`train`: the loss or a weight became non-finite in epoch {training.failed_epoch} of "
            f"{len(training.train_loss)}; lower the learning rate"
        )
    return training


@nan_is_an_answer
def train_ensemble(
    autoencoders: Sequence[AbstractAutoencoder],
    data: Dataset | Sequence[Dataset] | SimulatedRecordings,
    *,
    keys: Key[Array, " member"],
    loss: AbstractLoss | Sequence[AbstractLoss] | None = None,
    optimiser: optax.GradientTransformation | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    patience: int | None = None,
    steps: int | None = None,
    steps_per_draw: int = 32,
    calibration_draws: int = 16,
    calibration_instants: int = 8192,
    checkpoint: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> list[Training]:
    """Train many autoencoders at once, each as `train` would: they are vmapped, and shared out over all devices.

    **Arguments:** as in `train`, and

    - `autoencoders`: initial ones, of one architecture.
    - `data`, `loss`: one for all, or one for each member, whose masks may differ; `SimulatedRecordings` are for all.
    - `keys`: one PRNG key for each member, shape `(member,)`.

    **Returns:** a `Training` for each member. One whose loss becomes non-finite ends there, with its `failed_epoch`,
        and leaves the others as they are.

    **Raises:** `ValueError` for arguments that do not fit together.
    """
    check_type(Sequence, autoencoders=autoencoders)
    check_progress(progress)
    members = len(autoencoders)
    check_count(1, **{"len(autoencoders)": members})
    for one in autoencoders:
        check_type(AbstractAutoencoder, autoencoders=one)
    if isinstance(data, SimulatedRecordings):
        _check_left_out("SimulatedRecordings, which takes `steps`", epochs=epochs, patience=patience)
        if steps is None:
            raise ValueError("`steps` must be given for SimulatedRecordings, got None: steps=3000")
        source = SimulatedDraws(
            data,
            steps=steps,
            steps_per_draw=steps_per_draw,
            batch_size=1024 if batch_size is None else batch_size,
            calibration_draws=calibration_draws,
            calibration_instants=calibration_instants,
        )
    else:
        _check_left_out("a Dataset, which takes `epochs`", steps=steps)
        source = DatasetPasses(
            _datasets(data, members),
            epochs=50 if epochs is None else epochs,
            batch_size=32 if batch_size is None else batch_size,
            patience=patience,
        )
    losses = _losses(loss, members)
    check_keys(members, keys=keys)
    if learning_rate is not None:
        learning_rate = as_positive("learning_rate", learning_rate)
    updates = _updates(source, optimiser, learning_rate)
    unfinished = None
    if checkpoint is not None:
        settings = training_settings(autoencoders, source, losses, keys, optimiser, learning_rate)
        unfinished = UnfinishedTraining(checkpoint, settings)
    return trained(source, list(autoencoders), losses, keys, *updates, unfinished, progress)


def _updates(
    data: AbstractTrainingData, optimiser: optax.GradientTransformation | None, learning_rate: float | None
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """The optimiser, and by what its updates are multiplied at each step."""
    if optimiser is not None:
        check_type(optax.GradientTransformation, optimiser=optimiser)
        if learning_rate is not None:
            raise ValueError(f"`learning_rate` must be left out where there is an `optimiser`, got {learning_rate}")
        return optimiser, optax.constant_schedule(1.0)
    schedule = data.schedule(learning_rate)
    return ADAM, lambda count: -jnp.asarray(schedule(count))


def _check_left_out(data: str, **arguments: int | None) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"`{name}` must be left out for {data}, got {value!r:.60}")


def _check_members(members: int, **arguments: Sequence[Any]) -> None:
    for name, values in arguments.items():
        if len(values) != members:
            raise ValueError(f"`{name}` must have one entry for each of {members} autoencoders, got {len(values)}")


def _datasets(data: object, members: int) -> list[Dataset]:
    """Those of a sequence, or one for all members."""
    datasets: list[Any] = list(data) if isinstance(data, Sequence) else [data] * members
    for one in datasets:
        check_type(Dataset, data=one)
    _check_members(members, data=datasets)
    return datasets


def _losses(loss: object, members: int) -> list[AbstractLoss]:
    """Those of a list, or one for all members; a string is a sequence too, of letters."""
    one_for_all = ReconstructionLoss.all() if loss is None else loss
    losses: list[Any] = list(loss) if isinstance(loss, list | tuple) else [one_for_all] * members
    for one in losses:
        check_type(AbstractLoss, loss=one)
    _check_members(members, loss=losses)
    return losses
