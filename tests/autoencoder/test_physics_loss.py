from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.autoencoder import AbstractAutoencoder, Autoencoder, Instant, PhysicsLoss, WindowedAutoencoder, train
from jrae_jax.column import Column, ConstantInput, EvokedPulseInput, UniformNoiseInput, simulate, to_channels
from jrae_jax.recording import ObservationMask, Recording, SimulatedRecordings, Standardizer, make_dataset

COLUMN = Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=1e-3))
PULSE = EvokedPulseInput(onset=1.0, background=ConstantInput(220.0))
OBSERVED = (True,) + (False,) * 6
KEY = jax.random.key(0)


class Identity(Autoencoder):
    """Gives back the states that it is given as features."""

    def __init__(self):
        super().__init__(widths=(), key=KEY)

    def __call__(self, features):
        return features


IDENTITY = Identity()


@pytest.fixture(scope="module")
def channels():
    return to_channels(simulate(COLUMN, t1=6.0, dt=1e-3, burn_in=2.0, batch=16, key=KEY).ys)


@pytest.fixture(scope="module")
def standardizer(channels):
    return Standardizer.fit(channels)


def resolved(steps=32, noise=0.05, dt=1e-3, autoencoder: AbstractAutoencoder = IDENTITY, column=COLUMN):
    kinds = np.array([OBSERVED])
    return PhysicsLoss(column, steps=steps).resolve(autoencoder, kinds=kinds, dt=dt, noise=(noise, noise))


@eqx.filter_jit
def losses(loss, now, later, samples, measured, standardizer):
    """Of states that are given as if an autoencoder had reconstructed them."""

    def one(now, later, samples):
        instant = Instant(now, later, jnp.full(7, jnp.nan), samples, measured)
        return loss(IDENTITY, instant, standardizer, KEY)

    return jax.vmap(one)(now, later, samples)


def losses_of(loss, channels, standardizer, noise=None, change=None):
    """The loss of 700 instants of recordings, for states that are the true ones, or changed ones."""
    standardized = standardizer.standardize(channels)
    states = standardized[..., :6] if change is None else change(standardized[..., :6])
    recorded = standardized if noise is None else standardized + noise
    starts = np.arange(0, states.shape[1] - loss.steps, 91)
    between = starts[:, None] + np.arange(1, loss.steps + 1)
    now, later = (states[:, at].reshape(-1, 6) for at in (starts, starts + loss.steps))
    samples = recorded[:, between].reshape(-1, loss.steps, 7)
    measured = jnp.tile(jnp.asarray(OBSERVED)[None], (loss.steps, 1))
    return np.asarray(losses(loss, now, later, samples, measured, standardizer))


def white(channels, level=0.05):
    return level * jax.random.normal(jax.random.key(1), channels.shape)


@eqx.filter_jit
def response(loss, states, standardizer):
    """What the input of each step does to the samples and to the last states, in units of their misfits."""

    def followed(deviations):
        found = loss.followed(states, deviations, standardizer)
        return jnp.append(found[:, 0] / loss.noise, found[-1, :6] / 0.05)

    return jax.jacfwd(followed)(jnp.zeros(loss.steps))


@pytest.mark.parametrize("steps", [pytest.param(1, marks=pytest.mark.slow), 32])
def test_of_the_true_states_the_loss_is_what_input_and_noise_make_it(channels, standardizer, steps):
    loss = resolved(steps)
    expected = []
    for instant in range(0, 3000, 300):
        states = standardizer.standardize(channels)[instant % 16, instant, :6]
        slope = np.asarray(response(loss, states, standardizer), float)
        with_noise = np.diag([1.0] * steps + [0.0] * 6) + slope @ slope.T
        expected.append(0.5 * np.trace(np.linalg.solve(np.eye(steps + 6) + slope @ slope.T, with_noise)) / steps)
    found = losses_of(loss, channels, standardizer, white(channels))
    assert found.mean() == pytest.approx(np.mean(expected), rel=0.05)
    assert found.mean() > 1.2 * losses_of(loss, channels, standardizer).mean()


def test_it_is_the_likelihood_with_the_input_integrated_out(channels, standardizer):
    """By the dense covariance of samples and last states."""
    loss = resolved(8)
    standardized = standardizer.standardize(channels)
    random = np.random.default_rng(0)
    for instant in (0, 500, 1000):
        start, end = (
            jnp.asarray(standardized[0, at, :6] + 0.1 * random.normal(size=6), jnp.float32)
            for at in (instant, instant + 8)
        )
        slope = np.asarray(response(loss, start, standardizer), float)
        states = eqx.filter_jit(loss.followed)(start, jnp.zeros(8), standardizer)
        samples = standardized[0, instant + 1 : instant + 9]
        left = np.append((states[:, 0] - samples[:, 0]) / 0.05, (states[-1, :6] - end) / 0.05)
        dense = 0.5 * left @ np.linalg.solve(np.eye(14) + slope @ slope.T, left) / 8
        measured = jnp.tile(jnp.asarray(OBSERVED)[None], (8, 1))
        found = losses(loss, start[None], end[None], samples[None], measured, standardizer)[0]
        assert float(found) == pytest.approx(dense, rel=1e-3)


@pytest.fixture(scope="module")
def of_the_truth(channels, standardizer):
    """The loss of the true states, from noisy samples."""
    return losses_of(resolved(), channels, standardizer, white(channels)).mean()


@pytest.mark.parametrize(("state", "ratio"), [(0, 2), (1, 1.1), (2, 2), (3, 2), (4, 1.005), (5, 2)])
def test_states_that_the_equations_forbid_cost_more(channels, standardizer, of_the_truth, state, ratio):
    """The input can make nearly any y4, and hides much of what is wrong with y1."""
    wave = 0.5 * np.sin(2 * np.pi * 25.0 * 1e-3 * np.arange(channels.shape[1]))[None, :, None] * np.eye(6)[state]
    change = lambda states: states + jnp.asarray(wave, jnp.float32)  # noqa: E731
    wrong = losses_of(resolved(), channels, standardizer, white(channels), change).mean()
    assert wrong > ratio * of_the_truth


def test_only_what_was_measured_counts(channels, standardizer):
    loss = resolved(8)
    samples = standardizer.standardize(channels)[0, 1:9]
    measured = jnp.tile(jnp.asarray(OBSERVED)[None], (8, 1)).at[3, 0].set(False)
    states = samples[jnp.asarray([0, 7]), :6]

    def value(states, samples):
        instant = Instant(states[0], states[1], jnp.full(7, jnp.nan), samples, measured)
        return loss(IDENTITY, instant, standardizer, KEY)

    broken = jnp.where(measured, samples, jnp.nan)
    value_and_slopes = jax.jit(jax.value_and_grad(value))
    expected, found = (value_and_slopes(states, values) for values in (samples, broken))
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert np.all(np.isfinite(found[1]))
    assert float(value_and_slopes(states, samples.at[4, 0].add(1.0))[0]) > float(expected[0])


def small(**arguments):
    chosen: dict[str, Any] = {"past": 0.06, "future": 0.06, "widths": (32, 32), "filters": 8, "inputs": ("y0", "y1")}
    return WindowedAutoencoder(**chosen | arguments, key=jax.random.key(1))


@pytest.fixture(scope="module")
def recordings():
    sizes: dict[str, Any] = {"columns": 32, "samples": 512}
    return SimulatedRecordings(COLUMN, kinds=[("y0", "y1")], noise=0.05, gaps=0.1, burn_in=0.5, key=KEY, **sizes)


@pytest.mark.slow
def test_hidden_states_are_learned(recordings):
    training = train(small(), recordings, steps=480, batch_size=256, key=jax.random.key(2), loss=PhysicsLoss(COLUMN))
    drawn = eqx.filter_jit(lambda key: recordings.draw(16, 1024, key=key))(jax.random.key(9))
    standardizer = recordings.standardizer
    scale = jnp.broadcast_to(standardizer.std, drawn.values.shape)
    values = jnp.where(drawn.measured, drawn.values * scale + standardizer.mean[None, None], jnp.nan)
    estimate = training.reconstructor(Recording.from_array(values, observed=("y0", "y1"), dt=1e-3))
    found = standardizer.standardize(to_channels(estimate.mean))[:, 100:-100, :6]
    truth = drawn.truth[:, 100:-100, :6]
    r = [np.corrcoef(found[..., state].ravel(), truth[..., state].ravel())[0, 1] for state in range(6)]
    assert r[2] > 0.8  # hidden, and not to be had from one instant
    assert r[3] > 0.8
    assert r[5] > 0.8
    assert np.mean(training.train_loss[-3:]) < np.mean(training.train_loss[:3]) / 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PhysicsLoss(COLUMN, steps=0), "`steps` must be a whole number of at least 1, got 0"),
        (lambda: PhysicsLoss(COLUMN.replace(C=jnp.ones(3))), "`column` must be one column, got a batch of 3"),
        (lambda: resolved(column=COLUMN.replace(input=PULSE)), "`column` must have a ConstantInput"),
        (lambda: resolved(noise=0.0), r"`data` must have one level of sensor noise for PhysicsLoss\(steps=32\), got n"),
        (
            lambda: resolved(autoencoder=small(variational=True)),
            "`loss` must be a ReconstructionLoss for a varia",
        ),
    ],
)
def test_invalid_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_it_goes_with_simulated_recordings_of_one_noise_level_alone():
    loss = PhysicsLoss(COLUMN, steps=8)
    kinds = np.asarray(ObservationMask.from_names("y0", "y1").channels)[None]
    with pytest.raises(ValueError, match=r"`data` must have one level of sensor noise .*, got 0.01 to 0.1: Simulated"):
        loss.resolve(small(), kinds=kinds, dt=1e-3, noise=(0.01, 0.1))
    trajectories = simulate(COLUMN, t1=0.2, dt=1e-3, batch=2, key=KEY)
    dataset = make_dataset(trajectories, observed=("y0", "y1"), held_out=1)
    with pytest.raises(ValueError, match=r"`loss` must be a ReconstructionLoss for a Dataset, got PhysicsLoss"):
        train(small(), dataset, loss=loss, key=KEY)
