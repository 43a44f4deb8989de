import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jrae_jax import (
    ConstantInput,
    JansenRitParameters,
    LimitCycle,
    cycle_families,
    cycle_folds,
    eeg,
    equilibria,
    hopf_points,
    limit_cycle,
    simulate,
)

ALPHA = {120: 10.468268, 160: 10.675635, 200: 10.862488, 220: 10.938029, 260: 11.054984, 300: 11.137321}
"""Hz"""


@pytest.fixture(scope="module")
def parameters():
    with jax.enable_x64(True):
        return JansenRitParameters.preset("jansen_rit_1995")


@pytest.fixture(scope="module")
def alpha(parameters):
    """From near the equilibrium that each surrounds."""
    with jax.enable_x64(True):
        p = jnp.array([*ALPHA, 400.0])
        rest = equilibria(parameters, p).states
        highest = jnp.nanargmax(rest[..., 0], axis=1)
        near = jnp.take_along_axis(rest, highest[:, None, None], axis=1)[:, 0]
        return limit_cycle(parameters, p, near.at[:, 0].multiply(1.01))


@pytest.fixture(scope="module")
def families(parameters):
    with jax.enable_x64(True):
        return cycle_families(parameters, points=70, longest=0.5)


@pytest.mark.usefixtures("x64")
def test_published_frequencies(alpha):
    np.testing.assert_allclose(alpha.frequency[:-1], list(ALPHA.values()), atol=1e-6)
    assert np.all(alpha.stable[:-1])


@pytest.mark.usefixtures("x64")
def test_the_spike_cycle(parameters):
    spikes = limit_cycle(parameters, 130.0)
    assert float(spikes.frequency) == pytest.approx(3.170388, abs=1e-6)
    assert bool(spikes.stable)


@pytest.mark.usefixtures("x64")
def test_extrema_are_those_of_a_long_simulation(parameters, alpha):
    row = list(ALPHA).index(220)
    ys = simulate(parameters, ConstantInput(220.0), t1=21.0, dt=1e-4, burn_in=20.0).ys
    np.testing.assert_allclose(alpha.extrema[row], [eeg(ys).min(), eeg(ys).max()], atol=1e-6)
    assert float(eeg(alpha.states[row])) == pytest.approx(alpha.extrema[row, 1].item(), abs=1e-8)


@pytest.mark.usefixtures("x64")
def test_deviations_die_away_as_multipliers_say(parameters, alpha):
    row = list(ALPHA).index(220)
    sizes = np.abs(np.asarray(alpha.multipliers[row]))
    period, states = float(alpha.period[row]), alpha.states[row]
    assert sizes[0] == pytest.approx(1, abs=1e-7)
    assert np.log(sizes[1]) / period == pytest.approx(-1.62, abs=0.005)
    # On the section of maxima of y1 - y2, by plain simulation.
    start = states.at[1].add(1e-3).at[2].add(1e-3)
    v = np.asarray(eeg(simulate(parameters, ConstantInput(220.0), t1=30 * period, dt=period / 1000, y0=start).ys))
    largest = 500 + np.argmax(v[500:-500].reshape(29, 1000), axis=1) + 1000 * np.arange(29)
    before, at, after = (v[largest + shift] for shift in (-1, 0, 1))
    maxima = at - (after - before) ** 2 / (8 * (after - 2 * at + before)) - float(alpha.extrema[row, 1])
    assert maxima[20] / maxima[10] == pytest.approx(sizes[1] ** 10, rel=0.02)


@pytest.mark.usefixtures("x64")
def test_a_column_at_rest_has_none(alpha):
    assert not alpha.exists[-1]
    assert np.all(np.isnan(alpha.states[-1]))
    assert not alpha.stable[-1]


@pytest.mark.slow
def test_single_precision_is_enough_for_three_digits():
    found = limit_cycle(JansenRitParameters(), 220.0)
    assert found.period.dtype == jnp.float32
    assert float(found.frequency) == pytest.approx(10.938, abs=0.003)
    assert bool(found.stable)


@pytest.mark.usefixtures("x64")
def test_families_begin_and_end_where_theory_says(parameters, families):
    hopf = hopf_points(parameters)
    np.testing.assert_allclose(families.p[:, 0], hopf.p[:3], atol=0.01)
    np.testing.assert_allclose(families.frequency[:, 0], hopf.frequency[:3], atol=1e-3)
    ends = [np.asarray(p)[np.asarray(there)][-1] for p, there in zip(families.p, families.exists, strict=True)]
    assert ends[1] == pytest.approx(315.7, abs=0.5)
    assert ends[2] == pytest.approx(89.8, abs=0.5)
    assert np.nanmax(families.period[0]) == pytest.approx(0.5, abs=0.02)
    assert ends[0] > 113.586


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_the_published_fold_of_cycles(parameters, families):
    folds = cycle_folds(parameters, families)
    np.testing.assert_allclose(folds.p, [137.379], atol=1e-3)
    np.testing.assert_allclose(np.abs(folds.multipliers[0, :2]), 1, atol=1e-3)
    spikes = jax.tree.map(lambda leaf: leaf[0][families.exists[0]], families)
    np.testing.assert_array_equal(spikes.stable, spikes.period > folds.period[0])


@pytest.mark.usefixtures("x64")
def test_a_family_holds_the_cycles_that_columns_come_to(families, alpha):
    there = np.asarray(families.exists[1])
    frequency = np.interp(list(ALPHA), families.p[1][there], families.frequency[1][there])
    np.testing.assert_allclose(frequency, alpha.frequency[:-1], atol=0.01)


@pytest.mark.usefixtures("x64")
def test_a_family_along_c_holds_the_cycles_that_columns_stay_on(parameters):
    hopf = jax.tree.map(lambda leaf: leaf[2:3], hopf_points(parameters))
    begin = dataclasses.replace(hopf, value=jnp.array([135.0]), along="C")
    family = cycle_families(parameters, begin, low=130.0, high=138.0, points=40)
    there = np.asarray(family.exists[0])
    C, frequency = np.asarray(family.value[0])[there], np.asarray(family.frequency[0])[there]
    assert family.along == "C"
    assert np.all(family.p[0][there] == hopf.p[0])
    assert (C[0], frequency[0]) == pytest.approx((135.0, float(hopf.frequency[0])), abs=1e-3)
    assert C[:-1].max() <= 138 < C[-1]
    assert family.stable[0][there].all()
    period, states = 1 / frequency[-1], family.states[0][there][-1]
    column = dataclasses.replace(parameters, C=C[-1])
    ys = simulate(column, ConstantInput(hopf.p[0]), t1=9 * period, dt=period / 1000, y0=states, burn_in=8 * period).ys
    np.testing.assert_allclose(family.extrema[0][there][-1], [eeg(ys).min(), eeg(ys).max()], atol=1e-4)


def family(values, multipliers=(1.0, 0.5, 0.4, 0.3, 0.2, 0.1)):
    """One of whose cycles only what is given matters."""
    ones = jnp.ones((1, len(values)))
    leaves = {
        "p": ones,
        "period": ones,
        "states": jnp.ones((1, len(values), 6)),
        "extrema": jnp.ones((1, len(values), 2)),
    }
    told = jnp.broadcast_to(jnp.array(multipliers, complex), (1, len(values), 6))
    return LimitCycle(**leaves, multipliers=told, value=jnp.array([values]), along="C")


def test_a_pair_of_multipliers_is_not_the_one_along_the_orbit():
    assert np.all(family([1.0]).stable)
    assert not np.any(family([1.0], [1.3 + 0.5j, 1.3 - 0.5j, 0.3, 0.2, 0.1, 0.0]).stable)


def test_rounding_makes_no_folds():
    values = [128.0, 130.0, 130.8, 130.8 + 2e-5, 130.8 - 2e-5, 130.8 + 2e-5]
    assert cycle_folds(JansenRitParameters(), family(values)).p.shape == (0,)


def test_a_column_without_hopf_points_has_no_family():
    quiet = dataclasses.replace(JansenRitParameters(), C=1.0)
    families = cycle_families(quiet, points=5)
    assert families.p.shape == (0, 5)
    assert families.states.shape == (0, 5, 6)
    assert cycle_folds(quiet, families).p.shape == (0,)


def test_arguments_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="`parameters` must be of one column, got a batch"):
        cycle_families(dataclasses.replace(JansenRitParameters(), C=jnp.ones(2)))
    with pytest.raises(ValueError, match="`points` must be a whole number of at least 1, got 0"):
        cycle_families(JansenRitParameters(), points=0)
    with pytest.raises(ValueError, match="`longest` must be positive, got 0"):
        limit_cycle(JansenRitParameters(), 220.0, longest=0.0)
