import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from jrae_jax import (
    CHANNELS,
    EEG,
    FULL,
    POTENTIALS,
    PYRAMIDAL,
    STATES,
    Autoencoder,
    ObservationMask,
    Standardizer,
    View,
    Window,
    WindowedAutoencoder,
    example_loss,
    loss_weights,
)
from jrae_jax.autoencoder.loss import masked, view_loss

MEAN = np.array([0.2, 20.0, 12.5, 0.0, 3.0, -1.0, 7.5])
STD = np.array([0.1, 5.0, 3.0, 10.0, 900.0, 80.0, 2.0])


@pytest.fixture
def standardizer():
    return Standardizer(jnp.asarray(MEAN, dtype=float), jnp.asarray(STD, dtype=float))


@pytest.fixture(scope="module")
def network():
    return Autoencoder(latent_size=3, widths=(8,), activation="tanh", key=jax.random.key(0))


def example(seed=0):
    recording, truth = np.random.default_rng(seed).normal(size=(2, 7)).astype(np.float32)
    return jnp.asarray(recording), jnp.asarray(truth)


def loss_of(reconstruction, truth, mask, loss, standardizer):
    """The loss of a network that always answers `reconstruction`."""
    weights = loss_weights(loss, mask)
    answer = jnp.asarray(reconstruction, dtype=truth.dtype)
    recording = jnp.zeros_like(truth)
    return example_loss(lambda _: answer, recording, truth, jnp.asarray(mask.channels), weights, standardizer)


@pytest.mark.parametrize(
    ("mask", "weights"),
    [
        (FULL, [1 / 6] * 6 + [0]),
        (POTENTIALS, [1 / 3] * 3 + [0] * 4),
        (PYRAMIDAL, [1] + [0] * 6),
        (EEG, [0] * 6 + [1]),
        (ObservationMask.of("y3", "eeg"), [0, 0, 0, 1 / 2, 0, 0, 1 / 2]),
    ],
)
def test_observed_scores_what_is_seen_and_all_the_six_states(mask, weights):
    np.testing.assert_allclose(loss_weights("observed", mask), weights, rtol=1e-6)
    np.testing.assert_allclose(loss_weights("all", mask), [1 / 6] * 6 + [0], rtol=1e-6)


@settings(deadline=None)
@given(st.sets(st.sampled_from(CHANNELS), min_size=1), st.sampled_from(["observed", "all"]))
def test_weights_sum_to_1(names, loss):
    assert np.sum(np.asarray(loss_weights(loss, ObservationMask.of(*names)))) == pytest.approx(1, abs=1e-6)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="`loss` must be one of 'observed', 'all', got 'hidden'"):
        loss_weights("hidden", FULL)


@pytest.mark.parametrize(
    ("mask", "loss", "scored"),
    [
        (POTENTIALS, "observed", [0, 1, 2]),
        (POTENTIALS, "all", [0, 1, 2, 3, 4, 5]),
        (PYRAMIDAL, "observed", [0]),
        (EEG, "all", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_loss_is_the_mean_squared_error_of_what_it_scores(standardizer, mask, loss, scored):
    answer = np.random.default_rng(1).normal(size=6)
    _, truth = example()
    expected = np.mean((answer - np.asarray(truth)[:6])[scored] ** 2)
    assert loss_of(answer, truth, mask, loss, standardizer) == pytest.approx(expected, rel=1e-5)


def test_from_the_eeg_alone_the_loss_is_on_the_decoded_difference(x64, standardizer):
    rng = np.random.default_rng(2)
    answer = rng.normal(size=6)
    eeg = 9.0
    truth = jnp.asarray([*rng.normal(size=6), (eeg - MEAN[6]) / STD[6]])
    # The mean of the EEG is that of y1 minus that of y2.
    potentials = answer[:3] * STD[:3] + MEAN[:3]
    expected = ((potentials[1] - potentials[2] - eeg) / STD[6]) ** 2
    assert loss_of(answer, truth, EEG, "observed", standardizer) == pytest.approx(expected, rel=1e-10)


def test_a_batch_is_a_loop_over_examples(standardizer, network):
    recording, truth = (jax.random.normal(jax.random.key(seed), (2, 7)) for seed in (0, 1))
    mask, weights = jnp.asarray(POTENTIALS.channels), loss_weights("all", POTENTIALS)
    batched = jax.vmap(example_loss, in_axes=(None, 0, 0, None, None, None))
    together = batched(network, recording, truth, mask, weights, standardizer)
    one_by_one = [
        example_loss(network, *pair, mask, weights, standardizer) for pair in zip(recording, truth, strict=True)
    ]
    np.testing.assert_allclose(together, np.stack(one_by_one), rtol=1e-5)


@pytest.mark.parametrize("held", [np.nan, np.inf, -np.inf, 1e30])
def test_hidden_channels_are_zero_whatever_they_held(held):
    seen = np.array([True, False, True, False, False, False, True])
    channels = np.where(seen, np.arange(7.0), held)
    # Not compiled: XLA makes a selection of a product with truth values, which hides how NaN is treated.
    zeroed = masked(jnp.asarray(channels, dtype=jnp.float32), jnp.asarray(seen))
    np.testing.assert_array_equal(zeroed, np.where(seen, np.arange(7.0), 0))


@eqx.filter_jit
def jacobian(network, recording, mask):
    return jax.jacobian(lambda recording: network(masked(recording, mask)))(recording)


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(CHANNELS), min_size=1))
def test_no_output_depends_on_a_hidden_entry(network, names):
    recording, _ = example()
    seen = np.array([name in names for name in CHANNELS])
    sensitivity = np.asarray(jacobian(network, recording, jnp.asarray(seen)))
    assert np.all(sensitivity[:, ~seen] == 0)
    assert np.all(sensitivity[:, seen] != 0)


@eqx.filter_jit
def loss_and_gradients(network, recording, truth, mask, weights, standardizer):
    def loss(differentiated):
        network, recording = differentiated
        return example_loss(network, recording, truth, mask, weights, standardizer)

    return eqx.filter_value_and_grad(loss)((network, recording))


@pytest.mark.parametrize("loss", ["observed", "all"])
@pytest.mark.parametrize("mask", [PYRAMIDAL, EEG], ids=["pyramidal", "eeg"])
def test_nan_where_nothing_is_seen_is_harmless(standardizer, network, mask, loss):
    recording, truth = example()
    hidden = ~mask.channels
    poisoned = jnp.where(hidden, jnp.nan, recording)
    rest = truth, jnp.asarray(mask.channels), loss_weights(loss, mask), standardizer
    clean_value, (clean, of_clean) = loss_and_gradients(network, recording, *rest)
    value, (gradient, of_poisoned) = loss_and_gradients(network, poisoned, *rest)
    assert value == clean_value
    assert eqx.tree_equal(gradient, clean)
    np.testing.assert_array_equal(of_poisoned, of_clean)
    assert np.all(np.asarray(of_poisoned)[hidden] == 0)


@pytest.mark.parametrize(
    ("mask", "loss", "trained"),
    [
        (PYRAMIDAL, "observed", {"y0"}),
        (POTENTIALS, "observed", {"y0", "y1", "y2"}),
        (EEG, "observed", {"y1", "y2"}),
        (PYRAMIDAL, "all", set(STATES)),
        (EEG, "all", set(STATES)),
    ],
)
def test_only_scored_outputs_are_trained(standardizer, network, mask, loss, trained):
    recording, truth = example()
    _, (gradient, _) = loss_and_gradients(
        network, recording, truth, jnp.asarray(mask.channels), loss_weights(loss, mask), standardizer
    )
    last = gradient.decoder[-1]
    for row, name in enumerate(STATES):
        assert np.any(np.asarray(last.weight[row]) != 0) == (name in trained)
        assert (last.bias[row] != 0) == (name in trained)


WINDOW = Window(past=0.005, future=0.002)


def windowed(**arguments):
    return WindowedAutoencoder(window=WINDOW, latent_size=3, widths=(6,), filters=2, key=jax.random.key(4), **arguments)


def some_view(seed=0):
    rng = np.random.default_rng(seed)
    values, seen = rng.normal(size=(WINDOW.taps, 7)), rng.random(size=(WINDOW.taps, 7))
    return View(*(jnp.asarray(leaf, float) for leaf in (values, seen, rng.random(size=7), rng.normal(size=7))))


def truth_and_weights():
    rng = np.random.default_rng(3)
    weights = rng.random(7)
    return jnp.asarray(rng.normal(size=7)), jnp.asarray(weights / weights.sum())


def test_the_loss_of_a_view_is_the_weighted_squared_error(x64, standardizer):
    network, view, (truth, weights) = windowed(), some_view(), truth_and_weights()
    found = view_loss(network, view, truth, weights, standardizer, jax.random.key(0))
    states = np.asarray(network(view))
    eeg = (states[1] * STD[1] - states[2] * STD[2]) / STD[6]
    error = np.array([*states, eeg]) - np.asarray(truth)
    assert found == pytest.approx(np.sum(np.asarray(weights) * error**2), rel=1e-10)
    assert view_loss(network, view, truth, weights, standardizer, jax.random.key(1)) == found


def negative_bound(network, view, truth, weights, key):
    """The weighted negative log-likelihood and the divergence from a standard normal, apart, by NumPy."""
    latent = network.posterior(view)
    mean, std = np.asarray(latent.mean), np.asarray(latent.std)
    drawn = mean + std * np.asarray(jax.random.normal(key, mean.shape, mean.dtype))
    states = network.likelihood(jnp.asarray(drawn))
    density = stats.norm.pdf(np.asarray(truth)[:6], np.asarray(states.mean), np.asarray(states.std))
    misfit = -np.log(np.sqrt(2 * np.pi) * density)  # less the constant of the normal density
    divergence = -np.log(std) + (std**2 + mean**2) / 2 - 0.5
    return np.sum(np.asarray(weights)[:6] * misfit), np.sum(divergence), states


@pytest.mark.parametrize("seed", [0, 1])
def test_the_loss_of_a_variational_network_is_the_negative_evidence_lower_bound(x64, standardizer, seed):
    network, view, (truth, weights) = windowed(variational=True), some_view(), truth_and_weights()
    found = view_loss(network, view, truth, weights, standardizer, jax.random.key(seed))
    misfit, divergence, _ = negative_bound(network, view, truth, weights, jax.random.key(seed))
    assert found == pytest.approx(misfit + 1e-5 * divergence, rel=1e-10)
    assert divergence > 0
    # The share of the latent is small, so it is looked at alone as well.
    assert found - misfit == pytest.approx(1e-5 * divergence, rel=1e-6)


def test_means_are_trained_as_by_squared_errors_however_unsure_the_network_is(x64, standardizer):
    network, view, (truth, weights) = windowed(variational=True), some_view(), truth_and_weights()
    key = jax.random.key(0)

    def loss(bias):
        changed = eqx.tree_at(lambda network: network.decoder[-1].bias, network, bias)
        return view_loss(changed, view, truth, weights, standardizer, key)

    bias = network.decoder[-1].bias
    assert bias is not None
    for unsure in (-2.0, 0.0, 2.0):
        given = bias.at[6:].add(unsure)
        gradient = np.asarray(jax.grad(loss)(given))
        changed = eqx.tree_at(lambda network: network.decoder[-1].bias, network, given)
        *_, states = negative_bound(changed, view, truth, weights, key)
        mean, std = np.asarray(states.mean), np.asarray(states.std)
        error = mean - np.asarray(truth)[:6]
        np.testing.assert_allclose(gradient[:6], 2 * np.asarray(weights)[:6] * error, rtol=1e-9)
        # The standard deviation is drawn to the size of the error: d/d(log std) of log(std) + error**2 / (2 std**2).
        bounded = 1 - (np.log(std) / 4) ** 2
        expected = 2 * std**2 * np.asarray(weights)[:6] * (1 - error**2 / std**2) * bounded
        np.testing.assert_allclose(gradient[6:], expected, rtol=1e-8, atol=1e-12)
