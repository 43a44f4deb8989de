"""Statistics of a column, against NumPy's and against other trajectories."""

import jax
import numpy as np
import pytest

from jrae_jax.estimators import ColumnStatistics, simulate_statistics

DT = 1e-3


def test_lagged_covariances_are_those_of_numpy():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6)) / 4 + np.eye(6)
    white = rng.normal(size=(3, 405, 6))
    states = sum(white[:, 5 - k : 405 - k] * 0.8**k for k in range(6)) @ mixing + np.arange(6.0)
    statistics = ColumnStatistics.from_states(states, dt=0.1, longest_lag=0.7)
    assert statistics.lagged.shape == (8, 6, 6)
    deviations = states - states.mean(axis=(0, 1))
    for lag in (0, 3, 7):
        expected = np.einsum("bti,btj->ij", deviations[:, lag:], deviations[:, : 400 - lag]) / (3 * 400)
        np.testing.assert_allclose(statistics.lagged[lag], expected, atol=1e-12)
    np.testing.assert_allclose(statistics.mean, states.mean(axis=(0, 1)))


@pytest.mark.slow
def test_a_simulation_has_the_statistics_of_other_trajectories(column, recorded):
    found = simulate_statistics(column, dt=DT, key=jax.random.key(3))
    assert found.states.shape == (32, 20_000, 6)
    assert found.lagged.shape == recorded.statistics.lagged.shape
    std = np.sqrt(np.diag(found.lagged[0]))
    np.testing.assert_allclose((found.mean - recorded.statistics.mean) / std, 0, atol=0.1)
    scale = np.outer(std, std)
    np.testing.assert_allclose((found.lagged - recorded.statistics.lagged) / scale, 0, atol=0.1)
    again = simulate_statistics(column, dt=DT, key=jax.random.key(3))
    np.testing.assert_array_equal(again.lagged, found.lagged)
