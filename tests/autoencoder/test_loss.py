from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from jrae_jax.autoencoder import (
    AbstractAutoencoder,
    Autoencoder,
    Instant,
    ReconstructionLoss,
    Window,
    WindowedAutoencoder,
    WindowFeatures,
)
from jrae_jax.column import CHANNELS, STATES
from jrae_jax.recording import EEG, FULL, POTENTIALS, PYRAMIDAL, ObservationMask, Standardizer

MEAN = np.array([0.2, 20.0, 12.5, 0.0, 3.0, -1.0, 7.5])
STD = np.array([0.1, 5.0, 3.0, 10.0, 900.0, 80.0, 2.0])
ALL, OBSERVED = ReconstructionLoss.all(), ReconstructionLoss.observed()
LOSSES = pytest.mark.parametrize("loss", [ALL, OBSERVED], ids=repr)
MEMORYLESS = Autoencoder(latent_size=3, widths=(8,), activation="tanh", key=jax.random.key(0))
REACH: dict[str, Any] = {"past": 0.005, "future": 0.002}


@pytest.fixture
def standardizer():
    return Standardizer(jnp.asarray(MEAN, dtype=float), jnp.asarray(STD, dtype=float))


def resolved(loss, *kinds, autoencoder: AbstractAutoencoder = MEMORYLESS):
    return loss.resolve(autoencoder, kinds=np.stack([mask.channels for mask in kinds]), dt=1e-3, noise=None)


def weights_of(loss, *kinds, **others):
    return np.asarray(resolved(loss, *kinds, **others).weights)


def instant_of(features, truth):
    return Instant(features, features, truth, jnp.zeros((0, 7)), jnp.zeros((0, 7), bool))


def example(seed=0):
    recording, truth = np.random.default_rng(seed).normal(size=(2, 7)).astype(np.float32)
    return jnp.asarray(recording), jnp.asarray(truth)


@pytest.mark.parametrize(
    ("mask", "weights"),
    [
        (FULL, [1 / 6] * 6 + [0]),
        (POTENTIALS, [1 / 3] * 3 + [0] * 4),
        (PYRAMIDAL, [1] + [0] * 6),
        (EEG, [0] * 6 + [1]),
        (ObservationMask.from_names("y3", "eeg"), [0, 0, 0, 1 / 2, 0, 0, 1 / 2]),
    ],
)
def test_observed_scores_what_is_observed_and_all_the_six_states(mask, weights):
    np.testing.assert_allclose(weights_of(OBSERVED, mask), weights, rtol=1e-6)
    np.testing.assert_allclose(weights_of(ALL, mask), [1 / 6] * 6 + [0], rtol=1e-6)
    np.testing.assert_allclose(weights_of(ReconstructionLoss([1, 1, 1, 1, 1, 1, 2]), mask), [1 / 8] * 6 + [1 / 4])


@settings(deadline=None)
@given(st.sets(st.sampled_from(CHANNELS), min_size=1), st.sampled_from([ALL, OBSERVED]))
def test_weights_sum_to_1(names, loss):
    assert np.sum(weights_of(loss, ObservationMask.from_names(*names))) == pytest.approx(1, abs=1e-6)


def test_a_loss_prints_as_it_is_written():
    weights = ReconstructionLoss([1, 0, 0, 0, 0, 0, 2])
    assert [repr(loss) for loss in (ALL, OBSERVED, weights)] == [
        "ReconstructionLoss.all()",
        "ReconstructionLoss.observed()",
        "ReconstructionLoss(weights=[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0])",
    ]
    assert eqx.tree_equal(eval(repr(weights)), weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1, 1], r"`weights` must be 7, one for each of y0, .*, eeg, got shape \(3,\)"),
        ([1, 1, 1, 1, 1, -1, 0], r"`weights` must be finite and not negative, got -1.0 in an array of shape \(7,\)"),
        ([0] * 7, "`weights` must not all be 0"),
    ],
)
def test_invalid_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        ReconstructionLoss(weights)


def test_a_loss_that_cannot_go_with_data_or_autoencoder_is_refused():
    variational = windowed(variational=True)
    with pytest.raises(ValueError, match=r"`loss` must score the same for all 2 kinds of .*: ReconstructionLoss.all"):
        resolved(OBSERVED, EEG, PYRAMIDAL)
    with pytest.raises(ValueError, match="`loss` must weigh something that is observed, eeg, got"):
        resolved(ReconstructionLoss([1, 0, 0, 0, 0, 0, 0], observed_only=True), EEG)
    for loss in (OBSERVED, ReconstructionLoss([1] * 7)):
        with pytest.raises(ValueError, match="`loss` must weigh all six states and not the EEG for a variational"):
            resolved(loss, POTENTIALS, autoencoder=variational)
    assert weights_of(OBSERVED, FULL, autoencoder=variational) == pytest.approx([1 / 6] * 6 + [0])


class Fixed(Autoencoder):
    """Always reconstructs the features that it is given."""

    def __init__(self):
        super().__init__(widths=(), key=jax.random.key(0))

    def __call__(self, features):
        return features[:6]


FIXED = Fixed()


@pytest.mark.parametrize(
    ("mask", "loss", "scored"),
    [
        (POTENTIALS, OBSERVED, [0, 1, 2]),
        (POTENTIALS, ALL, [0, 1, 2, 3, 4, 5]),
        (PYRAMIDAL, OBSERVED, [0]),
        (EEG, ALL, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_loss_is_the_mean_squared_error_of_what_it_scores(standardizer, mask, loss, scored):
    states, truth = example()
    expected = np.mean((np.asarray(states) - np.asarray(truth))[scored] ** 2)
    found = resolved(loss, mask)(FIXED, instant_of(states, truth), standardizer, jax.random.key(0))
    assert found == pytest.approx(expected, rel=1e-5)


def test_from_the_eeg_alone_the_loss_is_on_the_decoded_difference(x64, standardizer):
    rng = np.random.default_rng(2)
    states = rng.normal(size=6)
    eeg = 9.0
    truth = jnp.asarray([*rng.normal(size=6), (eeg - MEAN[6]) / STD[6]])
    # The mean of the EEG is that of y1 minus that of y2.
    potentials = states[:3] * STD[:3] + MEAN[:3]
    expected = ((potentials[1] - potentials[2] - eeg) / STD[6]) ** 2
    found = resolved(OBSERVED, EEG)(FIXED, instant_of(jnp.asarray(states), truth), standardizer, jax.random.key(0))
    assert found == pytest.approx(expected, rel=1e-10)


@eqx.filter_jit
def loss_and_gradients(autoencoder, recording, measured, truth, loss, standardizer):
    """Of one instant that is read as the only one of a recording."""

    def value(differentiated):
        autoencoder, recording = differentiated
        features = autoencoder.features(recording[None, None], measured[None, None], None).at(jnp.zeros(1, jnp.int32))
        return loss(autoencoder, instant_of(features[0], truth), standardizer, jax.random.key(0))

    return eqx.filter_value_and_grad(value)((autoencoder, recording))


@LOSSES
@pytest.mark.parametrize("mask", [PYRAMIDAL, EEG], ids=["pyramidal", "eeg"])
def test_nan_where_nothing_is_observed_is_harmless(standardizer, mask, loss):
    recording, truth = example()
    hidden = ~mask.channels
    poisoned = jnp.where(hidden, jnp.nan, recording)
    rest = jnp.asarray(mask.channels), truth, resolved(loss, mask), standardizer
    clean_value, (clean, clean_slope) = loss_and_gradients(MEMORYLESS, recording, *rest)
    value, (gradient, poisoned_slope) = loss_and_gradients(MEMORYLESS, poisoned, *rest)
    assert value == clean_value
    assert eqx.tree_equal(gradient, clean)
    np.testing.assert_array_equal(poisoned_slope, clean_slope)
    assert np.all(np.asarray(poisoned_slope)[hidden] == 0)


@pytest.mark.parametrize(
    ("mask", "loss", "trained"),
    [
        (PYRAMIDAL, OBSERVED, {"y0"}),
        (POTENTIALS, OBSERVED, {"y0", "y1", "y2"}),
        (EEG, OBSERVED, {"y1", "y2"}),
        (PYRAMIDAL, ALL, set(STATES)),
        (EEG, ALL, set(STATES)),
    ],
)
def test_only_scored_outputs_are_trained(standardizer, mask, loss, trained):
    recording, truth = example()
    rest = jnp.asarray(mask.channels), truth, resolved(loss, mask), standardizer
    _, (gradient, _) = loss_and_gradients(MEMORYLESS, recording, *rest)
    last = gradient.decoder[-1]
    for row, name in enumerate(STATES):
        assert np.any(np.asarray(last.weight[row]) != 0) == (name in trained)
        assert (last.bias[row] != 0) == (name in trained)


def windowed(**arguments):
    return WindowedAutoencoder(**REACH, latent_size=3, widths=(6,), filters=2, key=jax.random.key(4), **arguments)


def some_features(seed=0):
    rng, size = np.random.default_rng(seed), Window(**REACH).size
    averages, measured = rng.normal(size=(size, 7)), rng.random(size=(size, 7))
    leaves = averages, measured, rng.random(size=7), rng.normal(size=7)
    return WindowFeatures(*(jnp.asarray(leaf, float) for leaf in leaves))


def truth_and_loss():
    rng = np.random.default_rng(3)
    loss = ReconstructionLoss([*rng.random(6), 0]).resolve(
        windowed(variational=True), kinds=np.ones((1, 7), bool), dt=1e-3, noise=None
    )
    return jnp.asarray(rng.normal(size=7)), loss


def test_the_loss_of_a_window_is_the_weighted_squared_error(x64, standardizer):
    autoencoder, features, (truth, _) = windowed(), some_features(), truth_and_loss()
    weights = np.random.default_rng(3).random(7)
    loss = resolved(ReconstructionLoss(weights), FULL)
    found = loss(autoencoder, instant_of(features, truth), standardizer, jax.random.key(0))
    states = np.asarray(autoencoder(features))
    eeg = (states[1] * STD[1] - states[2] * STD[2]) / STD[6]
    error = np.array([*states, eeg]) - np.asarray(truth)
    assert found == pytest.approx(np.sum(weights / weights.sum() * error**2), rel=1e-10)
    assert loss(autoencoder, instant_of(features, truth), standardizer, jax.random.key(1)) == found


def negative_bound(autoencoder, features, truth, weights, key):
    """The weighted negative log-likelihood and the divergence from a standard normal, apart, by NumPy."""
    latent = autoencoder.encode(features)
    mean, std = np.asarray(latent.mean), np.asarray(latent.std)
    drawn = mean + std * np.asarray(jax.random.normal(key, mean.shape, mean.dtype))
    states = autoencoder.decode(jnp.asarray(drawn))
    density = stats.norm.pdf(np.asarray(truth)[:6], np.asarray(states.mean), np.asarray(states.std))
    misfit = -np.log(np.sqrt(2 * np.pi) * density)  # less the constant of the normal density
    divergence = -np.log(std) + (std**2 + mean**2) / 2 - 0.5
    return np.sum(np.asarray(weights)[:6] * misfit), np.sum(divergence), states


@pytest.mark.parametrize("seed", [0, 1])
def test_the_loss_of_a_variational_autoencoder_is_the_negative_evidence_lower_bound(x64, standardizer, seed):
    autoencoder, features, (truth, loss) = windowed(variational=True), some_features(), truth_and_loss()
    found = loss(autoencoder, instant_of(features, truth), standardizer, jax.random.key(seed))
    misfit, divergence, _ = negative_bound(autoencoder, features, truth, loss.weights, jax.random.key(seed))
    assert found == pytest.approx(misfit + 1e-5 * divergence, rel=1e-10)
    assert divergence > 0
    # The part of the latent is small, so it is checked alone as well.
    assert found - misfit == pytest.approx(1e-5 * divergence, rel=1e-6)


def test_means_are_trained_as_by_squared_errors_however_large_the_standard_deviation(x64, standardizer):
    autoencoder, features, (truth, loss) = windowed(variational=True), some_features(), truth_and_loss()
    key, weights = jax.random.key(0), np.asarray(loss.weights)[:6]

    def with_bias(bias):
        return eqx.tree_at(lambda autoencoder: autoencoder.decoder[-1].bias, autoencoder, bias)

    @jax.jit
    @jax.grad
    def slope(bias):
        return loss(with_bias(bias), instant_of(features, truth), standardizer, key)

    bias = autoencoder.decoder[-1].bias
    assert bias is not None
    for shift in (-2.0, 0.0, 2.0):
        shifted = bias.at[6:].add(shift)
        gradient = np.asarray(slope(shifted))
        *_, states = negative_bound(with_bias(shifted), features, truth, loss.weights, key)
        mean, std = np.asarray(states.mean), np.asarray(states.std)
        error = mean - np.asarray(truth)[:6]
        np.testing.assert_allclose(gradient[:6], 2 * weights * error, rtol=1e-9)
        # The standard deviation is drawn to the size of the error: d/d(log std) of log(std) + error**2 / (2 std**2).
        bounded = 1 - (np.log(std) / 4) ** 2
        expected = 2 * std**2 * weights * (1 - error**2 / std**2) * bounded
        np.testing.assert_allclose(gradient[6:], expected, rtol=1e-8, atol=1e-12)
