import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import (
    EEG,
    FULL,
    PYRAMIDAL,
    Autoencoder,
    ObservationMask,
    Reconstructor,
    Standardizer,
    Window,
    WindowedAutoencoder,
    recording,
)
from jrae_jax.autoencoder import reconstructor as module
from jrae_jax.autoencoder.calibration import Calibration
from jrae_jax.autoencoder.features import rows_of, surroundings

MEAN = np.array([0.2, 20.0, 12.5, 0.0, 3.0, -1.0, 7.5])
STD = np.array([0.1, 5.0, 3.0, 10.0, 900.0, 80.0, 2.0])
SEEN = ObservationMask.of("y0", "y4", "eeg")


def reconstructor(mask=SEEN):
    network = Autoencoder(latent_size=2, widths=(5,), activation="tanh", key=jax.random.key(0))
    mean, std = (jnp.asarray(values, dtype=jnp.float32) for values in (MEAN, STD))
    return Reconstructor(network, mask, Standardizer(mean, std))


def measured(*shape, seed=0):
    """Seven channels in mV and mV/s."""
    values = MEAN + STD * np.random.default_rng(seed).normal(size=(*shape, 7))
    return values.astype(np.float32)


def by_numpy(model, channels):
    """Latent and states (mV, mV/s) of one instant, in double precision."""
    values = np.where(model.mask.channels, (np.asarray(channels, dtype=float) - MEAN) / STD, 0.0)
    parts = []
    for layers in (model.network.encoder, model.network.decoder):
        for index, layer in enumerate(layers):
            values = np.asarray(layer.weight, dtype=float) @ values + np.asarray(layer.bias, dtype=float)
            values = np.tanh(values) if index < len(layers) - 1 else values
        parts.append(values)
    latent, states = parts
    return latent, states * STD[:6] + MEAN[:6]


@pytest.mark.parametrize("shape", [(), (4,), (2, 4)], ids=["instant", "time", "batch and time"])
def test_mv_in_and_mv_out_at_each_instant(shape):
    model, channels = reconstructor(), measured(*shape)
    states, latents = model(jnp.asarray(channels)), model.latents(jnp.asarray(channels))
    assert states.shape == (*shape, 6)
    assert latents.shape == (*shape, 2)
    for instant in np.ndindex(shape):
        latent, expected = by_numpy(model, channels[instant])
        np.testing.assert_allclose((states[instant] - MEAN[:6]) / STD[:6], (expected - MEAN[:6]) / STD[:6], atol=1e-5)
        np.testing.assert_allclose(latents[instant], latent, atol=1e-5)


@pytest.mark.parametrize("mask", [FULL, EEG, SEEN], ids=["full", "eeg", "some"])
def test_six_states_are_read_as_seven_channels(mask):
    model, states = reconstructor(mask), measured(4)[:, :6]
    channels = np.column_stack([states, states[:, 1] - states[:, 2]])
    np.testing.assert_allclose(model(jnp.asarray(states)), model(jnp.asarray(channels)), rtol=1e-6)
    np.testing.assert_allclose(model.latents(jnp.asarray(states)), model.latents(jnp.asarray(channels)), rtol=1e-6)


def test_what_was_not_measured_may_be_missing():
    model, channels = reconstructor(), measured(4)
    signals = {"y0": channels[:, 0], "y4": channels[:, 4], "eeg": channels[:, 6]}
    np.testing.assert_array_equal(model(recording(**signals)), model(jnp.asarray(channels)))
    assert np.all(np.isfinite(model.latents(recording(**signals))))


def test_no_reconstruction_depends_on_a_hidden_entry():
    model = reconstructor()
    sensitivity = np.asarray(jax.jacobian(model)(jnp.asarray(measured())))
    assert np.all(sensitivity[:, ~model.mask.channels] == 0)
    assert np.all(sensitivity[:, model.mask.channels] != 0)


@pytest.mark.parametrize("shape", [(5,), (8,), (7, 4), (2, 4, 1)])
def test_a_last_axis_of_other_length_is_refused(shape):
    model = reconstructor()
    message = "`recording` must end in an axis of 7 channels or 6 states, got shape "
    for read in (model, model.latents):
        with pytest.raises(ValueError, match=message + rf"\({shape[0]},.*\)"):
            read(jnp.zeros(shape))


DT = 2e-3


def windowed(mask=SEEN, *, past=0.04, future=0.02, masks=None, calibration=None, **arguments):
    """A network that sees 20 samples back and 10 ahead."""
    window = Window(past=past, future=future, dt=DT)
    network = WindowedAutoencoder(
        **{"window": window, "latent_size": 3, "widths": (6, 5), "filters": 3} | arguments, key=jax.random.key(2)
    )
    return Reconstructor(network, mask, reconstructor().standardizer, masks, calibration)


def with_gaps(*shape):
    """Recordings with missing samples and channels."""
    values = measured(*shape)
    values[np.random.default_rng(1).random(values.shape) < 0.2] = np.nan
    values[..., 5:17, :] = np.nan
    return values


def scaled(states):
    return np.asarray(states) / STD[:6]


def test_a_window_is_laid_around_each_instant():
    model, values = windowed(), with_gaps(2, 50)
    network: Any = model.network
    found, latents = model(jnp.asarray(values), dt=DT), model.latents(jnp.asarray(values), dt=DT)
    seen = np.isfinite(values) & SEEN.channels
    standardized = jnp.asarray((values - MEAN) / STD, jnp.float32)
    around = surroundings(network.window, standardized, jnp.asarray(seen))
    picked = np.array([(0, 0), (0, 12), (1, 31), (1, 49)]).T
    view = around.at(jnp.asarray(rows_of(network.window, 2, 50)[*picked]))
    latent = jax.vmap(network.encode)(view)
    np.testing.assert_allclose(latents[*picked], latent, atol=1e-5)
    states = np.asarray(jax.vmap(network.decode)(latent)) * STD[:6] + MEAN[:6]
    np.testing.assert_allclose(scaled(found[*picked]), scaled(states), atol=1e-5)


def test_a_batch_is_a_loop_over_trajectories():
    model, values = windowed(), with_gaps(2, 3, 45)
    found = model(jnp.asarray(values), dt=DT)
    assert found.shape == (2, 3, 45, 6)
    assert model.latents(jnp.asarray(values), dt=DT).shape == (2, 3, 45, 3)
    for place in np.ndindex(2, 3):
        alone = model(jnp.asarray(values[place]), dt=DT)
        np.testing.assert_allclose(scaled(found[place]), scaled(alone), atol=1e-5)


def test_any_number_of_instants_goes_through_in_portions(monkeypatch):
    values = jnp.asarray(with_gaps(2, 45))
    whole = windowed()(values, dt=DT)
    monkeypatch.setattr(module, "_AT_ONCE", 16)
    other = windowed(masks=np.array([SEEN.channels]))  # one more leaf: compiled anew, in smaller portions
    np.testing.assert_allclose(scaled(other(values, dt=DT)), scaled(whole), atol=1e-5)


def test_nan_is_missing_and_not_spread():
    model, values = windowed(), measured(60)
    gap = values.copy()
    gap[25:28, [0, 6]] = np.nan
    found, with_gap = (scaled(model(jnp.asarray(each), dt=DT)) for each in (values, gap))
    assert np.all(np.isfinite(with_gap))
    changed = np.any(found != with_gap, axis=1)
    assert changed[25:28].all()
    # Ten samples ahead of a gap it can be seen coming; twenty behind it, and two for the roughness, it is forgotten.
    assert not changed[: 25 - 10].any()
    assert not changed[28 + 22 :].any()
    nothing = model(jnp.full((60, 7), jnp.nan), dt=DT)
    assert np.all(np.isfinite(nothing))


@pytest.mark.parametrize("held", [np.nan, np.inf])
def test_hidden_and_missing_entries_have_no_gradient_through_a_window(held):
    model, values = windowed(), with_gaps(30)
    seen = np.isfinite(values) & SEEN.channels
    poisoned = jnp.asarray(np.where(seen, values, held), jnp.float32)
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(30, 6)) / STD[:6], jnp.float32)

    def any_output(values):
        return jnp.sum(weights * model(values, dt=DT))

    gradient = np.asarray(jax.grad(any_output)(poisoned))
    assert np.all(gradient[~seen] == 0)
    assert np.all(np.isfinite(gradient))
    assert np.all(gradient[seen] != 0)
    np.testing.assert_array_equal(model(poisoned, dt=DT), model(jnp.asarray(values), dt=DT))


def test_six_states_are_seven_channels_for_a_window_too():
    model, states = windowed(), measured(20)[:, :6]
    channels = np.column_stack([states, states[:, 1] - states[:, 2]])
    np.testing.assert_allclose(
        scaled(model(jnp.asarray(states), dt=DT)), scaled(model(jnp.asarray(channels), dt=DT)), atol=1e-5
    )


@pytest.mark.parametrize("samples", [1, 2, 29])
def test_a_recording_may_be_shorter_than_the_window(samples):
    model, values = windowed(), measured(samples)
    found = model(jnp.asarray(values), dt=DT)
    # Nothing is known of what lies outside: the same as if it had been missing.
    longer = np.full((40 + samples, 7), np.nan, np.float32)
    longer[25 : 25 + samples] = values
    expected = model(jnp.asarray(longer), dt=DT)[25 : 25 + samples]
    np.testing.assert_allclose(scaled(found), scaled(expected), atol=1e-5)


@pytest.mark.parametrize(
    ("dt", "message"),
    [
        (None, r"`dt` must be the 0\.002 s between samples that the network was trained on, got none"),
        (1e-3, r"`dt` must be the 0\.002 s .*, got 0\.001 s: resample it first, with scipy\.signal\.resample_poly"),
        (2.001e-3, r"`dt` must be the 0\.002 s .*, got 0\.002001 s"),
    ],
)
def test_a_recording_sampled_otherwise_is_refused(dt, message):
    model, values = windowed(), jnp.asarray(measured(5))
    for read in (model, model.latents, windowed(variational=True).distribution):
        with pytest.raises(ValueError, match=message):
            read(values, dt=dt)


def test_rounding_of_the_sampling_is_forgiven():
    model, values = windowed(), jnp.asarray(measured(5))
    np.testing.assert_array_equal(model(values, dt=2e-3 * (1 + 1e-6)), model(values, dt=DT))


def test_a_window_needs_time():
    with pytest.raises(ValueError, match=r"`recording` must have samples along an axis of time, got shape \(7,\)"):
        windowed()(jnp.asarray(measured()), dt=DT)
    with pytest.raises(ValueError, match=r"`recording` must have samples along an axis of time, got shape \(0, 7\)"):
        windowed()(jnp.zeros((0, 7)), dt=DT)
    with pytest.raises(ValueError, match=r"`recording` must end in an axis of 7 channels .* got shape \(4, 5\)"):
        windowed()(jnp.zeros((4, 5)), dt=DT)


def test_a_distribution_has_the_mean_of_a_call_and_a_calibrated_width():
    factors, values = jnp.linspace(0.5, 3.0, 6), jnp.asarray(with_gaps(2, 30))
    both = jnp.stack([jnp.full(6, 9.0), factors])
    calibration = Calibration(jnp.broadcast_to(jnp.asarray([-1.0, 1.0]), (2, 6, 2)), jnp.stack([both, both], axis=-1))
    masks = np.array([EEG.channels, SEEN.channels])
    left_alone = windowed(variational=True)
    model = windowed(variational=True, masks=masks, calibration=calibration)
    raw, told = left_alone.distribution(values, dt=DT), model.distribution(values, dt=DT)
    assert told.mean.shape == told.std.shape == (2, 30, 6)
    for each in (raw, told):
        np.testing.assert_allclose(scaled(each.mean), scaled(model(values, dt=DT)), atol=1e-5)
    np.testing.assert_allclose(told.std, np.asarray(raw.std) * np.asarray(factors), rtol=1e-5)
    network: Any = model.network
    states = network.likelihood(model.latents(values, dt=DT)[1, 17])
    np.testing.assert_allclose(raw.std[1, 17], np.asarray(states.std) * STD[:6], rtol=1e-4)


def test_only_a_variational_network_tells_how_sure_it_is():
    message = "`network` must be variational to tell how sure it is, got one that is not"
    for model in (windowed(), reconstructor()):
        with pytest.raises(ValueError, match=message):
            model.distribution(jnp.asarray(measured(5)), dt=DT)


def test_another_mask_of_those_trained_for_may_be_chosen():
    masks = np.stack([mask.channels for mask in (SEEN, PYRAMIDAL, EEG, FULL)])
    model, values = windowed(masks=masks), jnp.asarray(measured(40))
    for mask, written in ((PYRAMIDAL, "y0"), (EEG, ("eeg",)), (FULL, [True] * 6), (SEEN, SEEN)):
        chosen = model.observing(written)
        assert chosen.mask.names == mask.names
        by_hand = dataclasses.replace(model, mask=mask)
        np.testing.assert_array_equal(chosen(values, dt=DT), by_hand(values, dt=DT))
    assert model.mask.names == SEEN.names
    assert model.observing("eeg").observing("y0").mask.names == ("y0",)


def test_a_mask_that_was_not_trained_for_is_refused():
    masks = np.stack([mask.channels for mask in (SEEN, PYRAMIDAL, EEG, FULL)])
    many = r"`observed` must be what the network was trained for \(y0, y4, eeg; y0; eeg; and 1 more\), got y1, eeg"
    with pytest.raises(ValueError, match=many):
        windowed(masks=masks).observing(("eeg", "y1"))
    with pytest.raises(ValueError, match=r"`observed` must be what .* trained for \(y0, y4, eeg\), got eeg"):
        reconstructor().observing("eeg")
    assert reconstructor().observing(SEEN).mask.names == SEEN.names
    with pytest.raises(ValueError, match=r"`observed` must be one of 'y0', .*, got 'y7'"):
        windowed(masks=masks).observing("y7")
