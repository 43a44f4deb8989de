import json
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.autoencoder import Gaussian, Window, WindowedAutoencoder, WindowFeatures
from jrae_jax.column import CHANNELS
from jrae_jax.recording import EEG, FULL

REACH: dict[str, Any] = {"past": 0.02, "future": 0.004}
WINDOW = Window(**REACH)
ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


def made(seed=0, **arguments):
    small = {**REACH, "latent_size": 3, "widths": (8, 6, 5), "filters": 4}
    return WindowedAutoencoder(**small | arguments, key=jax.random.key(seed))


def some_features(seed=0):
    rng = np.random.default_rng(seed)
    averages, measured = rng.normal(size=(WINDOW.size, 7)), rng.random(size=(WINDOW.size, 7))
    fraction, log_noise = rng.random(size=7), rng.normal(size=7) - 3
    leaves = averages, measured, fraction, log_noise
    return WindowFeatures(*(jnp.asarray(leaf, jnp.result_type(float)) for leaf in leaves))


def through(layers, values, activation):
    """Linear layers with an activation after every one but the last."""
    for index, layer in enumerate(layers):
        values = np.asarray(layer.weight, float) @ values + np.asarray(layer.bias, float)
        values = activation(values) if index < len(layers) - 1 else values
    return values


def by_numpy(model, features, activation):
    """What the encoder and the decoder give, the latter for the first half of the former if variational."""
    channels = [CHANNELS.index(name) for name in model.settings["inputs"]]
    averages, measured, fraction, log_noise = (
        np.asarray(leaf, float)[..., channels] for leaf in jax.tree.leaves(features)
    )
    filters = np.asarray(model.filters, float)
    size = len(averages)
    filtered = []
    for channel in range(len(channels)):
        for one in range(filters.shape[2]):
            own, there = filters[channel, :size, one], filters[channel, size:, one]
            filtered.append(own @ averages[:, channel] + there @ measured[:, channel])
    condition = np.array([*fraction, *(fraction * (1.5 + log_noise / 2))])
    gates = through(model.gate, condition, activation)
    first, *others = model.encoder
    width = first.out_features
    gain, scale, shift = gates[: -2 * width], gates[-2 * width : -width], gates[-width:]
    inputs = np.array([*(np.array(filtered) * (1 + gain)), *condition])
    hidden = (np.asarray(first.weight, float) @ inputs + np.asarray(first.bias, float)) * (1 + scale) + shift
    encoded = through(others, activation(hidden), activation)
    latent = encoded[: model.decoder[0].in_features]
    return encoded, through(model.decoder, latent, activation)


@eqx.filter_jit
def passes(model, features):
    latent = model.encode(features)
    return latent, model.decode(latent.mean), model(features)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("variational", [False, True], ids=["plain", "variational"])
def test_forward_pass_agrees_with_numpy(x64, activation, variational):
    inputs = None if variational else ("eeg", "y1", "y4")
    model, features = made(activation=activation, variational=variational, inputs=inputs), some_features()
    encoded, decoded = by_numpy(model, features, ACTIVATIONS[activation])
    latent, states, whole = passes(model, features)
    for found, values, size in ((latent, encoded, 3), (states, decoded, 6)):
        assert isinstance(found, Gaussian)
        np.testing.assert_allclose(found.mean, values[:size], rtol=1e-9, atol=1e-12)
        std = np.exp(4 * np.tanh(values[size:] / 4)) if variational else np.zeros(size)
        np.testing.assert_allclose(found.std, std, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(whole, decoded[:6], rtol=1e-9, atol=1e-12)


def test_single_precision_is_near():
    model, features = made(), some_features()
    *_, found = passes(model, features)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, by_numpy(model, features, ACTIVATIONS["gelu"])[1], rtol=1e-4, atol=1e-5)


def test_channels_that_are_no_inputs_are_not_read():
    model, features = made(inputs=("y1", "eeg")), some_features()
    unread = np.array([name not in ("y1", "eeg") for name in CHANNELS])
    jacobian = eqx.filter_jit(lambda model, features: jax.jacobian(model)(features))(model, features)
    for leaf in jax.tree.leaves(jacobian):
        leaf = np.asarray(leaf)
        assert np.all(leaf[..., unread] == 0)
        assert np.all(leaf[..., ~unread] != 0)
    poisoned = jax.tree.map(lambda leaf: jnp.where(jnp.broadcast_to(unread, leaf.shape), jnp.nan, leaf), features)
    np.testing.assert_array_equal(passes(model, poisoned)[-1], passes(model, features)[-1])


def test_a_standard_deviation_stays_within_bounds():
    model = made(variational=True)
    louder = jax.tree.map(lambda leaf: 100 * leaf, model)
    for found in passes(louder, some_features())[:2]:
        std = np.asarray(found.std)
        assert np.all((std >= np.exp(-4.001)) & (std <= np.exp(4.001)))
        assert np.any(std < np.exp(-3.9))


def sizes(layers):
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


@pytest.mark.parametrize(
    ("arguments", "encoder", "decoder"),
    [
        ({}, [4 * 7 + 14, 8, 6, 5, 3], [3, 5, 6, 6]),
        ({"inputs": EEG, "widths": [5], "latent_size": 9}, [4 + 2, 5, 9], [9, 6]),
        ({"variational": True, "filters": 1, "inputs": FULL}, [6 + 12, 8, 6, 5, 6], [3, 5, 6, 12]),
    ],
    ids=["seven inputs", "one input", "variational"],
)
def test_sizes_follow_the_arguments(arguments, encoder, decoder):
    model = made(**arguments)
    assert sizes(model.encoder) == encoder
    assert sizes(model.decoder) == decoder
    assert model.settings["latent_size"] == decoder[0]
    inputs, filters = len(model.inputs), model.filters.shape[2]
    assert model.filters.shape == (inputs, 2 * WINDOW.size, filters)
    assert sizes(model.gate) == [2 * inputs, 64, 64, filters * inputs + 2 * encoder[1]]


def test_the_defaults_are_those_of_the_docstring():
    model = WindowedAutoencoder(**REACH, key=jax.random.key(0))
    assert sizes(model.encoder) == [32 * 7 + 14, 256, 256, 128, 8]
    assert sizes(model.decoder) == [8, 128, 256, 6]
    assert (model.activation, model.variational, model.settings["inputs"]) == ("gelu", False, list(CHANNELS))


def test_weights_depend_on_the_key_alone():
    one, same, other = (made(seed) for seed in (0, 0, 1))
    assert eqx.tree_equal(one, same)
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert np.all(np.asarray(left) != np.asarray(right))
    assert {leaf.dtype for leaf in jax.tree.leaves(one)} == {jnp.dtype("float32")}


def test_filters_start_uniform_and_keep_the_variance_of_white_input():
    filters = np.asarray(made(filters=300).filters)
    inputs = np.random.default_rng(0).normal(size=(50, filters.shape[1]))
    assert np.einsum("nt,ctf->ncf", inputs, filters).var() == pytest.approx(1, rel=0.1)
    bound = np.sqrt(3 / filters.shape[1])
    assert np.max(np.abs(filters)) <= bound
    assert np.abs(filters).mean() == pytest.approx(bound / 2, rel=0.02)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"variational": True, "inputs": ("y2", "eeg"), "activation": "silu", "widths": (9,), "filters": 2}],
    ids=["defaults", "others"],
)
def test_settings_make_an_autoencoder_of_the_same_shape(arguments):
    model = made(**arguments)
    settings: dict[str, Any] = json.loads(json.dumps(model.settings))
    assert (settings["past"], settings["future"], settings["dt"]) == (WINDOW.past * 1e-3, 0.004, 0.001)
    assert eqx.tree_equal(WindowedAutoencoder(**settings, key=jax.random.key(0)), model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"past": -0.01}, "`past / dt` must be a whole number of at least 0, got -10"),
        ({"latent_size": 0}, "`latent_size` must be a whole number of at least 1, got 0"),
        ({"filters": 0}, "`filters` must be a whole number of at least 1, got 0"),
        ({"widths": ()}, r"`len\(widths\)` must be a whole number of at least 1, got 0"),
        ({"widths": (8, 0)}, "`widths` must be a whole number of at least 1, got 0"),
        ({"widths": (8, -2)}, "`widths` must be a whole number of at least 1, got -2"),
        ({"activation": "sine"}, "`activation` must be one of 'relu', 'gelu', 'silu', 'tanh', got 'sine'"),
        ({"inputs": ("y0", "y9")}, "`inputs` must be one of .*, got 'y9'"),
        ({"inputs": ()}, "must name at least one of"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        made(**arguments)
