"""Training: one compiled program for one network or for an ensemble of them."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PRNGKeyArray

from .._checks import check_count
from ..recording.dataset import Dataset
from .autoencoder import Autoencoder
from .reconstructor import Reconstructor, check_sampling
from .train_step import Data, Program, State, flattened, initial_states, train_epochs
from .whitening import Whitener
from .window import Window
from .windowed import WindowedAutoencoder

Progress = Callable[[int, np.ndarray], None]
"""Called now and then with the number of epochs done and the training loss of each member in the last of them."""

_REPORTS = 10  # how often a fit of any length comes up for air, to report and to see whether all members are done
_default_optimiser = optax.adam(1e-3)


class FitSettings(eqx.Module):
    """How a network was trained."""

    loss: str = eqx.field(static=True)
    epochs: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    patience: int | None = eqx.field(static=True)


class EndlessSettings(eqx.Module):
    """How a network was trained on endless recordings."""

    steps: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)


class Fit(eqx.Module):
    """A trained network and how its training went."""

    model: Reconstructor
    train_loss: Float[np.ndarray, " epochs"]
    """Mean loss of each epoch, NaN where the member had stopped; of endless training, of each draw of columns."""
    validation_loss: Float[np.ndarray, " epochs"]
    """Loss on the validation trajectories after each epoch; NaN without any."""
    failed_epoch: int | None = eqx.field(static=True)
    """The epoch, from 1, in which the loss or a weight became non-finite; the model is the one before it."""
    best_epoch: int | None = eqx.field(static=True)
    """With early stopping, the epoch, from 1, whose model was kept."""
    settings: FitSettings | EndlessSettings


def fit(
    network: Autoencoder | WindowedAutoencoder,
    dataset: Dataset,
    *,
    key: PRNGKeyArray,
    loss: str = "all",
    optimiser: optax.GradientTransformation | None = None,
    epochs: int = 50,
    batch_size: int = 32,
    patience: int | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Train one network to reconstruct all six states from what the mask shows.

    **Arguments:**

    - `network`: the initial network.
    - `dataset`: from `make_dataset`; its mask is what the network sees.
    - `key`: shuffles the samples, anew in every epoch.
    - `loss`: `"all"` scores all six states, `"observed"` only what is seen, as the study did.
    - `optimiser`: any Optax gradient transformation; `optax.adam(1e-3)` if `None`.
    - `epochs`, `batch_size`: passes over the training samples, and samples a step; the last step of an epoch
        takes what is left.
    - `patience`: stop after so many epochs without a better loss on the validation trajectories, and keep the
        best network; needs `make_dataset(validation=...)`.
    - `progress`: called with the epochs done and the last training losses, some ten times a fit.

    **Returns:** a `Fit`, whose `model` reads recordings in mV.

    **Raises:** `ValueError` for arguments that do not fit together; `RuntimeError` naming the epoch if the loss
        becomes non-finite.
    """
    (fitted,) = fit_ensemble(
        [network],
        dataset,
        keys=key[None],
        loss=loss,
        optimiser=optimiser,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        progress=progress,
    )
    if fitted.failed_epoch is not None:
        raise RuntimeError(
            f"`fit`: the loss or a weight became non-finite in epoch {fitted.failed_epoch} of {epochs}; "
            "lower the learning rate"
        )
    return fitted


def fit_ensemble(
    networks: Sequence[Autoencoder | WindowedAutoencoder],
    datasets: Dataset | Sequence[Dataset],
    *,
    keys: Key[Array, " members"],
    loss: str | Sequence[str] = "all",
    optimiser: optax.GradientTransformation | None = None,
    epochs: int = 50,
    batch_size: int = 32,
    patience: int | None = None,
    progress: Progress | None = None,
) -> list[Fit]:
    """Train many networks at once, each as `fit` would: the members are vmapped, and shared out over all devices.

    **Arguments:** as in `fit`, and

    - `networks`: initial networks of one architecture.
    - `datasets`, `loss`: one for all, or one for each member; masks may differ from member to member.
    - `keys`: one PRNG key for each member, shape `(members,)`.

    **Returns:** a `Fit` for each member. One whose loss becomes non-finite ends there, with its `failed_epoch`, and
        leaves the others as they are.

    **Raises:** `ValueError` for arguments that do not fit together.
    """
    members = len(networks)
    datasets = [datasets] * members if isinstance(datasets, Dataset) else list(datasets)
    losses = [loss] * members if isinstance(loss, str) else list(loss)
    settings = [FitSettings(loss, int(epochs), int(batch_size), patience and int(patience)) for loss in losses]
    _check_members(members, networks=networks, datasets=datasets, loss=losses, keys=keys)
    _check_settings(datasets, epochs, batch_size, patience)
    _check_inputs(networks, datasets, losses)
    parameters, skeletons = zip(*(eqx.partition(network, eqx.is_array) for network in networks), strict=True)
    if any(not eqx.tree_equal(skeleton, skeletons[0]) for skeleton in skeletons):
        raise ValueError("`networks` must have one architecture, got members that differ in shape or activation")
    optimiser = _default_optimiser if optimiser is None else optimiser
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:members]), ("member",))
    program = Program(skeletons[0], optimiser, batch_size, patience, mesh)
    dtype = networks[0].encoder[0].weight.dtype
    window = getattr(skeletons[0], "window", None)
    whiteners = _whiteners(window, datasets)
    data = [
        flattened(dataset, loss, window, whitener, dtype)
        for dataset, loss, whitener in zip(datasets, losses, whiteners, strict=True)
    ]
    state = jax.device_put(initial_states(program, _spread(parameters, mesh)), _by_member(mesh))
    state, history = _run(program, state, _spread(data, mesh), _spread(list(keys), mesh), epochs, members, progress)
    trained = jax.device_get(state)
    return [
        _member(index, trained, history, skeletons[0], datasets[index], whiteners[index], settings[index])
        for index in range(members)
    ]


def _whiteners(window: Window | None, datasets: Sequence[Dataset]) -> list[Whitener | None]:
    """For each member the whitener of its training recordings; one that several share is fitted once."""
    if window is None:
        return [None] * len(datasets)
    distinct = {id(dataset): dataset for dataset in datasets}

    def of(dataset: Dataset) -> Whitener:
        recordings = np.asarray(dataset.standardizer.standardize(dataset.train.recording))
        return Whitener.fitted_to(window, recordings, np.asarray(dataset.noise_std / dataset.standardizer.std))

    fitted = {number: of(dataset) for number, dataset in distinct.items()}
    return [fitted[id(dataset)] for dataset in datasets]


def _spread(records: Sequence[Any], mesh: jax.sharding.Mesh) -> Any:
    """One record of all members', with a leading member axis shared out over devices.

    Where they do not come out even, the last member is repeated.
    """
    missing = -len(records) % mesh.size
    padded = [*records, *[records[-1]] * missing]
    # On the host stacking compiles nothing.
    stacked = jax.tree.map(_stack, *padded)
    return jax.device_put(stacked, _by_member(mesh))


def _by_member(mesh: jax.sharding.Mesh) -> jax.sharding.Sharding:
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("member"))


def _stack(*leaves: Array) -> Any:
    if jnp.issubdtype(leaves[0].dtype, jax.dtypes.prng_key):
        return jnp.stack(leaves)
    return np.stack([np.asarray(leaf) for leaf in leaves])


def _check_members(members: int, **arguments: Any) -> None:
    check_count(1, **{"len(networks)": members})
    for name, values in arguments.items():
        if len(values) != members:
            raise ValueError(f"`{name}` must have one entry for each of {members} networks, got {len(values)}")


def _check_settings(datasets: Sequence[Dataset], epochs: int, batch_size: int, patience: int | None) -> None:
    check_count(1, epochs=epochs, batch_size=batch_size)
    shapes = {jax.tree.map(jnp.shape, (dataset.train, dataset.validation)) for dataset in datasets}
    if len({str(shape) for shape in shapes}) > 1:
        raise ValueError("`datasets` must have one shape, got members with different numbers of samples")
    trajectories, samples, _ = datasets[0].train.states.shape
    if batch_size > trajectories * samples:
        raise ValueError(
            f"`batch_size` must be at most the {trajectories * samples} training samples, got {batch_size}"
        )
    if patience is not None:
        check_count(1, patience=patience)
        if datasets[0].validation is None:
            raise ValueError("`patience` needs validation trajectories: make_dataset(..., validation=1)")


def _check_inputs(
    networks: Sequence[Autoencoder | WindowedAutoencoder], datasets: Sequence[Dataset], losses: Sequence[str]
) -> None:
    for network, dataset, loss in zip(networks, datasets, losses, strict=True):
        read, shown = network.settings["inputs"], dataset.mask.names
        if not set(shown) <= set(read):
            raise ValueError(f"`networks` must read what `datasets` show, {', '.join(shown)}, got {', '.join(read)}")
        if isinstance(network, WindowedAutoencoder):
            check_sampling(dataset.dt, network.window.dt)
            if network.variational and loss != "all":
                raise ValueError(f'`loss` must be "all" for a variational network, got {loss!r}')


def _run(
    program: Program,
    state: State,
    data: Data,
    keys: Key[Array, " members"],
    epochs: int,
    members: int,
    progress: Progress | None,
) -> tuple[State, np.ndarray]:
    """All epochs, some at a time; the losses come back as `(members, epochs, 2)`."""
    chunk = -(-epochs // _REPORTS)
    history = []
    for start in range(0, epochs, chunk):
        numbers = jnp.asarray(np.arange(start, start + chunk, dtype=np.int32))
        state, losses = train_epochs(program, state, data, keys, numbers, jnp.int32(epochs))
        losses = np.asarray(losses)[:members, : epochs - start]
        history.append(losses)
        if progress is not None:
            progress(start + losses.shape[1], losses[:, -1, 0])
        if np.all(np.asarray(state.stopped)):
            break
    done = np.concatenate(history, axis=1)
    return state, np.pad(done, ((0, 0), (0, epochs - done.shape[1]), (0, 0)), constant_values=np.nan)


def _member(
    index: int,
    state: State,
    history: np.ndarray,
    skeleton: Any,
    dataset: Dataset,
    whitener: Whitener | None,
    settings: FitSettings,
) -> Fit:
    own = jax.tree.map(lambda leaf: leaf[index], state)
    parameters = own.parameters if settings.patience is None else own.best_parameters
    network = eqx.combine(jax.tree.map(jnp.asarray, parameters), skeleton)

    def epoch(number: Any) -> int | None:
        return int(number) + 1 if number >= 0 else None

    return Fit(
        Reconstructor(network, dataset.mask, dataset.standardizer, whitener=whitener),
        history[index, :, 0],
        history[index, :, 1],
        epoch(own.failed_epoch),
        epoch(own.best_epoch) if settings.patience is not None else None,
        settings,
    )
