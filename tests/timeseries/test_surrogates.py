import jax
import numpy as np
import pytest

from jrae_jax.timeseries import surrogate_test
from jrae_jax.timeseries.surrogates import halves, phase_randomised, with_ends_matched


def test_lorenz_is_nonlinear(lorenz, key):
    found = surrogate_test(lorenz, 0.02, horizon=0.2, key=key)
    assert found.nonlinear
    assert found.p_value == 0.05
    assert found.ratio < 0.2
    assert found.surrogate_ratios.shape == (19,)
    assert found.surrogate_ratios.min() > 0.9
    assert repr(found).startswith("SurrogateTest(nonlinear: ratio of errors 0.")


def test_a_linear_filter_is_called_nonlinear_as_often_as_the_p_value_says(linear_filter):
    found = [
        surrogate_test(linear_filter(seed, 1500), 1e-3, horizon=0.01, key=jax.random.key(seed)) for seed in range(30)
    ]
    p_values = np.array([each.p_value for each in found])
    for level in (0.05, 0.25, 0.5, 0.75):  # three standard deviations of 30 draws
        assert abs(np.mean(p_values <= level) - level) < 3 * np.sqrt(level * (1 - level) / 30)
    assert np.mean([each.nonlinear for each in found]) <= 0.1


def test_a_lasting_oscillation_is_no_more_often_called_nonlinear(linear_filter):
    """With ends that do not meet, surrogates would be less predictable than the rhythm itself."""
    found = [
        surrogate_test(linear_filter(seed, 3000, damping=0.5), 1e-3, horizon=0.01, key=jax.random.key(seed))
        for seed in range(20)
    ]
    assert np.mean([each.p_value <= 0.1 for each in found]) <= 0.2


def test_the_linear_error_is_that_of_the_best_prediction(linear_filter, key):
    """What the noise of 10 ms adds to the state, and no predictor can know."""
    points = linear_filter(3)
    found = surrogate_test(points, 1e-3, horizon=0.01, key=key)
    ahead = np.linalg.lstsq(points[:-10], points[10:], rcond=None)[0]
    expected = np.mean((points[10:] - points[:-10] @ ahead) ** 2)
    assert found.linear_error == pytest.approx(expected, rel=0.1)
    assert found.linear_error < found.nonlinear_error < 1.3 * found.linear_error


def test_a_cycle_is_predicted_linearly_and_counts_as_linear(cycle, key):
    found = surrogate_test(cycle, 1e-3, horizon=0.01, key=key)
    assert found.linear_error < 1e-6
    assert found.ratio == 1
    assert not found.nonlinear
    assert repr(found).startswith("SurrogateTest(not distinguished from linear noise: ratio of errors 1, p = ")


def test_the_way_to_rest_is_predicted_linearly_and_counts_as_linear(focus, key):
    found = surrogate_test(focus, 1e-3, horizon=0.01, key=key)
    assert found.linear_error < 1e-6
    assert not found.nonlinear


def test_what_lies_on_a_line_may_move_nonlinearly(lorenz, key):
    found = surrogate_test(lorenz[:, :1] * [1.0, -2.0, 0.5], 0.02, horizon=0.1, key=key)
    assert found.nonlinear
    assert found.ratio < 0.2


def test_surrogates_keep_all_spectra_and_nothing_else(lorenz):
    points = lorenz[:3001]
    surrogate = next(phase_randomised(points, np.random.default_rng(0)))
    np.testing.assert_allclose(surrogate.mean(axis=0), points.mean(axis=0), atol=1e-12)
    before, after = (np.fft.rfft(each, axis=0) for each in (points, surrogate))
    crossed = [each[:, :, None] * each[:, None].conj() for each in (before, after)]
    np.testing.assert_allclose(crossed[1], crossed[0], rtol=1e-6, atol=1e-6 * np.abs(crossed[0]).max())
    assert abs(np.corrcoef(points[:, 0], surrogate[:, 0])[0, 1]) < 0.3
    kurtosis = [np.mean(each[:, 2] ** 4) / np.mean(each[:, 2] ** 2) ** 2 for each in (points, surrogate)]
    assert abs(kurtosis[1] - 3) < abs(kurtosis[0] - 3)


@pytest.mark.parametrize("time", [1000, 1001])
def test_surrogates_turn_with_the_points(time, linear_filter, rotated):
    points = linear_filter(0, time)
    turned, surrogate = (next(phase_randomised(each, np.random.default_rng(1))) for each in (rotated(points), points))
    np.testing.assert_allclose(turned, rotated(surrogate), atol=1e-10)
    np.testing.assert_allclose(surrogate.var(axis=0), points.var(axis=0))


def test_nothing_is_tested_that_was_learned_from():
    known, target, unknown, truth = halves(np.arange(100.0)[:, None], 5)
    np.testing.assert_array_equal(known[0], [0, 5, 10])
    np.testing.assert_array_equal(target, known[:, -1:] + 5)
    np.testing.assert_array_equal(truth, unknown[:, -1:] + 5)
    assert truth[-1] == 99
    assert unknown.min() == target.max() + 1


def test_ends_are_cut_so_that_they_meet():
    phase = 2 * np.pi * np.arange(1037) / 100
    rhythm = np.stack([np.cos(phase), np.sin(phase)], axis=-1)
    kept = with_ends_matched(rhythm)
    assert len(kept) % 100 == 0
    assert len(kept) >= 0.8 * len(rhythm)


def test_neither_size_nor_place_nor_direction_counts(linear_filter, key, rotated):
    points = linear_filter(0, 2000)
    found, moved = (surrogate_test(each, 1e-3, horizon=0.01, key=key) for each in (points, 1e6 + 7 * rotated(points)))
    assert moved.linear_error == pytest.approx(found.linear_error, rel=1e-6)
    assert moved.nonlinear_error == pytest.approx(found.nonlinear_error, rel=1e-6)
    assert moved.p_value == found.p_value


def test_several_trajectories_are_learned_from_and_tested_together(lorenz, key):
    found = surrogate_test(lorenz.reshape(4, 2500, 3), 0.02, horizon=0.1, surrogates=39, key=key)
    assert found.p_value == 0.025
    assert found.ratio < 0.2


def test_surrogates_are_drawn_by_the_key(linear_filter):
    points = linear_filter(0, 2000)
    first, same, other = (
        surrogate_test(points, 1e-3, horizon=0.01, surrogates=2, key=jax.random.key(seed)).surrogate_ratios
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


WALK = np.random.default_rng(0).normal(size=(300, 2))


@pytest.mark.parametrize(
    ("points", "change", "message"),
    [
        (WALK, {"horizon": 0.0}, r"`horizon` must be positive, got 0\.0"),
        (WALK, {"dt": np.nan}, "`dt` must be positive, got nan"),
        (WALK, {"surrogates": 0}, "`surrogates` must be a whole number of at least 1, got 0"),
        (WALK[:182], {}, r"`points` must have at least 183 samples in time, .* got an array of shape \(182, 2\)"),
        (WALK, {"horizon": 0.1}, "`points` must have at least 1195 samples in time"),
        (np.full((300, 2), 0.1), {}, "`points` must vary"),
        (np.full((300, 2), np.nan), {}, "`points` must be finite, got nan"),
    ],
)
def test_invalid_arguments_are_refused(points, change, message, key):
    dt, horizon = (({"dt": 1e-3, "horizon": 0.01} | change)[name] for name in ("dt", "horizon"))
    with pytest.raises(ValueError, match=message):
        surrogate_test(points, dt, horizon=horizon, surrogates=change.get("surrogates", 1), key=key)
