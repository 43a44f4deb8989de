import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jrae_jax import (
    EEG,
    FULL,
    PYRAMIDAL,
    Autoencoder,
    Dataset,
    Trajectories,
    Window,
    WindowedAutoencoder,
    evaluate,
    fit,
    fit_ensemble,
    make_dataset,
)
from jrae_jax.autoencoder import train as fit_module

TIMES = 10
SAMPLES = 2 * TIMES
SETTINGS = {"optimiser": optax.sgd(0.1), "batch_size": 8}  # 8, 8 and 4 samples


def dataset(seed=0, *, observed=FULL, validation=0, noise=0.0, times=TIMES) -> Dataset:
    """Two training trajectories and a held-out one, of six states that two sources drive."""
    rng = np.random.default_rng(seed)
    trajectories = 3 + validation
    sources = rng.normal(size=(trajectories, times, 2))
    mixing = rng.normal(size=(2, 6)) * np.array([0.1, 5, 3, 10, 900, 80])
    ys = sources @ mixing + np.array([0.2, 20, 12, 0, 3, -1])
    recordings = Trajectories(jnp.linspace(0.001, 0.001 * times, times), jnp.asarray(ys, dtype=float))
    key = jax.random.key(seed)
    return make_dataset(recordings, observed=observed, held_out=1, validation=validation, noise=noise, key=key)


def network(seed=0, **arguments):
    return Autoencoder(**{"latent_size": 2, "widths": (5,)} | arguments, key=jax.random.key(seed))


def test_the_same_key_gives_the_same_fit_bit_for_bit():
    one, same, other = (fit(network(), dataset(), key=jax.random.key(seed), epochs=3, **SETTINGS) for seed in (0, 0, 1))
    assert eqx.tree_equal(one.model, same.model)
    np.testing.assert_array_equal(one.train_loss, same.train_loss)
    assert not eqx.tree_equal(one.model, other.model)


def test_training_learns_to_reconstruct_what_is_observed():
    data = dataset(times=50)
    fitted = fit(network(widths=(16,), latent_size=3), data, key=jax.random.key(0), epochs=100, **SETTINGS)
    assert fitted.train_loss[0] > 0.5
    assert fitted.train_loss[-1] < 0.01
    assert np.all(evaluate(fitted.model, data).r > 0.99)


def test_a_fit_carries_the_data_it_was_made_for():
    data = dataset(observed=EEG)
    fitted = fit(network(), data, key=jax.random.key(0), loss="observed", epochs=3, **SETTINGS)
    assert eqx.tree_equal(fitted.model.standardizer, data.standardizer)
    assert fitted.model.mask.names == ("eeg",)
    assert (fitted.failed_epoch, fitted.best_epoch) == (None, None)
    assert vars(fitted.settings) == {"loss": "observed", "epochs": 3, "batch_size": 8, "patience": None}
    assert np.all(np.isfinite(fitted.train_loss))
    assert np.all(np.isnan(fitted.validation_loss))


def test_held_out_data_are_not_trained_on():
    data = dataset()
    elsewhere = eqx.tree_at(lambda data: data.held_out, data, replace_fn=lambda part: jax.tree.map(jnp.negative, part))
    one, other = (fit(network(), each, key=jax.random.key(0), epochs=3, **SETTINGS) for each in (data, elsewhere))
    assert eqx.tree_equal(one.model.network, other.model.network)


def trained_by_hand(network, data: Dataset, key, *, scored, optimiser, epochs, batch_size):
    """The training loop in plain Python: the loss of each epoch, and the layers after the last."""

    def channels(states):
        states = np.asarray(states).reshape(-1, 6)
        return np.column_stack([states, states[:, 1] - states[:, 2]])

    truth = channels(data.train.states)
    mean, std = truth.mean(axis=0), truth.std(axis=0)
    target = (truth - mean) / std
    seen = np.where(data.mask.channels, (np.asarray(data.train.recording).reshape(-1, 7) - mean) / std, 0.0)

    def loss(layers, seen, target):
        values = seen
        for index, (weight, bias) in enumerate(layers):
            values = values @ weight.T + bias[None]
            linear = index in (len(network.encoder) - 1, len(layers) - 1)
            values = values if linear else jnp.maximum(values, 0)
        potentials = [values[:, state] * std[state] + mean[state] for state in (1, 2)]
        eeg = (potentials[0] - potentials[1] - mean[6]) / std[6]
        error = jnp.concatenate([values, eeg[:, None]], axis=1) - target
        return jnp.mean(error[:, scored] ** 2)

    @jax.jit
    def step(layers, state, seen, target):
        value, gradient = jax.value_and_grad(loss)(layers, seen, target)
        with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to a whole power
            updates, state = optimiser.update(gradient, state, layers)
        return value, optax.apply_updates(layers, updates), state

    layers: Any = [(layer.weight, layer.bias) for layer in (*network.encoder, *network.decoder)]
    state = optimiser.init(layers)
    history = []
    for epoch in range(epochs):
        order = np.asarray(jax.random.permutation(jax.random.fold_in(key, epoch), len(seen)))
        total = 0.0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            value, layers, state = step(layers, state, seen[rows], target[rows])
            total += float(value) * len(rows)
        history.append(total / len(order))
    return history, layers


CLIPPED_MOMENTUM = optax.chain(optax.clip(0.01), optax.sgd(0.1, momentum=0.9))


@pytest.mark.parametrize(
    ("optimiser", "observed", "loss", "scored"),
    [(None, PYRAMIDAL, "all", [0, 1, 2, 3, 4, 5]), (CLIPPED_MOMENTUM, EEG, "observed", [6])],
    ids=["Adam by default", "any Optax chain"],
)
def test_training_agrees_with_a_plain_loop(x64, optimiser, observed, loss, scored):
    data, initial, key = dataset(observed=observed, noise=0.3), network(), jax.random.key(7)
    # 20 samples leave a smaller last batch, and 11 epochs do not come out even in the chunks they run in.
    fitted = fit(initial, data, key=key, loss=loss, optimiser=optimiser, epochs=11, batch_size=8)
    by_hand = optax.adam(1e-3) if optimiser is None else optimiser
    losses, layers = trained_by_hand(initial, data, key, scored=scored, optimiser=by_hand, epochs=11, batch_size=8)
    np.testing.assert_allclose(fitted.train_loss, losses, rtol=1e-10)
    trained = fitted.model.network
    for leaf, expected in zip(
        jax.tree.leaves((trained.encoder, trained.decoder)), jax.tree.leaves(layers), strict=True
    ):
        np.testing.assert_allclose(leaf, expected, rtol=1e-9, atol=1e-12)


def test_a_row_of_an_ensemble_is_a_single_fit(x64):
    networks = [network(seed) for seed in range(3)]
    masks, losses = (PYRAMIDAL, EEG, FULL), ("all", "observed", "observed")
    datasets = [dataset(seed, observed=mask, noise=0.1) for seed, mask in enumerate(masks)]
    keys = jax.random.split(jax.random.key(0), 3)
    settings = {"optimiser": CLIPPED_MOMENTUM, "epochs": 11, "batch_size": 8}
    ensemble = fit_ensemble(networks, datasets, keys=keys, loss=losses, **settings)
    assert len(ensemble) == 3
    for index, member in enumerate(ensemble):
        alone = fit(networks[index], datasets[index], key=keys[index], loss=losses[index], **settings)
        np.testing.assert_allclose(member.train_loss, alone.train_loss, rtol=1e-10)
        assert eqx.tree_equal(member.model, alone.model, rtol=1e-9, atol=1e-12)
        assert member.settings == alone.settings


def test_single_precision_data_train_alike_where_double_precision_is_enabled():
    data, initial, key = dataset(), network(), jax.random.key(0)
    single = fit(initial, data, key=key, epochs=3, **SETTINGS)
    with jax.enable_x64(True):
        fitted = fit(initial, data, key=key, epochs=3, **SETTINGS)
    assert fitted.train_loss.dtype == np.float32
    np.testing.assert_allclose(fitted.train_loss, single.train_loss, rtol=1e-5)


def test_members_are_shared_out_over_all_devices(monkeypatch):
    devices = []

    def spied(*arguments):
        state, losses = train(*arguments)
        devices.append(state.stopped.sharding.device_set)
        return state, losses

    train = fit_module.train_epochs
    monkeypatch.setattr(fit_module, "train_epochs", spied)
    keys = jax.random.split(jax.random.key(0), 3)
    fit_ensemble([network(seed) for seed in range(3)], dataset(), keys=keys, epochs=1, **SETTINGS)
    assert jax.device_count() > 1
    assert devices == [set(jax.devices()[:3])]


def test_a_second_fit_with_other_values_compiles_nothing():
    traces = []
    sgd = optax.sgd(0.1)

    def update(updates, state, params=None):
        traces.append(None)
        return sgd.update(updates, state, params)

    optimiser = optax.GradientTransformation(sgd.init, update)

    def once(seed, observed):
        data = dataset(seed, observed=observed)
        return fit(network(seed), data, key=jax.random.key(seed), epochs=2, optimiser=optimiser, batch_size=8)

    first = once(0, FULL)
    compiled = len(traces)
    second = once(1, EEG)
    assert compiled > 0
    assert len(traces) == compiled
    assert np.all(first.train_loss != second.train_loss)


def progress_of(epochs):
    calls = []
    fitted = fit(
        network(),
        dataset(),
        key=jax.random.key(0),
        epochs=epochs,
        progress=lambda done, losses: calls.append((done, losses)),
        **SETTINGS,
    )
    assert fitted.train_loss.shape == fitted.validation_loss.shape == (epochs,)
    for done, losses in calls:
        np.testing.assert_array_equal(losses, [fitted.train_loss[done - 1]])
    return [done for done, _ in calls], fitted


def test_progress_is_reported_some_ten_times_whatever_the_number_of_epochs():
    reported, short = progress_of(7)
    assert reported == [1, 2, 3, 4, 5, 6, 7]
    reported, longer = progress_of(13)
    assert reported == [2, 4, 6, 8, 10, 12, 13]
    assert np.all(np.isfinite(longer.train_loss))
    np.testing.assert_allclose(longer.train_loss[:7], short.train_loss, rtol=1e-5)


def validation_loss(model, data: Dataset):
    assert data.validation is not None
    error = np.asarray(model(data.validation.recording, dt=data.dt)) - np.asarray(data.validation.states)
    return np.mean((error / np.asarray(data.standardizer.std[:6])) ** 2)


def test_early_stopping_keeps_the_best_network_of_each_member():
    patience, epochs, seeds = 3, 40, range(3)
    datasets = [dataset(seed, validation=1, noise=1.0) for seed in seeds]
    calls = []
    fits = fit_ensemble(
        [network(seed) for seed in seeds],
        datasets,
        keys=jax.random.split(jax.random.key(0), 3),
        optimiser=optax.sgd(0.3),
        batch_size=4,
        epochs=epochs,
        patience=patience,
        progress=lambda done, losses: calls.append(done),
    )
    lengths = []
    for fitted, data in zip(fits, datasets, strict=True):
        length = int(np.sum(np.isfinite(fitted.validation_loss)))
        lengths.append(length)
        assert np.all(np.isfinite(fitted.train_loss[:length]))
        assert np.all(np.isnan(fitted.train_loss[length:]))
        assert np.all(np.isnan(fitted.validation_loss[length:]))
        best = int(np.nanargmin(fitted.validation_loss)) + 1
        assert fitted.best_epoch == best
        assert length == best + patience
        assert validation_loss(fitted.model, data) == pytest.approx(np.nanmin(fitted.validation_loss), rel=1e-4)
        assert fitted.failed_epoch is None
    assert len(set(lengths)) > 1
    assert max(lengths) <= calls[-1] < epochs


def diverging(seed=1):
    """A network whose first steps are so large that its loss overflows in the second epoch."""
    return jax.tree.map(lambda leaf: 3.0 * leaf, network(seed))


def test_a_member_that_fails_ends_there_and_leaves_its_neighbours_alone():
    keys = jax.random.split(jax.random.key(0), 3)
    healthy = [network(seed) for seed in range(3)]
    without_weights = jax.tree.map(lambda leaf: leaf * jnp.nan, healthy[0])
    undisturbed = fit_ensemble(healthy, dataset(), keys=keys, epochs=5, **SETTINGS)
    for poisoned, healthy_ones in (
        ([without_weights, diverging(), healthy[2]], [2]),
        ([healthy[0], diverging(), healthy[2]], [0, 2]),
        ([healthy[0], healthy[1], without_weights], [0, 1]),
    ):
        fits = fit_ensemble(poisoned, dataset(), keys=keys, epochs=5, **SETTINGS)
        for index in healthy_ones:
            assert fits[index].failed_epoch is None
            assert eqx.tree_equal(fits[index].model, undisturbed[index].model)
            np.testing.assert_array_equal(fits[index].train_loss, undisturbed[index].train_loss)


def test_a_member_that_fails_names_the_epoch_and_has_no_loss_after_it():
    networks = [jax.tree.map(lambda leaf: leaf * jnp.nan, network()), diverging(), network()]
    fits = fit_ensemble(networks, dataset(), keys=jax.random.split(jax.random.key(0), 3), epochs=5, **SETTINGS)
    assert [fitted.failed_epoch for fitted in fits] == [1, 2, None]
    assert [int(np.sum(np.isfinite(fitted.train_loss))) for fitted in fits] == [0, 1, 5]


def test_the_model_of_a_member_that_fails_is_the_one_before():
    (failed,) = fit_ensemble([diverging()], dataset(), keys=jax.random.key(0)[None], epochs=5, **SETTINGS)
    before = fit(diverging(), dataset(), key=jax.random.key(0), epochs=1, **SETTINGS)
    assert failed.failed_epoch == 2
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(failed.model.network))
    assert eqx.tree_equal(failed.model, before.model)


def test_weights_that_overflow_are_noticed_though_the_loss_is_finite():
    arguments: dict[str, Any] = {"epochs": 1, "batch_size": SAMPLES, "optimiser": optax.sgd(float("inf"))}
    (failed,) = fit_ensemble([network()], dataset(), keys=jax.random.key(0)[None], **arguments)
    assert np.all(np.isfinite(failed.train_loss))
    assert failed.failed_epoch == 1
    assert eqx.tree_equal(failed.model.network, network())


def test_a_single_fit_that_fails_raises_and_names_the_epoch():
    message = "the loss or a weight became non-finite in epoch 2 of 5; lower the learning rate"
    with pytest.raises(RuntimeError, match=message):
        fit(diverging(), dataset(), key=jax.random.key(0), epochs=5, **SETTINGS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 21}, "`batch_size` must be at most the 20 training samples, got 21"),
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1, got 0"),
        ({"epochs": 0}, "`epochs` must be a whole number of at least 1, got 0"),
        ({"loss": "hidden"}, "`loss` must be one of 'observed', 'all', got 'hidden'"),
        ({"patience": 0}, "`patience` must be a whole number of at least 1, got 0"),
        ({"patience": 2}, r"`patience` needs validation trajectories: make_dataset\(\.\.\., validation=1\)"),
    ],
)
def test_settings_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        fit(network(), dataset(), key=jax.random.key(0), **{"batch_size": 8} | arguments)


def test_members_that_do_not_fit_together_are_refused():
    data, key = dataset(), jax.random.key(0)
    fitting: dict[str, Any] = {
        "networks": [network(0), network(1)],
        "datasets": data,
        "keys": jax.random.split(key),
        "batch_size": 8,
    }

    def refused(message, **unfit):
        with pytest.raises(ValueError, match=message):
            fit_ensemble(**fitting | unfit)

    refused(r"`len\(networks\)` must be a whole number of at least 1, got 0", networks=[])
    refused("`keys` must have one entry for each of 2 networks, got 3", keys=jax.random.split(key, 3))
    refused("`datasets` must have one entry for each of 2 networks, got 1", datasets=[data])
    refused("`loss` must have one entry for each of 2 networks, got 1", loss=["all"])
    refused("`loss` must be one of 'observed', 'all', got 'hidden'", loss=["all", "hidden"])
    refused("`datasets` must have one shape", datasets=[data, dataset(times=9)])
    refused("`datasets` must have one shape", datasets=[data, dataset(validation=1)])
    refused("`networks` must have one architecture", networks=[network(0), network(1, widths=(6,))])
    refused("`networks` must have one architecture", networks=[network(0), network(1, activation="tanh")])
    refused("`networks` must have one architecture", networks=[network(0), network(1, inputs=FULL)])
    refused(
        "`networks` must read what `datasets` show, y0, .*, y5, got y0", networks=[network(0), network(1, inputs="y0")]
    )


def windowed(seed=0, **arguments):
    small = {"window": Window(past=0.004, future=0.002), "latent_size": 2, "widths": (5,), "filters": 2}
    return WindowedAutoencoder(**small | arguments, key=jax.random.key(seed))


@pytest.mark.parametrize(("loss", "every"), [("all", 1), ("observed", 3)])
def test_without_learning_the_losses_of_a_window_are_those_of_its_reconstructions(x64, loss, every):
    data = dataclasses.replace(dataset(observed=EEG, validation=1, noise=0.3, times=14), train_every=every)
    still = fit(windowed(), data, key=jax.random.key(0), loss=loss, optimiser=optax.sgd(0.0), batch_size=4, epochs=2)
    scored = slice(0, 6) if loss == "all" else slice(6, 7)
    for part, losses in ((data.train, still.train_loss), (data.validation, still.validation_loss)):
        assert part is not None
        error = np.asarray(still.model(part.recording, dt=data.dt)) - np.asarray(part.states)
        error = np.concatenate([error, error[..., 1:2] - error[..., 2:3]], axis=-1) / np.asarray(data.standardizer.std)
        np.testing.assert_allclose(losses, np.mean(error[:, ::every, scored] ** 2), rtol=1e-9)


def test_a_row_of_an_ensemble_with_windows_is_a_single_fit_and_stops_early(x64):
    networks, keys = [windowed(seed) for seed in range(3)], jax.random.split(jax.random.key(0), 3)
    datasets = [
        dataset(seed, observed=mask, validation=1, noise=0.3) for seed, mask in enumerate((PYRAMIDAL, EEG, FULL))
    ]
    settings = {"optimiser": optax.sgd(0.03), "epochs": 40, "batch_size": 8, "patience": 3}
    ensemble = fit_ensemble(networks, datasets, keys=keys, **settings)
    for index, member in enumerate(ensemble):
        alone = fit(networks[index], datasets[index], key=keys[index], **settings)
        np.testing.assert_allclose(member.train_loss, alone.train_loss, rtol=1e-9)
        assert eqx.tree_equal(member.model, alone.model, rtol=1e-9, atol=1e-12)
        assert alone.best_epoch is not None
        assert member.best_epoch == alone.best_epoch == int(np.nanargmin(member.validation_loss)) + 1
        assert int(np.sum(np.isfinite(member.validation_loss))) == min(alone.best_epoch + 3, 40)
        found = validation_loss(member.model, datasets[index])
        assert found == pytest.approx(np.nanmin(member.validation_loss), rel=1e-9)


@pytest.mark.slow
def test_a_variational_network_is_fitted_to_finite_data():
    data = dataset(observed=PYRAMIDAL, times=50, validation=1)
    settings = {"epochs": 30, "batch_size": 10, "optimiser": optax.adam(1e-2)}
    fitted, same = (fit(windowed(variational=True), data, key=jax.random.key(0), **settings) for _ in range(2))
    assert eqx.tree_equal(fitted.model, same.model)
    assert fitted.train_loss[-1] < fitted.train_loss[0] - 0.2
    assert np.all(np.isfinite(fitted.validation_loss))
    assert data.held_out is not None
    told = fitted.model.distribution(data.held_out.recording, dt=data.dt)
    np.testing.assert_allclose(told.mean, fitted.model(data.held_out.recording, dt=data.dt), rtol=1e-4, atol=1e-3)
    assert np.all(np.asarray(told.std) > 0)


def test_networks_with_windows_that_do_not_fit_together_are_refused():
    keys = jax.random.split(jax.random.key(0))
    with pytest.raises(ValueError, match="`networks` must have one architecture"):
        fit_ensemble([windowed(), windowed(window=Window(past=0.003))], dataset(), keys=keys, batch_size=8)
    with pytest.raises(ValueError, match="`networks` must have one architecture"):
        fit_ensemble([windowed(), windowed(activation="tanh")], dataset(), keys=keys, batch_size=8)
    with pytest.raises(ValueError, match="`networks` must read what `datasets` show, eeg, got y0"):
        fit(windowed(inputs="y0"), dataset(observed=EEG), key=keys[0], batch_size=8)
