"""A small dataset, and autoencoders of it scored, for the tests of training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import Trajectories
from jrae_jax.recording import FULL, Dataset, make_dataset


@pytest.fixture(scope="session")
def dataset():
    """Two training trajectories and a held-out one, of six states that two sources drive."""

    def made(seed=0, *, observed=FULL, validation=0, noise=0.0, times=10) -> Dataset:
        rng = np.random.default_rng(seed)
        trajectories = 3 + validation
        sources = rng.normal(size=(trajectories, times, 2))
        mixing = rng.normal(size=(2, 6)) * np.array([0.1, 5, 3, 10, 900, 80])
        ys = sources @ mixing + np.array([0.2, 20, 12, 0, 3, -1])
        recordings = Trajectories(jnp.asarray(ys, dtype=float), dt=1e-3)
        key = jax.random.key(seed)
        return make_dataset(recordings, observed=observed, held_out=1, validation=validation, noise=noise, key=key)

    return made


@pytest.fixture(scope="session")
def validation_loss():
    """The mean squared error of the standardized states of the validation trajectories."""

    def loss(reconstructor, data: Dataset):
        assert data.validation is not None
        error = np.asarray(reconstructor(data.validation.recording).mean) - np.asarray(data.validation.states)
        return np.mean((error / np.asarray(data.standardizer.std[:6])) ** 2)

    return loss
