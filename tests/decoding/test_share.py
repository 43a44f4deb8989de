"""One gain for several windows: products of densities, and windows that have none in common."""

import numpy as np

from jrae_jax.decoding.share import with_one_gain

RNG = np.random.default_rng(0)


def normal(means, stds, proposals=4096):
    return np.stack([m + s * RNG.normal(size=proposals) for m, s in zip(means, stds, strict=True)])


def test_the_gain_of_all_windows_is_the_product_of_gaussians():
    means, stds = np.array([0.0, 0.6, 0.3]), np.array([0.6, 0.8, 1.2])
    log_gain = normal(means, stds)
    shared = with_one_gain(log_gain, 2000, np.random.default_rng(1))
    precision = np.sum(1 / stds**2)
    expected = np.sum(means / stds**2) / precision
    for own, kept in zip(log_gain, shared.kept, strict=True):
        np.testing.assert_allclose(own[kept].mean(), expected, atol=0.06)
        np.testing.assert_allclose(own[kept].std(), precision**-0.5, rtol=0.12)
    assert (shared.agreement > 0.5).all()


def test_one_window_keeps_its_own_gains():
    log_gain = normal([0.4], [0.5])
    shared = with_one_gain(log_gain, 4000, np.random.default_rng(1))
    np.testing.assert_allclose(log_gain[0, shared.kept[0]].mean(), 0.4, atol=0.03)
    np.testing.assert_allclose(log_gain[0, shared.kept[0]].std(), 0.5, rtol=0.05)


def test_a_window_that_disagrees_is_known_to_and_moves_the_others_little():
    log_gain = normal([0.0, 0.1, -0.1, 5.0], [0.2, 0.2, 0.2, 0.2])
    shared = with_one_gain(log_gain, 1000, np.random.default_rng(1))
    gains = [own[kept].mean() for own, kept in zip(log_gain, shared.kept, strict=True)]
    np.testing.assert_allclose(gains[:3], 0, atol=0.1)
    assert (shared.agreement[:3] > 0.5).all()
    assert shared.agreement[3] < 0.03
    both = with_one_gain(normal([0.0, 5.0], [0.2, 0.8]), 1000, np.random.default_rng(1))
    assert (both.agreement < 0.03).any()
