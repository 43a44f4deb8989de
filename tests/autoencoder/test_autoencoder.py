import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from jrae_jax.autoencoder import Autoencoder
from jrae_jax.column import CHANNELS
from jrae_jax.recording import EEG, POTENTIALS, PYRAMIDAL

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}

SMOOTH = Autoencoder(latent_size=3, widths=(8,), activation="tanh", key=jax.random.key(0))


def layers_of(autoencoder):
    return [*autoencoder.encoder, *autoencoder.decoder]


def sizes(layers):
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


def forward(layers, values, activation):
    """The layers by NumPy in double precision: an activation after every layer but the last."""
    for layer in layers[:-1]:
        values = activation(np.asarray(layer.weight, dtype=float) @ values + np.asarray(layer.bias, dtype=float))
    return np.asarray(layers[-1].weight, dtype=float) @ values + np.asarray(layers[-1].bias, dtype=float)


def test_the_default_is_128_64_3_64_128():
    autoencoder = Autoencoder(key=jax.random.key(0))
    assert sizes(autoencoder.encoder) == [7, 128, 64, 3]
    assert sizes(autoencoder.decoder) == [3, 64, 128, 6]
    assert autoencoder.activation == "relu"
    for layer in layers_of(autoencoder):
        shapes = [leaf.shape for leaf in jax.tree.leaves(layer)]
        assert shapes == [(layer.out_features, layer.in_features), (layer.out_features,)]
        assert layer.weight.dtype == jnp.float32


@pytest.mark.parametrize(
    ("widths", "latent_size", "inputs", "encoder", "decoder"),
    [
        ((9, 4, 3), 1, PYRAMIDAL, [1, 9, 4, 3, 1], [1, 3, 4, 9, 6]),
        ((), 6, POTENTIALS, [3, 6], [6, 6]),
        ([4], 8, ("y3", "eeg"), [2, 4, 8], [8, 4, 6]),
    ],
)
def test_sizes_follow_the_arguments(widths, latent_size, inputs, encoder, decoder):
    autoencoder = Autoencoder(latent_size=latent_size, widths=widths, inputs=inputs, key=jax.random.key(0))
    assert sizes(autoencoder.encoder) == encoder
    assert sizes(autoencoder.decoder) == decoder


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("inputs", [None, ("eeg", "y2")], ids=["all inputs", "two inputs"])
def test_forward_pass_agrees_with_numpy(activation, inputs):
    autoencoder = Autoencoder(latent_size=2, widths=(6, 4), activation=activation, inputs=inputs, key=jax.random.key(1))
    channels = np.random.default_rng(0).normal(scale=2, size=7)
    read = channels if inputs is None else channels[[2, 6]]
    latent = forward(autoencoder.encoder, read, ACTIVATIONS[activation])
    states = forward(autoencoder.decoder, latent, ACTIVATIONS[activation])
    given = jnp.asarray(channels, dtype=jnp.float32)
    np.testing.assert_allclose(autoencoder.encode(given).mean, latent, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        autoencoder.decode(jnp.asarray(latent, dtype=jnp.float32)).mean, states, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(autoencoder(given), states, rtol=1e-4, atol=1e-6)


def test_a_batch_is_a_loop_over_instants():
    autoencoder = Autoencoder(latent_size=2, widths=(6, 4), key=jax.random.key(0))
    channels = jax.random.normal(jax.random.key(1), (2, 7))
    one_by_one = np.stack([autoencoder(row) for row in channels])
    np.testing.assert_allclose(jax.vmap(autoencoder)(channels), one_by_one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_weights_start_uniform_within_one_over_the_root_of_the_fan_in(seed):
    autoencoder = Autoencoder(widths=(300, 200), latent_size=100, key=jax.random.key(seed))
    for layer in layers_of(autoencoder):
        bound = layer.weight.shape[1] ** -0.5
        for values in (np.asarray(layer.weight).ravel(), np.asarray(layer.bias)):
            assert np.max(np.abs(values)) <= bound
            expected = stats.uniform(-bound, 2 * bound)
            assert stats.kstest(values, expected.cdf).pvalue > 1e-3
    drawn = np.concatenate(
        [
            np.sqrt(layer.in_features) * np.ravel(leaf)
            for layer in layers_of(autoencoder)
            for leaf in jax.tree.leaves(layer)
        ]
    )
    # No layer repeats another's draws; a few float32 values coincide by chance.
    assert len(np.unique(drawn)) > 0.95 * len(drawn)


def test_weights_depend_on_the_key_alone():
    one, same, other = (Autoencoder(latent_size=2, widths=(6, 4), key=jax.random.key(seed)) for seed in (0, 0, 1))
    assert eqx.tree_equal(one, same)
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert np.all(np.asarray(left) != np.asarray(right))


def test_weights_are_double_precision_where_that_is_enabled(x64):
    autoencoder = Autoencoder(widths=(3,), latent_size=1, key=jax.random.key(0))
    assert {leaf.dtype for leaf in jax.tree.leaves(autoencoder)} == {jnp.dtype("float64")}


def test_settings_make_an_autoencoder_of_the_same_shape():
    autoencoder = Autoencoder(latent_size=2, widths=(6, 4), activation="silu", inputs=EEG, key=jax.random.key(0))
    chosen = json.loads(json.dumps(autoencoder.settings))
    assert chosen == {"latent_size": 2, "widths": [6, 4], "activation": "silu", "inputs": ["eeg"]}
    assert eqx.tree_equal(Autoencoder(**chosen, key=jax.random.key(0)), autoencoder)


def test_all_channels_are_inputs_by_default():
    assert Autoencoder(key=jax.random.key(0)).settings["inputs"] == list(CHANNELS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent_size": 0}, "`latent_size` must be a whole number of at least 1, got 0"),
        ({"latent_size": -3}, "`latent_size` must be a whole number of at least 1, got -3"),
        ({"widths": (8, 0)}, "`widths` must be a whole number of at least 1, got 0"),
        ({"activation": "sine"}, "`activation` must be one of 'relu', 'gelu', 'silu', 'tanh', got 'sine'"),
        ({"inputs": ("y0", "y9")}, "`inputs` must be one of .*, got 'y9'"),
        ({"inputs": ()}, "must name at least one of"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Autoencoder(**arguments, key=jax.random.key(0))


@eqx.filter_jit
def jacobian(autoencoder, recording, measured):
    def states(recording):
        features = autoencoder.features(recording[None, None], measured[None, None], None)
        return autoencoder(features.at(jnp.zeros(1, jnp.int32))[0])

    return jax.jacobian(states)(recording)


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(CHANNELS), min_size=1))
def test_no_output_depends_on_a_hidden_entry(names):
    measured = np.array([name in names for name in CHANNELS])
    sensitivity = np.asarray(jacobian(SMOOTH, jax.random.normal(jax.random.key(1), (7,)), jnp.asarray(measured)))
    assert np.all(sensitivity[:, ~measured] == 0)
    assert np.all(sensitivity[:, measured] != 0)


@pytest.mark.parametrize("held", [np.nan, np.inf, -np.inf, 1e30])
def test_hidden_channels_are_zero_whatever_they_held(held):
    measured = np.array([True, False, True, False, False, False, True])
    channels = jnp.asarray(np.where(measured, np.arange(7.0), held), dtype=jnp.float32)[None]
    # Not compiled: XLA makes a selection of a product with truth values, which hides how NaN is treated.
    features = SMOOTH.features(channels[None], jnp.asarray(measured)[None, None], None)
    np.testing.assert_array_equal(features.values[0], np.where(measured, np.arange(7.0), 0))
    np.testing.assert_array_equal(SMOOTH.last_features(channels, jnp.asarray(measured)[None], None), features.values[0])
