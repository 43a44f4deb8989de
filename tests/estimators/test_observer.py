"""The observer cascade: exact with exact sensors, and its filters those of SciPy's integrator."""

import itertools

import numpy as np
import pytest
import scipy.integrate

from jrae_jax.column import CHANNELS, STATES
from jrae_jax.estimators import ObserverCascade, derivatives_needed
from jrae_jax.recording import EEG, FULL, Recording

DT = 1e-3
MEAN = np.array([0.112, 24.5, 16.9, 0.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def observer(column):
    return ObserverCascade(column, mean=MEAN)


@pytest.mark.parametrize(
    ("observed", "largest"),
    [
        ("eeg", [1e-3, 5e-3, 1e-3, 2e-3, 0.6, 1e-3]),
        (("y1", "y2"), [1e-3, 1e-6, 1e-6, 2e-3, 0.6, 1e-3]),
        (("y0", "y1"), [1e-6, 1e-6, 1e-3, 3e-3, 0.6, 1e-3]),
        ("y0", [1e-6, 0.1, 1e-3, 1e-2, 0.6, 1e-3]),
        ("y2", [3e-3, 0.5, 1e-6, 0.05, 1.0, 3e-3]),
    ],
)
def test_exact_sensors_give_the_states(recorded, observer, observed, largest):
    errors = (np.asarray(observer(recorded.recording(observed, 0.0)).mean) - recorded.states)[:, 300:-50]
    errors = np.sqrt(np.mean((errors / recorded.states.std(axis=(0, 1))) ** 2, axis=(0, 1)))
    assert np.all(errors < largest), errors


@pytest.mark.parametrize(
    ("observed", "least"),
    [("eeg", [0.999, 0.98, 0.999, 0.999, 0.84, 0.999]), ("y0", [0.998, 0.92, 0.999, 0.995, 0.5, 0.999])],
)
def test_noisy_sensors_give_most_of_them(recorded, observer, observed, least):
    r = recorded.r(observer(recorded.recording(observed)).mean)
    assert np.all(r > least), r


def test_the_filters_are_the_synapses_of_scipy(observer, numpy_right_hand_side):
    def eeg(t):
        return 7.0 + 2 * np.sin(60 * t) + np.cos(25 * t)

    def rates(t, y):
        slope = numpy_right_hand_side(np.array([y[0], eeg(t), 0.0, y[1], 0.0, 0.0]), 0.0)
        inhibitory = numpy_right_hand_side(np.array([y[0], 0.0, y[2], 0.0, 0.0, y[3]]), 0.0)
        return [slope[0], slope[3], inhibitory[2], inhibitory[5]]

    time = np.arange(0, 0.6, DT)
    solution = scipy.integrate.solve_ivp(rates, (0, 0.6), np.zeros(4), t_eval=time, rtol=1e-10, atol=1e-10)
    estimate = np.asarray(observer(Recording.of(eeg=eeg(time), dt=DT)).mean)
    expected = solution.y[:, 400:].T
    inferred = [STATES.index(name) for name in ("y0", "y3", "y2", "y5")]
    errors = np.abs(estimate[400:, inferred] - expected).max(axis=0) / expected.std(axis=0)
    assert np.all(errors < 2e-3)


LEADS_TO = {
    "y0": "012345",
    "y1": "14",
    "y2": "012345",
    "y3": "3",
    "y4": "4",
    "y5": "5",
    "eeg": "012345",
    "y1 y3": "134",
    "y3 y5": "35",
}


@pytest.mark.parametrize("observed", LEADS_TO)
def test_states_that_nothing_leads_to_get_their_mean(recorded, observer, observed):
    estimate = np.asarray(observer(recorded.recording(tuple(observed.split()))).mean)
    for state in range(len(STATES)):
        constant = np.all(estimate[..., state] == np.float32(MEAN[state]))
        assert constant == (str(state) not in LEADS_TO[observed])


def test_every_mask_has_an_estimate_that_keeps_what_is_observed(recorded, observer):
    values = np.asarray(recorded.recording(CHANNELS).values)[:1, :60]
    for size in (1, 2, 3, 7):
        for observed in itertools.combinations(CHANNELS, size):
            estimate = np.asarray(observer(Recording.from_array(values, observed=observed, dt=DT)).mean)
            assert np.all(np.isfinite(estimate)), observed
            kept = [CHANNELS.index(name) for name in observed if name != "eeg"]
            np.testing.assert_allclose(estimate[..., kept], values[..., kept], rtol=1e-6)


def test_gaps_are_bridged_by_lines(recorded, observer):
    eeg = np.asarray(recorded.recording("eeg").values, dtype=float)[..., CHANNELS.index("eeg")]
    gappy, lines = eeg.copy(), eeg.copy()
    gappy[:, 701:709] = np.nan
    lines[:, 700:710] = np.linspace(lines[:, 700], lines[:, 709], 10, axis=1)
    bridged, expected = (np.asarray(observer(Recording.of(eeg=each, dt=DT)).mean) for each in (gappy, lines))
    np.testing.assert_allclose(bridged, expected, rtol=1e-5, atol=1e-5)
    gappy[3] = np.nan
    without_one = np.asarray(observer(Recording.of(eeg=gappy, dt=DT)).mean)
    assert np.all(np.isfinite(without_one))
    np.testing.assert_allclose(without_one[[0, 7]], expected[[0, 7]], rtol=1e-5, atol=1e-5)


def test_a_recording_of_a_batch_is_estimated_as_alone(recorded, observer):
    recording = recorded.recording("eeg")
    alone = observer(recording[3]).mean
    assert alone.shape == recorded.states.shape[1:]
    np.testing.assert_array_equal(observer(recording).mean[3], alone)
    np.testing.assert_array_equal(observer(recording[3:4]).mean[0], alone)


@pytest.mark.parametrize(
    ("observed", "needed"),
    [
        (FULL, (0, 0, 0, 0, 0, 0)),
        (EEG, (0, 0, 0, 0, 1, 0)),
        ("y0", (0, 2, 0, 1, 3, 0)),
        (("y0", "y3"), (0, 1, 0, 0, 2, 0)),
        ("y1", (None, 0, None, None, 1, None)),
        ("y2", (2, 4, 0, 3, 5, 1)),
        ("y3", (None, None, None, 0, None, None)),
        (("y1", "y2"), (0, 0, 0, 0, 1, 0)),
    ],
)
def test_derivatives_that_the_equations_need(observed, needed):
    assert derivatives_needed(observed) == needed
