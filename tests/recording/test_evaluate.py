from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array
from scipy import stats

from jrae_jax.column import STATES, Trajectories
from jrae_jax.recording import (
    EEG,
    FULL,
    POTENTIALS,
    AbstractEstimator,
    Dataset,
    Estimate,
    Scores,
    Standardizer,
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
    trajectories = Trajectories(jnp.asarray(ys, dtype=float), dt=1e-3)
    return make_dataset(trajectories, observed=observed, held_out=held_out, noise=noise, key=jax.random.key(0))


class Linear(AbstractEstimator):
    """Standardized states as a linear map of the standardized channels."""

    matrix: Array
    standardizer: Standardizer

    def __call__(self, recording):
        estimate = self.standardizer.standardize(recording.values) @ self.matrix
        return Estimate(self.standardizer.destandardize(estimate), dt=recording.dt)


def gains(values, data: Dataset) -> Linear:
    """Answers with each state as recorded, times a gain."""
    return Linear(jnp.eye(7, 6) @ jnp.diag(jnp.asarray(values, dtype=float)), data.standardizer)


def mixed(data: Dataset) -> Linear:
    return Linear(jax.random.normal(jax.random.key(1), (7, 6)), data.standardizer)


def by_numpy(estimator, split):
    """r, R2 and NRMSE of each state, pooled over trajectories and time."""
    truth = np.asarray(split.states, dtype=float).reshape(-1, 6)
    estimate = np.asarray(estimator(split.recording).mean, dtype=float).reshape(-1, 6)
    r = [np.corrcoef(truth[:, state], estimate[:, state])[0, 1] for state in range(6)]
    error = np.sqrt(np.mean((truth - estimate) ** 2, axis=0)) / truth.std(axis=0)
    return r, 1 - error**2, error


def assert_scores(scores, expected):
    for score, value in zip((scores.r, scores.r2, scores.nrmse), expected, strict=True):
        assert score.shape == (6,)
        np.testing.assert_allclose(score, value, rtol=1e-3, atol=1e-4)


def test_scores_are_of_held_out_data_by_default():
    data = dataset(observed=("y0", "eeg"), noise=0.1)
    assert data.held_out is not None
    estimator = mixed(data)
    held_out, train = by_numpy(estimator, data.held_out), by_numpy(estimator, data.train)
    assert not np.allclose(held_out[0], train[0], atol=0.01)
    assert_scores(evaluate(estimator(data.held_out.recording), data), held_out)
    assert_scores(evaluate(estimator(data.held_out.recording), data, on="held_out"), held_out)
    assert_scores(evaluate(estimator(data.train.recording), data, on="train"), train)


def test_scores_compare_with_the_true_states_and_not_with_the_noisy_recording():
    data = dataset(noise=1.0)
    assert data.held_out is not None
    estimate = gains(np.ones(6), data)(data.held_out.recording)
    assert np.all(evaluate(estimate, data).r < 0.9)
    np.testing.assert_allclose(estimate.mean, data.held_out.recording.values[..., :6], rtol=1e-4, atol=1e-3)


def test_r_keeps_its_sign_and_a_clipped_r_stands_beside_it():
    data = dataset()
    assert data.held_out is not None
    scores = evaluate(gains([1, -1, 1, 0.5, -2, 1], data)(data.held_out.recording), data)
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


def test_columns_of_large_numbers_stay_apart():
    scores = Scores(np.ones(6), np.full(6, -282.8316), np.full(6, 1e6), ("y0",))
    header, *rows = str(scores).splitlines()[1:]
    assert rows[0].split() == ["y0", "1.0000", "-282.8316", "1000000.0000"]
    assert {len(row) for row in rows} == {len(header)}


def test_intervals_are_counted():
    """Errors are uniform up to 1: so many are within 1.645 standard deviations."""
    data = dataset()
    assert data.held_out is not None
    states = np.asarray(data.held_out.states)
    errors = np.random.default_rng(2).uniform(0, 1, states.shape)
    std = np.broadcast_to(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), states.shape)
    estimate = Estimate(jnp.asarray(states + errors), jnp.asarray(std), dt=1e-3)
    scores = evaluate(estimate, data)
    expected = (errors <= 1.645 * std).mean(axis=(0, 1))
    assert scores.coverage is not None
    np.testing.assert_allclose(scores.coverage, expected, atol=0.02)
    assert str(scores).splitlines()[1].endswith("in 90 %")
    np.testing.assert_array_equal(scores.to_dataframe()["coverage"], scores.coverage)


def test_the_dataset_says_what_was_observed():
    data = dataset(observed=("eeg", "y2"))
    assert data.held_out is not None
    assert evaluate(mixed(data)(data.held_out.recording), data).observed == ("y2", "eeg")


def test_without_held_out_data_there_are_only_training_scores():
    data = dataset(held_out=0)
    estimate = gains(np.ones(6), data)(data.train.recording)
    np.testing.assert_allclose(evaluate(estimate, data, on="train").r, 1, atol=1e-5)


def estimate(trajectories=2):
    return Estimate(jnp.zeros((trajectories, TIMES, 6)), dt=1e-3)


@pytest.mark.usefixtures("without_type_checker")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"data": dataset(held_out=0)},
            r"`data` must hold out a trajectory, got none: make_dataset\(\.\.\., held_out=1\) or on=.train.",
        ),
        ({"on": "validation"}, "`on` must be one of 'held_out', 'train', got 'validation'"),
        (
            {"estimate": estimate().mean},
            r"`estimate` must be an Estimate, got ArrayImpl: estimator\(data.held_out.recording\)",
        ),
        (
            {"data": dataset().held_out},
            r"`data` must be a Dataset, got Split: make_dataset\(trajectories, ..., held_out=4\)",
        ),
        (
            {"estimate": estimate(3)},
            r"`estimate` must be of data\.held_out\.recording, of shape \(2, 30, 6\), got \(3, 30, 6\)",
        ),
        ({"on": "train"}, r"`estimate` must be of data\.train\.recording, of shape \(3, 30, 6\), got \(2, 30, 6\)"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluate(**{"estimate": estimate(), "data": dataset(), **arguments})


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


def test_an_interval_is_of_95_percent_by_default():
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
