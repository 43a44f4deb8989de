from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jrae_jax import (
    EEG,
    FULL,
    POTENTIALS,
    STATES,
    Autoencoder,
    Dataset,
    Reconstructor,
    Scores,
    Trajectories,
    evaluate,
    interval,
    make_dataset,
)

TIMES = 30


def dataset(*, observed: Any = FULL, held_out=2, noise=0.0) -> Dataset:
    """Trajectories of different means, so that to pool them is not to average over them."""
    rng = np.random.default_rng(0)
    standardized = rng.normal(size=(5, TIMES, 6)) + rng.normal(size=(5, 1, 6))
    ys = np.array([0.2, 20, 12, 0, 3, -1]) + np.array([0.1, 5, 3, 10, 900, 80]) * standardized
    recordings = Trajectories(jnp.linspace(0.001, 0.001 * TIMES, TIMES), jnp.asarray(ys, dtype=float))
    return make_dataset(recordings, observed=observed, held_out=held_out, noise=noise, key=jax.random.key(0))


def weights(network):
    layers = network.encoder[0], network.decoder[0]
    return [leaf for layer in layers for leaf in (layer.weight, layer.bias)]


def linear(gains, data: Dataset) -> Reconstructor:
    """Answers with what it sees of each standardized state, times a gain."""
    network = Autoencoder(latent_size=6, widths=(), key=jax.random.key(0))
    chosen = [jnp.eye(6, 7), jnp.zeros(6), jnp.diag(jnp.asarray(gains, dtype=float)), jnp.zeros(6)]
    return Reconstructor(eqx.tree_at(weights, network, chosen), data.mask, data.standardizer)


def random_network(data: Dataset) -> Reconstructor:
    return Reconstructor(Autoencoder(widths=(5,), key=jax.random.key(1)), data.mask, data.standardizer)


def by_numpy(model, split):
    """r, R2 and NRMSE of each state, pooled over trajectories and time."""
    truth = np.asarray(split.states, dtype=float).reshape(-1, 6)
    estimate = np.asarray(model(split.recording), dtype=float).reshape(-1, 6)
    r = [np.corrcoef(truth[:, state], estimate[:, state])[0, 1] for state in range(6)]
    error = np.sqrt(np.mean((truth - estimate) ** 2, axis=0)) / truth.std(axis=0)
    return r, 1 - error**2, error


def assert_scores(scores, expected):
    for score, value in zip((scores.r, scores.r2, scores.nrmse), expected, strict=True):
        assert score.shape == (6,)
        np.testing.assert_allclose(score, value, rtol=1e-3, atol=1e-4)


def test_scores_are_of_held_out_data_unless_told_otherwise():
    data = dataset(observed=("y0", "eeg"), noise=0.1)
    model = random_network(data)
    held_out, train = by_numpy(model, data.held_out), by_numpy(model, data.train)
    assert not np.allclose(held_out[0], train[0], atol=0.01)
    assert_scores(evaluate(model, data), held_out)
    assert_scores(evaluate(model, data, on="held_out"), held_out)
    assert_scores(evaluate(model, data, on="train"), train)


def test_scores_compare_with_the_true_states_and_not_with_the_noisy_recording():
    data = dataset(noise=1.0)
    model = linear(np.ones(6), data)
    assert data.held_out is not None
    assert np.all(evaluate(model, data).r < 0.9)
    np.testing.assert_allclose(model(data.held_out.recording), data.held_out.recording[..., :6], rtol=1e-4, atol=1e-3)


def test_r_keeps_its_sign_and_a_clipped_r_stands_beside_it():
    data = dataset()
    scores = evaluate(linear([1, -1, 1, 0.5, -2, 1], data), data)
    np.testing.assert_allclose(scores.r, [1, -1, 1, 1, -1, 1], atol=1e-4)
    np.testing.assert_allclose(scores.clipped_r, [1, 0, 1, 1, 0, 1], atol=1e-4)
    np.testing.assert_allclose(scores.nrmse[[0, 2, 5]], 0, atol=1e-4)
    assert np.all(scores.r2[[1, 4]] < 0)


@pytest.mark.parametrize("observed", [FULL, POTENTIALS, EEG], ids=["full", "potentials", "eeg"])
def test_the_table_marks_hidden_states(observed):
    scores = Scores(np.linspace(-1, 1, 6), np.linspace(-9, 0.5, 6), np.linspace(0, 3, 6), observed.names)
    first, header, *rows = str(scores).splitlines()
    assert first == f"observed: {', '.join(observed.names)}"
    assert header.split() == ["state", "r", "R2", "NRMSE"]
    for index, (name, row) in enumerate(zip(STATES, rows, strict=True)):
        label = [name] if name in observed.names else [name, "(hidden)"]
        values = [scores.r[index], scores.r2[index], scores.nrmse[index]]
        assert row.split() == [*label, *(f"{value:.4f}" for value in values)]
        assert len(row) == len(header)


def test_the_mask_of_the_model_names_what_was_observed():
    data = dataset(observed=("eeg", "y2"))
    assert evaluate(random_network(data), data).observed == ("y2", "eeg")


def test_without_held_out_data_there_are_only_training_scores():
    data = dataset(held_out=0)
    model = linear(np.ones(6), data)
    with pytest.raises(ValueError, match=r"`dataset` must hold out a trajectory, got none: .*held_out=1.* on=.train."):
        evaluate(model, data)
    np.testing.assert_allclose(evaluate(model, data, on="train").r, 1, atol=1e-5)


def test_scores_on_an_unknown_part_are_refused():
    data = dataset()
    with pytest.raises(ValueError, match="`on` must be one of 'held_out', 'train', got 'validation'"):
        evaluate(random_network(data), data, on="validation")


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("shape", [(6,), (3, 6)])
def test_an_interval_is_student_s(confidence, shape):
    seeds = np.random.default_rng(0).normal(size=(8, *shape))
    found = interval(list(seeds), confidence=confidence)
    low, high = stats.t.interval(confidence, 7, loc=seeds.mean(axis=0), scale=stats.sem(seeds, axis=0))
    np.testing.assert_allclose(found.mean, seeds.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.low, low, rtol=1e-10)
    np.testing.assert_allclose(found.high, high, rtol=1e-10)
    np.testing.assert_allclose(found.std, seeds.std(axis=0, ddof=1), rtol=1e-12)


def test_an_interval_is_of_95_percent_unless_told_otherwise():
    seeds = np.random.default_rng(0).normal(size=(4, 6))
    np.testing.assert_array_equal(interval(seeds).low, interval(seeds, confidence=0.95).low)


def test_a_single_seed_has_a_mean_and_no_interval():
    found = interval(np.arange(6.0)[None])
    np.testing.assert_array_equal(found.mean, np.arange(6.0))
    for values in (found.low, found.high, found.std):
        assert values.shape == (6,)
        assert np.all(np.isnan(values))


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, float("nan")])
def test_a_confidence_that_is_no_probability_is_refused(confidence):
    with pytest.raises(ValueError, match="`confidence` must be between 0 and 1, got"):
        interval(np.ones((3, 6)), confidence=confidence)


def test_an_interval_over_nothing_is_refused():
    with pytest.raises(ValueError, match=r"`len\(values\)` must be a whole number of at least 1, got 0"):
        interval([])
