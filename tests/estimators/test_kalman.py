import dataclasses
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize

import jrae_jax
from jrae_jax import JansenRitParameters
from jrae_jax.column import transition
from jrae_jax.estimators import kalman, problem
from jrae_jax.estimators.kalman import kalman_filter, kalman_smoother

pytest.importorskip("cuthbert")

DT = 1e-3
INPUT = jrae_jax.UniformNoiseInput(120.0, 320.0, hold=DT)
STANDARD = JansenRitParameters()
ESTIMATORS = (kalman_filter, kalman_smoother)


def estimate_of(estimator, recordings, **changes):
    known = dict(mask="eeg", noise_std=1.0, parameters=STANDARD, input=INPUT, dt=DT)
    return estimator(recordings, **(known | changes))


REFERENCE = [
    (kalman_smoother, "y0", [1, 0.987, 1, 1, 0.753, 1]),
    (kalman_smoother, "eeg", [1, 0.995, 1, 1, 0.887, 1]),
    (kalman_filter, "y0", [1, 0.861, 1, 0.996, 0.412, 1]),
    (kalman_filter, "eeg", [1, 0.992, 1, 1, 0.709, 1]),
]


@pytest.mark.parametrize(("estimator", "mask", "expected"), REFERENCE)
def test_reference_correlations(recorded, estimator, mask, expected):
    estimate = estimate_of(estimator, recorded.recordings, mask=mask, noise_std=recorded.noise_std)
    difference = np.abs(recorded.r(estimate.mean) - expected)
    assert np.all(difference < [0.002, 0.03, 0.002, 0.003, 0.08, 0.002]), recorded.r(estimate.mean)


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "mask", "expected"), REFERENCE)
def test_reference_correlations_in_long_recordings(long_recorded, estimator, mask, expected):
    estimate = estimate_of(estimator, long_recorded.recordings, mask=mask, noise_std=long_recorded.noise_std)
    difference = np.abs(long_recorded.r(estimate.mean) - expected)
    assert np.all(difference < [0.001, 0.015, 0.001, 0.001, 0.06, 0.001]), long_recorded.r(estimate.mean)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("mask", ["y0", "eeg"])
def test_the_standard_deviation_is_that_of_the_error(recorded, estimator, mask):
    estimate = estimate_of(estimator, recorded.recordings, mask=mask, noise_std=recorded.noise_std)
    error = (np.asarray(estimate.mean) - recorded.states) / np.asarray(estimate.std)
    np.testing.assert_allclose(np.sqrt(np.mean(error[:, 500:] ** 2, axis=(0, 1))), 1, atol=0.15)


STEPS, MEAN_INPUT = 300, 400.0
"""Beyond the last Hopf bifurcation the column rests, and under weak noise it is linear."""
WEAK = {"uniform": lambda: jrae_jax.UniformNoiseInput(399.5, 400.5, hold=DT)}
WEAK |= {"white": lambda: jrae_jax.WhiteNoiseInput(400.0, 0.02)}


def linear_map(right_hand_side, kind):
    """Equilibrium, and matrix and noise covariance of one step, from the equations in NumPy and matrix exponentials."""
    rest = scipy.optimize.root(right_hand_side, [0.12, 28.0, 18.0, 0.0, 0.0, 0.0], args=(MEAN_INPUT,), tol=1e-13).x
    steps = 1e-4 * np.eye(6)
    matrix = np.stack(
        [(right_hand_side(rest + e, MEAN_INPUT) - right_hand_side(rest - e, MEAN_INPUT)) / 2e-4 for e in steps], axis=1
    )
    response = right_hand_side(rest, MEAN_INPUT + 1) - right_hand_side(rest, MEAN_INPUT)
    if kind == "uniform":
        step = scipy.linalg.expm(np.block([[matrix, response[:, None]], [np.zeros((1, 7))]]) * DT)
        return rest, step[:6, :6], np.outer(step[:6, 6], step[:6, 6]) * 1.0**2 / 12
    van_loan = np.block([[-matrix, np.outer(response, response) * 0.02**2], [np.zeros((6, 6)), matrix.T]])
    step = scipy.linalg.expm(van_loan * DT)
    return rest, step[6:, 6:].T, step[6:, 6:].T @ step[:6, 6:]


def dense_posterior(rest, matrix, noise, channels, recording, noise_std):
    """Mean and standard deviation of all states at all samples given all that is recorded, as one Gaussian vector."""
    covariance = np.diag([1.0, 1, 1, 1e2, 1e2, 1e2])
    powers = [np.linalg.matrix_power(matrix, k) for k in range(STEPS)]
    prior = np.zeros((STEPS, 6, STEPS, 6))
    for k in range(STEPS):
        covariance = matrix @ covariance @ matrix.T + noise
        prior[k:, :, k] = np.stack(powers[: STEPS - k]) @ covariance
        prior[k, :, k:] = prior[k:, :, k].transpose(2, 0, 1)
    prior = prior.reshape(6 * STEPS, 6 * STEPS)
    seen = ~np.isnan(recording).ravel()
    sensors = np.kron(np.eye(STEPS), channels)[seen]
    spread = sensors @ prior @ sensors.T + np.diag(np.tile(noise_std**2, STEPS)[seen])
    gain = np.linalg.solve(spread, sensors @ prior).T
    deviation = (recording - channels @ rest).ravel()[seen]
    variance = np.diag(prior - gain @ sensors @ prior)
    return rest + (gain @ deviation).reshape(STEPS, 6), np.sqrt(variance).reshape(STEPS, 6)


@pytest.mark.parametrize("kind", WEAK)
def test_a_linear_column_has_the_posterior_of_one_gaussian_vector(x64, numpy_right_hand_side, monkeypatch, kind):
    monkeypatch.setattr(transition, "_LEAST_PROCESS_NOISE", 1e-12)
    monkeypatch.setattr(problem, "_LEAST_SENSOR_NOISE", 1e-9)
    monkeypatch.setattr(problem, "_PRIOR_SPREAD", 1e-3)
    rng = np.random.default_rng(0)
    rest, matrix, noise = linear_map(numpy_right_hand_side, kind)
    deviations = [np.zeros(6)]
    for kick in rng.multivariate_normal(np.zeros(6), noise, size=STEPS, method="svd"):
        deviations.append(matrix @ deviations[-1] + kick)
    channels = np.vstack([np.eye(6), [0.0, 1.0, -1.0, 0.0, 0.0, 0.0]])
    noise_std = np.array([1.0, 1.0, 1.0, 0.002, 1.0, 1.0, 0.002])
    recording = (rest + np.array(deviations[1:])) @ channels.T + noise_std * rng.normal(size=(STEPS, 7))
    recording[rng.random((STEPS, 7)) < 0.3] = np.nan
    recording[:, [0, 1, 2, 4, 5]] = np.nan
    mean, std = dense_posterior(rest, matrix, noise, channels, recording, noise_std)

    known: dict[str, Any] = dict(mask=("y3", "eeg"), parameters=JansenRitParameters(), input=WEAK[kind](), dt=DT)
    smoothed = kalman_smoother(recording[None], noise_std=noise_std, **known)
    late = slice(STEPS // 2, None)
    error = (np.asarray(smoothed.mean)[0, late] - mean[late]) / std[late]
    np.testing.assert_allclose(error, 0, atol=0.06)  # the noise of a step takes the damped linear part alone
    np.testing.assert_allclose(np.asarray(smoothed.std)[0, late] / std[late], 1, atol=0.01)


def test_at_the_end_the_smoother_knows_no_more_than_the_filter(recorded):
    filtered, smoothed = (estimate_of(e, recorded.recordings, noise_std=recorded.noise_std) for e in ESTIMATORS)
    np.testing.assert_allclose(filtered.mean[:, -1], smoothed.mean[:, -1], rtol=1e-5)
    np.testing.assert_allclose(filtered.std[:, -1], smoothed.std[:, -1], rtol=1e-5)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_hidden_channels_do_not_matter(recorded, estimator):
    changed = recorded.recordings
    changed[..., :6] = np.random.default_rng(0).normal(size=changed[..., :6].shape)
    changed[0, 0, 3] = np.inf
    pair = (estimate_of(estimator, rows, noise_std=recorded.noise_std) for rows in (recorded.recordings, changed))
    np.testing.assert_array_equal(*(estimate.mean for estimate in pair))


def test_a_gap_is_bridged_with_less_certainty(recorded):
    gappy = recorded.recordings
    gappy[:, 1200:1230] = np.nan
    whole, bridged = (
        estimate_of(kalman_smoother, rows, noise_std=recorded.noise_std) for rows in (recorded.recordings, gappy)
    )
    ratio = np.asarray(bridged.std / whole.std)
    assert np.all(ratio[:, 1215] > 1.02)
    np.testing.assert_allclose(ratio[:, [600, 1800]], 1, atol=0.02)
    error = (np.asarray(bridged.mean) - recorded.states) / np.asarray(bridged.std)
    assert np.sqrt(np.mean(error[:, 1200:1230] ** 2)) < 1.5


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_exact_sensors_are_no_worse_than_noisy_ones(recorded, estimator):
    for mask in ("y0", "eeg", ("y2", "y5")):
        noisy = estimate_of(estimator, recorded.recordings, mask=mask, noise_std=recorded.noise_std)
        exact = estimate_of(estimator, recorded.with_noise(0.0), mask=mask, noise_std=0.0)
        assert np.all(recorded.r(exact.mean) > recorded.r(noisy.mean) - 1e-3), mask
        error = (np.asarray(exact.mean) - recorded.states) / np.asarray(exact.std)
        assert np.sqrt(np.mean(error[:, 500:] ** 2)) < 2, mask


@pytest.mark.slow
def test_single_precision_is_enough(recorded):
    known = dict(mask=("y0", "y5"), noise_std=0.0)
    single = estimate_of(kalman_smoother, recorded.with_noise(0.0), **known)
    with jax.enable_x64(True):
        double = estimate_of(
            kalman_smoother,
            recorded.with_noise(0.0),
            **known,
            parameters=JansenRitParameters(),
            input=jrae_jax.UniformNoiseInput(120.0, 320.0, hold=DT),
        )
        assert double.mean.dtype == jnp.float64
    np.testing.assert_allclose(recorded.r(single.mean), recorded.r(double.mean), atol=1e-3)


def columns(*values):
    return dataclasses.replace(STANDARD, C=jnp.array(values))


def test_another_mask_noise_or_parameter_does_not_recompile(recorded, monkeypatch):
    traces = []
    original = kalman._estimate_one
    monkeypatch.setattr(kalman, "_estimate_one", lambda *args, **kwargs: traces.append(1) or original(*args, **kwargs))
    rows = recorded.recordings[:3, :100]
    first = estimate_of(kalman_filter, rows, parameters=columns(135.0, 135.0, 135.0))
    assert len(traces) == 1
    changes = dict(mask=("y0", "y4"), noise_std=recorded.noise_std, parameters=columns(130.0, 120.0, 135.0))
    assert np.all(estimate_of(kalman_filter, rows, **changes).std[:, -1, 0] < first.std[:, -1, 0])
    assert len(traces) == 1


def test_a_row_does_not_depend_on_its_neighbours_and_may_have_its_own_parameters(recorded):
    rows, values = recorded.recordings[:3, :100], (135.0, 120.0, 150.0)
    known = dict(noise_std=recorded.noise_std)
    together = estimate_of(kalman_filter, rows, parameters=columns(*values), **known)
    for row, C in enumerate(values):
        alone = estimate_of(kalman_filter, np.repeat(rows[[row]], 3, axis=0), parameters=columns(C, C, C), **known)
        np.testing.assert_allclose(together.mean[row], alone.mean[2], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(together.std[row], alone.std[2], rtol=1e-3)
    assert np.all(together.mean[0, -1] != together.mean[1, -1])


def test_an_unknown_parameter_is_found(recorded):
    wrong = dataclasses.replace(STANDARD, C=125.0)
    known = dict(noise_std=recorded.noise_std, parameters=wrong, unknown=("C",), prior_std=0.1)
    estimate = estimate_of(kalman_filter, recorded.recordings, **known)
    assert estimate.unknown_mean.shape == (*recorded.states.shape[:2], 1)
    last, std = np.asarray(estimate.unknown_mean)[:, -1, 0], np.asarray(estimate.unknown_std)[:, -1, 0]
    assert np.all(np.abs(last - 135) < 4 * std)
    assert np.all(std < 0.5)


@pytest.mark.parametrize("mask", ["y2", "y3", "y5", ("y3", "y5"), ("y1", "y3")])
def test_no_trajectory_goes_astray(recorded, mask):
    estimate = estimate_of(kalman_smoother, recorded.recordings, mask=mask, noise_std=recorded.noise_std)
    for row in range(len(recorded.states)):
        alone = dataclasses.replace(recorded, states=recorded.states[[row]])
        assert np.all(alone.r(estimate.mean[row][None])[[0, 2, 5]] > 0.98), row


RECORDING = np.zeros((2, 5, 7))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(recordings=RECORDING[0]), r"`recordings` must have shape \(trajectory, time, 7\), got \(5, 7\)"),
        (dict(recordings=RECORDING + np.inf), "`recordings` must be finite, or NaN .* got inf in eeg of trajectory 0"),
        (dict(mask="y7"), "`observed` must be one of"),
        (dict(noise_std=-1.0), "`noise_std` must be finite and not negative, got -1.0"),
        (dict(noise_std=[1.0, 2.0]), r"`noise_std` must be one number or 7, .* got shape \(2,\)"),
        (dict(parameters=JansenRitParameters(C=jnp.ones(3))), "must be of one column or of 2, got 3"),
        (dict(input=dataclasses.replace(INPUT, hold=2e-3)), "`input` must be held for `dt` = 0.001 s, got hold=0.002"),
        (dict(input=jrae_jax.EvokedPulseInput(0.1, INPUT)), "`input` must be a ConstantInput, .* got a EvokedPulse"),
        (dict(dt=0.0), "`dt` must be positive"),
        (dict(prior_std=0.0), "`prior_std` must be positive"),
        (dict(unknown=("e0",)), "`unknown` must be one of 'A', 'B'"),
        (dict(unknown=("A", "A")), "`unknown` must name each parameter once, got A, A"),
    ],
)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_arguments_that_do_not_fit_are_refused(estimator, changes, message):
    with pytest.raises(ValueError, match=message):
        estimate_of(estimator, **(dict(recordings=RECORDING) | changes))


def test_without_the_library_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cuthbert", None)
    with pytest.raises(ImportError, match=r"pip install 'jrae-jax\[ceilings\]'"):
        estimate_of(kalman_filter, RECORDING)
