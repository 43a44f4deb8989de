import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jrae_jax import FULL, Trajectories, Window, make_dataset, to_channels
from jrae_jax.autoencoder.train_step import Data, _unlabelled_loss, examples, flattened
from jrae_jax.recording.dataset import Standardizer


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


class Ramp(eqx.Module):
    """What is 1 only if the views and samples that it is given lie where they should in a ramp."""

    sampling = (1e-3, 0.0)
    steps: int = eqx.field(static=True, default=5)

    def __call__(self, network, now, later, measured, seen, standardizer):
        start, end, samples = network(now)[0], network(later)[0], measured[:, 0]
        expected = start + jnp.arange(1.0, self.steps + 1)
        return jnp.where(jnp.all(seen) & jnp.all(samples == expected) & (end == expected[-1]), 1.0, 0.0)


def test_without_labels_each_instant_is_compared_with_those_that_follow_it():
    window = Window(past=0.004, future=0.002)
    ramps = jnp.broadcast_to(jnp.stack([jnp.arange(30.0), 100 + jnp.arange(30.0)])[..., None], (2, 30, 7))
    source = examples(ramps, jnp.ones(ramps.shape, bool), ramps, window, None)
    standardizer = Standardizer(jnp.zeros(7), jnp.ones(7))
    data = Data(source, source, jnp.ones(7, bool), jnp.ones(7), standardizer)

    def loss(picked):
        seen_now = window.past  # its place among single samples
        return float(_unlabelled_loss(Ramp(), lambda view: view.values[seen_now], data, source, jnp.array(picked)))

    assert loss(range(25)) == loss(range(30, 55)) == 1
    assert loss([*range(30), 31]) == 1  # those too near to the end of a recording do not count
    assert loss([26, 29, 57]) == 0  # and there may be no others
