"""The Kalman filter and smoother of a column: what they reach, and whether their standard deviations are honest."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize

from jrae_jax.column import (
    CHANNELS,
    STATES,
    Column,
    UniformNoiseInput,
    WhiteNoiseInput,
)
from jrae_jax.estimators import (
    KalmanFilter,
    KalmanSmoother,
    kalman as kalman_module,
    square_root as square_root_module,
    state_space as state_space_module,
)
from jrae_jax.recording import Recording, RecordingInfo, linear_sensors as linear_sensors_module

DT = 1e-3
UNLIKE = pytest.mark.filterwarnings("ignore::jrae_jax.recording.InconsistentRecordingWarning")
"""Of recordings of other columns or sensors than an estimator was told."""
ESTIMATORS = {"filter": KalmanFilter, "smoother": KalmanSmoother}

# Measured once, in long recordings.
REFERENCE = [
    ("smoother", "y0", [1, 0.987, 1, 1, 0.753, 1]),
    ("smoother", "eeg", [1, 0.995, 1, 1, 0.887, 1]),
    ("filter", "y0", [1, 0.861, 1, 0.996, 0.412, 1]),
    ("filter", "eeg", [1, 0.992, 1, 1, 0.709, 1]),
]


@pytest.mark.parametrize(("kind", "observed", "expected"), REFERENCE)
def test_reference_correlations(recorded, kalman, kind, observed, expected):
    r = recorded.r(kalman(kind, observed).mean)
    assert np.all(np.abs(r - expected) < [0.002, 0.03, 0.002, 0.003, 0.08, 0.002]), r


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "observed", "expected"), REFERENCE)
def test_reference_correlations_in_long_recordings(column, long_recorded, kind, observed, expected):
    r = long_recorded.r(ESTIMATORS[kind](column)(long_recorded.recording(observed)).mean)
    assert np.all(np.abs(r - expected) < [0.001, 0.015, 0.001, 0.001, 0.06, 0.001]), r


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("observed", ["y0", "eeg"])
def test_the_standard_deviation_is_that_of_the_error(recorded, kalman, kind, observed):
    errors = recorded.errors(kalman(kind, observed))
    np.testing.assert_allclose(np.sqrt(np.mean(errors**2, axis=(0, 1))), 1, atol=0.15)


@pytest.mark.parametrize(
    ("kind", "observed", "expected"),
    [
        ("filter", "y0", [3.982e-4, 0.1777, 0.02084, 0.09007, 27.72, 0.9956]),
        ("filter", "eeg", [1.735e-4, 0.04832, 0.02610, 0.01617, 22.12, 0.7883]),
        ("smoother", "y0", [2.111e-4, 0.05950, 0.02076, 0.03309, 20.83, 0.8856]),
        ("smoother", "eeg", [1.727e-4, 0.03726, 0.02606, 0.01522, 14.73, 0.7871]),
    ],
)
def test_the_standard_deviation_is_that_of_an_independent_library(kalman, kind, observed, expected):
    """Means over time and recordings: those of cuthbert 0.1.1 on the same recordings."""
    std = np.asarray(kalman(kind, observed).std, dtype=float)[:, 500:].mean(axis=(0, 1))
    np.testing.assert_allclose(std, expected, rtol=0.01)


STEPS, MEAN_INPUT = 300, 400.0
"""Beyond the last Hopf bifurcation the column rests, and under weak noise it is linear."""
WEAK = {"uniform": lambda: UniformNoiseInput(399.5, 400.5, hold=DT), "white": lambda: WhiteNoiseInput(400.0, 0.02)}


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


def dense_posterior(rest, matrix, noise, sensors, samples, noise_std):
    """Mean and standard deviation of all states at all samples given all that is recorded, as one Gaussian vector."""
    covariance = np.diag([1.0, 1, 1, 1e2, 1e2, 1e2])
    powers = [np.linalg.matrix_power(matrix, k) for k in range(STEPS)]
    prior = np.zeros((STEPS, 6, STEPS, 6))
    for k in range(STEPS):
        covariance = matrix @ covariance @ matrix.T + noise
        prior[k:, :, k] = np.stack(powers[: STEPS - k]) @ covariance
        prior[k, :, k:] = prior[k:, :, k].transpose(2, 0, 1)
    prior = prior.reshape(6 * STEPS, 6 * STEPS)
    there = ~np.isnan(samples).ravel()
    rows = np.kron(np.eye(STEPS), sensors)[there]
    spread = rows @ prior @ rows.T + np.diag(np.tile(noise_std**2, STEPS)[there])
    gain = np.linalg.solve(spread, rows @ prior).T
    deviation = (samples - sensors @ rest).ravel()[there]
    variance = np.diag(prior - gain @ rows @ prior)
    return rest + (gain @ deviation).reshape(STEPS, 6), np.sqrt(variance).reshape(STEPS, 6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["uniform", pytest.param("white", marks=pytest.mark.slow)])
def test_a_linear_column_has_the_posterior_of_one_gaussian_vector(
    numpy_right_hand_side, to_channels, monkeypatch, kind
):
    monkeypatch.setattr(square_root_module, "_LEAST_PROCESS_NOISE", 1e-12)
    monkeypatch.setattr(linear_sensors_module, "LEAST_SENSOR_NOISE", 1e-9)
    monkeypatch.setattr(state_space_module, "_PRIOR_SPREAD", 1e-3)
    rng = np.random.default_rng(0)
    rest, matrix, noise = linear_map(numpy_right_hand_side, kind)
    deviations = [np.zeros(6)]
    for kick in rng.multivariate_normal(np.zeros(6), noise, size=STEPS, method="svd"):
        deviations.append(matrix @ deviations[-1] + kick)
    noise_std = np.array([1.0, 1.0, 1.0, 0.002, 1.0, 1.0, 0.002])
    samples = to_channels(rest + np.array(deviations[1:])) + noise_std * rng.normal(size=(STEPS, 7))
    samples[rng.random((STEPS, 7)) < 0.3] = np.nan
    samples[:, [CHANNELS.index(name) for name in ("y0", "y1", "y2", "y4", "y5")]] = np.nan
    mean, std = dense_posterior(rest, matrix, noise, to_channels(np.eye(6)).T, samples, noise_std)

    recording = Recording.from_array(samples, observed=("y3", "eeg"), dt=DT, noise_std=noise_std)
    smoothed = KalmanSmoother(Column.preset("jansen_rit_1995", WEAK[kind]()))(recording)
    assert smoothed.mean.shape == (STEPS, len(STATES))
    late = slice(STEPS // 2, None)
    error = (np.asarray(smoothed.mean)[late] - mean[late]) / std[late]
    np.testing.assert_allclose(error, 0, atol=0.06)  # the noise of a step takes the damped linear part alone
    np.testing.assert_allclose(np.asarray(smoothed.std)[late] / std[late], 1, atol=0.01)


def test_at_the_last_sample_filter_and_smoother_are_the_same(kalman):
    filtered, smoothed = kalman("filter", "eeg"), kalman("smoother", "eeg")
    np.testing.assert_allclose(filtered.mean[:, -1], smoothed.mean[:, -1], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(filtered.std)[:, -1], np.asarray(smoothed.std)[:, -1], rtol=1e-5)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_values_that_were_not_measured_do_not_matter(column, recorded, kalman, kind):
    recording = recorded.recording("eeg")
    values = np.where(recording.measured, recording.values, np.random.default_rng(0).normal(size=(7,)))
    values[0, 0, CHANNELS.index("y3")] = np.inf
    changed = eqx.tree_at(lambda each: each.values, recording, jnp.asarray(values, jnp.float32))
    np.testing.assert_array_equal(ESTIMATORS[kind](column)(changed).mean, kalman(kind, "eeg").mean)


def test_a_gap_is_bridged_with_less_certainty(column, recorded, kalman):
    recording = recorded.recording("eeg")
    gappy = eqx.tree_at(lambda each: each.measured, recording, recording.measured.at[:, 1200:1230].set(False))
    whole, bridged = kalman("smoother", "eeg"), KalmanSmoother(column)(gappy)
    ratio = np.asarray(bridged.std / whole.std)
    assert np.all(ratio[:, 1215] > 1.02)
    np.testing.assert_allclose(ratio[:, [600, 1800]], 1, atol=0.02)
    assert np.sqrt(np.mean(recorded.errors(bridged, burn_in=0)[:, 1200:1230] ** 2)) < 1.5


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(
    "observed", ["y0", pytest.param("eeg", marks=pytest.mark.slow), pytest.param(("y2", "y5"), marks=pytest.mark.slow)]
)
def test_exact_sensors_are_no_worse_than_noisy_ones(recorded, kalman, kind, observed):
    noisy, exact = kalman(kind, observed), kalman(kind, observed, 0.0)
    assert np.all(recorded.r(exact.mean) > recorded.r(noisy.mean) - 1e-3)
    assert np.sqrt(np.mean(recorded.errors(exact) ** 2)) < 2


@UNLIKE
def test_noise_below_the_floor_counts_as_the_floor(column, recorded, kalman):
    """3e-5 of the largest value of the channel, which for y0 is 2 e0 A / a."""
    floor = 3e-5 * 2 * 2.5 * 3.25 / 100
    noiseless = recorded.recording("y0", 0.0)

    def with_noise_std(noise_std):
        noisy = eqx.tree_at(
            lambda each: each.noise_std, noiseless, jnp.full((len(noiseless), 7), noise_std, jnp.float32)
        )
        return KalmanFilter(column)(noisy)

    np.testing.assert_allclose(with_noise_std(floor).mean, kalman("filter", "y0", 0.0).mean, rtol=1e-4, atol=1e-4)
    above, exact = np.asarray(with_noise_std(3 * floor).std), np.asarray(kalman("filter", "y0", 0.0).std)
    assert np.all(above[:, -1, 0] > 1.5 * exact[:, -1, 0])


@pytest.mark.slow
def test_single_precision_is_enough(recorded, kalman):
    single = kalman("smoother", ("y0", "y5"), 0.0)
    with jax.enable_x64(True):
        column = Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=DT))
        double = KalmanSmoother(column)(recorded.recording(("y0", "y5"), 0.0))
        assert double.mean.dtype == jnp.float64
    np.testing.assert_allclose(recorded.r(single.mean), recorded.r(double.mean), atol=1e-3)


@UNLIKE
def test_another_mask_noise_column_or_origin_does_not_recompile(column, recorded, monkeypatch):
    KalmanFilter(column)(recorded.recording(("y0", "eeg")))

    def traced(*args):
        raise AssertionError("traced again")

    monkeypatch.setattr(kalman_module, "state_space", traced)
    recording = Recording.from_array(
        recorded.channels, observed=("y0", "y4"), dt=DT, noise_std=0.1, info=RecordingInfo(names=("O1",), start=3.0)
    )
    assert KalmanFilter(column.replace(C=130.0, low=100.0))(recording).start == 3.0
    with pytest.raises(AssertionError, match="traced again"):
        KalmanFilter(column)(recording[:3])


C_OF_EACH = (135.0, 120.0, 150.0, 135.0, 128.0, 141.0, 110.0, 137.0)


def assert_same_but_for_rounding(one, other):
    """Two programs round differently; in single precision that is far below the standard deviation."""
    np.testing.assert_allclose((one.mean - other.mean) / other.std, 0, atol=5e-3)
    np.testing.assert_allclose(one.std, other.std, rtol=1e-3)


@UNLIKE
def test_columns_of_a_batch_are_estimated_as_one_by_one(column, recorded, kalman):
    columns, recording = column.replace(C=jnp.array(C_OF_EACH)), recorded.recording("eeg")
    together = KalmanFilter(columns)(recording)
    of_one = KalmanFilter(columns)(recording[2])  # a batch of columns, one recording
    for row in (2, 6):
        C = C_OF_EACH[row]
        alike = KalmanFilter(column.replace(C=jnp.full(len(recording), C)))(recording)
        for found, expected in ((together[row], alike[row]), (of_one[row], alike[2])):
            np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(np.asarray(found.std), np.asarray(expected.std), rtol=1e-4)
        assert_same_but_for_rounding(together[row], KalmanFilter(column.replace(C=C))(recording)[row])
    assert np.all(together.mean[1, -1] != kalman("filter", "eeg").mean[1, -1])


def test_a_single_recording_has_an_estimate_without_a_batch_axis(column, recorded, kalman):
    alone, together = KalmanFilter(column)(recorded.recording("eeg")[3]), kalman("filter", "eeg")[3]
    assert alone.mean.shape == recorded.states.shape[1:]
    assert_same_but_for_rounding(alone, together)
    assert alone.result == together.result


def test_an_unknown_parameter_is_found(column, recorded):
    estimator = KalmanFilter(column.replace(C=125.0), unknown=("C",), prior_std=0.1)
    found = estimator(recorded.recording("eeg")).parameters
    assert list(found) == ["C"]
    assert found["C"].mean.shape == found["C"].std.shape == recorded.states.shape[:2]
    last, std = np.asarray(found["C"].mean)[:, -1], np.asarray(found["C"].std)[:, -1]
    assert np.all(np.abs(last - 135) < 4 * std)
    assert np.all(std < 0.5)


@pytest.mark.slow
def test_unknown_parameters_are_found_by_the_smoother_too(column, recorded):
    estimator = KalmanSmoother(column.replace(C=130.0, low=110.0, high=310.0), unknown=("p", "C"), prior_std=0.1)
    estimate = estimator(recorded.recording("eeg"))
    for name, truth in {"p": 220.0, "C": 135.0}.items():
        found = estimate.parameters[name]
        np.testing.assert_allclose(found.mean[:, 0], found.mean[:, -1], rtol=1e-3)  # constants
        assert np.all(np.abs(found.mean[:, -1] - truth) < 4 * found.std[:, -1]), name
    # That p is uncertain leaves the offset of y1 uncertain, as the standard deviation says.
    assert np.sqrt(np.mean(recorded.errors(estimate) ** 2, axis=(0, 1))).max() < 1.5


@pytest.mark.parametrize(
    "observed",
    ["y5", ("y1", "y3"), *(pytest.param(each, marks=pytest.mark.slow) for each in ("y2", "y3", ("y3", "y5")))],
)
def test_no_trajectory_is_lost(recorded, kalman, observed):
    r = recorded.each_r(kalman("smoother", observed).mean)
    assert np.all(r[:, [0, 2, 5]] > 0.98), r


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_estimates_can_be_compiled_mapped_and_differentiated(recorded):
    column = Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=DT))
    recording = recorded.recording("eeg")[:2]

    def last(C: Any):
        return jnp.sum(KalmanFilter(column.replace(C=C))(recording[0]).mean[-1])

    slope = jax.jit(jax.grad(last))(135.0)
    assert float(slope) == pytest.approx(float(last(135.001) - last(134.999)) / 0.002, rel=1e-3)
    estimator = KalmanFilter(column)
    mapped = jax.jit(jax.vmap(estimator, in_axes=(recording.axes,)))(recording)
    np.testing.assert_allclose(mapped.mean, estimator(recording).mean, rtol=1e-9)
