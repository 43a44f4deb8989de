"""Training: one compiled program for one autoencoder or for an ensemble of them."""

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PRNGKeyArray

from .._checks import (
    Progress,
    as_positive,
    check_count,
    check_key,
    check_keys,
    check_progress,
    check_type,
    nan_is_an_answer,
    of_numbers,
)
from ..recording.dataset import Dataset
from ..recording.simulated import SimulatedRecordings
from .base import AbstractAutoencoder, float_type
from .loss import AbstractLoss, ReconstructionLoss
from .reconstructor import Reconstructor
from .sources import AbstractTrainingData, Advance, DatasetPasses, EpochSettings, SimulatedDraws, StepSettings
from .train_step import Program, initial_states
from .unfinished import Reached, UnfinishedTraining, training_settings

if TYPE_CHECKING:
    import pandas as pd

# Without a rate, which is data: optax.adam(1e-3) anew for each training would compile each of them anew.
_ADAM = optax.scale_by_adam()
# Numbers on one device. In one function the update is one task of a thread instead of some dozens that are handed
# around; of more numbers than these, several threads together are faster.
_IN_ONE_FUNCTION = 1 << 16


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
        datasets = list(data) if isinstance(data, Sequence) else [data] * members
        for one in datasets:
            check_type(Dataset, data=one)
        _check_left_out("a Dataset, which takes `epochs`", steps=steps)
        _check_members(members, data=datasets)
        source = DatasetPasses(
            datasets,
            epochs=50 if epochs is None else epochs,
            batch_size=32 if batch_size is None else batch_size,
            patience=patience,
        )
    losses = _losses(loss, members)
    check_keys(members, keys=keys)
    _check_members(members, loss=losses)
    if learning_rate is not None:
        learning_rate = as_positive("learning_rate", learning_rate)
    if optimiser is not None:
        check_type(optax.GradientTransformation, optimiser=optimiser)
    if optimiser is not None and learning_rate is not None:
        raise ValueError(f"`learning_rate` must be left out where there is an `optimiser`, got {learning_rate}")
    unfinished = None
    if checkpoint is not None:
        settings = training_settings(autoencoders, source, losses, keys, optimiser, learning_rate)
        unfinished = UnfinishedTraining(checkpoint, settings)
    schedule = source.schedule(learning_rate)

    def descent(count):
        return -jnp.asarray(schedule(count))

    # The updates of an optimiser of the user's are taken as they are.
    optimiser, factor = (_ADAM, descent) if optimiser is None else (optimiser, optax.constant_schedule(1.0))
    return _trained(source, list(autoencoders), losses, keys, optimiser, factor, unfinished, progress)


def _trained(
    data: AbstractTrainingData,
    autoencoders: Sequence[AbstractAutoencoder],
    losses: Sequence[AbstractLoss],
    keys: Key[Array, " member"],
    optimiser: optax.GradientTransformation,
    factor: optax.Schedule,
    unfinished: UnfinishedTraining | None,
    progress: Progress | None,
) -> list[Training]:
    """The trainings, by updates that are those of the optimiser times a factor at each step."""
    members, sources = range(len(autoencoders)), [data.member(index) for index in range(len(autoencoders))]
    parameters, skeletons = zip(*(eqx.partition(one, eqx.is_array) for one in autoencoders), strict=True)
    resolved = []
    for index, (autoencoder, loss) in enumerate(zip(autoencoders, losses, strict=True)):
        data.check(autoencoder, index)
        kinds, dt, noise, _ = sources[index]
        resolved.append(loss.resolve(autoencoder, kinds=kinds, dt=dt, noise=noise))
    if any(not eqx.tree_equal(skeleton, skeletons[0]) for skeleton in skeletons):
        raise ValueError("`autoencoders` must have one architecture, got members that differ in size or activation")
    if len({jax.tree.structure(loss) for loss in resolved}) > 1:
        raise ValueError(f"`loss` must be of one kind for all members, got {', '.join(map(repr, losses))}")
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[: len(members)]), ("member",))
    numbers = -(-len(members) // mesh.size) * sum(leaf.size for leaf in jax.tree.leaves(parameters[0]))
    # Of Adam it is known that its update has no sums or products of matrices, which one function cannot have.
    in_one_function = optimiser is _ADAM and numbers <= _IN_ONE_FUNCTION
    program = Program(
        skeletons[0],
        optimiser,
        in_one_function,
        data.batch_size,
        data.patience,
        mesh,
        float_type(autoencoders[0]),
    )
    whiteners = data.whiteners(autoencoders, keys)
    advance = data.advance(program, resolved, whiteners, keys, factor)
    state = program.place(initial_states(program, program.spread(parameters)))
    reached = Reached(0, state, np.zeros((len(members), 0, 2), program.dtype))
    if unfinished is not None:
        reached = unfinished.restored(reached, program)
    reached = _run_epochs(data, advance, reached, unfinished, progress)
    missing = data.epochs - reached.epochs
    history = np.pad(reached.losses, ((0, 0), (0, missing), (0, 0)), constant_values=np.nan)
    trained = jax.device_get(reached.state)
    trainings = []
    for index in members:
        own = jax.tree.map(lambda leaf, index=index: leaf[index], trained)
        kept = own.parameters if data.patience is None else own.best_parameters
        autoencoder = eqx.combine(jax.tree.map(jnp.asarray, kept), program.skeleton)
        calibration = data.calibration(autoencoder, whiteners[index], keys[index])
        kinds, *_, standardizer = sources[index]
        reconstructor = Reconstructor(autoencoder, kinds, standardizer, calibration, whiteners[index])
        if autoencoder.reports_std:
            familiarity = data.familiarity(reconstructor, index, keys[index])
            reconstructor = dataclasses.replace(reconstructor, familiarity=familiarity)
        trainings.append(
            Training(
                reconstructor,
                *np.moveaxis(history[index], -1, 0),
                failed_epoch=None if own.failed_epoch < 0 else int(own.failed_epoch) + 1,
                best_epoch=None if data.patience is None or own.best_epoch < 0 else int(own.best_epoch) + 1,
                settings=data.settings(repr(losses[index])),
            )
        )
    return trainings


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


def _check_left_out(data: str, **arguments: int | None) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"`{name}` must be left out for {data}, got {value!r:.60}")


def _check_members(members: int, **arguments: Sequence[Any] | Array) -> None:
    for name, values in arguments.items():
        if len(values) != members:
            raise ValueError(f"`{name}` must have one entry for each of {members} autoencoders, got {len(values)}")


def _losses(loss: object, members: int) -> list[AbstractLoss]:
    """Those of a list, or one for all members; a string is a sequence too, of letters."""
    one_for_all = ReconstructionLoss.all() if loss is None else loss
    losses: list[Any] = list(loss) if isinstance(loss, list | tuple) else [one_for_all] * members
    for one in losses:
        check_type(AbstractLoss, loss=one)
    return losses
