"""Sums over residuals, against NumPy, and chunk by chunk."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.recording.residuals import Residuals, Running

DT, SAMPLES = 1e-3, 3000


def residuals(values, estimate, std, measured=None):
    measured = np.ones(values.shape, bool) if measured is None else measured
    return Residuals(*(jnp.asarray(part) for part in (values, estimate, std, measured)))


@pytest.fixture(scope="module")
def noisy():
    """White noise on a sine, for all channels, with gaps."""
    rng = np.random.default_rng(0)
    signal = np.sin(2 * np.pi * 10 * DT * np.arange(SAMPLES))[:, None] * np.ones(7)
    values = signal + 0.1 * rng.normal(size=(SAMPLES, 7))
    measured = np.repeat(rng.random((SAMPLES // 50, 7)) > 0.1, 50, axis=0)
    return signal, values, measured


def running_over(parts, memory=np.inf):
    running = Running.start((), DT, np.dtype(np.float32))
    for part in parts:
        running = running.add(part, DT, memory=memory)
    return running


def test_chunks_of_any_length_give_what_the_whole_gives(noisy):
    signal, values, measured = noisy
    whole = residuals(values, signal, 0 * signal + 0.1, measured)
    edges = [0, 1, 2, 31, 700, 710, SAMPLES]
    chunks = [jax.tree.map(lambda leaf, i=i, j=j: leaf[i:j], whole) for i, j in itertools.pairwise(edges)]
    at_once, piecewise = running_over([whole]), running_over(chunks)
    for name in ("residual_ratio", "autocorrelation", "mean", "signal_variance"):
        np.testing.assert_allclose(getattr(piecewise, name), getattr(at_once, name), rtol=2e-4, atol=1e-5)


def test_the_ratio_is_that_of_the_moving_mean(noisy):
    signal, values, _ = noisy
    found = running_over([residuals(values, signal, 0 * signal + 0.2)]).residual_ratio
    left = (values - signal)[:, 0]
    smooth = [left[max(0, i - 24) : i + 1].mean() for i in range(11, SAMPLES)]
    np.testing.assert_allclose(found[0], np.sqrt(np.mean(np.square(smooth))) / 0.2, rtol=1e-4)


def test_the_signal_is_told_from_white_noise(noisy):
    signal, values, measured = noisy
    found = running_over([residuals(values, signal, 0 * signal + 1, measured)]).signal_variance
    np.testing.assert_allclose(found, np.mean(np.square(signal)), rtol=0.05)


def test_white_noise_is_white_and_interpolated_noise_is_not(noisy):
    signal, values, measured = noisy
    white = running_over([residuals(values, signal, 0 * signal + 1, measured)])
    assert np.all(white.autocorrelation < white.whiteness_limit(0.0))
    times = np.arange(SAMPLES)
    interpolated = np.stack([np.interp(times, times[::4], column[::4]) for column in values.T], axis=-1)
    other = running_over([residuals(interpolated, signal, 0 * signal + 1)])
    assert np.all(other.autocorrelation > other.whiteness_limit(0.0))


def test_what_was_not_measured_does_not_count(noisy):
    signal, values, measured = noisy
    spoiled = np.where(measured, values, 1e6)
    runs = [running_over([residuals(each, signal, 0 * signal + 1, measured)]) for each in (values, spoiled)]
    for one, other in zip(*(jax.tree.leaves(run.sums) for run in runs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_what_is_long_ago_is_forgotten(noisy):
    signal, values, _ = noisy
    std = 0 * signal + 0.1
    early, late = residuals(values + 5, signal, std), residuals(values, signal, std)
    chunks = [jax.tree.map(lambda leaf, i=i: leaf[i : i + 100], late) for i in range(0, SAMPLES, 100)]
    assert np.all(running_over([early, *chunks], memory=0.2).residual_ratio < 1)
    assert np.all(running_over([early, *chunks]).residual_ratio > 10)
