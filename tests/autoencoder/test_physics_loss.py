from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import (
    ConstantInput,
    EvokedPulseInput,
    JansenRitParameters,
    PhysicsLoss,
    Standardizer,
    UniformNoiseInput,
    Window,
    WindowedAutoencoder,
    endless_recordings,
    fit_endless,
    simulate,
    to_channels,
)
from jrae_jax.autoencoder import fit_endless as module

PARAMETERS = JansenRitParameters.preset("jansen_rit_1995")
PULSE = EvokedPulseInput(onset=1.0, background=ConstantInput(220.0))
INPUT = UniformNoiseInput(120.0, 320.0, hold=1e-3)
SEEN = (True,) + (False,) * 6


@pytest.fixture(scope="module")
def channels():
    return to_channels(simulate(PARAMETERS, INPUT, t1=6.0, dt=1e-3, burn_in=2.0, batch=16, key=jax.random.key(0)).ys)


@pytest.fixture(scope="module")
def standardizer(channels):
    return Standardizer.fitted_to(channels)


def told(loss, channels, standardizer, noise=None, change=None):
    """The loss of some instants of recordings, for states that are the true ones, or changed ones."""
    standardized = standardizer.standardize(channels)
    states = standardized[..., :6] if change is None else change(standardized[..., :6])
    measured = standardized if noise is None else standardized + noise
    starts = np.arange(0, states.shape[1] - loss.steps, 21)
    between = starts[:, None] + np.arange(1, loss.steps + 1)
    now, later = (states[:, at].reshape(-1, 6) for at in (starts, starts + loss.steps))
    samples = measured[:, between].reshape(-1, loss.steps, 7)
    seen = jnp.tile(jnp.asarray(SEEN)[None], (loss.steps, 1))
    return np.asarray(of_the_states(loss, now, later, samples, seen, standardizer))


@eqx.filter_jit
def of_the_states(loss, now, later, samples, seen, standardizer):
    """Of states that are given as if a network had told them."""
    return jax.vmap(lambda *of_one: loss(lambda states: states, *of_one, seen, standardizer))(now, later, samples)


def white(channels, level=0.05):
    return level * jax.random.normal(jax.random.key(1), channels.shape)


@eqx.filter_jit
def response(loss, states, standardizer):
    """What the input of each step does to the samples and to the last states, in units of their misfits."""

    def followed(input):
        found = loss._followed(states, input, standardizer)
        return jnp.append(found[:, 0] / loss.noise, found[-1, :6] / 0.05)

    return jax.jacfwd(followed)(jnp.zeros(loss.steps))


@pytest.mark.parametrize("steps", [1, 32])
def test_of_the_true_states_the_loss_is_what_input_and_noise_make_it(channels, standardizer, steps):
    loss = PhysicsLoss(PARAMETERS, INPUT, noise=0.05, steps=steps)
    expected = []
    for instant in range(0, 3000, 300):
        states = standardizer.standardize(channels)[instant % 16, instant, :6]
        slope = np.asarray(response(loss, states, standardizer), float)
        with_noise = np.diag([1.0] * steps + [0.0] * 6) + slope @ slope.T
        expected.append(0.5 * np.trace(np.linalg.solve(np.eye(steps + 6) + slope @ slope.T, with_noise)) / steps)
    found = told(loss, channels, standardizer, white(channels))
    assert found.mean() == pytest.approx(np.mean(expected), rel=0.05)
    assert found.mean() > 1.2 * told(loss, channels, standardizer).mean()


def test_it_is_the_likelihood_with_the_input_integrated_out(channels, standardizer):
    """By the dense covariance of samples and last states."""
    loss = PhysicsLoss(PARAMETERS, INPUT, noise=0.05, steps=8)
    standardized = standardizer.standardize(channels)
    random = np.random.default_rng(0)
    for instant in (0, 500, 1000):
        start, end = (
            jnp.asarray(standardized[0, at, :6] + 0.1 * random.normal(size=6), jnp.float32)
            for at in (instant, instant + 8)
        )
        slope = np.asarray(response(loss, start, standardizer), float)
        states = eqx.filter_jit(loss._followed)(start, jnp.zeros(8), standardizer)
        samples = standardized[0, instant + 1 : instant + 9]
        left = np.append((states[:, 0] - samples[:, 0]) / 0.05, (states[-1, :6] - end) / 0.05)
        dense = 0.5 * left @ np.linalg.solve(np.eye(14) + slope @ slope.T, left) / 8
        seen = jnp.tile(jnp.asarray(SEEN)[None], (8, 1))
        found = of_the_states(loss, start[None], end[None], samples[None], seen, standardizer)[0]
        assert float(found) == pytest.approx(dense, rel=1e-3)


@pytest.mark.parametrize(("state", "ratio"), [(0, 2), (1, 1.1), (2, 2), (3, 2), (4, 1.005), (5, 2)])
def test_states_that_the_equations_forbid_cost_more(channels, standardizer, state, ratio):
    """The input can make nearly any y4, and hides much of what is wrong with y1."""
    loss = PhysicsLoss(PARAMETERS, INPUT, noise=0.05)
    phase = jnp.asarray(2 * np.pi * 25.0 * 1e-3 * np.arange(channels.shape[1]), jnp.float32)
    wave = 0.5 * jnp.sin(phase)[None, :, None] * jnp.eye(6)[state][None, None]
    noise = white(channels)
    true, wrong = (told(loss, channels, standardizer, noise, change).mean() for change in (None, lambda x: x + wave))
    assert wrong > ratio * true


def test_only_what_was_measured_counts(channels, standardizer):
    loss = PhysicsLoss(PARAMETERS, INPUT, noise=0.05, steps=8)
    samples = standardizer.standardize(channels)[0, 1:9]
    seen = jnp.tile(jnp.asarray(SEEN)[None], (8, 1)).at[3, 0].set(False)
    states = samples[jnp.asarray([0, 7]), :6]

    def of(states, samples):
        return loss(lambda states: states, states[0], states[1], samples, seen, standardizer)

    broken = jnp.where(seen, samples, jnp.nan)
    expected, found = (jax.jit(jax.value_and_grad(of))(states, values) for values in (samples, broken))
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert np.all(np.isfinite(found[1]))
    assert float(of(states, samples.at[4, 0].add(1.0))) > float(expected[0])


def small_network(**arguments):
    small: dict[str, Any] = {"window": Window(past=0.06, future=0.06), "widths": (32, 32), "filters": 8}
    small |= {"inputs": ("y0", "y1")}
    return WindowedAutoencoder(**small | arguments, key=jax.random.key(1))


def source():
    seen = [("y0", "y1")]
    return endless_recordings(
        PARAMETERS, INPUT, observed=seen, noise=0.05, gaps=0.1, burn_in=0.5, key=jax.random.key(0)
    )


@pytest.mark.slow
def test_hidden_states_are_learned():
    recordings = source()
    loss = PhysicsLoss(PARAMETERS, INPUT, noise=0.05)
    settings: dict[str, Any] = {"steps": 480, "batch_size": 256, "key": jax.random.key(2), "loss": loss}
    fitted = fit_endless(small_network(), recordings, **settings)
    drawn = eqx.filter_jit(lambda key: recordings.draw(16, 1024, key=key))(jax.random.key(9))
    standardizer = recordings.standardizer
    scale = jnp.broadcast_to(standardizer.std, drawn.channels.shape)
    measured = jnp.where(drawn.seen, drawn.channels * scale + standardizer.mean[None, None], jnp.nan)
    found = standardizer.standardize(to_channels(fitted.model(measured, dt=1e-3)))[:, 100:-100, :6]
    truth = drawn.truth[:, 100:-100, :6]
    r = [np.corrcoef(found[..., state].ravel(), truth[..., state].ravel())[0, 1] for state in range(6)]
    assert r[2] > 0.8  # hidden, and not to be had from one instant
    assert r[3] > 0.8
    assert r[5] > 0.8
    assert np.mean(fitted.train_loss[-3:]) < np.mean(fitted.train_loss[:3]) / 3


@pytest.mark.slow
def test_true_states_do_not_change_a_fit(monkeypatch):
    loss = PhysicsLoss(PARAMETERS, INPUT, noise=0.05)
    settings: dict[str, Any] = {"steps": 32, "batch_size": 64, "key": jax.random.key(2), "loss": loss}
    fitted = fit_endless(small_network(), source(), **settings)
    original = module.examples

    def without_truth(channels, seen, truth, *others):
        return original(channels, seen, jnp.full_like(truth, jnp.nan), *others)

    monkeypatch.setattr(module, "examples", without_truth)
    jax.clear_caches()
    blind = fit_endless(small_network(), source(), **settings)
    assert eqx.tree_equal(blind.model, fitted.model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": 0.0}, "`noise` must be positive"),
        ({"steps": 0}, "`steps` must be a whole number of at least 1, got 0"),
        ({"dt": 2e-3}, "`input` must be held for `dt` = 0.002 s, got hold=0.001 s"),
        (
            {"input": PULSE},
            "`input` must be a ConstantInput, WhiteNoiseInput or UniformNoiseInput",
        ),
        ({"input": ConstantInput(jnp.ones(3))}, "`parameters` and `input` must be of one column, got a batch"),
    ],
)
def test_what_is_no_loss_is_refused(change, message):
    arguments: dict[str, Any] = {"parameters": PARAMETERS, "input": INPUT, "noise": 0.05} | change
    with pytest.raises(ValueError, match=message):
        PhysicsLoss(**arguments)


def test_a_network_that_has_no_window_or_is_variational_is_refused():
    loss = PhysicsLoss(PARAMETERS, INPUT, noise=0.05)
    with pytest.raises(ValueError, match="`network` must have a window and not be variational to be trained without"):
        fit_endless(small_network(variational=True), source(), steps=1, key=jax.random.key(0), loss=loss)


def test_it_is_for_one_way_of_sampling():
    loss = PhysicsLoss(PARAMETERS, ConstantInput(220.0), noise=0.05, dt=2e-3)
    with pytest.raises(ValueError, match=r"`loss` must be for the 0.001 s between samples of `source`, got 0.002 s"):
        fit_endless(small_network(), source(), steps=1, key=jax.random.key(0), loss=loss)


def test_sensor_noise_is_that_of_the_source():
    loss = PhysicsLoss(PARAMETERS, INPUT, noise=0.2)
    with pytest.raises(ValueError, match=r"`loss` must be for the noise of `source`, 0.05, got 0.2"):
        fit_endless(small_network(), source(), steps=1, key=jax.random.key(0), loss=loss)
