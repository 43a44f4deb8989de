"""Recordings that are not of the column or the sensors that an estimator was told are noticed."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.estimators import KalmanFilter
from jrae_jax.estimators.innovations import consistency_of
from jrae_jax.recording import InconsistentRecordingWarning, Recording

DT = 1e-3


def interpolated(eeg):
    times = np.arange(eeg.shape[-1])
    return np.stack([np.interp(times, times[::2], each[::2]) for each in eeg])


CHANGES = {
    "in volts": lambda eeg: 1e-3 * eeg,
    "an offset of 1 mV": lambda eeg: eeg + 1,
    "twice the gain": lambda eeg: 2 * eeg,
    "twice the gain about the mean": lambda eeg: 2 * eeg - eeg.mean(),
    "half the gain about the mean": lambda eeg: (eeg + eeg.mean()) / 2,
    "500 Hz": interpolated,
    "a flat line": lambda eeg: 0 * eeg + eeg.mean(),
}


def filtered(column, recorded, change):
    """The consistency of an estimate from the EEG, whose noise is said in the unit and with the gain of the EEG."""
    recording = recorded.recording("eeg")
    eeg = change(np.asarray(recording.values[..., -1], float))
    values = np.full(recording.values.shape, np.nan)
    values[..., -1] = eeg
    scale = np.ptp(change(np.array([[0.0, 1.0, 0.0, 1.0]])))
    noise_std = np.asarray(recording.noise_std) * (scale if scale > 0 else 1.0)
    estimate = KalmanFilter(column)(Recording.from_array(values, observed="eeg", dt=DT, noise_std=noise_std))
    assert estimate.consistency is not None
    return estimate.consistency


@pytest.mark.parametrize("change", CHANGES)
def test_an_eeg_that_is_no_such_columns_is_noticed(column, recorded, change):
    with pytest.warns(InconsistentRecordingWarning, match="`recording` is unlike what this estimator was made for"):
        found = filtered(column, recorded, CHANGES[change])
    assert not np.any(found.within)


def test_an_eeg_of_the_column_is_not(column, recorded):
    found = filtered(column, recorded, lambda eeg: eeg)
    assert np.all(found.within)
    assert found.names == ("residual", "whiteness", "range")
    np.testing.assert_allclose(found.statistics[:, 0, -1], 1, atol=0.3)  # as large as expected


def test_a_recording_without_a_sample_is_noticed(column, recorded):
    recording = recorded.recording("eeg")
    nothing = Recording.from_array(
        jnp.full(recording.values.shape, jnp.nan), observed="eeg", dt=DT, noise_std=recording.noise_std
    )
    with pytest.warns(InconsistentRecordingWarning, match="nothing was measured of eeg"):
        KalmanFilter(column)(nothing)


def of_white_innovations(samples, y0=0.5):
    """Of the EEG; all states are half of their largest value, but y0 at 700 ms."""
    observed = np.arange(7) == 6
    states = np.full((samples, 6), 0.5, np.float32)
    states[min(700, samples - 1), 0] = y0
    innovations = np.random.default_rng(0).normal(size=(samples, 7)).astype(np.float32)
    measured = np.broadcast_to(observed, innovations.shape)
    nothing = {"unknown": jnp.zeros(0), "unknown_std": jnp.zeros(())}
    settings = {"least_noise": 1e-5, **nothing, "coloured": np.zeros(7, bool), "dt": DT}
    of = eqx.filter_jit(consistency_of)
    return of(*map(jnp.asarray, (innovations, measured, observed, states, np.full(7, 0.05, np.float32))), **settings)


@pytest.mark.parametrize(("y0", "excess"), [(1.05, 0.05), (1.4, 0.4), (-0.3, 0.3)])
def test_states_that_cannot_be_are_noticed_where_they_are(y0, excess):
    found = of_white_innovations(1000, y0)
    np.testing.assert_allclose(found.statistics[2], [excess, 0, 0, 0, 0, 0, 0], atol=1e-6)
    assert bool(found.within) == (excess < 0.1)
    assert float(found.when[2, 0]) == pytest.approx(0.7)
    assert np.isinf(found.when[1]).all()


def test_limits_are_wider_for_short_recordings():
    short, long = of_white_innovations(200), of_white_innovations(1000)
    assert bool(short.within)
    np.testing.assert_array_less(long.limits[:2, 6], np.asarray(short.limits[:2, 6]) / 1.2)
    assert float(short.limits[2, 0]) == float(long.limits[2, 0])
