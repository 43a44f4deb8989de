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

pytestmark = pytest.mark.usefixtures("x64")

RANGES = dict(A=(2.6, 9.75), B=(17.6, 110), a=(50, 150), b=(25, 75), v0=(3.12, 6), e0=(1.25, 3.75), r=(0.28, 0.84))
RANGES |= dict(C=(65, 1350))
STANDARD = dict(A=3.25, B=22.0, a=100.0, b=50.0, v0=6.0, e0=2.5, r=0.56, C=135.0)


def random_columns(count, seed, near_standard=None):
    """Over all ranges, or within a fraction of the standard column."""
    random = np.random.default_rng(seed)
    if near_standard is None:
        return [{name: random.uniform(*bounds) for name, bounds in RANGES.items()} for _ in range(count)]
    factors = 1 + near_standard * random.uniform(-1, 1, (count, len(STANDARD)))
    return [{n: v * f for (n, v), f in zip(STANDARD.items(), row, strict=True)} for row in factors]


def _gains(v, q):
    """Slopes of the three sigmoids in the loops, 1/s."""

    def rate(x):
        return 2 * q["e0"] / (1 + np.exp(-q["r"] * (x - q["v0"])))

    def slope(x):
        return q["r"] * rate(x) * (1 - rate(x) / (2 * q["e0"]))

    y0 = q["A"] / q["a"] * rate(v)
    return slope(v), slope(q["C"] * y0), slope(q["C"] / 4 * y0)


def input_slope(v, q):
    """dp/dv along the curve of equilibria, 1/s per mV: 0 at a saddle-node."""
    pyramidal, excitatory, inhibitory = _gains(v, q)
    dy0 = q["A"] / q["a"] * pyramidal
    dy2 = q["B"] / q["b"] * q["C"] / 4 * inhibitory * q["C"] / 4 * dy0
    return q["a"] / q["A"] * (1 + dy2) - 0.8 * q["C"] * excitatory * q["C"] * dy0


def hurwitz(v, q):
    """The Hurwitz determinant of order five: 0 where two eigenvalues are opposite."""
    pyramidal, excitatory, inhibitory = _gains(v, q)
    unit = np.sqrt(q["a"] * q["b"])
    a, b = q["a"] / unit, q["b"] / unit
    loop = q["A"] * q["a"] * pyramidal / unit**2
    e = loop * q["A"] * q["a"] * 0.8 * q["C"] ** 2 * excitatory / unit**2
    i = loop * q["B"] * q["b"] * (q["C"] / 4) ** 2 * inhibitory / unit**2
    free = np.polymul(np.polymul([1, 2 * a, a * a], [1, 2 * a, a * a]), [1, 2 * b, b * b])
    c = [np.full_like(v, x) for x in free]
    c[4], c[5], c[6] = c[4] - (e - i), c[5] - 2 * (b * e - a * i), c[6] - (b * b * e - a * a * i)
    matrix = np.zeros((*np.shape(v), 5, 5))
    for row in range(5):
        for column in range(5):
            index = 2 * (column + 1) - (row + 1)
            if 0 <= index <= 6:
                matrix[..., row, column] = c[index]
    return np.linalg.det(matrix)


def dense_roots(function, q, points=8001, reach=20.0):
    """All roots of a function of v, those between neighbours included that an extremum separates."""
    v = q["v0"] + np.linspace(-reach, reach, points) / q["r"]
    values = function(v, q)
    side, sizes = np.sign(values), np.abs(values)
    low = (sizes[1:-1] <= sizes[:-2]) & (sizes[1:-1] <= sizes[2:])
    low = 1 + np.flatnonzero(low & (side[1:-1] == side[:-2]) & (side[1:-1] == side[2:]))
    first, last = v[low - 1], v[low + 1]
    for _ in range(60):  # thirds
        inner, outer = first + (last - first) / 3, last - (last - first) / 3
        left = side[low] * function(inner, q) < side[low] * function(outer, q)
        first, last = np.where(left, first, inner), np.where(left, outer, last)
    edges = np.sort(np.concatenate([v, first]))
    values = function(edges, q)
    crossed = np.flatnonzero((values[1:] > 0) != (values[:-1] > 0))
    first, last = edges[crossed], edges[crossed + 1]
    for _ in range(60):
        middle = (first + last) / 2
        beyond = (function(middle, q) > 0) == (values[crossed + 1] > 0)
        first, last = np.where(beyond, first, middle), np.where(beyond, middle, last)
    return (first + last) / 2


def unstable_eigenvalues(jacobians):
    """How many eigenvalues have a positive real part."""
    return np.sum(np.linalg.eigvals(jacobians).real > 0, axis=-1)


def jacobian(v, q):
    """Of the equations at the equilibrium with this y1 - y2."""
    pyramidal, excitatory, inhibitory = _gains(np.asarray(v), q)
    a, b = q["a"], q["b"]
    matrix = np.zeros((*np.shape(v), 6, 6))
    for row, k in ((0, a), (1, a), (2, b)):
        matrix[..., row, row + 3] = 1
        matrix[..., row + 3, row] = -(k**2)
        matrix[..., row + 3, row + 3] = -2 * k
    matrix[..., 3, 1] = q["A"] * a * pyramidal
    matrix[..., 3, 2] = -q["A"] * a * pyramidal
    matrix[..., 4, 0] = q["A"] * a * 0.8 * q["C"] ** 2 * excitatory
    matrix[..., 5, 0] = q["B"] * b * (q["C"] / 4) ** 2 * inhibitory
    return matrix


SAMPLES = [(7, None), (8, 0.2), (9, 0.5)]
"""Seeds, and how far from the standard column: anywhere, and within these fractions of it."""


def batch_of(columns):
    column = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(0.0))
    return column.replace(**{name: jnp.array([values[name] for values in columns]) for name in RANGES})


def potentials(found, row):
    return np.asarray(eeg(found.states[row]))[np.asarray(found.exists[row])]


def oscillating(v, values):
    eigenvalues = np.linalg.eigvals(jacobian(v, values))
    return np.any((eigenvalues.imag > 0) & (np.abs(eigenvalues.real) < 0.02 * eigenvalues.imag))


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
