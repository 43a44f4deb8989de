"""Figures of trajectories, as figure objects."""

import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae


def made(columns, samples, dt=0.01) -> jrae.Trajectories:
    time = dt * np.arange(1, samples + 1)
    ys = np.zeros((columns, samples, 6))
    ys[..., 1] = np.sin(2 * np.pi * 10 * time) + np.arange(columns)[:, None]
    return jrae.Trajectories(jnp.asarray(ys, jnp.float32), dt=dt, t0=dt)


def test_trajectories_and_their_spectra():
    trajectories = made(3, 1000)
    panels = jrae.plot.trajectories(trajectories, seconds=2.0).axes
    assert len(panels) == 6
    np.testing.assert_allclose(np.asarray(panels[0].lines[0].get_xdata()), trajectories.ts[-200:], rtol=1e-6)
    np.testing.assert_array_equal(panels[2].lines[0].get_ydata(), trajectories.eeg[1, -200:])
    frequency, power = (np.asarray(values) for values in panels[1].lines[0].get_data())
    assert frequency[np.argmax(power)] == pytest.approx(10, abs=0.5)
    assert [panels[i].get_xlabel() for i in (4, 5)] == ["time (s)", "frequency (Hz)"]
    assert [panels[i].get_ylabel() for i in (0, 1)] == ["y1 - y2 (mV)", "power (mV²/Hz)"]


def test_the_first_columns_of_many_and_a_single_one():
    assert len(jrae.plot.trajectories(made(9, 100)).axes) == 8
    assert len(jrae.plot.trajectories(made(9, 100), columns=2).axes) == 4
    assert len(jrae.plot.trajectories(made(1, 100)[0]).axes) == 2


@pytest.mark.parametrize(("samples", "dt"), [(1, 0.01), (2, 0.01), (5, 0.01), (3, 4.0)])
def test_very_short_and_very_sparse_trajectories(samples, dt):
    panels = jrae.plot.trajectories(made(2, samples, dt), seconds=10.0).axes
    assert len(np.asarray(panels[0].lines[0].get_xdata())) == samples
