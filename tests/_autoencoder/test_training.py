import jax
import jax.numpy as jnp
import numpy as np

from jrae_jax import FULL, Trajectories, make_dataset, to_channels
from jrae_jax._autoencoder.training import flattened


def test_every_nth_instant_is_trained_on():
    ys = jax.random.normal(jax.random.key(0), (3, 50, 6))
    recordings = Trajectories(jnp.arange(50.0) * 1e-3, ys)
    dataset = make_dataset(recordings, observed=FULL, held_out=1, validation=1, train_every=7, burn_in=0.003)
    data = flattened(dataset, "all", None, None, np.dtype(np.float32))
    for index, part in enumerate((data.train, data.validation)):
        trained = dataset.standardizer.standardize(to_channels(ys[index, 3::7]))
        np.testing.assert_allclose(part.truth, trained, rtol=1e-6, atol=1e-6)
        assert isinstance(part.recording, jax.Array)
        np.testing.assert_allclose(part.recording, trained, rtol=1e-6, atol=1e-6)
