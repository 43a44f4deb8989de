import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

import jrae_jax
from jrae_jax import CHANNELS, EEG, FULL, JansenRitParameters
from jrae_jax.estimators.observer import derivatives_needed, observer_cascade

DT = 1e-3
PARAMETERS = JansenRitParameters()
MEAN = np.array([0.112, 24.5, 16.9, 0.0, 0.0, 0.0])


def observe(recordings, **changes):
    known: dict[str, Any] = dict(mask="eeg", parameters=PARAMETERS, dt=DT, mean=MEAN)
    return np.asarray(observer_cascade(recordings, **(known | changes)))


def in_units_of_sd(recorded, estimate, late=slice(300, -50)):
    error = (estimate - recorded.states)[:, late] / recorded.states.std(axis=(0, 1))
    return np.sqrt(np.mean(error**2, axis=(0, 1)))


@pytest.mark.parametrize(
    ("mask", "error"),
    [
        ("eeg", [1e-3, 5e-3, 1e-3, 2e-3, 0.6, 1e-3]),
        (("y1", "y2"), [1e-3, 1e-6, 1e-6, 2e-3, 0.6, 1e-3]),
        (("y0", "y1"), [1e-6, 1e-6, 1e-3, 3e-3, 0.6, 1e-3]),
        ("y0", [1e-6, 0.1, 1e-3, 1e-2, 0.6, 1e-3]),
        ("y2", [3e-3, 0.5, 1e-6, 0.05, 1.0, 3e-3]),
    ],
)
def test_exact_sensors_give_the_states(recorded, mask, error):
    estimate = observe(recorded.with_noise(0.0), mask=mask)
    assert np.all(in_units_of_sd(recorded, estimate) < error), in_units_of_sd(recorded, estimate)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [("eeg", [0.999, 0.98, 0.999, 0.999, 0.84, 0.999]), ("y0", [0.998, 0.92, 0.999, 0.995, 0.5, 0.999])],
)
def test_noisy_sensors_give_most_of_them(recorded, mask, expected):
    assert np.all(recorded.r(observe(recorded.recordings, mask=mask)) > expected)


def test_the_filters_are_the_synapses_of_scipy(numpy_right_hand_side):
    def eeg(t):
        return 7.0 + 2 * np.sin(60 * t) + np.cos(25 * t)

    def rates(t, y):
        slope = numpy_right_hand_side(np.array([y[0], eeg(t), 0.0, y[1], 0.0, 0.0]), 0.0)
        inhibitory = numpy_right_hand_side(np.array([y[0], 0.0, y[2], 0.0, 0.0, y[3]]), 0.0)
        return [slope[0], slope[3], inhibitory[2], inhibitory[5]]

    time = np.arange(0, 0.6, DT)
    solution = scipy.integrate.solve_ivp(rates, (0, 0.6), np.zeros(4), t_eval=time, rtol=1e-10, atol=1e-10)
    estimate = observe(jrae_jax.recording(eeg=eeg(time)[None]))[0, 400:]
    expected = solution.y[:, 400:].T
    error = np.abs(estimate[:, [0, 3, 2, 5]] - expected).max(axis=0) / expected.std(axis=0)
    assert np.all(error < 2e-3)


LED_TO = {
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


@pytest.mark.parametrize("mask", LED_TO)
def test_states_that_nothing_leads_to_get_their_mean(recorded, mask):
    estimate = observe(recorded.recordings, mask=tuple(mask.split()))
    for state in range(6):
        constant = np.all(estimate[..., state] == np.float32(MEAN[state]))
        assert constant == (str(state) not in LED_TO[mask])


def test_every_mask_has_an_estimate_that_keeps_what_is_seen(recorded):
    recordings = recorded.recordings[:1, :60]
    for size in (1, 2, 3, 7):
        for mask in itertools.combinations(CHANNELS, size):
            estimate = observe(recordings, mask=mask)
            assert np.all(np.isfinite(estimate)), mask
            seen = [CHANNELS.index(name) for name in mask if name != "eeg"]
            np.testing.assert_allclose(estimate[..., seen], recordings[..., seen], rtol=1e-6)


def test_hidden_channels_do_not_matter_and_gaps_are_bridged_by_lines(recorded):
    recordings = recorded.recordings
    expected = observe(recordings)
    recordings[..., :6] = np.nan
    np.testing.assert_array_equal(observe(recordings), expected)
    gappy, lines = recordings.copy(), recordings.copy()
    gappy[:, 701:709, 6] = np.nan
    lines[:, 700:710, 6] = np.linspace(lines[:, 700, 6], lines[:, 709, 6], 10, axis=1)
    np.testing.assert_allclose(observe(gappy), observe(lines), rtol=1e-5, atol=1e-5)
    gappy[3] = np.nan
    assert np.all(np.isfinite(observe(gappy)))
    np.testing.assert_allclose(observe(gappy)[[0, 7]], observe(lines)[[0, 7]], rtol=1e-5, atol=1e-5)


def test_a_row_of_a_batch_is_the_same_alone(recorded):
    np.testing.assert_array_equal(observe(recorded.recordings)[3], observe(recorded.recordings[[3]])[0])


RECORDING = np.zeros((2, 30, 7))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(recordings=RECORDING[0]), r"`recordings` must have shape \(trajectory, time, 7\)"),
        (dict(recordings=RECORDING[:, :20]), "`recordings` must have at least 21 samples of 0.001 s, got 20"),
        (dict(mask="y9"), "`observed` must be one of"),
        (dict(parameters=JansenRitParameters(C=jnp.ones(2))), "`parameters` must be of one column, got a batch"),
        (dict(dt=-1.0), "`dt` must be positive"),
        (dict(mean=np.zeros(7)), r"`mean` must have 6 numbers, one a state, got shape \(7,\)"),
        (dict(mean=np.full(6, np.nan)), "`mean` must be finite"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        observe(**(dict(recordings=RECORDING) | changes))


@pytest.mark.parametrize(
    ("mask", "needed"),
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
def test_derivatives_that_the_equations_need(mask, needed):
    assert derivatives_needed(mask) == needed
