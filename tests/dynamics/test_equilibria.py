import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import JansenRitParameters, equilibria, hopf_points, saddle_nodes

STANDARD = JansenRitParameters.preset("jansen_rit_1995")
RANGES = dict(A=(2.6, 9.75), B=(17.6, 110), a=(50, 150), b=(25, 75), v0=(3.12, 6), e0=(1.25, 3.75), r=(0.28, 0.84))
RANGES |= dict(C=(65, 1350))


def random_columns(count):
    random = np.random.default_rng(0)
    return [{name: random.uniform(*bounds) for name, bounds in RANGES.items()} for _ in range(count)]


def potential(found):
    return np.asarray(found.states[..., 1] - found.states[..., 2])


def input_along_the_curve(column, v):
    def rate(v):
        return 2 * column["e0"] / (1 + np.exp(np.clip(column["r"] * (column["v0"] - v), -700, 700)))

    y0 = column["A"] / column["a"] * rate(v)
    y2 = column["B"] / column["b"] * column["C"] / 4 * rate(column["C"] / 4 * y0)
    return column["a"] / column["A"] * (v + y2) - 0.8 * column["C"] * rate(column["C"] * y0)


@pytest.mark.usefixtures("x64")
def test_published_equilibria():
    parameters = JansenRitParameters.preset("jansen_rit_1995")
    found = equilibria(parameters, jnp.array([220.0, 0.0]))
    np.testing.assert_allclose(potential(found)[0, :1], [7.52028995], atol=1e-8)
    np.testing.assert_allclose(potential(found)[1, :3], [-1.90380153, 4.56871293, 6.06499359], atol=1e-8)
    np.testing.assert_array_equal(np.sum(found.exists, axis=-1), [1, 3])
    np.testing.assert_array_equal(found.stable[1, :3], [True, False, True])
    at_400 = equilibria(parameters, 400.0)
    assert float(jnp.max(at_400.eigenvalues[0].real)) == pytest.approx(-1.73978, abs=1e-5)


@pytest.mark.usefixtures("x64")
def test_published_bifurcations():
    parameters = JansenRitParameters.preset("jansen_rit_1995")
    folds, hopf = saddle_nodes(parameters), hopf_points(parameters)
    np.testing.assert_allclose(np.sort(folds.p[:2]), [-41.30141049, 113.58627321], atol=1e-8)
    np.testing.assert_allclose(hopf.p[:3], [-12.14749235, 89.82910797, 315.69642807], atol=1e-8)
    np.testing.assert_allclose(hopf.frequency[:3], [7.2395, 10.3771, 11.1636], atol=1e-4)
    assert not np.any(folds.exists[2:])
    assert not np.any(hopf.exists[3:])


@pytest.mark.usefixtures("x64")
def test_all_equilibria_of_any_column_are_found(numpy_right_hand_side):
    """By counting where p meets the curve, on a grid as fine as memory allows."""
    columns = random_columns(20)
    batch = JansenRitParameters(**{name: jnp.array([column[name] for column in columns]) for name in RANGES})
    several = 0
    for p in (0.0, 150.0):
        found = equilibria(batch, p)
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
    for column in random_columns(12):
        parameters = JansenRitParameters(**column)
        found = hopf_points(parameters)
        for p, v in zip(found.p, potential(found), strict=True):
            if not np.isfinite(p):
                continue
            near = equilibria(parameters, p)
            mine = near.eigenvalues[np.nanargmin(np.abs(potential(near) - v))]
            on_axis = np.abs(np.asarray(mine.real)) < 1e-5 * np.abs(np.asarray(mine.imag))
            assert np.sum(on_axis) == 2


def test_single_precision_is_enough_for_four_digits():
    found = hopf_points(STANDARD)
    np.testing.assert_allclose(found.p[:3], [-12.147, 89.829, 315.696], atol=0.05)
    assert found.p.dtype == jnp.float32


def test_a_batch_is_its_columns_one_by_one():
    C = jnp.array([100.0, 135.0, 200.0])
    batch = dataclasses.replace(STANDARD, C=C)
    for function in (saddle_nodes, hopf_points, lambda parameters: equilibria(parameters, 100.0)):
        together = function(batch)
        for row, value in enumerate(C):
            alone = function(dataclasses.replace(STANDARD, C=value))
            np.testing.assert_allclose(together.p[row], alone.p, rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(together.states[row], alone.states, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("x64")
def test_they_can_be_differentiated():
    parameters = JansenRitParameters.preset("jansen_rit_1995")

    def y1(C, p):
        return equilibria(dataclasses.replace(parameters, C=C), p).states[0, 1]

    for index, (step, arguments) in enumerate([(1e-4, (135.0, 220.0)), (1e-3, (135.0, 220.0))]):
        shifted = [[value + sign * step * (i == index) for i, value in enumerate(arguments)] for sign in (1, -1)]
        expected = float(y1(*shifted[0]) - y1(*shifted[1])) / (2 * step)
        assert float(jax.grad(y1, argnums=index)(*map(jnp.float64, arguments))) == pytest.approx(expected, rel=1e-6)


def test_arguments_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="`A` must be positive, got 0"):
        equilibria(dataclasses.replace(STANDARD, A=0.0), 220.0)
    with pytest.raises(ValueError, match=r"`p` has a batch axis of 2, but 3 columns were given before it"):
        equilibria(dataclasses.replace(STANDARD, C=jnp.ones(3)), jnp.ones(2))
