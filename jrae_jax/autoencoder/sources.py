"""Where the instants to train on come from: datasets, or recordings that are simulated on the way."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Key, PRNGKeyArray

from .._checks import check_count, check_type
from ..recording.dataset import Dataset
from ..recording.simulated import Draw, SimulatedRecordings
from ..recording.standardizer import Standardizer
from .base import AbstractAutoencoder, check_dt, check_inputs
from .calibration import Calibration, calibrate
from .examples import member_data
from .familiarity import Familiarity
from .loss import AbstractInstantLoss
from .program import Program
from .reconstructor import Reconstructor, sums_over
from .train_step import State, train_epochs, train_on_draw
from .whitening import Whitener

_WARM_UP = 200  # steps: Adam's first ones are of full size however uncertain the gradient
# How often a training of any length returns to Python, to report and to see whether all members have stopped.
_EPOCH_REPORTS, _DRAW_REPORTS = 10, 100
_FAMILIAR_RECORDINGS = 64  # of each kind: what hardly any exceeds is then exceeded by one of a hundred

Advance = Callable[[State, int, int], tuple[State, Float[Array, "member epoch 2"]]]
"""From the state before an epoch, its number from 0 and that of the first that is left out, at most `report_every` on,
to the state after those between and their losses, behind which there may be NaN."""


class EpochSettings(eqx.Module):
    """How an autoencoder was trained on a dataset."""

    loss: str = eqx.field(static=True)
    epochs: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    patience: int | None = eqx.field(static=True)


class StepSettings(eqx.Module):
    """How an autoencoder was trained on simulated recordings."""

    loss: str = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)


class Source(NamedTuple):
    """What one member's data are, apart from the values."""

    kinds: Bool[np.ndarray, "kind 7"]
    """Which channels each kind of recording shows."""
    dt: float
    noise: tuple[float, float] | None
    """Least and largest sensor noise of simulated recordings; `None` for a dataset."""
    standardizer: Standardizer


class AbstractTrainingData(eqx.Module):
    """The data of all members of an ensemble, and how training passes through them: in epochs."""

    epochs: eqx.AbstractVar[int]
    batch_size: eqx.AbstractVar[int]
    patience: eqx.AbstractVar[int | None]

    @property
    @abstractmethod
    def report_every(self) -> int:
        """Epochs from one report to the next."""

    @abstractmethod
    def member(self, index: int) -> Source:
        """What the data of one member are."""

    @abstractmethod
    def check(self, autoencoder: AbstractAutoencoder, index: int) -> None:
        """Raise if the autoencoder of a member cannot be trained on its data."""

    @abstractmethod
    def settings(self, loss: str) -> EpochSettings | StepSettings:
        """How a member is trained with a loss."""

    @abstractmethod
    def schedule(self, learning_rate: float | None) -> optax.Schedule:
        """The learning rate of Adam at each step; `None`: the default."""

    @abstractmethod
    def whiteners(
        self, autoencoders: Sequence[AbstractAutoencoder], keys: Key[Array, " member"]
    ) -> list[Whitener | None]:
        """The whitener of each member, fitted to its data."""

    @abstractmethod
    def advance(
        self,
        program: Program,
        losses: Sequence[AbstractInstantLoss],
        whiteners: Sequence[Whitener | None],
        keys: Key[Array, " member"],
        factor: optax.Schedule,
    ) -> Advance:
        """The function that trains all members for some epochs; `factor` of each step multiplies its updates."""

    @abstractmethod
    def calibration(
        self, autoencoder: AbstractAutoencoder, whitener: Whitener | None, key: PRNGKeyArray
    ) -> Calibration | None:
        """The calibration of a trained member; `None` if there is none."""

    @abstractmethod
    def familiarity(self, reconstructor: Reconstructor, index: int, key: PRNGKeyArray) -> Familiarity:
        """What recordings as a member was trained on leave of its estimates, which have standard deviations."""


class DatasetPasses(AbstractTrainingData):
    """Passes over the training trajectories of datasets, one for each member."""

    datasets: list[Dataset]
    epochs: int
    batch_size: int
    patience: int | None

    def __init__(self, datasets: Sequence[Dataset], *, epochs: int, batch_size: int, patience: int | None):
        """See the class."""
        check_count(1, epochs=epochs, batch_size=batch_size)
        for dataset in datasets:
            check_type(Dataset, data=dataset)
        first, shapes = datasets[0], [jax.tree.map(jnp.shape, (one.train, one.validation)) for one in datasets]
        if len({str((shape, one.train_every)) for shape, one in zip(shapes, datasets, strict=True)}) > 1:
            raise ValueError("`data` must have one shape, got members with different numbers of samples")
        recordings, samples, _ = first.train.states[:, :: first.train_every].shape
        if batch_size > recordings * samples:
            instants = recordings * samples
            raise ValueError(f"`batch_size` must be at most the {instants} training instants, got {batch_size}")
        if patience is not None:
            check_count(1, patience=patience)
            if first.validation is None:
                raise ValueError("`patience` needs validation trajectories: make_dataset(..., validation=1)")
        self.datasets, self.epochs, self.batch_size = list(datasets), int(epochs), int(batch_size)
        self.patience = None if patience is None else int(patience)

    @property
    def report_every(self):
        """See `AbstractTrainingData`."""
        return -(-self.epochs // _EPOCH_REPORTS)

    def member(self, index):
        """See `AbstractTrainingData`."""
        dataset = self.datasets[index]
        return Source(np.asarray(dataset.observed.channels)[None], dataset.dt, None, dataset.standardizer)

    def check(self, autoencoder, index):
        """See `AbstractTrainingData`."""
        source = self.member(index)
        check_inputs(autoencoder, source.kinds)
        check_dt(autoencoder, "data.dt", source.dt, f"make it with dt={source.dt:g}")

    def settings(self, loss):
        """See `AbstractTrainingData`."""
        return EpochSettings(loss, self.epochs, self.batch_size, self.patience)

    def schedule(self, learning_rate):
        """Constant."""
        return optax.constant_schedule(1e-3 if learning_rate is None else learning_rate)

    def whiteners(self, autoencoders, keys):
        """One that several members share is fitted once."""
        fitted = {}
        for autoencoder, dataset in zip(autoencoders, self.datasets, strict=True):
            if id(dataset) not in fitted:
                recording, standardizer = dataset.train.recording, dataset.standardizer
                values = jnp.where(recording.measured, standardizer.standardize(recording.values), 0)
                noise = 0.0 if recording.noise_std is None else np.asarray(recording.noise_std[0] / standardizer.std)
                fitted[id(dataset)] = autoencoder.fit_whitener(np.asarray(values), noise)
        return [fitted[id(dataset)] for dataset in self.datasets]

    def advance(self, program, losses, whiteners, keys, factor):
        """See `AbstractTrainingData`."""
        data = program.spread(
            [
                member_data(program.skeleton, dataset, loss, whitener, program.dtype)
                for dataset, loss, whitener in zip(self.datasets, losses, whiteners, strict=True)
            ]
        )
        keys = program.place(keys)
        constant = jnp.asarray(factor(0), program.dtype)

        def some_epochs(state, start, stop):
            # Always as many, so that all are one compiled program.
            numbers = jnp.asarray(np.arange(start, start + self.report_every, dtype=np.int32))
            return train_epochs(program, state, data, keys, constant, numbers, jnp.int32(stop))

        return some_epochs

    def calibration(self, autoencoder, whitener, key):
        """None: there are no recordings to calibrate on beside those that are scored."""
        return None

    def familiarity(self, reconstructor, index, key):
        """Of the training recordings."""
        recording = self.datasets[index].train.recording
        values = reconstructor.standardizer.standardize(recording.values)
        kind = reconstructor.kind(recording.observed)
        return Familiarity.fit(sums_over(reconstructor, values, recording.measured, kind, recording.dt), recording.dt)


class SimulatedDraws(AbstractTrainingData):
    """Draws of simulated recordings, with some steps on each; an epoch is one draw."""

    recordings: SimulatedRecordings
    steps: int
    epochs: int
    """How many draws there are; the last may have fewer steps."""
    steps_per_draw: int
    batch_size: int
    patience: int | None
    calibration_draws: int
    calibration_instants: int

    def __init__(
        self,
        recordings: SimulatedRecordings,
        *,
        steps: int,
        steps_per_draw: int,
        batch_size: int,
        calibration_draws: int,
        calibration_instants: int,
    ):
        """See the class."""
        check_count(1, steps=steps, steps_per_draw=steps_per_draw, batch_size=batch_size)
        check_count(1, calibration_draws=calibration_draws, calibration_instants=calibration_instants)
        self.recordings, self.batch_size, self.steps_per_draw = recordings, int(batch_size), int(steps_per_draw)
        self.steps, self.epochs, self.patience = int(steps), -(-steps // self.steps_per_draw), None
        self.calibration_draws, self.calibration_instants = int(calibration_draws), int(calibration_instants)

    @property
    def report_every(self):
        """See `AbstractTrainingData`."""
        return -(-self.epochs // _DRAW_REPORTS)

    def member(self, index):
        """The same for all."""
        recordings = self.recordings
        return Source(np.asarray(recordings.masks), recordings.dt, recordings.noise, recordings.standardizer)

    def check(self, autoencoder, index):
        """See `AbstractTrainingData`."""
        check_inputs(autoencoder, self.recordings.masks)
        check_dt(autoencoder, "data.dt", self.recordings.dt, f"make it with dt={self.recordings.dt:g}")
        if not autoencoder.distinguishes_missing and (len(self.recordings.masks) > 1 or self.recordings.gaps):
            raise ValueError(
                "`autoencoder` must have a window to be trained on several kinds of recordings, or with gaps, got "
                f"{type(autoencoder).__name__}: WindowedAutoencoder(...)"
            )

    def settings(self, loss):
        """See `AbstractTrainingData`."""
        return StepSettings(loss, self.steps, self.batch_size)

    def schedule(self, learning_rate):
        """Warmed up, then lowered to 0 along a cosine."""
        peak = 2e-3 if learning_rate is None else learning_rate
        return optax.warmup_cosine_decay_schedule(0.0, peak, min(_WARM_UP, self.steps // 2), self.steps)

    def whiteners(self, autoencoders, keys):
        """Each of new recordings, without sensor noise."""
        found = []
        for autoencoder, key in zip(autoencoders, keys, strict=True):
            samples = self.recordings.samples + autoencoder.past + autoencoder.future
            truth = _truth(self.recordings, samples, jax.random.fold_in(key, self.epochs + 1))
            found.append(autoencoder.fit_whitener(np.asarray(truth), 0.0))
        return found

    def advance(self, program, losses, whiteners, keys, factor):
        """See `AbstractTrainingData`."""
        losses, whiteners, keys = program.spread(losses), program.spread(whiteners), program.place(keys)

        def some_draws(state, start, stop):
            history = []
            for number in range(start, stop):
                first = number * self.steps_per_draw
                # Always as many, so that all draws are one compiled program; the last has fewer steps.
                counts, steps = first + jnp.arange(self.steps_per_draw), min(self.steps_per_draw, self.steps - first)
                with jax.numpy_dtype_promotion("standard"):  # Optax mixes integers and floats
                    factors = jnp.broadcast_to(jnp.asarray(factor(counts), program.dtype), counts.shape)
                state, losses_of_draw = train_on_draw(
                    program,
                    state,
                    losses,
                    whiteners,
                    keys,
                    self.recordings,
                    factors,
                    jnp.int32(steps),
                    jnp.int32(number),
                )
                history.append(losses_of_draw)
            return state, jnp.stack(history, axis=1)

        return some_draws

    def calibration(self, autoencoder, whitener, key):
        """Of the standard deviations, if it reports any."""
        if not autoencoder.reports_std:
            return None
        return calibrate(
            autoencoder,
            self.recordings,
            whitener,
            draws=self.calibration_draws,
            instants=self.calibration_instants,
            key=jax.random.fold_in(key, self.epochs),
        )

    def familiarity(self, reconstructor, index, key):
        """Of new recordings of each kind."""
        kinds, dt = self.recordings.masks, self.recordings.dt
        keys = jax.random.split(jax.random.fold_in(key, self.epochs + 2), len(kinds))
        found = []
        for number, kind_key in enumerate(keys):
            one_kind = eqx.tree_at(lambda data: data.masks, self.recordings, kinds[number][None])
            drawn = _draw(one_kind, _FAMILIAR_RECORDINGS, one_kind.samples, kind_key)
            sums = sums_over(reconstructor, drawn.values, drawn.measured, jnp.int32(number), dt)
            found.append(Familiarity.fit(sums, dt))
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *found)


@eqx.filter_jit
def _truth(recordings: SimulatedRecordings, samples: int, key: PRNGKeyArray) -> Float[Array, "column time 7"]:
    return recordings.draw(recordings.columns, samples, key=key).truth


@eqx.filter_jit
def _draw(recordings: SimulatedRecordings, columns: int, samples: int, key: PRNGKeyArray) -> Draw:
    return recordings.draw(columns, samples, key=key)
