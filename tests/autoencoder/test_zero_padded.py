"""Autoencoders of several sizes in one shape, for one ensemble."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import Autoencoder, Column, UniformNoiseInput, make_dataset, simulate, train_ensemble
from jrae_jax.autoencoder.base import zero_padded

WIDTHS = (8, 4)
LARGEST = {"latent_size": 3, "inputs": None}


@pytest.fixture(scope="module")
def data():
    column = Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=1e-3))
    trajectories = simulate(column, t1=0.5, dt=1e-3, batch=1, key=jax.random.key(0))
    return make_dataset(trajectories, observed="y0", held_out=0)


@pytest.mark.parametrize("own", [{"latent_size": 1, "inputs": None}, {"latent_size": 3, "inputs": "y0"}])
def test_it_is_trained_as_the_small_one_is(data, own):
    small, largest = (Autoencoder(widths=WIDTHS, key=jax.random.key(1), **sizes) for sizes in (own, LARGEST))
    padded = zero_padded(small, largest)
    assert jax.tree.map(jnp.shape, padded) == jax.tree.map(jnp.shape, largest)
    keys = jax.random.split(jax.random.key(2), 1)
    (alone,), (among,) = (train_ensemble([each], data, keys=keys, epochs=3) for each in (small, padded))
    np.testing.assert_allclose(among.train_loss, alone.train_loss, rtol=1e-4)
    np.testing.assert_allclose(
        among.reconstructor(data.train.recording).mean, alone.reconstructor(data.train.recording).mean, atol=1e-3
    )
    again = zero_padded(alone.reconstructor.autoencoder, largest)
    for leaf, expected in zip(
        *(jax.tree.leaves(eqx.filter(each, eqx.is_array)) for each in (among.reconstructor.autoencoder, again)),
        strict=True,
    ):
        np.testing.assert_array_equal(np.asarray(leaf) == 0, np.asarray(expected) == 0)
