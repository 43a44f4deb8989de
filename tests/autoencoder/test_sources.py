import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jrae_jax.autoencoder import (
    Autoencoder,
    PhysicsLoss,
    ReconstructionLoss,
    StepSettings,
    WindowedAutoencoder,
    load,
    save,
    sources,
    train,
    train_ensemble,
)
from jrae_jax.autoencoder.calibration import calibrate
from jrae_jax.column import Column, UniformNoiseInput
from jrae_jax.recording import EEG, FULL, POTENTIALS, Recording, SimulatedRecordings

COLUMN = Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=1e-3))
STEPS = 320
OPTIMISER = optax.adam(5e-3)
CALIBRATION = {"calibration_draws": 8, "calibration_instants": 2048}


def simulated(**arguments):
    """In small draws, with noise."""
    chosen: dict[str, Any] = {"noise": (0.01, 0.1), "burn_in": 0.2, "columns": 32, "samples": 512}
    chosen |= {"column": COLUMN, "key": jax.random.key(0)}
    return SimulatedRecordings(**chosen | arguments)


@pytest.fixture(scope="module")
def several():
    """Of two kinds, with gaps."""
    return simulated(kinds=[EEG, POTENTIALS], gaps=0.1)


@pytest.fixture(scope="module")
def one_kind():
    return simulated(kinds=[POTENTIALS])


def windowed(seed=1, **arguments):
    small: dict[str, Any] = {"past": 0.03, "future": 0.01, "latent_size": 6, "widths": (24, 16), "filters": 4}
    small["variational"] = True
    return WindowedAutoencoder(**small | arguments, key=jax.random.key(seed))


def memoryless(seed=1, **arguments):
    small: dict[str, Any] = {"latent_size": 4, "widths": (16,), "activation": "tanh"}
    return Autoencoder(**small | arguments, key=jax.random.key(seed))


def trained(recordings, autoencoder, seed=2, **arguments):
    chosen: dict[str, Any] = {"steps": STEPS, "batch_size": 128, **CALIBRATION}
    return train(autoencoder, recordings, key=jax.random.key(seed), **chosen | arguments)


@pytest.fixture(scope="module")
def reports():
    return []


@pytest.fixture(scope="module")
def training(several, reports):
    return trained(several, windowed(), optimiser=OPTIMISER, progress=lambda *report: reports.append(report))


@pytest.fixture(scope="module")
def plain(one_kind):
    """Without memory, by the default optimiser."""
    return trained(one_kind, memoryless())


@pytest.fixture(scope="module")
def new(several):
    """New recordings of each kind, and their true states, in mV and mV/s."""
    drawn = jax.device_get(eqx.filter_jit(several.draw)(96, 512, key=jax.random.key(99)))
    mean, std = np.asarray(several.standardizer.mean), np.asarray(several.standardizer.std)
    values, truth = drawn.values * std + mean, (drawn.truth * std + mean)[..., :6]
    found = {}
    for kind in (EEG, POTENTIALS):
        chosen = np.all(drawn.measured.any(axis=1) == kind.channels, axis=1)
        missing = np.where(drawn.measured, values, np.nan)[chosen]
        found[kind.names] = Recording.from_array(jnp.asarray(missing), observed=kind, dt=1e-3), truth[chosen]
    return found


def test_the_loss_falls(training, plain):
    for each in (training, plain):
        assert each.train_loss.shape == each.validation_loss.shape == (STEPS // 32,)
        assert np.all(np.isfinite(each.train_loss))
        assert np.all(np.isnan(each.validation_loss))
        assert (each.failed_epoch, each.best_epoch) == (None, None)
        assert each.settings == StepSettings("ReconstructionLoss.all()", STEPS, 128)
    assert plain.train_loss[-1] < 0.7 * plain.train_loss[0]
    assert training.train_loss[-1] < training.train_loss[0] - 0.3


def test_new_recordings_of_every_kind_are_reconstructed(several, training, new):
    std = np.asarray(several.standardizer.std)[:6]
    for names, (recording, states) in new.items():
        found = np.asarray(training.reconstructor(recording).mean)
        assert np.all(np.isfinite(found))
        observed = [index for index, name in enumerate(("y0", "y1", "y2")) if name in names]
        error = np.sqrt(np.mean(((found - states) / std) ** 2, axis=(0, 1)))
        assert np.all(error[observed] < 0.7)
        assert np.mean(error) < 1


def coverage(reconstructor, new):
    """How often the truth is in the interval that should hold half of it."""
    inside = []
    for recording, states in new.values():
        estimate = reconstructor(recording)
        inside.append((np.abs(states - estimate.mean) < 0.67448975 * estimate.std).reshape(-1, 6))
    return np.concatenate(inside).mean(axis=0)


def test_half_of_the_errors_lie_where_half_of_them_should(several, training, new):
    assert training.reconstructor.calibration.factor.shape == (len(several.masks), 6, 16)
    np.testing.assert_allclose(coverage(training.reconstructor, new), 0.5, atol=0.05)


@pytest.mark.filterwarnings("ignore::jrae_jax.recording.InconsistentRecordingWarning")  # as it should
def test_standard_deviations_that_are_too_small_are_calibrated(several, training, new):
    def log_std(reconstructor):
        return reconstructor.autoencoder.decoder[-1].bias

    narrow = eqx.tree_at(log_std, training.reconstructor, log_std(training.reconstructor).at[6:].add(-1.0))
    assert np.all(coverage(dataclasses.replace(narrow, calibration=None), new) < 0.35)
    settings = {"draws": 8, "instants": 2048, "key": jax.random.key(5)}
    calibration = calibrate(narrow.autoencoder, several, narrow.whitener, **settings)
    np.testing.assert_allclose(coverage(dataclasses.replace(narrow, calibration=calibration), new), 0.5, atol=0.05)


def test_a_training_carries_what_it_was_trained_on(several, one_kind, training, plain):
    for each, recordings in ((training, several), (plain, one_kind)):
        assert eqx.tree_equal(each.reconstructor.standardizer, recordings.standardizer)
        np.testing.assert_array_equal(each.reconstructor.kinds, recordings.masks)
    assert plain.reconstructor.calibration is None
    assert "for eeg; y0, y1, y2)" in repr(training)


@pytest.mark.slow
def test_the_same_key_gives_the_same_training_bit_for_bit(several):
    one, same, other = (trained(several, windowed(), seed, optimiser=OPTIMISER, steps=64) for seed in (2, 2, 3))
    assert eqx.tree_equal(same.reconstructor, one.reconstructor)
    np.testing.assert_array_equal(same.train_loss, one.train_loss)
    leaves = (jax.tree.leaves(each.reconstructor.autoencoder) for each in (other, one))
    for left, right in zip(*leaves, strict=True):
        assert not np.array_equal(left, right)


def test_progress_is_reported_with_the_last_loss(training, reports):
    assert [done for done, *_ in reports] == list(range(1, STEPS // 32 + 1))
    for done, total, message in reports:
        assert (total, message) == (STEPS // 32, f"training, loss {training.train_loss[done - 1]:.4g}")


@pytest.mark.slow
def test_a_row_of_an_ensemble_is_a_single_training_and_failures_stay_with_their_member(one_kind, plain):
    broken = jax.tree.map(lambda leaf: leaf * jnp.nan, memoryless())
    keys = jnp.stack([jax.random.key(seed) for seed in (2, 3, 2)])
    losses = [ReconstructionLoss.all(), ReconstructionLoss.all(), ReconstructionLoss.observed()]
    members = train_ensemble(
        [memoryless(), broken, memoryless()], one_kind, keys=keys, loss=losses, steps=STEPS, batch_size=128
    )
    np.testing.assert_allclose(members[0].train_loss, plain.train_loss, rtol=1e-4)
    assert eqx.tree_equal(members[0].reconstructor, plain.reconstructor, rtol=1e-2, atol=1e-3)
    assert [each.failed_epoch for each in members] == [None, 1, None]
    assert np.all(np.isnan(members[1].train_loss))
    # The observed potentials follow from what is read; all six states do not.
    assert members[2].train_loss[-1] < members[0].train_loss[-1]
    assert members[2].settings.loss == "ReconstructionLoss.observed()"


def test_another_training_compiles_nothing(one_kind, compilations):
    """Another key, other weights, recordings of another column, more steps, another learning rate: all are values."""
    other = simulated(kinds=[POTENTIALS], column=COLUMN.replace(C=130.0), key=jax.random.key(5))
    autoencoders = [memoryless(seed) for seed in (1, 2)]
    loss = trained(one_kind, autoencoders[0], 1, steps=32).train_loss
    compiled = len(compilations)
    another = trained(other, autoencoders[1], 2, steps=64, learning_rate=1e-3).train_loss
    assert len(compilations) == compiled
    assert another[0] != loss[0]


def test_another_training_of_several_kinds_compiles_nothing(several, training, compilations):
    """Nor do its whitener and its calibration, nor a last draw with fewer steps."""
    trained(several, windowed(seed=5), 7, optimiser=OPTIMISER, steps=40)
    assert compilations == []


@pytest.mark.parametrize(("steps", "draws"), [(2, [2]), (64, [32, 32]), (70, [32, 32, 6])])
def test_the_last_draw_has_the_steps_that_are_left(one_kind, monkeypatch, steps, draws):
    trained_on = []

    def counted(*arguments):
        trained_on.append(int(arguments[-2]))
        return arguments[1], jnp.zeros((1, 2))

    monkeypatch.setattr(sources, "train_on_draw", counted)
    assert trained(one_kind, memoryless(), steps=steps).settings == StepSettings("ReconstructionLoss.all()", steps, 128)
    assert trained_on == draws


def test_the_optimiser_makes_no_more_steps_than_asked_for(one_kind, plain, monkeypatch):
    counts, train_on_draw = [], sources.train_on_draw

    def counted(*arguments):
        state, losses = train_on_draw(*arguments)
        counts.append(int(state.optimiser.count[0]))
        return state, losses

    monkeypatch.setattr(sources, "train_on_draw", counted)
    losses = trained(one_kind, memoryless(), steps=40, learning_rate=1e-6).train_loss
    assert counts == [32, 40]
    np.testing.assert_allclose(losses, plain.train_loss[0], rtol=0.3)  # the mean of 8 of them, too


@pytest.mark.slow
def test_every_draw_is_new(one_kind, new):
    """Without learning, nothing but the recordings makes the loss of one draw differ from that of another."""
    still = trained(one_kind, memoryless(), optimiser=optax.sgd(0.0), steps=50)
    assert still.settings == StepSettings("ReconstructionLoss.all()", 50, 128)
    assert len(set(still.train_loss.tolist())) == 2
    assert eqx.tree_equal(still.reconstructor.autoencoder, memoryless())


@pytest.mark.slow
def test_true_states_do_not_change_a_training_by_a_physics_loss(monkeypatch):
    recordings = simulated(kinds=[("y0", "y1")], noise=0.05)
    settings: dict[str, Any] = {"steps": 32, "loss": PhysicsLoss(COLUMN)}
    autoencoder = windowed(variational=False)
    sighted = trained(recordings, autoencoder, **settings)
    original = SimulatedRecordings.draw
    whitener = sighted.reconstructor.whitener

    def without_truth(self, *arguments, **others):
        drawn = original(self, *arguments, **others)
        return dataclasses.replace(drawn, truth=jnp.full_like(drawn.truth, jnp.nan))

    monkeypatch.setattr(SimulatedRecordings, "draw", without_truth)
    monkeypatch.setattr(WindowedAutoencoder, "fit_whitener", lambda *_: whitener)
    jax.clear_caches()
    blind = trained(recordings, autoencoder, **settings)
    assert eqx.tree_equal(blind.reconstructor, sighted.reconstructor)


def test_a_training_comes_back_equal_and_estimates_the_same(tmp_path, training, new):
    save(tmp_path / "simulated.jrae", training)
    loaded = load(tmp_path / "simulated.jrae")
    assert eqx.tree_equal(loaded.reconstructor, training.reconstructor)
    np.testing.assert_array_equal(loaded.train_loss, training.train_loss)
    assert loaded.settings == training.settings
    recording, _ = new[POTENTIALS.names]
    one, other = (each.reconstructor(recording) for each in (loaded, training))
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.std, other.std)


def test_a_loss_that_is_not_finite_ends_the_training(one_kind):
    with pytest.raises(RuntimeError, match="`train`: the loss or a weight became non-finite in epoch 1 of 2; lower"):
        trained(one_kind, memoryless(activation="relu"), optimiser=optax.sgd(1e30), steps=64)


@pytest.mark.parametrize(
    ("autoencoder", "arguments", "message"),
    [
        (windowed(), {"steps": 0}, "`steps` must be a whole number of at least 1, got 0"),
        (windowed(), {"steps": None}, "`steps` must be given for SimulatedRecordings, got None: steps=3000"),
        (windowed(), {"epochs": 3}, "`epochs` must be left out for SimulatedRecordings, which takes `steps`, got 3"),
        (windowed(), {"patience": 3}, "`patience` must be left out for SimulatedRecordings"),
        (windowed(), {"batch_size": 0}, "`batch_size` must be a whole number of at least 1, got 0"),
        (windowed(), {"steps_per_draw": 0}, "`steps_per_draw` must be a whole number of at least 1, got 0"),
        (windowed(), {"calibration_draws": 0}, "`calibration_draws` must be a whole number of at least 1, got 0"),
        (windowed(inputs=EEG), {}, "`autoencoder` must read what is observed in `data`, y0, y1, y2, eeg, got .* eeg:"),
        (windowed(inputs=FULL), {}, "`autoencoder` must read what is observed in `data`, .*, got .* y0, y1, .*y5"),
        (windowed(past=0.1, dt=2e-3), {}, r"`data.dt` must be 0\.002 s, .* got 0\.001 s: make it with dt=0\.001"),
        (memoryless(), {}, "`autoencoder` must have a window to be trained on several kinds of recordings, or with"),
        (windowed(), {"loss": ReconstructionLoss.observed()}, "`loss` must score the same for all 2 kinds"),
    ],
)
def test_invalid_arguments(several, autoencoder, arguments, message):
    with pytest.raises(ValueError, match=message):
        trained(several, autoencoder, **arguments)


def test_an_autoencoder_without_memory_cannot_bridge_gaps(one_kind):
    with pytest.raises(ValueError, match=r"`autoencoder` must have a window to be trained on .* or with gaps"):
        trained(simulated(kinds=[EEG], gaps=0.1), memoryless())
