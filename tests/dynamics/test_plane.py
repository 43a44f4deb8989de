"""Bifurcations along every parameter against dense searches in NumPy, which share the equations alone.

One route follows curves from row to row of a grid, the other looks at each value of the parameter by itself, or begins
Newton's method everywhere.
"""

import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import eeg
from jrae_jax.dynamics import bifurcation_curves, hopf_points
from jrae_jax.dynamics.continuation import checked_values, continued_equilibria
from jrae_jax.dynamics.plane import Plane, curves
from tests.dynamics.dense_search import (
    FRACTIONS,
    RANGES,
    STANDARD,
    dense_roots,
    hurwitz,
    input_slope,
    oscillating,
    points_in_plane,
)

pytestmark = pytest.mark.usefixtures("x64")

ALL = STANDARD | FRACTIONS
CONDITIONS = (input_slope, hurwitz)  # of saddle-nodes and of Hopf points


def column_of(values, p=0.0):
    return jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(p)).replace(**values)


def random_column(random, within):
    """Anywhere, or within a fraction of the standard column; fractions of synapses always by the latter."""
    near = {name: value * (1 + (within or 0.5) * random.uniform(-1, 1)) for name, value in ALL.items()}
    return near if within else near | {name: random.uniform(*bounds) for name, bounds in RANGES.items()}


def bounds_of(name, within):
    if name in RANGES and not within:
        low, high = RANGES[name]
        return float(low), float(high)
    return ALL[name] * (1 - (within or 0.5)), ALL[name] * 1.5


def is_one(condition, v, values):
    return condition is input_slope or oscillating(v, values)


def wrong_rows(values, name, low, high, points):
    """The values of a parameter at which curves and a dense search differ, and what they found; and how many points
    there are."""
    curves, wrong, count = bifurcation_curves(column_of(values), name, low=low, high=high, points=points), [], 0
    for condition, found in zip(CONDITIONS, (curves.saddle_nodes, curves.hopf_points), strict=True):
        for value in np.linspace(low, high, points):
            there = values | {name: value}
            expected = [v for v in dense_roots(condition, there) if is_one(condition, v, there)]
            at = np.isclose(found.value, value, rtol=1e-12) & np.asarray(found.exists)
            own = np.unique(np.round(eeg(found.states)[at], 12))  # of a closed curve the first is also the last
            count += len(expected)
            if len(own) != len(expected) or np.max(np.abs(own - expected), initial=0) > 1e-6:
                wrong.append((condition.__name__, there, own, expected))
    return wrong, count


def along(values, p, name, low, high, points):
    """Saddle-nodes and Hopf points at an input as a parameter changes."""
    column = column_of(values, p)
    return continued_equilibria(column, name, checked_values(column, name, low, high, points))[1:]


@pytest.mark.parametrize("name", ["C", "b", "r", "alpha3"])
def test_curves_have_all_points_at_each_value(name):
    """The columns have pairs of Hopf points within a cell of the grid."""
    values = ALL | {"C": 138.0}
    wrong, count = wrong_rows(values, name, 0.99 * values[name], 1.01 * values[name], 3)
    assert wrong == []
    assert count > 8


@pytest.mark.slow
@pytest.mark.parametrize("within", [None, 0.2, 0.5])
@pytest.mark.parametrize("name", ALL)
def test_curves_of_random_columns_have_all_points_at_each_value(name, within):
    random = np.random.default_rng([list(ALL).index(name), int(10 * (within or 0))])
    for _ in range(3):
        assert wrong_rows(random_column(random, within), name, *bounds_of(name, within), 25)[0] == []


def test_a_pair_of_hopf_points_within_a_cell_is_found_along_a_parameter():
    """At an input right below the least of a pair along p, near where the two meet."""
    pair = hopf_points(column_of({"C": 138.0})).p[:2]
    found = along(ALL, float(pair[0]), "C", 137.0, 139.0, 2)[1]
    assert np.min(np.abs(np.asarray(found.value) - 138)) < 1e-9
    values, potentials = np.linspace(137, 139, 41), 0.56 * (np.linspace(5.9, 6.4, 81) - 6.0)
    expected = points_in_plane(hurwitz, ALL, "C", values, potentials, float(pair[0]))
    near = (eeg(found.states) > 5.9) & (eeg(found.states) < 6.4)
    assert len(expected) > 0
    np.testing.assert_allclose(np.sort(found.value[near]), expected[:, 1], atol=1e-8)


@pytest.mark.parametrize("below", [1e-1, 1e-3, 1e-5])
def test_the_pair_near_a_cusp_is_found_along_a_parameter(below):
    """Where two saddle-nodes of the standard column meet as C falls, at an input right beside that of the cusp."""
    cusp, count = 168.7046, []
    for p in (cusp - below, cusp + below):
        found = along(ALL, p, "C", 50.0, 75.0, 6)[0]
        values, potentials = np.linspace(57, 61, 81), np.linspace(-4, 4, 161)
        expected = points_in_plane(input_slope, ALL, "C", values, potentials, p)
        near = (found.value > 57) & (found.value < 61)
        np.testing.assert_allclose(np.sort(found.value[near]), expected[:, 1], atol=1e-7)
        count.append(len(expected))
    assert count[0] == 2


def test_curves_beside_each_other_are_not_mistaken_for_one_another():
    """Two curves a step of the grid apart, which swing to and fro by ten between two values of the parameter."""
    plane = Plane(column_of({}), "C", jnp.linspace(100.0, 140.0, 5))
    step = plane.steps[0]

    def middle(C):
        return 10 * step * jnp.sin(jnp.pi * (C - 100) / 10 + 0.3)

    def function(v, column):
        parameters = column.parameters
        return (parameters.r * (v - parameters.v0) - middle(parameters.C)) ** 2 - (step / 2) ** 2

    lines = curves(function, plane)
    aside = [(places[:, 0] - np.asarray(middle(places[:, 1]))) / step for places in lines]
    assert len(aside) == 2
    np.testing.assert_allclose(aside[0], -0.5, atol=1e-6)
    np.testing.assert_allclose(aside[1], 0.5, atol=1e-6)


def test_a_curve_that_closes_between_two_values_is_found():
    values = dict(A=2.497414, B=10.204587, a=157.785412, b=25.375341, v0=8.646396, e0=1.22839, r=0.631387, C=196.445611)
    values |= dict(alpha1=1.085486, alpha2=0.882149, alpha3=0.25718, alpha4=0.127976)
    numbers = [len(dense_roots(input_slope, values | {"v0": v0})) for v0 in (3.0, 4.8, 5.6, 6.6, 8.4)]
    assert numbers == [0, 0, 2, 0, 0]
    found = bifurcation_curves(column_of(values), "v0", low=3.0, high=8.4, points=4).saddle_nodes
    places = np.stack([eeg(found.states), found.value], axis=1)
    assert len(places) > 6
    np.testing.assert_array_equal(places[0], places[-1])
    for v, v0 in places:
        assert np.min(np.abs(dense_roots(input_slope, values | {"v0": v0}) - v)) < 1e-6
