import inspect
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jrae_jax.autoencoder import Autoencoder, ReconstructionLoss, train, train_ensemble
from jrae_jax.autoencoder.train_step import random_order, train_epochs
from jrae_jax.recording import EEG, FULL, PYRAMIDAL, Dataset, evaluate

ALL, OBSERVED = ReconstructionLoss.all(), ReconstructionLoss.observed()
SAMPLES = 20
SETTINGS = {"optimiser": optax.sgd(0.1), "batch_size": 8}  # 8, 8 and 4 samples


def made(seed=0, **arguments):
    return Autoencoder(**{"latent_size": 2, "widths": (5,)} | arguments, key=jax.random.key(seed))


def test_the_same_key_gives_the_same_training_bit_for_bit(dataset):
    one, same, other = (train(made(), dataset(), key=jax.random.key(seed), epochs=3, **SETTINGS) for seed in (0, 0, 1))
    assert eqx.tree_equal(one.reconstructor, same.reconstructor)
    np.testing.assert_array_equal(one.train_loss, same.train_loss)
    assert not eqx.tree_equal(one.reconstructor, other.reconstructor)


def test_training_learns_to_reconstruct_what_is_observed(dataset):
    data = dataset(times=50)
    training = train(made(widths=(16,), latent_size=3), data, key=jax.random.key(0), epochs=100, **SETTINGS)
    assert training.train_loss[0] > 0.5
    assert training.train_loss[-1] < 0.01
    assert data.held_out is not None
    assert np.all(evaluate(training.reconstructor(data.held_out.recording), data).r > 0.99)


def test_a_training_carries_the_data_it_was_made_for(dataset):
    data = dataset(observed=EEG)
    training = train(made(), data, key=jax.random.key(0), loss=OBSERVED, epochs=3, **SETTINGS)
    assert eqx.tree_equal(training.reconstructor.standardizer, data.standardizer)
    np.testing.assert_array_equal(training.reconstructor.kinds, EEG.channels[None])
    assert (training.failed_epoch, training.best_epoch) == (None, None)
    assert vars(training.settings) == {
        "loss": "ReconstructionLoss.observed()",
        "epochs": 3,
        "batch_size": 8,
        "patience": None,
    }
    assert np.all(np.isfinite(training.train_loss))
    assert np.all(np.isnan(training.validation_loss))


def test_held_out_data_are_not_trained_on(dataset):
    data = dataset()
    elsewhere = eqx.tree_at(lambda data: data.held_out.states, data, replace_fn=jnp.negative)
    one, other = (train(made(), each, key=jax.random.key(0), epochs=3, **SETTINGS) for each in (data, elsewhere))
    assert eqx.tree_equal(one.reconstructor.autoencoder, other.reconstructor.autoencoder)


def trained_by_hand(autoencoder, data: Dataset, key, *, scored, optimiser, epochs, batch_size):
    """The training loop in plain Python: the loss of each epoch, and the layers after the last."""

    def channels(states):
        states = np.asarray(states).reshape(-1, 6)
        return np.column_stack([states, states[:, 1] - states[:, 2]])

    truth = channels(data.train.states)
    mean, std = truth.mean(axis=0), truth.std(axis=0)
    target = (truth - mean) / std
    recorded = np.asarray(data.train.recording.values).reshape(-1, 7)
    read = np.where(data.observed.channels, (recorded - mean) / std, 0.0)

    def loss(layers, read, target):
        values = read
        for index, (weight, bias) in enumerate(layers):
            values = values @ weight.T + bias[None]
            linear = index in (len(autoencoder.encoder) - 1, len(layers) - 1)
            values = values if linear else jnp.maximum(values, 0)
        potentials = [values[:, state] * std[state] + mean[state] for state in (1, 2)]
        eeg = (potentials[0] - potentials[1] - mean[6]) / std[6]
        error = jnp.concatenate([values, eeg[:, None]], axis=1) - target
        return jnp.mean(error[:, scored] ** 2)

    @jax.jit
    def step(layers, state, read, target):
        value, gradient = jax.value_and_grad(loss)(layers, read, target)
        with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to a whole power
            updates, state = optimiser.update(gradient, state, layers)
        return value, optax.apply_updates(layers, updates), state

    layers: Any = [(layer.weight, layer.bias) for layer in (*autoencoder.encoder, *autoencoder.decoder)]
    state = optimiser.init(layers)
    history = []
    for epoch in range(epochs):
        order = np.asarray(random_order(len(read), jax.random.fold_in(key, epoch)))
        total = 0.0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            value, layers, state = step(layers, state, read[rows], target[rows])
            total += float(value) * len(rows)
        history.append(total / len(order))
    return history, layers


# The norm of all gradients is a sum, which Adam has none of.
CLIPPED_MOMENTUM = optax.chain(optax.clip_by_global_norm(0.01), optax.sgd(0.1, momentum=0.9))


@pytest.mark.parametrize(
    ("optimiser", "observed", "loss", "scored"),
    [(None, PYRAMIDAL, ALL, [0, 1, 2, 3, 4, 5]), (CLIPPED_MOMENTUM, EEG, OBSERVED, [6])],
    ids=["Adam by default", "any Optax chain"],
)
def test_training_agrees_with_a_plain_loop(dataset, x64, optimiser, observed, loss, scored):
    data, initial, key = dataset(observed=observed, noise=0.3, times=1500), made(), jax.random.key(7)
    # 3,000 samples leave a smaller last batch; their 12 steps do not come out even in the blocks whose samples are
    # gathered together, nor 11 epochs in the chunks they run in.
    training = train(initial, data, key=key, loss=loss, optimiser=optimiser, epochs=11, batch_size=256)
    by_hand = optax.adam(1e-3) if optimiser is None else optimiser
    losses, layers = trained_by_hand(initial, data, key, scored=scored, optimiser=by_hand, epochs=11, batch_size=256)
    np.testing.assert_allclose(training.train_loss, losses, rtol=1e-10)
    trained = training.reconstructor.autoencoder
    assert isinstance(trained, Autoencoder)
    for leaf, expected in zip(
        jax.tree.leaves((trained.encoder, trained.decoder)), jax.tree.leaves(layers), strict=True
    ):
        np.testing.assert_allclose(leaf, expected, rtol=1e-9, atol=1e-12)


def test_a_row_of_an_ensemble_is_a_single_training(dataset, x64):
    autoencoders = [made(seed) for seed in range(3)]
    masks, losses = (PYRAMIDAL, EEG, FULL), (ALL, OBSERVED, OBSERVED)
    datasets = [dataset(seed, observed=mask, noise=0.1) for seed, mask in enumerate(masks)]
    keys = jax.random.split(jax.random.key(0), 3)
    settings = {"optimiser": CLIPPED_MOMENTUM, "epochs": 11, "batch_size": 8}
    ensemble = train_ensemble(autoencoders, datasets, keys=keys, loss=losses, **settings)
    assert len(ensemble) == 3
    for index, member in enumerate(ensemble):
        alone = train(autoencoders[index], datasets[index], key=keys[index], loss=losses[index], **settings)
        np.testing.assert_allclose(member.train_loss, alone.train_loss, rtol=1e-10)
        assert eqx.tree_equal(member.reconstructor, alone.reconstructor, rtol=1e-9, atol=1e-12)
        assert member.settings == alone.settings


def test_single_precision_data_train_alike_where_double_precision_is_enabled(dataset):
    data, initial, key = dataset(), made(), jax.random.key(0)
    single = train(initial, data, key=key, epochs=3, **SETTINGS)
    with jax.enable_x64(True):
        training = train(initial, data, key=key, epochs=3, **SETTINGS)
    assert training.train_loss.dtype == np.float32
    np.testing.assert_allclose(training.train_loss, single.train_loss, rtol=1e-5)


def test_members_are_shared_out_over_all_devices(dataset, monkeypatch):
    devices = []

    def spied(*arguments):
        state, losses = train_epochs(*arguments)
        devices.append(state.stopped.sharding.device_set)
        return state, losses

    monkeypatch.setattr("jrae_jax.autoencoder.sources.train_epochs", spied)
    keys = jax.random.split(jax.random.key(0), 3)
    train_ensemble([made(seed) for seed in range(3)], dataset(), keys=keys, epochs=1, **SETTINGS)
    assert jax.device_count() > 1
    assert devices == [set(jax.devices()[:3])]


def test_another_training_with_other_values_compiles_nothing(dataset, monkeypatch):
    traced_once = eqx.filter_jit(eqx.debug.assert_max_traces(max_traces=1)(inspect.unwrap(train_epochs)))
    monkeypatch.setattr("jrae_jax.autoencoder.sources.train_epochs", traced_once)
    losses = []
    for seed, observed, rate in ((0, FULL, None), (1, EEG, 1e-2)):
        data, key = dataset(seed, observed=observed), jax.random.key(seed)
        losses.append(train(made(seed), data, key=key, epochs=2, learning_rate=rate, batch_size=8).train_loss)
    assert np.all(losses[0] != losses[1])


def lowered_training(monkeypatch, autoencoder, data, **arguments):
    """The program of a training that is not run."""
    programs: list[Any] = []
    jitted: Any = eqx.filter_jit(inspect.unwrap(train_epochs))

    def spied(program, state, *others):
        programs.append(jitted.lower(program, state, *others).lowered)
        return state, jnp.zeros((1, 1, 2))

    monkeypatch.setattr("jrae_jax.autoencoder.sources.train_epochs", spied)
    train(autoencoder, data, key=jax.random.key(0), epochs=1, batch_size=32, **arguments)
    return programs[0]


def test_a_small_autoencoder_is_updated_in_one_function_by_samples_gathered_in_blocks(dataset, monkeypatch):
    instants = 100_000
    program = lowered_training(monkeypatch, made(), dataset(times=instants // 2)).compile()
    calls = [line for line in program.as_text().splitlines() if " call(" in line]
    assert any('inlineable="false",xla_cpu_small_call="true"' in line for line in calls)
    of_all_samples = 4 * instants * (7 + 7 + 7)  # read now, read later, and the truth
    assert program.memory_analysis().temp_size_in_bytes < of_all_samples / 2


@pytest.mark.parametrize(
    ("widths", "optimiser"),
    [((400, 200), None), ((5,), optax.adam(1e-3))],
    ids=["larger", "an optimiser of the user's"],
)
def test_other_updates_are_left_to_the_compiler(dataset, monkeypatch, widths, optimiser):
    program = lowered_training(monkeypatch, made(widths=widths), dataset(times=50), optimiser=optimiser)
    assert "small_call" not in program.as_text()


def progress_of(dataset, epochs):
    calls = []
    training = train(
        made(),
        dataset(),
        key=jax.random.key(0),
        epochs=epochs,
        progress=lambda *report: calls.append(report),
        **SETTINGS,
    )
    assert training.train_loss.shape == training.validation_loss.shape == (epochs,)
    for done, total, message in calls:
        assert (total, message) == (epochs, f"training, loss {training.train_loss[done - 1]:.4g}")
    return [done for done, *_ in calls], training


def test_progress_is_reported_some_ten_times_whatever_the_number_of_epochs(dataset):
    reported, short = progress_of(dataset, 7)
    assert reported == [1, 2, 3, 4, 5, 6, 7]
    reported, longer = progress_of(dataset, 13)
    assert reported == [2, 4, 6, 8, 10, 12, 13]
    assert np.all(np.isfinite(longer.train_loss))
    np.testing.assert_allclose(longer.train_loss[:7], short.train_loss, rtol=1e-5)


def test_early_stopping_keeps_the_best_of_each_member(dataset, validation_loss):
    patience, epochs, seeds = 3, 40, range(3)
    datasets = [dataset(seed, validation=1, noise=1.0) for seed in seeds]
    calls = []
    trainings = train_ensemble(
        [made(seed) for seed in seeds],
        datasets,
        keys=jax.random.split(jax.random.key(0), 3),
        optimiser=optax.sgd(0.3),
        batch_size=4,
        epochs=epochs,
        patience=patience,
        progress=lambda done, total, message: calls.append(done),
    )
    lengths = []
    for training, data in zip(trainings, datasets, strict=True):
        length = int(np.sum(np.isfinite(training.validation_loss)))
        lengths.append(length)
        assert np.all(np.isfinite(training.train_loss[:length]))
        assert np.all(np.isnan(training.train_loss[length:]))
        assert np.all(np.isnan(training.validation_loss[length:]))
        best = int(np.nanargmin(training.validation_loss)) + 1
        assert training.best_epoch == best
        assert length == best + patience
        assert validation_loss(training.reconstructor, data) == pytest.approx(
            np.nanmin(training.validation_loss), rel=1e-4
        )
        assert training.failed_epoch is None
    assert len(set(lengths)) > 1
    assert max(lengths) <= calls[-1] < epochs


def diverging(seed=1):
    """One whose first steps are so large that its loss overflows in the second epoch."""
    return jax.tree.map(lambda leaf: 3.0 * leaf, made(seed))


def test_a_member_that_fails_ends_there_and_leaves_its_neighbours_alone(dataset):
    keys = jax.random.split(jax.random.key(0), 3)
    healthy = [made(seed) for seed in range(3)]
    without_weights = jax.tree.map(lambda leaf: leaf * jnp.nan, healthy[0])
    undisturbed = train_ensemble(healthy, dataset(), keys=keys, epochs=5, **SETTINGS)
    for poisoned, healthy_ones in (
        ([without_weights, diverging(), healthy[2]], [2]),
        ([healthy[0], diverging(), healthy[2]], [0, 2]),
        ([healthy[0], healthy[1], without_weights], [0, 1]),
    ):
        trainings = train_ensemble(poisoned, dataset(), keys=keys, epochs=5, **SETTINGS)
        for index in healthy_ones:
            assert trainings[index].failed_epoch is None
            assert eqx.tree_equal(trainings[index].reconstructor, undisturbed[index].reconstructor)
            np.testing.assert_array_equal(trainings[index].train_loss, undisturbed[index].train_loss)


def test_a_member_that_fails_names_the_epoch_and_has_no_loss_after_it(dataset):
    autoencoders = [jax.tree.map(lambda leaf: leaf * jnp.nan, made()), diverging(), made()]
    trainings = train_ensemble(
        autoencoders, dataset(), keys=jax.random.split(jax.random.key(0), 3), epochs=5, **SETTINGS
    )
    assert [training.failed_epoch for training in trainings] == [1, 2, None]
    assert [int(np.sum(np.isfinite(training.train_loss))) for training in trainings] == [0, 1, 5]


def test_the_reconstructor_of_a_member_that_fails_is_the_one_before(dataset):
    (failed,) = train_ensemble([diverging()], dataset(), keys=jax.random.key(0)[None], epochs=5, **SETTINGS)
    before = train(diverging(), dataset(), key=jax.random.key(0), epochs=1, **SETTINGS)
    assert failed.failed_epoch == 2
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(failed.reconstructor.autoencoder))
    assert eqx.tree_equal(failed.reconstructor, before.reconstructor)


def test_weights_that_overflow_are_noticed_though_the_loss_is_finite(dataset):
    arguments: dict[str, Any] = {"epochs": 1, "batch_size": SAMPLES, "optimiser": optax.sgd(float("inf"))}
    (failed,) = train_ensemble([made()], dataset(), keys=jax.random.key(0)[None], **arguments)
    assert np.all(np.isfinite(failed.train_loss))
    assert failed.failed_epoch == 1
    assert eqx.tree_equal(failed.reconstructor.autoencoder, made())


def test_a_single_training_that_fails_raises_and_names_the_epoch(dataset):
    message = "the loss or a weight became non-finite in epoch 2 of 5; lower the learning rate"
    with pytest.raises(RuntimeError, match=message):
        train(diverging(), dataset(), key=jax.random.key(0), epochs=5, **SETTINGS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 21}, "`batch_size` must be at most the 20 training instants, got 21"),
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1, got 0"),
        ({"epochs": 0}, "`epochs` must be a whole number of at least 1, got 0"),
        ({"steps": 100}, "`steps` must be left out for a Dataset, which takes `epochs`, got 100"),
        ({"learning_rate": 0.0}, r"`learning_rate` must be positive, got 0\.0"),
        ({"learning_rate": 0.1, "optimiser": optax.sgd(0.1)}, "`learning_rate` must be left out where there is an `o"),
        ({"patience": 0}, "`patience` must be a whole number of at least 1, got 0"),
        ({"patience": 2}, r"`patience` needs validation trajectories: make_dataset\(\.\.\., validation=1\)"),
    ],
)
def test_invalid_arguments(dataset, arguments, message):
    with pytest.raises(ValueError, match=message):
        train(made(), dataset(), key=jax.random.key(0), **{"batch_size": 8} | arguments)


def test_members_that_do_not_fit_together_are_refused(dataset):
    data, key = dataset(), jax.random.key(0)
    fitting: dict[str, Any] = {
        "autoencoders": [made(0), made(1)],
        "data": data,
        "keys": jax.random.split(key),
        "batch_size": 8,
    }

    def refused(message, **unfit):
        with pytest.raises(ValueError, match=message):
            train_ensemble(**fitting | unfit)

    refused(r"`len\(autoencoders\)` must be a whole number of at least 1, got 0", autoencoders=[])
    refused(
        r"`keys` must be 2 keys, as jax.random.split\(key, 2\) gives, got an array of shape \(3,\)",
        keys=jax.random.split(key, 3),
    )
    refused("`data` must have one entry for each of 2 autoencoders, got 1", data=[data])
    refused("`loss` must have one entry for each of 2 autoencoders, got 1", loss=[ALL])
    refused("`data` must have one shape", data=[data, dataset(times=9)])
    refused("`data` must have one shape", data=[data, dataset(validation=1)])
    refused("`autoencoders` must have one architecture", autoencoders=[made(0), made(1, widths=(6,))])
    refused("`autoencoders` must have one architecture", autoencoders=[made(0), made(1, activation="tanh")])
    refused("`autoencoders` must have one architecture", autoencoders=[made(0), made(1, inputs=FULL)])
    refused(
        "`autoencoder` must read what is observed in `data`, y0, .*, y5, got one that reads y0",
        autoencoders=[made(0), made(1, inputs="y0")],
    )
