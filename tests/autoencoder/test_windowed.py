import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import CHANNELS, EEG, FULL, Gaussian, View, Window, WindowedAutoencoder

WINDOW = Window(past=0.02, future=0.004)
ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


def network(seed=0, **arguments):
    small = {"window": WINDOW, "latent_size": 3, "widths": (8, 6, 5), "filters": 4}
    return WindowedAutoencoder(**small | arguments, key=jax.random.key(seed))


def view_of(window=WINDOW, seed=0):
    rng = np.random.default_rng(seed)
    values, seen = rng.normal(size=(window.taps, 7)), rng.random(size=(window.taps, 7))
    share, roughness = rng.random(size=7), rng.normal(size=7) - 3
    return View(*(jnp.asarray(leaf, jnp.result_type(float)) for leaf in (values, seen, share, roughness)))


def through(layers, values, activation):
    """Linear layers with an activation after every one but the last."""
    for index, layer in enumerate(layers):
        values = np.asarray(layer.weight, float) @ values + np.asarray(layer.bias, float)
        values = activation(values) if index < len(layers) - 1 else values
    return values


def by_numpy(network, view, activation):
    """What the encoder and the decoder give, the latter for the first half of the former if variational."""
    channels = [CHANNELS.index(name) for name in network.settings["inputs"]]
    values, seen, share, roughness = (np.asarray(leaf, float)[..., channels] for leaf in jax.tree.leaves(view))
    filters = np.asarray(network.filters, float)
    taps = len(values)
    features = []
    for channel in range(len(channels)):
        for one in range(filters.shape[2]):
            of_values, of_seen = filters[channel, :taps, one], filters[channel, taps:, one]
            features.append(of_values @ values[:, channel] + of_seen @ seen[:, channel])
    condition = np.array([*share, *(share * (1.5 + roughness / 2))])
    gates = through(network.gate, condition, activation)
    first, *others = network.encoder
    width = first.out_features
    of_features, scale, shift = gates[: -2 * width], gates[-2 * width : -width], gates[-width:]
    seen = np.array([*(np.array(features) * (1 + of_features)), *condition])
    hidden = (np.asarray(first.weight, float) @ seen + np.asarray(first.bias, float)) * (1 + scale) + shift
    encoded = through(others, activation(hidden), activation)
    latent = encoded[: network.latent_size]
    return encoded, through(network.decoder, latent, activation)


@eqx.filter_jit
def passes(model, view):
    latent = model.posterior(view)
    return latent, model.likelihood(latent.mean), model.encode(view), model.decode(latent.mean), model(view)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("variational", [False, True], ids=["plain", "variational"])
def test_forward_pass_agrees_with_numpy(x64, activation, variational):
    inputs = None if variational else ("eeg", "y1", "y4")
    model, view = network(activation=activation, variational=variational, inputs=inputs), view_of()
    encoded, decoded = by_numpy(model, view, ACTIVATIONS[activation])
    latent, states, encode, decode, whole = passes(model, view)
    for found, values, size in ((latent, encoded, 3), (states, decoded, 6)):
        assert isinstance(found, Gaussian)
        np.testing.assert_allclose(found.mean, values[:size], rtol=1e-9, atol=1e-12)
        std = np.exp(4 * np.tanh(values[size:] / 4)) if variational else np.zeros(size)
        np.testing.assert_allclose(found.std, std, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(encode, latent.mean, rtol=1e-12)
    np.testing.assert_allclose(decode, states.mean, rtol=1e-12)
    np.testing.assert_allclose(whole, decoded[:6], rtol=1e-9, atol=1e-12)


def test_single_precision_is_near():
    model, view = network(), view_of()
    *_, found = passes(model, view)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, by_numpy(model, view, ACTIVATIONS["gelu"])[1], rtol=1e-4, atol=1e-5)


def test_channels_that_are_no_inputs_are_not_read():
    model, view = network(inputs=("y1", "eeg")), view_of()
    unread = np.array([name not in ("y1", "eeg") for name in CHANNELS])
    jacobian = eqx.filter_jit(lambda model, view: jax.jacobian(model)(view))(model, view)
    for leaf in jax.tree.leaves(jacobian):
        leaf = np.asarray(leaf)
        assert np.all(leaf[..., unread] == 0)
        assert np.all(leaf[..., ~unread] != 0)
    poisoned = jax.tree.map(lambda leaf: jnp.where(jnp.broadcast_to(unread, leaf.shape), jnp.nan, leaf), view)
    np.testing.assert_array_equal(passes(model, poisoned)[-1], passes(model, view)[-1])


def test_a_standard_deviation_stays_within_what_standardized_values_call_for():
    model = network(variational=True)
    louder = jax.tree.map(lambda leaf: 100 * leaf, model)
    for found in passes(louder, view_of())[:2]:
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
    model = network(**arguments)
    assert sizes(model.encoder) == encoder
    assert sizes(model.decoder) == decoder
    assert model.latent_size == decoder[0]
    inputs, filters = len(model.inputs), model.filters.shape[2]
    assert model.filters.shape == (inputs, 2 * WINDOW.taps, filters)
    assert sizes(model.gate) == [2 * inputs, 64, 64, filters * inputs + 2 * encoder[1]]


def test_the_defaults_are_those_of_the_docstring():
    model = WindowedAutoencoder(window=WINDOW, key=jax.random.key(0))
    assert sizes(model.encoder) == [32 * 7 + 14, 256, 256, 128, 8]
    assert sizes(model.decoder) == [8, 128, 256, 6]
    assert (model.activation, model.variational, model.settings["inputs"]) == ("gelu", False, list(CHANNELS))


def test_weights_depend_on_the_key_alone():
    one, same, other = (network(seed) for seed in (0, 0, 1))
    assert eqx.tree_equal(one, same)
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert np.all(np.asarray(left) != np.asarray(right))
    assert {leaf.dtype for leaf in jax.tree.leaves(one)} == {jnp.dtype("float32")}


def test_filters_start_uniform_and_keep_the_variance_of_white_input():
    filters = np.asarray(network(filters=300).filters)
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
def test_settings_make_a_network_of_the_same_shape(arguments):
    model = network(**arguments)
    settings = json.loads(json.dumps(model.settings))
    window = Window.of_samples(**settings.pop("window"))
    assert window == model.window
    assert eqx.tree_equal(WindowedAutoencoder(window=window, **settings, key=jax.random.key(0)), model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent_size": 0}, "`latent_size` must be a whole number of at least 1, got 0"),
        ({"filters": 0}, "`filters` must be a whole number of at least 1, got 0"),
        ({"widths": ()}, r"`len\(widths\)` must be a whole number of at least 1, got 0"),
        ({"widths": (8, 0)}, "`widths` must be a whole number of at least 1, got 0"),
        ({"widths": (8, -2)}, "`widths` must be a whole number of at least 1, got -2"),
        ({"activation": "sine"}, "`activation` must be one of 'relu', 'gelu', 'silu', 'tanh', got 'sine'"),
        ({"inputs": ("y0", "y9")}, "`observed` must be one of .*, got 'y9'"),
        ({"inputs": ()}, "must name at least one of"),
    ],
)
def test_arguments_that_make_no_network_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        network(**arguments)
