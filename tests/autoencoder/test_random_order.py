"""The order in which instants are trained on."""

import jax
import numpy as np
import pytest
from scipy.stats import chisquare

from jrae_jax.autoencoder.train_step import random_order


@pytest.mark.parametrize("count", [1, 2, 3, 1000, 70_000])
def test_everything_is_there_once(count):
    order = np.asarray(random_order(count, jax.random.key(0)))
    np.testing.assert_array_equal(np.sort(order), np.arange(count))


def test_every_order_is_as_likely_as_any_other():
    orders = jax.vmap(lambda key: random_order(4, key))(jax.random.split(jax.random.key(1), 24_000))
    counts = np.unique(np.asarray(orders), axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert chisquare(counts).pvalue > 1e-3


def test_neighbours_are_not_left_in_their_order():
    """Random numbers of few bits are often equal, and equal ones stay as they were in a single sort."""
    order = np.asarray(random_order(70_000, jax.random.key(2)))
    rises = np.mean(np.diff(order) > 0)
    assert abs(rises - 0.5) < 4 / np.sqrt(12 * 70_000)
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 4 / np.sqrt(70_000)
