"""The compiled programs of training: epochs, draws of simulated recordings, and the steps of both."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray, PyTree

from ..column.one_function import one_function
from ..recording.simulated import SimulatedRecordings
from .examples import Batch, Examples, MemberData, batch_loss, gather
from .loss import AbstractInstantLoss
from .program import Program, compiled
from .whitening import Whitener

_VALIDATION_BATCH = 1024  # instants whose features are gathered together
# Bytes, for each member: they stay in the cache until they are read. Those of windows are then gathered step by step.
_GATHERED = 1 << 18


class State(eqx.Module):
    """Where the training of one member stands."""

    parameters: PyTree
    optimiser: PyTree
    best_parameters: PyTree
    best_loss: Float[Array, ""]
    best_epoch: Int[Array, ""]
    """From 0; -1 before there is one."""
    failed_epoch: Int[Array, ""]
    stopped: Bool[Array, ""]


@eqx.filter_jit
def initial_states(program: Program, parameters: PyTree) -> State:
    """Where training begins, from the parameters of all members."""

    def initial_state(parameters):
        dtype = jax.tree.leaves(parameters)[0].dtype
        never, infinite = jnp.int32(-1), jnp.asarray(jnp.inf, dtype)
        optimiser = program.optimiser.init(parameters)
        return State(parameters, optimiser, parameters, infinite, never, never, jnp.bool_(False))

    return jax.vmap(initial_state)(parameters)


@compiled
def train_epochs(
    program: Program,
    state: State,
    data: MemberData,
    keys: Key[Array, " member"],
    factor: Float[Array, ""],
    numbers: Int[Array, " chunk"],
    epochs: Int[Array, ""],
) -> tuple[State, Float[Array, "member chunk 2"]]:
    """Some epochs for all members, with their training and validation losses; `numbers` of `epochs` on are left out."""

    def member(state, data, key, factor, numbers, epochs):
        def epoch(state, number):
            def run(state):
                epoch_key = jax.random.fold_in(key, number)
                parameters, optimiser, loss = _pass_over_data(program, state, data, factor, epoch_key)
                validation_loss = _validation_loss(program, parameters, data, epoch_key)
                return _advanced(program, state, parameters, optimiser, loss, validation_loss, number)

            def skip(state):
                return state, jnp.full(2, jnp.nan, data.train.truth.dtype)

            # The last chunk may reach beyond the last epoch, so that all chunks are one compiled program.
            return jax.lax.cond(number < epochs, run, skip, state)

        return jax.lax.scan(epoch, state, numbers)

    return program.over_members(member, shared=3)(state, data, keys, factor, numbers, epochs)


@compiled
def train_on_draw(
    program: Program,
    state: State,
    loss: AbstractInstantLoss,
    whitener: Whitener | None,
    keys: Key[Array, " member"],
    recordings: SimulatedRecordings,
    factors: Float[Array, " step"],
    steps: Int[Array, ""],
    number: Int[Array, ""],
) -> tuple[State, Float[Array, "member 2"]]:
    """For all members, new recordings and the first `steps` steps on them, with the mean loss."""
    arrays, static = eqx.partition(recordings, eqx.is_array)

    def member(state, loss, whitener, key, arrays, factors, steps, number):
        recordings, autoencoder = eqx.combine(arrays, static), program.skeleton
        draw_key, step_key = jax.random.split(jax.random.fold_in(key, number))
        samples = recordings.samples + autoencoder.past + autoencoder.future
        drawn = recordings.draw(recordings.columns, samples, key=draw_key)
        examples = Examples.from_features(autoencoder.features(drawn.values, drawn.measured, whitener), drawn.truth)
        data = MemberData(examples, None, recordings.standardizer, loss)

        instant_keys, loss_keys = jax.vmap(jax.random.split, out_axes=1)(jax.random.split(step_key, len(factors)))
        chosen = jax.vmap(lambda key: jax.random.randint(key, (program.batch_size,), 0, len(examples.rows)))(
            instant_keys
        )
        parameters, optimiser, losses = _steps(program, state, data, chosen, factors, loss_keys, steps)
        mean = jnp.sum(losses) / steps.astype(losses.dtype)
        return _advanced(program, state, parameters, optimiser, mean, jnp.full_like(mean, jnp.nan), number)

    return program.over_members(member, shared=4)(state, loss, whitener, keys, arrays, factors, steps, number)


def _advanced(
    program: Program,
    state: State,
    parameters: PyTree,
    optimiser: PyTree,
    loss: Float[Array, ""],
    validation_loss: Float[Array, ""],
    number: Int[Array, ""],
) -> tuple[State, Float[Array, "2"]]:
    """The state after an epoch, unless the member has stopped or the epoch failed; and the losses of the epoch."""
    finite = jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(parameters)]).all()
    failed = ~state.stopped & ~(jnp.isfinite(loss) & finite)
    advance = ~state.stopped & ~failed
    better = advance & (validation_loss < state.best_loss)
    best_epoch = jnp.where(better, number, state.best_epoch)
    out_of_patience = False if program.patience is None else advance & (number - best_epoch >= program.patience)

    def where(condition, new, old):
        return jax.tree.map(lambda new, old: jnp.where(condition, new, old), new, old)

    losses = jnp.where(state.stopped, jnp.nan, jnp.stack([loss, validation_loss]))
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


def _pass_over_data(
    program: Program, state: State, data: MemberData, factor: Float[Array, ""], key: PRNGKeyArray
) -> tuple[PyTree, PyTree, Float[Array, ""]]:
    instants = len(data.train.rows)
    batches = -(-instants // program.batch_size)
    order = random_order(instants, key)
    # The last batch is filled up with instants that count nothing.
    order = jnp.pad(order, (0, batches * program.batch_size - instants), constant_values=-1)
    chosen, numbers = order.reshape(batches, -1), jnp.arange(batches, dtype=jnp.int32)
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers)
    factors = jnp.broadcast_to(factor, batches)
    parameters, optimiser, losses = _steps(program, state, data, chosen, factors, keys, batches)
    return parameters, optimiser, jnp.sum(losses * jnp.sum(chosen >= 0, axis=1).astype(losses.dtype)) / instants


def random_order(count: int, key: PRNGKeyArray) -> Int[Array, " count"]:
    """A random order of so many things.

    Random numbers are sorted that have the position in their last bits: five times as fast, on a CPU, as the pairs of
    numbers and positions that `jax.random.permutation` sorts. Equal numbers stay as they were, so they are sorted again
    until their random bits are twice as many as those of a position.
    """
    bits = max((count - 1).bit_length(), 1)
    rounds = -(-2 * bits // (32 - bits))
    positions = jnp.arange(count, dtype=jnp.uint32)
    order = jnp.arange(count, dtype=jnp.int32)
    for round_key in jax.random.split(key, rounds):
        numbers = jax.random.bits(round_key, (count,), jnp.uint32) << jnp.uint32(bits)
        order = order[jax.lax.sort(numbers | positions) & jnp.uint32((1 << bits) - 1)]
    return order


def _steps(
    program: Program,
    state: State,
    data: MemberData,
    chosen: Int[Array, "step batch"],
    factors: Float[Array, " step"],
    keys: Key[Array, " step"],
    steps: Int[Array, ""] | int,
) -> tuple[PyTree, PyTree, Float[Array, " step"]]:
    """The first `steps` steps of the optimiser, each on some of the training instants.

    Negative numbers stand for no instant. The updates of the optimiser are multiplied by `factors`. What it gives are
    parameters, optimiser and losses, which are 0 for the steps that are left out.
    """
    together = min(_steps_gathered_together(data, chosen[0]), len(chosen))
    padded = jnp.pad(chosen, ((0, -len(chosen) % together), (0, 0)), constant_values=-1)

    def block(number, carry):
        first = number * together
        instants = jax.lax.dynamic_slice_in_dim(padded, first, together)
        gathered = gather(data.train, instants.reshape(-1), data.loss.steps)
        batches = jax.tree.map(lambda leaf: leaf.reshape(*instants.shape, *leaf.shape[1:]), gathered)

        def step(index, carry):
            (parameters, optimiser, losses), number = carry, first + index
            batch = jax.tree.map(lambda leaf: leaf[index], batches)
            parameters, optimiser, loss = _step(
                program, parameters, optimiser, data, batch, factors[number], keys[number]
            )
            return parameters, optimiser, losses.at[number].set(loss.astype(losses.dtype))

        # The last block may be shorter.
        return jax.lax.fori_loop(0, jnp.minimum(together, steps - first), step, carry)

    start = state.parameters, state.optimiser, jnp.zeros(len(chosen), data.train.truth.dtype)
    return jax.lax.fori_loop(0, -(-steps // together), block, start)


def _steps_gathered_together(data: MemberData, chosen: Int[Array, " batch"]) -> int:
    """For how many steps instants are gathered at once: for all of an epoch if they are single samples and not many."""
    one_step = jax.eval_shape(lambda chosen: gather(data.train, chosen, data.loss.steps), chosen)
    return max(_GATHERED // sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(one_step)), 1)


def _step(
    program: Program,
    parameters: PyTree,
    optimiser: PyTree,
    data: MemberData,
    batch: Batch,
    factor: Float[Array, ""],
    key: PRNGKeyArray,
) -> tuple[PyTree, PyTree, Float[Array, ""]]:
    """Parameters and optimiser after one step, and the loss before it."""

    def loss(parameters):
        return batch_loss(eqx.combine(parameters, program.skeleton), data, batch, key)

    def update(gradient, parameters, optimiser, factor):
        with jax.numpy_dtype_promotion("standard"):  # Optax mixes integers and floats
            updates, optimiser = program.optimiser.update(gradient, optimiser, parameters)
        # The learning rate is in the factor, which is data, so that another one, or a schedule, compiles nothing.
        updates = jax.tree.map(lambda update: factor.astype(update.dtype) * update, updates)
        return optax.apply_updates(parameters, updates), optimiser

    value, gradient = jax.value_and_grad(loss)(parameters)
    updated = one_function(lambda stage, *given: update(*given)) if program.update_in_one_function else update
    parameters, optimiser = updated(gradient, parameters, optimiser, factor)
    return parameters, optimiser, value


def _validation_loss(program: Program, parameters: PyTree, data: MemberData, key: PRNGKeyArray) -> Float[Array, ""]:
    examples = data.validation
    if examples is None:
        return jnp.asarray(jnp.nan, data.train.truth.dtype)
    instants, autoencoder = len(examples.rows), eqx.combine(parameters, program.skeleton)
    batches = -(-instants // _VALIDATION_BATCH)
    order = jnp.pad(jnp.arange(instants), (0, -instants % _VALIDATION_BATCH), constant_values=-1)

    def summed_loss(chosen):
        loss = batch_loss(autoencoder, data, gather(examples, chosen, data.loss.steps), key)
        return loss * jnp.sum(chosen >= 0).astype(loss.dtype)

    return jnp.sum(jax.lax.map(summed_loss, order.reshape(batches, -1))) / instants
