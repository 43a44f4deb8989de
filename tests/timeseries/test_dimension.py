import jax
import numpy as np
import pytest

from jrae_jax.timeseries import correlation_dimension, two_nn_dimension
from jrae_jax.timeseries.dimension import _pairs_within
from jrae_jax.timeseries.neighbours import sample_times, squared_separations


@pytest.fixture(scope="module")
def systems(lorenz, cycle, linear_filter, line):
    return {"lorenz": lorenz, "cycle": cycle, "filter": linear_filter(0), "line": line}


KNOWN = {"lorenz": 2.05, "cycle": 1.0, "filter": 2.0, "line": 1.0}


def theiler(name):
    return 0 if name == "line" else None


@pytest.mark.parametrize("name", KNOWN)
def test_two_nearest_neighbours_of_known_systems(systems, name, key):
    found = two_nn_dimension(systems[name], theiler=theiler(name), key=key)
    assert found.value == pytest.approx(KNOWN[name], rel=0.07)
    assert abs(found.value - KNOWN[name]) < 3 * found.standard_error


@pytest.mark.parametrize("name", KNOWN)
def test_correlation_dimension_of_known_systems(systems, name):
    found = correlation_dimension(systems[name], theiler=theiler(name))
    assert found.value == pytest.approx(KNOWN[name], rel=0.03)
    assert found.standard_error < 0.05 * found.value


@pytest.mark.parametrize("dimension", [1, 3, 5])
def test_two_nearest_neighbours_of_an_even_ball(dimension, key):
    ball = np.random.default_rng(0).normal(size=(10_000, dimension))
    assert two_nn_dimension(ball, theiler=0, key=key).value == pytest.approx(dimension, rel=0.05)


def test_the_scaling_range_is_where_local_slopes_are_even(lorenz):
    found = correlation_dimension(lorenz)
    low, high = found.scaling_range
    assert high / low == pytest.approx(np.exp(1.5))
    inside = found.slopes[(found.radii > low) & (found.radii < high)]
    assert len(inside) == 6
    assert inside.mean() == pytest.approx(found.value)
    assert np.ptp(inside) < 0.1 * found.value
    assert found.slopes[-1] < 0.9 * found.value  # radii of the size of the whole


def test_what_fills_six_dimensions_has_no_scaling_range(noisy_column):
    found = correlation_dimension(noisy_column)
    assert np.isnan([found.value, found.standard_error, *found.scaling_range]).all()
    assert found.slopes[0] > 3.5
    assert repr(found) == "CorrelationDimension(no scaling range)"


def test_neighbours_in_time_alone_do_not_count(line, key):
    near, far = (two_nn_dimension(line, theiler=theiler, key=key).value for theiler in (0, 200))
    assert near < 1.1 < 3 < far  # beyond the window, the second neighbour is hardly further than the first
    near, far = (correlation_dimension(line, theiler=theiler).radii[0] for theiler in (0, 500))
    assert near < 0.01 < 0.2 < far


def test_separations_leave_out_neighbours_in_time_and_doubles():
    trajectories = np.stack([np.arange(6.0), [0, 0.1, 0.2, 0.3, 9, 5]])[..., None]
    (found,) = squared_separations(trajectories.reshape(12, 1), sample_times(trajectories), np.array([5]), 2)
    expected = [5, 4, 3, np.inf, np.inf, np.inf, 5, 4.9, 4.8, 4.7, 4, np.inf]
    np.testing.assert_allclose(found, np.square([expected]))


@pytest.mark.parametrize("count", [1, 1000, 1001])
def test_pairs_are_counted_one_by_one(count):
    distances = np.random.default_rng(0).uniform(0, 1, count) ** 3
    distances[1::10] = np.inf
    radii = np.exp(0.25 * np.arange(-80, 1))
    expected = 3 * np.sum(distances[None] <= radii[:, None], axis=1)
    np.testing.assert_array_equal(_pairs_within([distances[None] ** 2] * 3), expected)


@pytest.mark.parametrize("measure", [two_nn_dimension, correlation_dimension])
def test_neither_size_nor_place_nor_direction_counts(measure, linear_filter, key, rotated):
    keys = {"key": key} if measure is two_nn_dimension else {}
    points = linear_filter(0, 2000)
    found, moved = (measure(each, **keys) for each in (points, 1000 + 7 * rotated(points)))
    assert moved.value == pytest.approx(found.value, rel=1e-6)
    assert moved.standard_error == pytest.approx(found.standard_error, rel=1e-5)


def test_trajectories_are_not_one_another_s_neighbours_in_time(linear_filter, key):
    """Cut in four they give the same, but for few pairs across the cuts."""
    points = linear_filter(1)
    parts = points.reshape(4, 2500, 2)
    whole, cut = (two_nn_dimension(each, theiler=50, key=key).value for each in (points, parts))
    assert cut == pytest.approx(whole, rel=0.01)
    whole, cut = (correlation_dimension(each, theiler=50).value for each in (points, parts))
    assert cut == pytest.approx(whole, rel=0.01)


def test_the_standard_error_is_the_scatter_of_repeats(linear_filter):
    repeats = [linear_filter(seed, 2000) for seed in range(12)]
    found = [two_nn_dimension(points, key=jax.random.key(seed)) for seed, points in enumerate(repeats)]
    scatter = np.std([each.value for each in found], ddof=1)
    assert 0.5 < np.mean([each.standard_error for each in found]) / scatter < 2
    found = [correlation_dimension(points) for points in repeats]
    scatter = np.std([each.value for each in found], ddof=1)
    assert 0.5 < np.mean([each.standard_error for each in found]) / scatter < 2


def test_points_are_drawn_by_the_key(lorenz):
    first, same, other = (two_nn_dimension(lorenz, key=jax.random.key(seed)).value for seed in (0, 0, 1))
    assert first == same != other


WALK = np.random.default_rng(0).normal(size=(300, 2))


def test_points_that_repeat_have_no_dimension(key):
    for points in (np.tile([[0.0, 1.0], [1.0, 0.0]], (200, 1)), np.tile(np.eye(3), (150, 1))):
        with pytest.raises(ValueError, match="`points` must have neighbours at different distances, got none"):
            two_nn_dimension(points, theiler=0, key=key)


@pytest.mark.parametrize(
    ("points", "theiler", "message"),
    [
        (WALK[:199], None, r"`points` must have at least 200 samples in time, .* got an array of shape \(199, 2\)"),
        (WALK[:, 0], None, r"`points` must have at least 200 samples in time, .* got an array of shape \(300,\)"),
        (np.full((300, 2), 0.1), None, "`points` must vary, got one and the same point throughout"),
        (np.where(np.arange(300)[:, None] == 5, np.nan, WALK), None, "`points` must be finite, got nan"),
        (WALK, -1, "`theiler` must be a whole number of at least 0, got -1"),
        (WALK, 101, "`theiler` must be at most a third of the 300 samples in time, got 101"),
        (
            np.linspace(0, 1, 300)[:, None] * [1.0, 2.0],
            None,
            "`theiler` must be given where .* points stay alike for 110 samples of 300",
        ),
    ],
)
def test_invalid_arguments_are_refused(points, theiler, message, key):
    with pytest.raises(ValueError, match=message):
        two_nn_dimension(points, theiler=theiler, key=key)
    with pytest.raises(ValueError, match=message):
        correlation_dimension(points, theiler=theiler)
