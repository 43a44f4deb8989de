"""Saddle-nodes and Hopf points of random columns against a dense search in NumPy, which shares the equations alone.

One route is by extrema and roots of two functions along the curve of equilibria, the other by eigenvalues on a grid.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import eeg
from jrae_jax.dynamics import bifurcation_diagram, equilibria, hopf_points, saddle_nodes
from tests.dynamics.dense_search import (
    RANGES,
    STANDARD,
    dense_roots,
    hurwitz,
    input_slope,
    jacobian,
    oscillating,
    random_columns,
    unstable_eigenvalues,
)

pytestmark = pytest.mark.usefixtures("x64")

SAMPLES = [(1007, None), (1008, 0.2), (1009, 0.5)]
"""Seeds, and how far from the standard column: anywhere, and within these fractions of it."""


def batch_of(columns):
    column = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(0.0))
    return column.replace(**{name: jnp.array([values[name] for values in columns]) for name in RANGES})


def potentials(found, row):
    return np.asarray(eeg(found.states[row]))[np.asarray(found.exists[row])]


def disagreements(columns):
    batch = batch_of(columns)
    folds, hopf, found = saddle_nodes(batch), hopf_points(batch), []
    for row, values in enumerate(columns):
        opposite = [v for v in dense_roots(hurwitz, values) if oscillating(v, values)]
        for own, expected in ((folds, dense_roots(input_slope, values)), (hopf, opposite)):
            mine = potentials(own, row)
            if len(mine) != len(expected) or np.max(np.abs(mine - expected), initial=0) > 1e-6:
                found.append((values, mine, expected))
    return found


HARD = [
    # Near a cusp: a pair of saddle-nodes 0.0004 mV apart.
    STANDARD | {"C": 59.113801},
    # Three places where eigenvalues are opposite, two or three of them within a cell of the grid.
    dict(A=8.769086, B=91.254527, a=62.913794, b=63.342958, v0=5.661948, e0=1.743206, r=0.601239, C=885.793706),
    dict(A=4.722550, B=22.203432, a=75.507418, b=72.656508, v0=3.143321, e0=3.068671, r=0.721791, C=585.052375),
]


def test_all_bifurcations_are_found_however_near_each_other():
    for values in HARD[:3]:
        v = [dense_roots(function, values, points=40_001) for function in (input_slope, hurwitz)]
        assert min(np.diff(each).min(initial=np.inf) for each in v) < 0.05 / values["r"]
    columns = [column for sample in SAMPLES for column in random_columns(8, *sample)]
    assert disagreements(HARD + columns) == []


@pytest.mark.parametrize(
    ("changed", "p"),
    [
        ({"C": 138.0}, [12.30533033, 14.88702788, 405.50026737]),
        ({"A": 3.373}, [-4.49009171, 0.20087290, 391.84308706]),
        ({"C": 138.0, "A": 3.373}, [465.35945491]),
    ],
)
def test_hopf_points_within_a_seventh_of_a_cell_are_found(changed, p):
    """The values are those of eigenvalues found in NumPy and roots of their real part by Brent's method."""
    found = hopf_points(batch_of([STANDARD | changed]))
    np.testing.assert_allclose(found.p[0][found.exists[0]], p, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES)
def test_all_bifurcations_of_random_columns_are_found(sample):
    assert disagreements(random_columns(400, *sample)) == []


@pytest.mark.slow
def test_equilibria_and_diagrams_have_the_pairs_near_a_cusp():
    """Between two saddle-nodes a thousandth of 1/s apart there are three equilibria."""
    column = jax.tree.map(lambda leaf: leaf if leaf.ndim == 0 else leaf[0], batch_of([STANDARD | {"C": 59.113801}]))
    folds = saddle_nodes(column)
    middle = jnp.mean(folds.p[:2])
    assert int(jnp.sum(equilibria(column.replace(p=middle)).exists)) == 3
    diagram = bifurcation_diagram(column, low=150.0, high=190.0, points=20)
    np.testing.assert_allclose(diagram.saddle_nodes.p[:2], folds.p[:2])


@pytest.mark.slow
def test_eigenvalues_on_a_grid_agree():
    """Another route: between neighbours on a fine grid the number of unstable eigenvalues changes by one at a
    saddle-node and by two at a Hopf point."""
    columns = random_columns(60, 21, 0.5)
    batch = batch_of(columns)
    folds, hopf = saddle_nodes(batch), hopf_points(batch)
    for row, values in enumerate(columns):
        v = values["v0"] + np.linspace(-15, 15, 6001) / values["r"]
        count = unstable_eigenvalues(jacobian(v, values))
        changes = np.diff(count)
        for found, change in ((folds, 1), (hopf, 2)):
            mine = potentials(found, row)
            expected = v[:-1][np.abs(changes) == change]
            assert len(expected) <= len(mine)
            inside = [np.min(np.abs(mine - each)) for each in expected]
            assert np.max(inside, initial=0) < 2 * (v[1] - v[0])
