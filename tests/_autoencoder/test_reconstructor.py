import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import EEG, FULL, Autoencoder, ObservationMask, Reconstructor, Standardizer, recording

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
