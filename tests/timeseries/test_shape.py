import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jrae_jax.timeseries import first_component_variance, participation_ratio, straightness, variance_fractions


def cross(variances):
    """Points on the axes, at equal distances to both sides, with these variances along them exactly."""
    half = np.diag(np.sqrt(np.asarray(variances, dtype=float) * len(variances)))
    return np.concatenate([half, -half]) + np.arange(len(variances))


def rotated(points, seed=0):
    dimension = points.shape[-1]
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(dimension, dimension)))
    return points @ rotation


def test_a_line_has_one_dimension():
    direction = np.array([1.0, -2.0, 0.5])
    line = 3 + np.random.default_rng(0).normal(size=(50, 1)) * direction
    assert participation_ratio(line) == pytest.approx(1, abs=1e-12)
    assert first_component_variance(line) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("dimension", [2, 3, 6])
def test_an_even_ball_fills_all_dimensions(dimension):
    ball = np.random.default_rng(0).normal(size=(20_000, dimension))
    assert participation_ratio(ball) == pytest.approx(dimension, rel=0.01)
    assert first_component_variance(ball) == pytest.approx(1 / dimension, rel=0.05)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), st.integers(0, 100))
def test_known_variances_in_closed_form(variances, seed):
    points = rotated(cross(variances), seed)
    total = sum(variances)
    np.testing.assert_allclose(variance_fractions(points), sorted(np.array(variances) / total, reverse=True), rtol=1e-6)
    assert participation_ratio(points) == pytest.approx(total**2 / sum(value**2 for value in variances), rel=1e-9)
    assert first_component_variance(points) == pytest.approx(max(variances) / total, rel=1e-9)


def test_neither_size_nor_place_nor_direction_counts():
    points = np.random.default_rng(0).normal(size=(30, 3)) * [1, 2, 3]
    moved = 1000 + 7 * rotated(points)
    np.testing.assert_allclose(variance_fractions(moved), variance_fractions(points), rtol=1e-9)


def test_trajectories_are_pooled():
    points = np.random.default_rng(0).normal(size=(4, 10, 3)) + np.arange(4)[:, None, None]
    np.testing.assert_array_equal(variance_fractions(points), variance_fractions(points.reshape(-1, 3)))
    assert first_component_variance(points) != pytest.approx(first_component_variance(points[0]), rel=0.01)


@pytest.mark.parametrize("measure", [variance_fractions, participation_ratio, first_component_variance])
@pytest.mark.parametrize("value", [0.0, 2.5, 0.1])
def test_one_and_the_same_point_has_no_shape(measure, value):
    with pytest.raises(ValueError, match="`points` must vary, got one and the same point throughout"):
        measure(np.full((10, 3), value))


def test_points_that_are_not_finite_have_no_shape():
    with pytest.raises(ValueError, match=r"`points` must be finite, got .*nan"):
        variance_fractions(np.array([[1.0, np.nan], [2.0, 3.0]]))


@pytest.mark.parametrize("corners", [3, 4, 100])
def test_a_round_path_bends_by_its_angle(corners):
    angles = 2 * np.pi * np.arange(5 * corners) / corners
    ring = np.stack([np.cos(angles), np.sin(angles), np.ones_like(angles)], axis=-1)
    assert straightness(ring) == pytest.approx(1 - 4 / corners)
    assert straightness(1000 + 7 * rotated(ring)) == pytest.approx(1 - 4 / corners)


def test_straight_random_and_to_and_fro(line):
    assert straightness(line) == pytest.approx(1, abs=1e-7)
    steps = np.random.default_rng(0).normal(size=(20_000, 4))
    assert straightness(np.cumsum(steps, axis=0)) == pytest.approx(0, abs=0.01)
    assert straightness(np.tile([[0.0, 0.0], [1.0, 2.0]], (5, 1))) == pytest.approx(-1)


def test_places_of_rest_and_cuts_between_trajectories_have_no_angle():
    path = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    assert straightness(path) == pytest.approx(1)
    assert straightness(np.stack([path, path @ [[0.0, 1.0], [-1.0, 0.0]]])) == pytest.approx(1)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.eye(2), r"`points` must have at least 3 samples in time, .* got an array of shape \(2, 2\)"),
        (np.ones(5), "`points` must have at least 3 samples in time"),
        (np.array([[0.0], [1.0], [1.0]]), "`points` must move twice in a row"),
        (np.array([[0.0], [np.inf], [1.0]]), "`points` must be finite, got inf"),
        (np.ones((5, 2)), "`points` must vary"),
    ],
)
def test_invalid_points_have_no_straightness(points, message):
    with pytest.raises(ValueError, match=message):
        straightness(points)
