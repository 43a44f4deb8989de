import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

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
    example_loss,
    loss_weights,
)
from jrae_jax._autoencoder.loss import masked

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
