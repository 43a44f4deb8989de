"""Training of autoencoders with windows on datasets."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import optax
import pytest

from jrae_jax.autoencoder import ReconstructionLoss, WindowedAutoencoder, train, train_ensemble
from jrae_jax.recording import EEG, FULL, PYRAMIDAL

ALL, OBSERVED = ReconstructionLoss.all(), ReconstructionLoss.observed()


def windowed(seed=0, **arguments):
    small = {"past": 0.004, "future": 0.002, "latent_size": 2, "widths": (5,), "filters": 2}
    return WindowedAutoencoder(**small | arguments, key=jax.random.key(seed))


@pytest.mark.parametrize(("loss", "every"), [pytest.param(ALL, 1, marks=pytest.mark.slow), (OBSERVED, 3)])
def test_without_learning_the_losses_of_a_window_are_those_of_its_reconstructions(dataset, x64, loss, every):
    data = dataset(observed=EEG, validation=1, noise=0.3, times=14)
    data = dataclasses.replace(data, train_every=every)
    still = train(windowed(), data, key=jax.random.key(0), loss=loss, optimiser=optax.sgd(0.0), batch_size=4, epochs=2)
    scored = slice(0, 6) if loss is ALL else slice(6, 7)
    for part, losses in ((data.train, still.train_loss), (data.validation, still.validation_loss)):
        assert part is not None
        error = np.asarray(still.reconstructor(part.recording).mean) - np.asarray(part.states)
        error = np.concatenate([error, error[..., 1:2] - error[..., 2:3]], axis=-1) / np.asarray(data.standardizer.std)
        np.testing.assert_allclose(losses, np.mean(error[:, ::every, scored] ** 2), rtol=1e-9)


@pytest.mark.slow
def test_a_row_of_an_ensemble_with_windows_is_a_single_training_and_stops_early(dataset, validation_loss, x64):
    autoencoders, keys = [windowed(seed) for seed in range(3)], jax.random.split(jax.random.key(0), 3)
    datasets = [
        dataset(seed, observed=mask, validation=1, noise=0.3) for seed, mask in enumerate((PYRAMIDAL, EEG, FULL))
    ]
    settings = {"optimiser": optax.sgd(0.03), "epochs": 40, "batch_size": 8, "patience": 3}
    ensemble = train_ensemble(autoencoders, datasets, keys=keys, **settings)
    for index, member in enumerate(ensemble):
        alone = train(autoencoders[index], datasets[index], key=keys[index], **settings)
        np.testing.assert_allclose(member.train_loss, alone.train_loss, rtol=1e-9)
        assert eqx.tree_equal(member.reconstructor, alone.reconstructor, rtol=1e-9, atol=1e-12)
        assert alone.best_epoch is not None
        assert member.best_epoch == alone.best_epoch == int(np.nanargmin(member.validation_loss)) + 1
        assert int(np.sum(np.isfinite(member.validation_loss))) == min(alone.best_epoch + 3, 40)
        found = validation_loss(member.reconstructor, datasets[index])
        assert found == pytest.approx(np.nanmin(member.validation_loss), rel=1e-9)


@pytest.mark.slow
def test_a_variational_autoencoder_is_trained_on_a_dataset(dataset):
    data = dataset(observed=PYRAMIDAL, times=50, validation=1)
    settings = {"epochs": 30, "batch_size": 10, "optimiser": optax.adam(1e-2)}
    training, same = (train(windowed(variational=True), data, key=jax.random.key(0), **settings) for _ in range(2))
    assert eqx.tree_equal(training.reconstructor, same.reconstructor)
    assert training.train_loss[-1] < training.train_loss[0] - 0.2
    assert np.all(np.isfinite(training.validation_loss))
    assert data.held_out is not None
    assert np.all(np.asarray(training.reconstructor(data.held_out.recording).std) > 0)


def test_autoencoders_with_windows_that_do_not_fit_together_are_refused(dataset):
    keys = jax.random.split(jax.random.key(0))
    with pytest.raises(ValueError, match="`autoencoders` must have one architecture"):
        train_ensemble([windowed(), windowed(past=0.003)], dataset(), keys=keys, batch_size=8)
    with pytest.raises(ValueError, match="`autoencoders` must have one architecture"):
        train_ensemble([windowed(), windowed(activation="tanh")], dataset(), keys=keys, batch_size=8)
    with pytest.raises(
        ValueError, match="`autoencoder` must read what is observed in `data`, eeg, got one that reads y0"
    ):
        train(windowed(inputs="y0"), dataset(observed=EEG), key=keys[0], batch_size=8)
