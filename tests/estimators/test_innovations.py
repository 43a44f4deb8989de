"""Recordings that are not of the column or the sensors that an estimator was told are noticed."""

import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.estimators import KalmanFilter
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
