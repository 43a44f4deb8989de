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
    Autoencoder,
    EndlessSettings,
    JansenRitParameters,
    ObservationMask,
    UniformNoiseInput,
    Window,
    WindowedAutoencoder,
    endless_recordings,
    fit_endless,
    load,
    save,
)
from jrae_jax.autoencoder import fit_endless as module

POTENTIALS = ObservationMask.of("y0", "y1", "y2")
STEPS = 320
OPTIMISER = optax.adam(5e-3)


@pytest.fixture(scope="module")
def source():
    """Recordings of two kinds, with noise and gaps."""
    return endless_recordings(
        JansenRitParameters(),
        UniformNoiseInput(120.0, 320.0, hold=1e-3),
        observed=[EEG, POTENTIALS],
        noise=(0.01, 0.1),
        gaps=0.1,
        burn_in=0.2,
        key=jax.random.key(0),
    )


@pytest.fixture(scope="module")
def one_kind(source):
    """The same without gaps, of one kind."""
    return dataclasses.replace(source, masks=source.masks[1:], gaps=0.0)


def network(**arguments):
    small: dict[str, Any] = {"window": Window(past=0.03, future=0.01), "latent_size": 6, "widths": (24, 16)}
    return WindowedAutoencoder(**small | {"filters": 4, "variational": True} | arguments, key=jax.random.key(1))


def trained(source, seed=2, initial=None, **arguments):
    chosen: dict[str, Any] = {"steps": STEPS, "batch_size": 128, "optimiser": OPTIMISER}
    return fit_endless(
        network() if initial is None else initial, source, key=jax.random.key(seed), **chosen | arguments
    )


@pytest.fixture(scope="module")
def reports():
    return []


@pytest.fixture(scope="module")
def fitted(source, reports):
    return trained(source, progress=lambda done, losses: reports.append((done, losses)))


@pytest.fixture(scope="module")
def memoryless(one_kind):
    initial = Autoencoder(latent_size=4, widths=(16,), activation="tanh", key=jax.random.key(1))
    return trained(one_kind, initial=initial, optimiser=None)


@pytest.fixture(scope="module")
def new(source):
    """Recordings that no fit has seen, NaN where nothing was measured, and the truth, in mV and mV/s."""
    drawn = jax.device_get(eqx.filter_jit(source.draw)(96, 512, key=jax.random.key(99)))
    mean, std = np.asarray(source.standardizer.mean), np.asarray(source.standardizer.std)
    return np.where(drawn.seen, drawn.channels, np.nan) * std + mean, (drawn.truth * std + mean)[..., :6]


def of_kind(new, kind):
    recordings, truth = new
    shown = np.isfinite(recordings).any(axis=1)
    chosen = np.all(shown == kind.channels, axis=1)
    return jnp.asarray(recordings[chosen]), truth[chosen]


def test_the_loss_falls(fitted, memoryless):
    for fit in (fitted, memoryless):
        assert fit.train_loss.shape == fit.validation_loss.shape == (STEPS // 32,)
        assert np.all(np.isfinite(fit.train_loss))
        assert np.all(np.isnan(fit.validation_loss))
        assert (fit.failed_epoch, fit.best_epoch) == (None, None)
        assert fit.settings == EndlessSettings(STEPS, 128)
    assert memoryless.train_loss[-1] < 0.7 * memoryless.train_loss[0]
    assert fitted.train_loss[-1] < fitted.train_loss[0] - 0.3


def test_a_fit_reads_new_recordings_of_every_kind(source, fitted, new):
    std = np.asarray(source.standardizer.std)[:6]
    for kind in (EEG, POTENTIALS):
        measured, states = of_kind(new, kind)
        found = np.asarray(fitted.model.observing(kind)(measured, dt=1e-3))
        assert np.all(np.isfinite(found))
        shown = [index for index, name in enumerate(("y0", "y1", "y2")) if name in kind.names]
        error = np.sqrt(np.mean(((found - states) / std) ** 2, axis=(0, 1)))
        assert np.all(error[shown] < 0.7)
        assert np.mean(error) < 1


def coverage(model, new):
    """How often the truth is in the interval that a model says holds half of it."""
    inside = []
    for kind in (EEG, POTENTIALS):
        measured, states = of_kind(new, kind)
        told = model.observing(kind).distribution(measured, dt=1e-3)
        inside.append((np.abs(states - told.mean) < 0.67448975 * told.std).reshape(-1, 6))
    return np.concatenate(inside).mean(axis=0)


def test_half_of_the_errors_lie_where_half_of_them_should(source, fitted, new):
    assert fitted.model.calibration.factor.shape == (len(source.masks), 6, 16)
    np.testing.assert_allclose(coverage(fitted.model, new), 0.5, atol=0.05)


def test_a_network_too_sure_of_itself_is_told(source, fitted, new):
    def log_std(model):
        return model.network.decoder[-1].bias

    overconfident = eqx.tree_at(log_std, fitted.model, log_std(fitted.model).at[6:].add(-1.0))
    assert np.all(coverage(dataclasses.replace(overconfident, calibration=None), new) < 0.35)
    found = module._calibrated(overconfident.network, source, fitted.model.whitener, jax.random.key(5))
    calibrated = dataclasses.replace(overconfident, calibration=found)
    np.testing.assert_allclose(coverage(calibrated, new), 0.5, atol=0.05)


def test_a_fit_carries_what_it_was_trained_on(source, one_kind, fitted, memoryless):
    for fit, of in ((fitted, source), (memoryless, one_kind)):
        assert eqx.tree_equal(fit.model.standardizer, source.standardizer)
        np.testing.assert_array_equal(fit.model.trained_masks, of.masks)
        np.testing.assert_array_equal(fit.model.mask.channels, of.masks[0])
    assert memoryless.model.calibration is None
    assert fitted.model.observing(("y0", "y1", "y2")).mask.names == ("y0", "y1", "y2")
    with pytest.raises(ValueError, match=r"`observed` must be what .* trained for \(eeg; y0, y1, y2\), got y0"):
        fitted.model.observing("y0")


def test_the_same_key_gives_the_same_fit_bit_for_bit(source, fitted):
    same, other = (trained(source, seed) for seed in (2, 3))
    assert eqx.tree_equal(same.model, fitted.model)
    np.testing.assert_array_equal(same.train_loss, fitted.train_loss)
    for one, another in zip(jax.tree.leaves(other.model.network), jax.tree.leaves(fitted.model.network), strict=True):
        assert not np.array_equal(one, another)


def test_progress_is_reported_with_the_last_loss(fitted, reports):
    assert [done for done, _ in reports] == list(range(32, STEPS + 1, 32))
    for done, losses in reports:
        np.testing.assert_array_equal(losses, [fitted.train_loss[done // 32 - 1]])


@pytest.mark.slow
def test_every_draw_of_columns_is_new(one_kind, new):
    """Without learning, nothing but the columns makes the loss of one draw differ from that of another."""
    initial = Autoencoder(latent_size=4, widths=(16,), activation="tanh", key=jax.random.key(1))
    still = trained(one_kind, initial=initial, optimiser=optax.sgd(0.0), steps=50)
    assert still.settings == EndlessSettings(64, 128)  # whole draws
    assert len(set(still.train_loss.tolist())) == 2
    assert eqx.tree_equal(still.model.network, initial)
    measured, truth = of_kind(new, POTENTIALS)
    error = (np.asarray(still.model(measured)) - truth) / np.asarray(one_kind.standardizer.std)[:6]
    np.testing.assert_allclose(still.train_loss, np.nanmean(error**2), rtol=0.2)


def test_an_endless_fit_comes_back_equal_and_tells_the_same(tmp_path, fitted, new):
    save(tmp_path / "endless.fit", fitted)
    loaded = load(tmp_path / "endless.fit")
    assert eqx.tree_equal(loaded.model, fitted.model)
    np.testing.assert_array_equal(loaded.train_loss, fitted.train_loss)
    np.testing.assert_array_equal(loaded.validation_loss, fitted.validation_loss)
    assert loaded.settings == EndlessSettings(STEPS, 128)
    measured, _ = of_kind(new, POTENTIALS)
    one, other = (fit.model.observing(POTENTIALS).distribution(measured, dt=1e-3) for fit in (loaded, fitted))
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.std, other.std)


def test_a_loss_that_is_not_finite_ends_the_training(one_kind):
    initial = Autoencoder(latent_size=4, widths=(16,), activation="relu", key=jax.random.key(1))
    with pytest.raises(RuntimeError, match="`fit_endless`: the loss became non-finite within 32 steps; lower the"):
        trained(one_kind, initial=initial, optimiser=optax.sgd(1e30))


@pytest.mark.parametrize(
    ("initial", "arguments", "message"),
    [
        (network(), {"steps": 0}, "`steps` must be a whole number of at least 1, got 0"),
        (network(), {"batch_size": 0}, "`batch_size` must be a whole number of at least 1, got 0"),
        (network(inputs=EEG), {}, "`network` must read what `source` shows, y0, y1, y2, eeg, got eeg"),
        (network(inputs=FULL), {}, "`network` must read what `source` shows, .*, got y0, y1, .*y5"),
        (network(window=Window(past=0.1, dt=2e-3)), {}, r"`dt` must be the 0\.002 s .* got 0\.001 s"),
        (Autoencoder(key=jax.random.key(0)), {}, "`network` must have a window to be trained on several kinds"),
    ],
)
def test_what_does_not_fit_together_is_refused(source, initial, arguments, message):
    with pytest.raises(ValueError, match=message):
        trained(source, initial=initial, **arguments)


def test_a_memoryless_network_cannot_bridge_gaps(one_kind):
    with_gaps = dataclasses.replace(one_kind, gaps=0.1)
    with pytest.raises(ValueError, match=r"`network` must have a window to be trained on .* or with gaps"):
        trained(with_gaps, initial=Autoencoder(key=jax.random.key(0)))
