from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jrae_jax as jrae
from jrae_jax.column import eeg
from jrae_jax.dynamics import bifurcation_curves, equilibria, hopf_points, saddle_nodes
from jrae_jax.dynamics.continuation import checked_values, continued_equilibria
from jrae_jax.dynamics.curve import polynomial_product
from jrae_jax.plot.dynamics import regime_map as plot_regime_map

pytestmark = pytest.mark.usefixtures("x64")

RANGES = dict(A=(2.6, 9.75), B=(17.6, 40.0), a=(50.0, 150.0), b=(25.0, 75.0), e0=(1.25, 3.75), v0=(3.12, 7.0))
RANGES |= dict(r=(0.28, 0.84), C=(65.0, 270.0), alpha1=(0.5, 1.5), alpha2=(0.4, 1.2), alpha3=(0.1, 0.5))
RANGES |= dict(alpha4=(0.1, 0.5))


def standard(p: Any = 220.0, **values: Any):
    """Made in the precision of the test."""
    return jrae.Column(jrae.JansenRitParameters(), jrae.ConstantInput(p)).replace(**values)


def continued(name, p, low, high, points=200):
    column = standard(p)
    return continued_equilibria(column, name, checked_values(column, name, low, high, points))


@pytest.fixture(scope="module")
def along_c():
    """At the p of a published Hopf point; over most of the range there are three equilibria."""
    with jax.enable_x64(True):
        return continued("C", 89.82910797, 65.0, 270.0)


@pytest.fixture(scope="module")
def curves():
    with jax.enable_x64(True):
        return bifurcation_curves(standard(), "C", low=100.0, high=150.0, points=60)


@pytest.mark.parametrize(("index", "p"), [(1, 113.58627321), (2, 89.82910797)], ids=["saddle-node", "Hopf point"])
@pytest.mark.parametrize("name", RANGES)
@pytest.mark.slow
def test_what_bifurcates_along_p_bifurcates_along_a_parameter(name, index, p):
    """Published points of the standard column, at the value that it has of the parameter."""
    own = float(standard().value(name))
    found = continued(name, p, *RANGES[name])[index]
    assert np.min(np.abs(found.value - own)) < 1e-8 * own
    np.testing.assert_array_equal(found.p, p)


def test_the_published_hopf_point_is_found_along_c(along_c):
    _, meeting, hopf = along_c
    np.testing.assert_allclose(hopf.value, [135.0], atol=1e-6)
    np.testing.assert_allclose(hopf.frequency, [10.3771], atol=1e-4)
    column = standard(C=meeting.value[0])
    assert np.nanmin(np.abs(saddle_nodes(column).p - 89.82910797)) < 1e-9


def test_equilibria_along_a_parameter_are_those_of_columns_at_its_values(along_c):
    rest, meeting, _ = along_c
    assert rest.parameter == "C"
    values = jnp.linspace(65.0, 270.0, 200)[10:190:20]
    columns = equilibria(standard(89.82910797, C=values))
    for row, value in enumerate(values):
        there = np.asarray(rest.value == value)
        exists = np.asarray(columns.exists[row])
        order = np.argsort(eeg(rest.states[there]))
        np.testing.assert_allclose(rest.states[there][order], columns.states[row][exists], atol=1e-9)
        np.testing.assert_array_equal(rest.stable[there][order], columns.stable[row][exists])
    several = np.sum(columns.exists, axis=-1) == 3
    assert several.any()
    np.testing.assert_array_equal(several, values > meeting.value[0])


def test_simulations_leave_equilibria_that_are_not_stable_and_come_back_to_the_others(along_c):
    rest = along_c[0]
    clear = rest.exists & (jnp.abs(jnp.max(rest.eigenvalues.real, axis=-1)) > 2)
    rows = np.flatnonzero(clear)[::15]
    columns = standard(89.82910797, C=rest.value[rows])
    ys = jrae.simulate(columns, t1=4.0, dt=1e-3, y0=1.0001 * rest.states[rows]).ys
    before, after = (jnp.linalg.norm(y - rest.states[rows], axis=-1) for y in (ys[:, 0], ys[:, -1]))
    stable = np.asarray(rest.stable[rows])
    assert 5 < stable.sum() < len(stable) - 5
    np.testing.assert_array_equal(after < before, stable)


def test_curves_over_c_and_p_are_where_columns_bifurcate(curves):
    """Both ways: no point too many, none missing."""
    values = jnp.linspace(100.0, 150.0, 60)[3::8]
    columns = standard(C=values)
    for curve, expected in ((curves.saddle_nodes, saddle_nodes(columns)), (curves.hopf_points, hopf_points(columns))):
        assert curve.parameter == "C"
        for row, value in enumerate(values):
            p = np.sort(curve.p[curve.value == value])
            np.testing.assert_allclose(p, np.sort(expected.p[row][expected.exists[row]]), atol=1e-7)
    assert not np.any(curves.hopf_points.value < 110)  # below the Bogdanov-Takens point there is none
    assert curves.hopf_points.on_imaginary_axis[curves.hopf_points.exists].all()


def test_products_of_polynomials():
    polynomials = np.random.default_rng(0).normal(size=(2, 4))
    product = polynomial_product(*([jnp.asarray(power) for power in each] for each in polynomials))
    np.testing.assert_allclose(product, np.convolve(*polynomials), rtol=1e-12)


def test_separate_curves_are_not_joined(curves):
    for curve in (curves.saddle_nodes, curves.hopf_points):
        places = np.stack([eeg(curve.states), curve.value], axis=1)
        steps = np.abs(np.diff(places, axis=0))
        assert np.nanmax(steps[:, 0]) < 0.15  # steps of the grid: mV, and
        assert np.nanmax(steps[:, 1]) < 0.85
    assert np.sum(~curves.saddle_nodes.exists) == 1  # the lower and the upper curve


def test_a_map_shows_them_within_its_own_limits(curves):
    axes = {"C": [120.0, 140.0], "p": [50.0, 150.0]}
    regimes = xr.Dataset({"regime": (tuple(axes), np.zeros((2, 2), np.int8))}, axes)
    ax = plot_regime_map(regimes, curves).axes[0]
    assert (*ax.get_xlim(), *ax.get_ylim()) == (0, 200, 110, 150)
    for line, curve in zip(ax.lines, (curves.saddle_nodes, curves.hopf_points), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.stack([curve.p, curve.value], axis=1))
    with pytest.raises(ValueError, match="`curves` must be over the axes of the map, b and p; got p and C"):
        plot_regime_map(regimes.rename(C="b"), curves)


@pytest.mark.parametrize(
    ("column", "settings", "message"),
    [
        (standard, {"high": np.inf}, "`high` must be finite, got inf"),
        (standard, {"parameter": "p"}, r"`parameter` must be one of 'A', 'B', .*, got 'p'"),
        (standard, {"low": 2.0}, r"`low` must be below `high`, got 2\.0 and 1\.0"),
        (standard, {"parameter": "A", "low": 0.0}, r"`A` must be positive, got 0\.0"),
        (standard, {"points": 1}, "`points` must be a whole number of at least 2, got 1"),
        (lambda: standard(C=jnp.ones(2)), {}, r"`column` must be one column, got a batch of 2: .*column\[i\]"),
        (
            lambda: standard(input=jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3)),
            {},
            r"`column` must have a ConstantInput, got a UniformNoiseInput: column\.replace\(input=",
        ),
    ],
)
def test_invalid_arguments_are_refused(column, settings, message):
    settings = {"parameter": "C", "low": 0.5, "high": 1.0} | settings
    with pytest.raises(ValueError, match=message):
        bifurcation_curves(column(), **settings)
