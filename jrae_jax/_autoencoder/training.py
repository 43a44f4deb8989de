"""The compiled program that trains all members of an ensemble."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from .._observation.dataset import Dataset, Split, Standardizer
from .._observation.mask import to_channels
from .loss import example_loss, loss_weights


class Data(eqx.Module):
    """What one member trains on, standardized, samples in one row."""

    recording: Float[Array, "sample 7"]
    truth: Float[Array, "sample 7"]
    validation_recording: Float[Array, "validation 7"]
    validation_truth: Float[Array, "validation 7"]
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


@eqx.filter_jit
def flattened(dataset: Dataset, loss: str, dtype: np.dtype) -> Data:
    """What a member trains on, in the float type of its network."""

    def rows(split: Split | None) -> tuple[Array, Array]:
        if split is None:
            return jnp.zeros((0, 7)), jnp.zeros((0, 7))
        standardize = dataset.standardizer.standardize
        truth = standardize(to_channels(split.states))
        return standardize(split.recording).reshape(-1, 7), truth.reshape(-1, 7)

    mask = jnp.asarray(dataset.mask.channels)
    weights = loss_weights(loss, dataset.mask)
    data = Data(*rows(dataset.train), *rows(dataset.validation), mask, weights, dataset.standardizer)
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, data)


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
                return state, jnp.full(2, jnp.nan, data.truth.dtype)

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
    validation_loss = _validation_loss(program, parameters, data)
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
    samples = len(data.recording)
    batches = -(-samples // program.batch_size)
    order = jax.random.permutation(key, samples)
    # The last batch is filled up with samples that count nothing.
    order = jnp.pad(order, (0, batches * program.batch_size - samples), constant_values=-1)

    def step(carry, rows):
        parameters, optimiser = carry
        counts = (rows >= 0).astype(data.truth.dtype)
        loss, gradient = jax.value_and_grad(_batch_loss, argnums=1)(
            program, parameters, data, data.recording[rows], data.truth[rows], counts
        )
        with jax.numpy_dtype_promotion("standard"):  # Optax mixes integers and floats
            updates, optimiser = program.optimiser.update(gradient, optimiser, parameters)
        return (optax.apply_updates(parameters, updates), optimiser), loss * jnp.sum(counts)

    start = (state.parameters, state.optimiser)
    (parameters, optimiser), losses = jax.lax.scan(step, start, order.reshape(batches, -1))
    return parameters, optimiser, jnp.sum(losses) / samples


def _batch_loss(
    program: Program, parameters: Any, data: Data, recording: Array, truth: Array, counts: Array
) -> Float[Array, ""]:
    network = eqx.combine(parameters, program.skeleton)
    losses = jax.vmap(example_loss, in_axes=(None, 0, 0, None, None, None))(
        network, recording, truth, data.mask, data.weights, data.standardizer
    )
    return jnp.sum(counts * losses) / jnp.sum(counts)


def _validation_loss(program: Program, parameters: Any, data: Data) -> Float[Array, ""]:
    if not len(data.validation_truth):
        return jnp.asarray(jnp.nan, data.truth.dtype)
    counts = jnp.ones(len(data.validation_truth), data.truth.dtype)
    return _batch_loss(program, parameters, data, data.validation_recording, data.validation_truth, counts)
