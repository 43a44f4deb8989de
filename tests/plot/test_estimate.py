"""Figures of estimates, as figure objects."""

import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae

MEAN = np.random.default_rng(0).normal(size=(2, 300, 6)).astype(np.float32)
STD = np.full(MEAN.shape, 0.5, np.float32)


def made(std=True):
    return jrae.Estimate(jnp.asarray(MEAN), jnp.asarray(STD) if std else None, dt=0.01, start=5.0)


def test_each_state_has_its_estimate_its_band_and_the_truth():
    figure = jrae.plot.estimate(made(), MEAN + 1, recording=1, seconds=1.0)
    assert len(figure.axes) == 6
    for i, ax in enumerate(figure.axes):
        mean, true = (line.get_ydata() for line in ax.lines)
        np.testing.assert_array_equal(mean, MEAN[1, -100:, i])
        np.testing.assert_array_equal(true, MEAN[1, -100:, i] + 1)
        band = np.asarray(ax.collections[0].get_paths()[0].vertices)[:, 1]
        assert band.max() == pytest.approx(MEAN[1, -100:, i].max() + 1.645 * 0.5, rel=1e-5)
        assert np.asarray(ax.lines[0].get_xdata())[-1] == pytest.approx(5 + 2.99)
    assert [ax.get_ylabel() for ax in figure.axes] == ["mV", "mV", "mV", "mV/s", "mV/s", "mV/s"]


def test_what_there_is_not_is_not_drawn():
    ax = jrae.plot.estimate(made(std=False)[0]).axes[0]
    assert (len(ax.lines), len(ax.collections)) == (1, 0)


def test_another_recording_or_truth_is_refused():
    with pytest.raises(ValueError, match="`recording` must be from 0 to 1, got 2"):
        jrae.plot.estimate(made(), recording=2)
    with pytest.raises(ValueError, match=r"`truth` must be of the shape of `estimate`, \(2, 300, 6\), got \(300, 6\)"):
        jrae.plot.estimate(made(), MEAN[0])
