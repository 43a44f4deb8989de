from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import eeg
from jrae_jax.dynamics import equilibria, equilibrium_curve, hopf_points, saddle_nodes

RANGES = dict(A=(2.6, 9.75), B=(17.6, 110), a=(50, 150), b=(25, 75), v0=(3.12, 6), e0=(1.25, 3.75), r=(0.28, 0.84))
RANGES |= dict(C=(65, 1350))


def random_columns(count):
    random = np.random.default_rng(0)
    return [{name: random.uniform(*bounds) for name, bounds in RANGES.items()} for _ in range(count)]


def standard(p: Any = 220.0, **values: Any):
    """Made in the precision of the test."""
    return jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(p)).replace(**values)


def potential(found):
    return np.asarray(eeg(found.states))


def input_along_the_curve(column, v):
    def rate(v):
        return 2 * column["e0"] / (1 + np.exp(np.clip(column["r"] * (column["v0"] - v), -700, 700)))

    y0 = column["A"] / column["a"] * rate(v)
    y2 = column["B"] / column["b"] * column["C"] / 4 * rate(column["C"] / 4 * y0)
    return column["a"] / column["A"] * (v + y2) - 0.8 * column["C"] * rate(column["C"] * y0)


@pytest.mark.usefixtures("x64")
def test_published_equilibria():
    found = equilibria(standard(jnp.array([220.0, 0.0])))
    np.testing.assert_allclose(potential(found)[0, :1], [7.52028995], atol=1e-8)
    np.testing.assert_allclose(potential(found)[1, :3], [-1.90380153, 4.56871293, 6.06499359], atol=1e-8)
    np.testing.assert_array_equal(np.sum(found.exists, axis=-1), [1, 3])
    np.testing.assert_array_equal(found.stable[1, :3], [True, False, True])
    at_400 = equilibria(standard(400.0))
    assert float(jnp.max(at_400.eigenvalues[0].real)) == pytest.approx(-1.73978, abs=1e-5)


@pytest.mark.usefixtures("x64")
def test_published_bifurcations():
    folds, hopf = saddle_nodes(standard()), hopf_points(standard())
    np.testing.assert_allclose(np.sort(folds.p[:2]), [-41.30141049, 113.58627321], atol=1e-8)
    np.testing.assert_allclose(hopf.p[:3], [-12.14749235, 89.82910797, 315.69642807], atol=1e-8)
    np.testing.assert_allclose(hopf.frequency[:3], [7.2395, 10.3771, 11.1636], atol=1e-4)
    assert not np.any(folds.exists[2:])
    assert not np.any(hopf.exists[3:])


@pytest.mark.usefixtures("x64")
def test_all_equilibria_of_any_column_are_found(numpy_right_hand_side):
    """By counting where p meets the curve, on a grid as fine as memory allows."""
    columns = random_columns(20)
    batch = standard(**{name: jnp.array([column[name] for column in columns]) for name in RANGES})
    several = 0
    for p in (0.0, 150.0):
        found = equilibria(batch.replace(p=p))
        for number, column in enumerate(columns):
            above = input_along_the_curve(column, np.linspace(-3000, 3000, 3_000_001)) > p
            expected = np.sum(above[1:] != above[:-1])
            own = np.asarray(found.states[number])[np.asarray(found.exists[number])]
            assert len(own) == expected
            several += expected > 1
            for state in own:
                scale = np.abs(state[:3]).max() * column["a"] ** 2
                assert np.max(np.abs(numpy_right_hand_side(state, p, **column))) < 1e-9 * scale
    assert several > 3


@pytest.mark.usefixtures("x64")
def test_hopf_points_are_where_stability_changes_with_an_oscillation():
    for values in random_columns(12):
        column = standard(**values)
        found = hopf_points(column)
        for p, v in zip(found.p, potential(found), strict=True):
            if not np.isfinite(p):
                continue
            near = equilibria(column.replace(p=p))
            mine = near.eigenvalues[np.nanargmin(np.abs(potential(near) - v))]
            on_axis = np.abs(np.asarray(mine.real)) < 1e-5 * np.abs(np.asarray(mine.imag))
            assert np.sum(on_axis) == 2


def test_single_precision_is_enough_for_four_digits():
    found = hopf_points(standard())
    np.testing.assert_allclose(found.p[:3], [-12.147, 89.829, 315.696], atol=0.05)
    assert found.p.dtype == jnp.float32


@pytest.mark.usefixtures("x64")
def test_a_batch_is_its_columns_one_by_one():
    C = jnp.array([100.0, 135.0, 200.0])
    for function in (saddle_nodes, hopf_points, equilibria):
        together = function(standard(100.0, C=C))
        for row, value in enumerate(C):
            alone = function(standard(100.0, C=value))
            np.testing.assert_allclose(together.p[row], alone.p, rtol=1e-9, atol=1e-8)
            np.testing.assert_allclose(together.states[row], alone.states, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("x64")
def test_they_can_be_differentiated():
    column = standard()

    def y1(C, p):
        return jrae.column.States.unstack_last(equilibria(column.replace(C=C, p=p)).states[0]).y1

    for index, (step, arguments) in enumerate([(1e-4, (135.0, 220.0)), (1e-3, (135.0, 220.0))]):
        shifted = [[value + sign * step * (i == index) for i, value in enumerate(arguments)] for sign in (1, -1)]
        expected = float(y1(*shifted[0]) - y1(*shifted[1])) / (2 * step)
        assert float(jax.grad(y1, argnums=index)(*map(jnp.float64, arguments))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.usefixtures("x64")
def test_the_curve_passes_through_the_equilibria():
    column = standard(0.0)
    found = equilibria(column)
    exists = np.asarray(found.exists)
    on_curve = equilibrium_curve(column, jnp.asarray(potential(found)[exists]))
    np.testing.assert_allclose(on_curve.p, 0.0, atol=1e-9)
    np.testing.assert_allclose(on_curve.states, found.states[exists], atol=1e-9)


def test_a_few_points_print_one_by_one_and_many_by_their_ranges():
    few = repr(equilibria(standard(0.0)))
    assert few.startswith("Equilibria(3 of 6 exist\n  p = ")
    assert "y1 - y2 = -1.9038 mV" in few
    assert few.count("stable") == 3
    many = repr(equilibrium_curve(standard(), jnp.linspace(6.0, 7.0, 100)))
    assert "y1 - y2 = 6 to 7 mV" in many
    assert many.count("\n") == 4

    def traced(p):
        found = equilibria(standard(p))
        assert "p=f32[6]" in repr(found)  # it has no values
        return found

    jax.eval_shape(traced, 0.0)


@pytest.mark.parametrize(
    "function", [equilibria, saddle_nodes, hopf_points, lambda c: equilibrium_curve(c, jnp.ones(1))]
)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda column: column.replace(A=0.0), r"`A` must be positive, got 0\.0"),
        (lambda column: column.replace(B=-1.0), r"`B` must be positive, got -1\.0"),
        (
            lambda column: column.replace(input=jrae.WhiteNoiseInput(220.0, 6.0)),
            r"`column` must have a ConstantInput, got a WhiteNoiseInput: column\.replace\(input=ConstantInput",
        ),
    ],
)
def test_invalid_arguments_are_refused(function, change, message):
    with pytest.raises(ValueError, match=message):
        function(change(standard()))


def test_a_curve_is_of_one_column():
    with pytest.raises(ValueError, match="`column` must be one column, got a batch of 2"):
        equilibrium_curve(standard(jnp.ones(2)), jnp.ones(1))
