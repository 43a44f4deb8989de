import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import eeg
from jrae_jax.dynamics import LimitCycle, cycle_folds, hopf_points, limit_cycle_branches

ALPHA = {120: 10.468268, 160: 10.675635, 200: 10.862488, 220: 10.938029, 260: 11.054984, 300: 11.137321}
"""Published frequencies of the alpha cycle at some p, Hz."""


def standard(p: Any = 220.0):
    """Made in the precision of the test."""
    return jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(p))


@pytest.fixture(scope="module")
def branches():
    with jax.enable_x64(True):
        return limit_cycle_branches(standard(), points=70, longest=0.5)


@pytest.mark.usefixtures("x64")
def test_branches_begin_and_end_where_theory_says(branches):
    hopf = hopf_points(standard())
    np.testing.assert_allclose(branches.p[:, 0], hopf.p[:3], atol=0.01)
    np.testing.assert_allclose(branches.frequency[:, 0], hopf.frequency[:3], atol=1e-3)
    last = [np.asarray(p)[np.asarray(there)][-1] for p, there in zip(branches.p, branches.exists, strict=True)]
    assert last[1] == pytest.approx(315.7, abs=0.5)
    assert last[2] == pytest.approx(89.8, abs=0.5)
    assert np.nanmax(branches.period[0]) == pytest.approx(0.5, abs=0.02)
    assert last[0] > 113.586


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_the_published_fold_of_cycles(branches):
    folds = cycle_folds(standard(), branches)
    np.testing.assert_allclose(folds.p, [137.379], atol=1e-3)
    np.testing.assert_allclose(np.abs(folds.multipliers[0, :2]), 1, atol=1e-3)
    spikes = jax.tree.map(lambda leaf: leaf[0][branches.exists[0]], branches)
    np.testing.assert_array_equal(spikes.stable, spikes.period > folds.period[0])


@pytest.mark.usefixtures("x64")
def test_a_branch_holds_the_cycles_that_columns_come_to(branches):
    there = np.asarray(branches.exists[1])
    frequency = np.interp(list(ALPHA), branches.p[1][there], branches.frequency[1][there])
    np.testing.assert_allclose(frequency, list(ALPHA.values()), atol=0.01)


@pytest.mark.usefixtures("x64")
def test_a_branch_along_c_holds_the_cycles_that_columns_stay_on():
    hopf = jax.tree.map(lambda leaf: leaf[2:3], hopf_points(standard()))
    begin = dataclasses.replace(hopf, value=jnp.array([135.0]), parameter="C")
    branch = limit_cycle_branches(standard(), begin, low=130.0, high=138.0, points=40)
    there = np.asarray(branch.exists[0])
    C, frequency = np.asarray(branch.value[0])[there], np.asarray(branch.frequency[0])[there]
    assert branch.parameter == "C"
    assert np.all(branch.p[0][there] == hopf.p[0])
    assert (C[0], frequency[0]) == pytest.approx((135.0, float(hopf.frequency[0])), abs=1e-3)
    assert C[:-1].max() <= 138 < C[-1]
    assert branch.stable[0][there].all()
    period, states = 1 / frequency[-1], branch.states[0][there][-1]
    column = standard(hopf.p[0]).replace(C=C[-1])
    ys = jrae.simulate(column, t1=9 * period, dt=period / 1000, y0=states, burn_in=8 * period).ys
    np.testing.assert_allclose(branch.extrema[0][there][-1], [eeg(ys).min(), eeg(ys).max()], atol=1e-4)


@pytest.mark.usefixtures("x64")
def test_a_branch_that_is_cut_off_says_so():
    hopf = jax.tree.map(lambda leaf: leaf[2:3], hopf_points(standard()))
    with pytest.warns(UserWarning, match=r"`points`: a branch of cycles is cut off after 3 steps, at p = 315\.68"):
        cut_off = limit_cycle_branches(standard(), hopf, points=3)
    assert cut_off.exists.all()


def branch_with(values, multipliers=(1.0, 0.5, 0.4, 0.3, 0.2, 0.1)):
    """A branch of cycles of which nothing but these numbers matters."""
    ones = jnp.ones((1, len(values)))
    leaves = {
        "p": ones,
        "period": ones,
        "states": jnp.ones((1, len(values), 6)),
        "extrema": jnp.ones((1, len(values), 2)),
    }
    wide = jnp.broadcast_to(jnp.array(multipliers, complex), (1, len(values), 6))
    return LimitCycle(**leaves, multipliers=wide, value=jnp.array([values]), parameter="C")


def test_a_pair_of_multipliers_is_not_the_one_along_the_orbit():
    assert np.all(branch_with([1.0]).stable)
    assert not np.any(branch_with([1.0], [1.3 + 0.5j, 1.3 - 0.5j, 0.3, 0.2, 0.1, 0.0]).stable)


def test_rounding_makes_no_folds():
    values = [128.0, 130.0, 130.8, 130.8 + 2e-5, 130.8 - 2e-5, 130.8 + 2e-5]
    assert cycle_folds(standard(), branch_with(values)).p.shape == (0,)


def test_the_folds_of_one_branch_are_those_of_all_of_them(branches):
    with jax.enable_x64(True):
        one = jax.tree.map(lambda leaf: leaf[0], branches)
        alone, among = cycle_folds(standard(), one), cycle_folds(standard(), branches)
        assert alone.p.shape == (1,)
        np.testing.assert_allclose(alone.p[0], among.p[np.argmin(np.abs(among.p - alone.p[0]))], rtol=1e-9)


def test_a_fold_on_a_branch_that_is_followed_from_both_ends_is_one(branches):
    with jax.enable_x64(True):
        one = jax.tree.map(lambda leaf: leaf[0], branches)
        twice = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf[::-1]]), one)
        assert cycle_folds(standard(), twice).p.shape == (1,)


def test_what_are_no_branches_have_no_folds():
    wrong = jax.tree.map(lambda leaf: leaf[None], branch_with([128.0]))
    with pytest.raises(ValueError, match=r"`branches` must have shape \(branch, point\) or \(point,\), got"):
        cycle_folds(standard(), wrong)


def test_a_column_without_hopf_points_has_no_branch():
    quiet = standard().replace(C=1.0)
    branches = limit_cycle_branches(quiet, points=5)
    assert branches.p.shape == (0, 5)
    assert branches.states.shape == (0, 5, 6)
    assert cycle_folds(quiet, branches).p.shape == (0,)


@pytest.mark.parametrize("function", [limit_cycle_branches, lambda column: cycle_folds(column, branch_with([1.0]))])
@pytest.mark.parametrize(
    ("column", "message"),
    [
        (lambda: standard(jnp.ones(2)), r"`column` must be one column, got a batch of 2: .*column\[i\]"),
        (
            lambda: standard().replace(input=jrae.WhiteNoiseInput(220.0, 6.0)),
            r"`column` must have a ConstantInput, got a WhiteNoiseInput: column\.replace\(input=",
        ),
    ],
)
def test_another_column_is_refused(function, column, message):
    with pytest.raises(ValueError, match=message):
        function(column())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"points": 0}, "`points` must be a whole number of at least 1, got 0"),
        ({"longest": 0.0}, "`longest` must be positive, got 0"),
        ({"low": 300.0, "high": 200.0}, "`low` must be below `high`, got 300.0 and 200.0"),
    ],
)
def test_invalid_arguments_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        limit_cycle_branches(standard(), **settings)
