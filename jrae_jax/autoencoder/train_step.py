"""The compiled program that trains all members of an ensemble."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from ..recording.dataset import Dataset, Split, Standardizer
from ..recording.mask import to_channels
from .features import Surroundings, rows_of, surroundings
from .loss import UnlabelledLoss, example_loss, loss_weights, view_loss
from .whitening import Whitener
from .window import Window

_VALIDATION_BATCH = 1024


class Examples(eqx.Module):
    """Instants to train on, standardized."""

    recording: Float[Array, "sample 7"] | Surroundings
    """Of a memoryless network, what the sensors gave at each instant."""
    rows: Int[Array, " sample"]
    """Where the instants are in the recording."""
    truth: Float[Array, "sample 7"]


class Data(eqx.Module):
    """What one member trains on."""

    train: Examples
    validation: Examples
    mask: Bool[Array, "7"]
    weights: Float[Array, "7"]
    standardizer: Standardizer


class State(eqx.Module):
    """Where the training of one member stands."""

    parameters: Any
    optimiser: Any
    best_parameters: Any
    best_loss: Float[Array, ""]
    best_epoch: Int[Array, ""]
    failed_epoch: Int[Array, ""]
    stopped: Bool[Array, ""]


class Program(eqx.Module):
    """What a compiled training program is made for."""

    skeleton: Any
    """The network without its arrays."""
    optimiser: optax.GradientTransformation = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    patience: int | None = eqx.field(static=True)
    mesh: jax.sharding.Mesh = eqx.field(static=True)
    """The devices that the members are shared out over."""
    unlabelled: UnlabelledLoss | None = None
    """Instead of the errors of true states."""


@eqx.filter_jit
def flattened(dataset: Dataset, loss: str, window: Window | None, whitener: Whitener | None, dtype: np.dtype) -> Data:
    """What a member trains on, in the float type of its network."""
    mask, standardizer = jnp.asarray(dataset.mask.channels), dataset.standardizer

    def of(split: Split) -> Examples:
        channels, truth = standardizer.standardize(split.recording), standardizer.standardize(to_channels(split.states))
        seen = jnp.broadcast_to(mask, channels.shape)
        return examples(channels, seen, truth, window, whitener, dataset.train_every)

    train = of(dataset.train)
    validation = jax.tree.map(lambda leaf: leaf[:0], train) if dataset.validation is None else of(dataset.validation)
    data = Data(train, validation, mask, loss_weights(loss, dataset.mask), standardizer)
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, data)


def examples(
    channels: Float[Array, "trajectory time 7"],
    seen: Bool[Array, "trajectory time 7"],
    truth: Float[Array, "trajectory time 7"],
    window: Window | None,
    whitener: Whitener | None,
    every: int = 1,
) -> Examples:
    """Every n-th instant of standardized recordings, ready to be seen through a window."""
    thinned = truth[:, ::every].reshape(-1, truth.shape[-1])
    if window is None:
        recording = channels[:, ::every].reshape(-1, channels.shape[-1])
        return Examples(recording, jnp.arange(len(thinned), dtype=jnp.int32), thinned)
    rows = rows_of(window, *channels.shape[:2])[:, ::every].ravel()
    around = surroundings(window, channels, seen & jnp.isfinite(channels), whitener)
    return Examples(around, jnp.asarray(rows), thinned)


@eqx.filter_jit
def initial_states(program: Program, parameters: Any) -> State:
    """Where training begins, from the parameters of all members."""

    def of_member(parameters):
        optimiser = program.optimiser.init(parameters)
        dtype = jax.tree.leaves(parameters)[0].dtype
        never, infinite = jnp.int32(-1), jnp.asarray(jnp.inf, dtype)
        return State(parameters, optimiser, parameters, infinite, never, never, jnp.bool_(False))

    return jax.vmap(of_member)(parameters)


@eqx.filter_jit
def train_epochs(
    program: Program, state: State, data: Data, keys: Key[Array, " members"], epoch_numbers: Array, epochs: Array
) -> tuple[State, Float[Array, "members chunk 2"]]:
    """A chunk of epochs for all members: scanned over epochs and batches, vmapped over members, over all devices."""

    def of_member(state, data, key, epoch_numbers, epochs):
        def of_epoch(state, number):
            def run(state):
                return _epoch(program, state, data, jax.random.fold_in(key, number), number)

            def skip(state):
                return state, jnp.full(2, jnp.nan, data.train.truth.dtype)

            # The last chunk may reach beyond the last epoch, so that all chunks are one compiled program.
            return jax.lax.cond(number < epochs, run, skip, state)

        return jax.lax.scan(of_epoch, state, epoch_numbers)

    own, shared = jax.sharding.PartitionSpec("member"), jax.sharding.PartitionSpec()
    return jax.shard_map(
        jax.vmap(of_member, in_axes=(0, 0, 0, None, None)),
        mesh=program.mesh,
        in_specs=(own, own, own, shared, shared),
        out_specs=own,
        check_vma=False,
    )(state, data, keys, epoch_numbers, epochs)


def _epoch(
    program: Program, state: State, data: Data, key: PRNGKeyArray, number: Array
) -> tuple[State, Float[Array, "2"]]:
    parameters, optimiser, train_loss = _pass_over_data(program, state, data, key)
    validation_loss = _validation_loss(program, parameters, data, key)
    failed = ~state.stopped & ~(jnp.isfinite(train_loss) & _all_finite(parameters))
    advance = ~state.stopped & ~failed
    better = advance & (validation_loss < state.best_loss)
    best_epoch = jnp.where(better, number, state.best_epoch)
    out_of_patience = False if program.patience is None else advance & (number - best_epoch >= program.patience)

    def where(condition, new, old):
        return jax.tree.map(lambda new, old: jnp.where(condition, new, old), new, old)

    losses = jnp.where(state.stopped, jnp.nan, jnp.stack([train_loss, validation_loss]))
    return (
        State(
            where(advance, parameters, state.parameters),
            where(advance, optimiser, state.optimiser),
            where(better, parameters, state.best_parameters),
            jnp.where(better, validation_loss, state.best_loss),
            best_epoch,
            jnp.where(failed, number, state.failed_epoch),
            state.stopped | failed | out_of_patience,
        ),
        losses,
    )


def _all_finite(parameters: Any) -> Bool[Array, ""]:
    return jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(parameters)]).all()


def _pass_over_data(program: Program, state: State, data: Data, key: PRNGKeyArray) -> tuple[Any, Any, Array]:
    samples = len(data.train.rows)
    batches = -(-samples // program.batch_size)
    order = jax.random.permutation(key, samples)
    # The last batch is filled up with samples that count nothing.
    order = jnp.pad(order, (0, batches * program.batch_size - samples), constant_values=-1)
    start = (state.parameters, state.optimiser)
    numbered = (order.reshape(batches, -1), jnp.arange(batches, dtype=jnp.int32))

    def step(carry, batch):
        picked, number = batch
        carry, loss = train_step(program, carry, data, picked, jax.random.fold_in(key, number))
        return carry, loss * jnp.sum(picked >= 0).astype(loss.dtype)

    (parameters, optimiser), losses = jax.lax.scan(step, start, numbered)
    return parameters, optimiser, jnp.sum(losses) / samples


def train_step(
    program: Program, carry: tuple[Any, Any], data: Data, picked: Int[Array, " batch"], key: PRNGKeyArray
) -> tuple[tuple[Any, Any], Float[Array, ""]]:
    """One step of the optimiser on some of the training instants; negative numbers stand for none."""
    parameters, optimiser = carry
    loss, gradient = jax.value_and_grad(_batch_loss, argnums=1)(program, parameters, data, data.train, picked, key)
    with jax.numpy_dtype_promotion("standard"):  # Optax mixes integers and floats
        updates, optimiser = program.optimiser.update(gradient, optimiser, parameters)
    return (optax.apply_updates(parameters, updates), optimiser), loss


def _batch_loss(
    program: Program, parameters: Any, data: Data, source: Examples, picked: Int[Array, " batch"], key: PRNGKeyArray
) -> Float[Array, ""]:
    network = eqx.combine(parameters, program.skeleton)
    if program.unlabelled is not None:
        return _unlabelled_loss(program.unlabelled, network, data, source, picked)
    rows, truth = source.rows[picked], source.truth[picked]
    if isinstance(source.recording, Surroundings):
        keys = jax.random.split(key, len(rows))
        losses = jax.vmap(view_loss, in_axes=(None, 0, 0, None, None, 0))(
            network, source.recording.at(rows), truth, data.weights, data.standardizer, keys
        )
    else:
        losses = jax.vmap(example_loss, in_axes=(None, 0, 0, None, None, None))(
            network, source.recording[rows], truth, data.mask, data.weights, data.standardizer
        )
    counts = (picked >= 0).astype(truth.dtype)
    return jnp.sum(counts * losses) / jnp.sum(counts)


def _unlabelled_loss(
    loss: UnlabelledLoss, network: Any, data: Data, source: Examples, picked: Int[Array, " batch"]
) -> Float[Array, ""]:
    recording = source.recording
    assert isinstance(recording, Surroundings)
    rows, later = source.rows[picked], source.rows[jnp.minimum(picked + loss.steps, len(source.rows) - 1)]
    between = rows[:, None] + jnp.arange(1, loss.steps + 1, dtype=rows.dtype)[None]
    losses = jax.vmap(loss, in_axes=(None, 0, 0, 0, 0, None))(
        network, recording.at(rows), recording.at(later), *recording.measured_at(between), data.standardizer
    )
    counts = (later - rows == loss.steps).astype(losses.dtype)  # 0 at the end of a recording
    return jnp.sum(counts * losses) / jnp.maximum(jnp.sum(counts), 1)


def _validation_loss(program: Program, parameters: Any, data: Data, key: PRNGKeyArray) -> Float[Array, ""]:
    samples = len(data.validation.rows)
    if not samples:
        return jnp.asarray(jnp.nan, data.validation.truth.dtype)
    batches = -(-samples // _VALIDATION_BATCH)
    order = jnp.pad(jnp.arange(samples), (0, -samples % _VALIDATION_BATCH), constant_values=-1).reshape(batches, -1)

    def of_batch(picked):
        loss = _batch_loss(program, parameters, data, data.validation, picked, key)
        return loss * jnp.sum(picked >= 0).astype(loss.dtype)

    return jnp.sum(jax.lax.map(of_batch, order)) / samples
