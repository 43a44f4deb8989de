import numpy as np
import pytest

from jrae_jax.estimators.wiener import LaggedCovariances, WienerFilter

CHANNELS = np.vstack([np.eye(6), [0.0, 1.0, -1.0, 0.0, 0.0, 0.0]])


@pytest.fixture(scope="module")
def covariances(recorded):
    return LaggedCovariances.of(recorded.training, 320)


REFERENCE = [("y0", [1, 0.764, 0.997, 0.995, 0.308, 0.999]), ("eeg", [0.992, 0.827, 0.988, 0.993, 0.708, 0.998])]


@pytest.mark.parametrize(("mask", "expected"), REFERENCE)
def test_reference_correlations(recorded, covariances, mask, expected):
    fitted = WienerFilter.fitted_to(covariances, mask=mask, noise_std=recorded.noise_std, past=128)
    difference = np.abs(recorded.r(fitted(recorded.recordings)) - expected)
    assert np.all(difference < [0.003, 0.03, 0.005, 0.004, 0.1, 0.002]), recorded.r(fitted(recorded.recordings))


@pytest.mark.parametrize("mask", ["y0", "eeg"])
def test_samples_to_come_help(recorded, covariances, mask):
    causal, centred = (
        WienerFilter.fitted_to(covariances, mask=mask, noise_std=recorded.noise_std, past=160, future=future)
        for future in (0, 160)
    )
    better = recorded.r(centred(recorded.recordings)) - recorded.r(causal(recorded.recordings))
    assert np.all(better > -1e-3)
    assert better[4] > 0.1


def random_columns(seed, trajectories=3, time=400):
    """Six correlated signals that know their past and each other's."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(6, 6)) / 4 + np.eye(6)
    white = rng.normal(size=(trajectories, time + 5, 6))
    return sum(white[:, 5 - k : 5 - k + time] * 0.8**k for k in range(6)) @ mixing + np.arange(6.0)


@pytest.mark.parametrize(("past", "future"), [(5, 0), (1, 0), (4, 3)])
def test_weights_are_those_of_least_squares_on_all_windows(past, future):
    states, mask, noise_std = random_columns(0), ("y0", "y4", "eeg"), np.linspace(0.1, 0.7, 7)
    seen = [0, 4, 6]
    taps = past + future
    deviations = states - states.mean(axis=(0, 1))
    channels = np.pad((deviations @ CHANNELS.T)[..., seen], ((0, 0), (taps, taps), (0, 0)))
    targets = np.pad(deviations, ((0, 0), (taps, taps), (0, 0)))
    windows = np.stack([np.roll(channels, tap - future, axis=1) for tap in range(taps)], axis=2)
    # A noisy sensor is as good as an exact one and one more row a weight, which pulls it to zero.
    size = np.sqrt(states.shape[0] * states.shape[1])
    penalty = np.diag(np.tile(noise_std[seen], taps)) * size
    rows = np.vstack([windows.reshape(-1, taps * 3), penalty])
    expected, *_ = np.linalg.lstsq(rows, np.vstack([targets.reshape(-1, 6), np.zeros((taps * 3, 6))]))

    covariances = LaggedCovariances.of(states, taps + 2)
    fitted = WienerFilter.fitted_to(covariances, mask=mask, noise_std=noise_std, past=past, future=future)
    np.testing.assert_allclose(fitted.weights[:, seen].reshape(-1, 6), expected, atol=1e-10)
    assert not np.any(fitted.weights[:, [1, 2, 3, 5]])

    recordings = random_columns(1, trajectories=2, time=50) @ CHANNELS.T
    channels = np.pad((recordings - states.mean(axis=(0, 1)) @ CHANNELS.T)[..., seen], ((0, 0), (taps, taps), (0, 0)))
    windows = np.stack([np.roll(channels, tap - future, axis=1) for tap in range(taps)], axis=2)[:, taps:-taps]
    estimate = windows.reshape(2, 50, -1) @ expected + states.mean(axis=(0, 1))
    np.testing.assert_allclose(fitted(recordings), estimate, rtol=1e-4, atol=1e-4)


def test_covariances_are_those_of_numpy():
    states = random_columns(0)
    covariances = LaggedCovariances.of(states, 7)
    deviations = states - states.mean(axis=(0, 1))
    for lag in (0, 3, 7):
        expected = np.einsum("bti,btj->ij", deviations[:, lag:], deviations[:, : 400 - lag]) / (3 * 400)
        np.testing.assert_allclose(covariances.lagged[lag], expected, atol=1e-12)
    np.testing.assert_allclose(covariances.mean, states.mean(axis=(0, 1)))


def test_all_states_without_noise_are_given_back(recorded, covariances):
    fitted = WienerFilter.fitted_to(covariances, mask=[True] * 6, noise_std=0.0, past=20)
    estimate = np.asarray(fitted(recorded.with_noise(0.0)))
    size = recorded.states.std(axis=(0, 1))
    np.testing.assert_allclose((estimate - recorded.states) / size, 0, atol=1e-3)


def test_hidden_channels_do_not_matter_and_missing_samples_count_as_the_mean(recorded, covariances):
    fitted = WienerFilter.fitted_to(covariances, mask="eeg", noise_std=recorded.noise_std, past=20, future=5)
    recordings = recorded.recordings
    recordings[..., :6] = np.nan
    np.testing.assert_array_equal(fitted(recordings), fitted(recorded.recordings))
    gappy, filled = recordings.copy(), recordings.copy()
    gappy[:, 100:130, 6], filled[:, 100:130, 6] = np.nan, fitted.mean[6]
    np.testing.assert_array_equal(fitted(gappy), fitted(filled))
    np.testing.assert_allclose(fitted(gappy * np.nan)[0, 7], fitted.mean[:6], rtol=1e-6)


def test_a_row_of_a_batch_is_the_same_alone(recorded, covariances):
    fitted = WienerFilter.fitted_to(covariances, mask="y0", noise_std=recorded.noise_std, past=20)
    recordings = recorded.recordings
    np.testing.assert_allclose(fitted(recordings)[3], fitted(recordings[[3]])[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(mask=()), "`observed` must name at least one"),
        (dict(noise_std=-1.0), "`noise_std` must be finite and not negative"),
        (dict(past=0), "`past` must be a whole number of at least 1, got 0"),
        (dict(future=-1), "`future` must be a whole number of at least 0, got -1"),
        (dict(past=320, future=2), r"`past` \+ `future` must be at most 321, .* up to 320, got 320 \+ 2"),
    ],
)
def test_filters_that_cannot_be_fitted(covariances, changes, message):
    with pytest.raises(ValueError, match=message):
        WienerFilter.fitted_to(covariances, **(dict(mask="eeg", noise_std=1.0, past=5) | changes))


@pytest.mark.parametrize(
    ("states", "most_lag", "message"),
    [
        (np.zeros((5, 6)), 2, r"`states` must have shape \(trajectory, time, 6\), got \(5, 6\)"),
        (np.full((1, 5, 6), np.nan), 2, "`states` must be finite, got nan"),
        (np.zeros((1, 5, 6)), 5, "`most_lag` must be less than the 5 samples of a trajectory, got 5"),
        (np.zeros((1, 5, 6)), -1, "`most_lag` must be a whole number of at least 0"),
    ],
)
def test_states_that_have_no_covariances(states, most_lag, message):
    with pytest.raises(ValueError, match=message):
        LaggedCovariances.of(states, most_lag)


def test_recordings_of_another_shape_are_refused(covariances):
    fitted = WienerFilter.fitted_to(covariances, mask="eeg", noise_std=1.0, past=5)
    with pytest.raises(ValueError, match=r"`recordings` must have shape \(trajectory, time, 7\), got \(4, 6\)"):
        fitted(np.zeros((4, 6)))
