from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.autoencoder import Autoencoder, ReconstructionLoss, WindowedAutoencoder
from jrae_jax.autoencoder.examples import Examples, MemberData, batch_loss, gather, member_data
from jrae_jax.autoencoder.loss import AbstractInstantLoss
from jrae_jax.column import Trajectories, to_channels
from jrae_jax.recording import FULL, Standardizer, make_dataset

WINDOWED = WindowedAutoencoder(past=0.004, future=0.002, widths=(3,), filters=1, key=jax.random.key(0))
MEMORYLESS = Autoencoder(latent_size=1, widths=(), key=jax.random.key(0))


def test_every_nth_instant_is_trained_on():
    ys = jax.random.normal(jax.random.key(0), (3, 50, 6))
    trajectories = Trajectories(ys, dt=1e-3)
    dataset = make_dataset(trajectories, observed=FULL, held_out=1, validation=1, train_every=7, burn_in=0.003)
    loss = ReconstructionLoss.all().resolve(MEMORYLESS, kinds=np.asarray(FULL.channels)[None], dt=1e-3, noise=None)
    data = member_data(MEMORYLESS, dataset, loss, None, np.dtype(np.float32))
    for index, part in enumerate((data.train, data.validation)):
        assert part is not None
        trained = dataset.standardizer.standardize(to_channels(ys[index, 3::7]))
        np.testing.assert_allclose(part.truth, trained, rtol=1e-6, atol=1e-6)
        read = np.asarray(part.features.at(part.rows))
        np.testing.assert_allclose(read[:, :6], trained[:, :6], rtol=1e-6, atol=1e-6)
        assert np.all(read[:, 6] == 0)  # the EEG is not observed


class Ramp(AbstractInstantLoss):
    """1 only if the features and samples of an instant lie where they should in a ramp, else 0."""

    read: Callable = eqx.field(static=True)

    @property
    def steps(self):
        return 5

    def __call__(self, autoencoder, instant, standardizer, key):
        start, end, samples = self.read(instant.features), self.read(instant.later), instant.values[:, 0]
        expected = start + jnp.arange(1.0, self.steps + 1)
        inside = jnp.all(instant.measured) & jnp.all(samples == expected) & (end == expected[-1])
        return jnp.where(inside & (instant.truth[0] == start), 1.0, 0.0)


def test_what_follows_an_instant_is_kept_for_a_loss_that_looks_at_it():
    ys = jnp.arange(1.0, 7)[None, None] * jnp.arange(100.0).reshape(2, 50, 1)
    dataset = make_dataset(Trajectories(ys, dt=1e-3), observed=FULL, held_out=1, train_every=7)
    data = member_data(MEMORYLESS, dataset, Ramp(lambda features: features[0]), None, np.dtype(np.float32))
    features, rows = data.train.features, data.train.rows
    np.testing.assert_array_equal(rows, np.arange(0, 50, 7))
    mean, std = dataset.standardizer.mean[0], dataset.standardizer.std[0]
    following = std * features.at(rows[:-1] + 5)[:, 0] + mean
    np.testing.assert_allclose(following, np.arange(5, 50, 7)[:7], atol=1e-3)


@pytest.mark.parametrize(
    ("autoencoder", "read"),
    [(WINDOWED, lambda features: features.averages[4, 0]), (MEMORYLESS, lambda features: features[0])],
    ids=["windowed", "memoryless"],
)
def test_each_instant_is_compared_with_those_that_follow_it_in_its_recording(autoencoder, read):
    ramps = jnp.broadcast_to(jnp.stack([jnp.arange(30.0), 30 + jnp.arange(30.0)])[..., None], (2, 30, 7))
    examples = Examples.from_features(autoencoder.features(ramps, jnp.ones(ramps.shape, bool), None), ramps)
    data = MemberData(examples, None, Standardizer(jnp.zeros(7), jnp.ones(7)), Ramp(read))

    @eqx.filter_jit
    def compiled(chosen):
        return batch_loss(autoencoder, data, gather(examples, chosen, steps=5), jax.random.key(0))

    def loss(chosen):
        """Filled up with -1, which stands for none."""
        return float(compiled(jnp.array([*chosen, *[-1] * (32 - len(chosen))])))

    assert loss(range(25)) == loss(range(30, 55)) == 1
    assert loss([*range(30), 31]) == 1  # those too near to the end of a recording do not count
    assert loss([26, 29, 57]) == 0  # and there may be no others
