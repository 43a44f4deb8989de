"""Which values each column of a scan gets, and axes that do not fit."""

import itertools
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import jrae_jax as jrae
from jrae_jax.column.states import STATES
from jrae_jax.scan import Axis, independent_uniform, latin_hypercube, sampled, zipped
from jrae_jax.scan.axes import Grid
from jrae_jax.scan.engine import ScanPoints

UNIFORM = jrae.UniformNoiseInput(120, 320, hold=1e-3)


def column(input=None) -> jrae.Column:
    return jrae.Column(jrae.JansenRitParameters(), input or jrae.ConstantInput(220.0))


def grid_of(axes, repeats=None, input=None) -> Grid:
    return Grid(ScanPoints(column(input)), axes, repeats)


def all_points(axes, repeats=None, input=None) -> ScanPoints:
    grid = grid_of(axes, repeats, input)
    return grid.points(np.arange(grid.size, dtype=np.uint32))


def strata(values, low, high):
    """In which of as many equal parts of its range as there are values each value lies, in order."""
    return np.sort(np.floor((values - low) / (high - low) * len(values))).astype(int)


# Grids


def test_the_last_axis_of_a_grid_changes_fastest():
    C, a, p = np.array([100.0, 120.0]), np.array([90.0, 100.0, 110.0]), np.array([4.0, 3.0])
    points = all_points({"C": C, "a": a, "p": p})
    expected = [axis.ravel() for axis in np.meshgrid(C, a, p, indexing="ij")]
    for name, wanted in zip(("C", "a", "p"), expected, strict=True):
        np.testing.assert_array_equal(points.column.value(name), wanted.astype(np.float32))
    assert points.column.value("B").shape == ()


def test_every_point_has_noise_of_its_own_and_a_repetition_nothing_else():
    points = all_points({"C": np.array([100.0, 120.0])}, repeats=3)
    np.testing.assert_array_equal(points.trajectory, np.arange(6))
    np.testing.assert_array_equal(points.column.value("C"), [100, 100, 100, 120, 120, 120])


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_points_of_any_grid_are_those_of_meshgrid(data):
    lengths = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    repeats = data.draw(st.none() | st.integers(1, 3))
    along = [10.0 * (i + 1) + np.arange(length) for i, length in enumerate(lengths)]
    names = ["C", "a", "p", "initial_y1"][: len(lengths)]
    grid = grid_of(dict(zip(names, along, strict=True)), repeats)
    numbers = np.array(data.draw(st.lists(st.integers(0, grid.size - 1), min_size=1, max_size=9)), np.uint32)
    points = grid.points(numbers)
    found = {**vars(points.column.parameters), "p": points.column.value("p"), "initial_y1": points.y0.y1}
    mesh = np.meshgrid(*along, np.arange(repeats or 1), indexing="ij")
    for name, values in zip(names, mesh, strict=False):
        np.testing.assert_array_equal(found[name], values.ravel()[numbers])
    np.testing.assert_array_equal(points.trajectory, numbers)


def test_initial_states_can_be_scanned():
    values = {f"initial_y{i}": np.array([0.5 * i, i + 1.0]) for i in range(6)}
    y0 = all_points([zipped("start", **values)]).y0
    for state in STATES:
        np.testing.assert_array_equal(y0._asdict()[state], values[f"initial_{state}"])


def test_quantities_of_a_background_are_named_after_it():
    pulse = jrae.EvokedPulseInput(0.02, UNIFORM, q=0.4)
    low, high, onset = np.array([0.0, 350.0]), np.array([300.0, 400.0]), np.array([0.1, 0.2, 0.3])
    axes = [zipped("range", **{"background.low": low, "background.high": high}), zipped("onset", onset=onset)]
    found = all_points(axes, 1, pulse).column
    np.testing.assert_array_equal(found.value("background.low"), np.repeat(low, 3))
    np.testing.assert_array_equal(found.value("background.high"), np.repeat(high, 3))
    np.testing.assert_array_equal(found.value("onset"), np.tile(onset, 2).astype(np.float32))
    assert found.value("q").shape == ()


def test_a_range_may_move_beyond_where_it_was():
    """Neither `low` nor `high` alone fits the other as it was."""
    axis = zipped(low=np.array([400.0, 0.0]), high=np.array([500.0, 90.0]))
    found = all_points([axis], input=UNIFORM).column
    np.testing.assert_array_equal(found.value("low"), [400, 0])
    np.testing.assert_array_equal(found.value("high"), [500, 90])


def test_shape_and_dimensions():
    grid = grid_of(
        [zipped("x", C=np.arange(3.0), p=np.arange(3.0)), *[Axis("y", {"a": np.arange(1.0, 3.0)})]], repeats=4
    )
    assert (grid.dims, grid.shape, grid.size) == (("x", "y", "repeat"), (3, 2, 4), 24)
    assert (grid_of({}).dims, grid_of({}).shape, grid_of({}).size) == ((), (), 1)


def test_coordinates_have_units():
    axes = [zipped("x", C=np.arange(2.0), p=np.ones(2)), zipped("y", initial_y3=np.ones(1)), zipped("z", A=np.ones(1))]
    found = {coordinate.name: coordinate for coordinate in grid_of(axes, 2).coordinates}
    units = {name: coordinate.attributes.get("units") for name, coordinate in found.items()}
    assert units == {"C": "1", "p": "1/s", "initial_y3": "mV/s", "A": "mV", "repeat": None}
    assert found["p"].dim == "x"
    background = grid_of({"background.low": np.ones(1)}, input=jrae.EvokedPulseInput(0.02, UNIFORM)).coordinates
    assert background[0].attributes == {"units": "1/s"}


# Corners: where a scan is tried out before it starts


def test_corners_have_all_combinations_of_least_and_largest():
    grid = grid_of({"C": np.array([3.0, 1.0, 2.0]), "a": np.array([5.0, 4.0]), "p": np.array([7.0])}, repeats=3)
    points = grid.points(grid.corners()).column
    C, a = np.asarray(points.value("C")).tolist(), np.asarray(points.value("a")).tolist()
    assert set(zip(C, a, strict=True)) == set(itertools.product([1, 3], [4, 5]))


def test_corners_of_quantities_together_have_the_least_and_largest_of_each():
    grid = grid_of([zipped(C=np.array([5.0, 9.0, 1.0, 5.0]), p=np.array([0.0, 1.0, 1.0, 4.0]))])
    points = grid.points(grid.corners()).column
    assert {1, 9} <= set(np.asarray(points.value("C")).tolist())
    assert {0, 4} <= set(np.asarray(points.value("p")).tolist())


def test_without_axes_there_is_one_corner():
    assert grid_of({}).corners().tolist() == [0]
    assert grid_of({}, 5).corners().tolist() == [0]


# Samples


KEY = jax.random.key(3)


def test_a_latin_hypercube_has_one_point_in_each_stratum_of_each_quantity():
    axis = sampled(40, key=KEY, C=(100.0, 140.0), p=(-1.0, 1.0))
    assert (axis.dim, len(axis)) == ("point", 40)
    np.testing.assert_array_equal(strata(axis.values["C"], 100, 140), np.arange(40))
    np.testing.assert_array_equal(strata(axis.values["p"], -1, 1), np.arange(40))
    assert abs(np.corrcoef(axis.values["C"], axis.values["p"])[0, 1]) < 0.6


def test_log_spreads_evenly_in_the_logarithm():
    axis = sampled(40, key=KEY, log=["C"], C=(1.0, 1000.0), p=(1.0, 1000.0))
    np.testing.assert_array_equal(strata(np.log(axis.values["C"]), 0, np.log(1000)), np.arange(40))
    np.testing.assert_array_equal(strata(axis.values["p"], 1, 1000), np.arange(40))


def test_random_points_are_spread_without_strata():
    axis = sampled(400, key=KEY, design=independent_uniform, C=(100.0, 140.0), p=(0.0, 1.0))
    assert not np.array_equal(strata(axis.values["C"], 100, 140), np.arange(400))
    for values, low, high in ((axis.values["C"], 100, 140), (axis.values["p"], 0, 1)):
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 4 * (high - low) / np.sqrt(12 * 400)


@pytest.mark.parametrize("design", [latin_hypercube, independent_uniform])
def test_the_key_makes_the_points(design):
    keys = [jax.random.key(seed) for seed in (5, 5, 6)]
    points = [sampled(8, key=key, design=design, dim="x", C=(1.0, 2.0), p=(3.0, 4.0)) for key in keys]
    np.testing.assert_array_equal(points[0].values["p"], points[1].values["p"])
    assert not np.array_equal(points[0].values["p"], points[2].values["p"])
    assert points[0].dim == "x"


def test_points_of_a_key_are_those_of_numpys_generator_with_its_seed():
    axis = sampled(8, key=jax.random.key(5), design=independent_uniform, C=(0.0, 1.0), p=(0.0, 1.0))
    wanted = np.random.default_rng(5).random((8, 2))
    np.testing.assert_array_equal(np.stack([axis.values["C"], axis.values["p"]], axis=1), wanted)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(points=0, C=(1.0, 2.0)), "`points` must be a whole number of at least 1, got 0"),
        (dict(points=3), "`ranges` must name at least one quantity, got none"),
        (dict(points=3, C=(2.0, 1.0)), "`C` must have a range that rises, got 2 to 1"),
        (dict(points=3, C=(2.0, 2.0)), "`C` must have a range that rises, got 2 to 2"),
        (dict(points=3, C=(1.0, np.inf)), "`C` must be finite, got inf"),
        (dict(points=3, C=(np.nan, 1.0)), "`C` must be finite, got nan"),
        (dict(points=3, log=["C"], C=(0.0, 1.0)), "`C` must be positive to be spread in its logarithm, got 0 to 1"),
        (dict(points=3, log=["p"], C=(1.0, 2.0)), "`log` must name some of C; got p"),
    ],
)
def test_samples_that_are_refused(settings, message):
    points = settings.pop("points")
    with pytest.raises(ValueError, match=message):
        sampled(points, key=KEY, **settings)


# Axes that do not fit


ONE, TWO, THREE = np.ones(1), np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0])


def scan(axes, **changed: Any):
    given = column(changed.pop("input", None))
    settings: dict[str, Any] = dict(t1=0.05, dt=1e-3) | changed
    return jrae.parameter_scan(given, axes, **settings)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (
            {"Q": TWO},
            "`axes` must name some of A, B, a, b, e0, v0, r, C, alpha1, alpha2, alpha3, alpha4, p, initial_y0, "
            "initial_y1, initial_y2, initial_y3, initial_y4, initial_y5; got Q",
        ),
        ({"y0": TWO}, "`axes` must name some of .*; got y0"),
        ({"background.p": TWO}, r"`axes` must name some of .*; got background\.p"),
        ({"C": np.array([])}, r"`C` must have a row of values along its axis, got shape \(0,\)"),
        ({"C": np.ones((2, 2))}, r"`C` must have a row of values along its axis, got shape \(2, 2\)"),
        ({"C": np.array(1.0)}, r"`C` must have a row of values along its axis, got shape \(\)"),
        ({"C": np.array([1.0, np.nan])}, r"`C` must be finite, got nan in an array of shape \(2,\)"),
        ({"a": np.array([100.0, -1.0])}, "`a` must be positive, got -1.0"),
        ([zipped(C=TWO), zipped("x", C=THREE)], "`axes` must name each quantity once, got C 2 times"),
        ([zipped(C=TWO), zipped(p=THREE)], "`axes` must have different dimensions, got point twice"),
        ([zipped("repeat", C=TWO)], "`axes` must have different dimensions, got repeat twice"),
        ({"C": np.array([100.0, 90.0, 100.0])}, r"`axes` must have different values .* got C = 100 2 times: `repeats`"),
        ([zipped(C=np.array([9.0, 8.0, 9.0]), p=np.array([1.0, 2.0, 1.0]))], r"got C = 9, p = 1 2 times"),
        ({"C": np.arange(7e4), "p": np.arange(7e4)}, "`axes` must make at most 4294967296 points, got 4900000000"),
    ],
)
def test_axes_that_do_not_fit(axes, message):
    repeats = 1 if "repeat" in message else None
    with pytest.raises(ValueError, match=message):
        scan(axes, repeats=repeats)


@pytest.mark.parametrize("repeats", [0, -1, True])
def test_repeats_that_do_not_fit(repeats):
    with pytest.raises(ValueError, match=f"`repeats` must be a whole number of at least 1, got {repeats}"):
        scan({"C": TWO}, repeats=repeats)


def test_lengths_that_differ_cannot_go_together():
    with pytest.raises(ValueError, match="`values` must be as many for each quantity of axis x, got 2 of C, 3 of p"):
        zipped("x", C=TWO, p=THREE)
    with pytest.raises(ValueError, match="`values` must be as many for each quantity of axis x, got none"):
        zipped("x")


@pytest.mark.parametrize(
    "axes",
    [
        {"low": np.array([100.0, 330.0])},
        {"low": np.array([100.0, 200.0]), "high": np.array([150.0, 300.0])},
        [zipped(low=np.array([0.0, 90.0, 100.0]), high=np.array([10.0, 80.0, 200.0]))],
    ],
    ids=["one quantity", "a grid", "in the middle of quantities together"],
)
def test_values_that_do_not_go_together_are_found_before_anything_is_made(axes, tmp_path, key):
    with pytest.raises(ValueError, match="`high - low` must be positive, got -"):
        scan(axes, input=UNIFORM, store=tmp_path / "scan.zarr", key=key)
    assert not list(tmp_path.iterdir())


def test_a_quantity_may_be_called_like_an_argument():
    """None is; but on the command line a wrong name must be refused in one line."""
    assert zipped("x", **{"dim": ONE}).values["dim"].shape == (1,)  # pyright: ignore
