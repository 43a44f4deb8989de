"""Unknown parameters that are far from those of the column, or of which several values explain a recording."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax.column import simulate
from jrae_jax.estimators import KalmanFilter
from jrae_jax.recording import InconsistentRecordingWarning, Recording, observe

DT, PRIOR_STD = 1e-3, 0.2
VALUES = (64.0, 68.0, 72.0, 76.0, 84.0, 100.0, 110.0, 118.0)
"""Some rest, some oscillate; all are within two prior standard deviations of 90."""


@pytest.fixture(scope="module")
def estimator(column):
    return KalmanFilter(column.replace(C=90.0), unknown=("C",), prior_std=PRIOR_STD)


def test_values_far_from_the_columns_are_found_within_their_intervals(column, estimator):
    keys = jax.random.split(jax.random.key(3), 2)
    columns = column.replace(C=jnp.array(VALUES))
    trajectories = simulate(columns, t1=4.5, dt=DT, burn_in=2.0, batch=len(VALUES), key=keys[0])
    estimate = estimator(observe(trajectories, observed="eeg", noise=0.05, key=keys[1]))
    found = estimate.parameters["C"]
    off = (np.asarray(found.mean)[:, -1] - np.array(VALUES)) / np.asarray(found.std)[:, -1]
    assert np.all(np.abs(off) < 3.5), off  # one Gaussian: up to 200
    assert estimate.consistency is not None
    assert np.all(estimate.consistency.within)
    errors = (np.asarray(estimate.mean) - np.asarray(trajectories.ys))[:, 500:] / np.asarray(estimate.std)[:, 500:]
    covered = np.mean(np.abs(errors) < 1.645, axis=(0, 1))
    assert np.all(covered > 0.75), covered


def test_of_a_recording_without_a_sample_the_unknown_is_what_was_said_of_it(estimator, recorded):
    recording = recorded.recording("eeg")
    nothing = jnp.full(recording.values.shape, jnp.nan)
    with pytest.warns(InconsistentRecordingWarning, match="nothing was measured of eeg"):
        estimate = estimator(Recording.from_array(nothing, observed="eeg", dt=DT, noise_std=recording.noise_std))
    found = estimate.parameters["C"]
    np.testing.assert_allclose(found.std / found.mean, PRIOR_STD, rtol=0.06)
    np.testing.assert_allclose(found.mean, 90.0, rtol=0.03)


def test_an_unknown_that_is_found_where_it_was_not_expected_is_noticed(column, recorded):
    estimator = KalmanFilter(column.replace(C=75.0), unknown=("C",), prior_std=PRIOR_STD)
    with pytest.warns(InconsistentRecordingWarning, match=r"an unknown parameter is found 2\.9\d* of its `prior_std`"):
        estimate = estimator(recorded.recording("eeg"))
    assert estimate.consistency is not None
    assert estimate.consistency.names == ("residual", "whiteness", "range", "prior")
    np.testing.assert_allclose(estimate.consistency.limits[:, 3, -1], 2.576, rtol=1e-3)
