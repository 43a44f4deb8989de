from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column import eeg
from jrae_jax.dynamics import equilibria, limit_cycle

ALPHA = {120: 10.468268, 160: 10.675635, 200: 10.862488, 220: 10.938029, 260: 11.054984, 300: 11.137321}
"""Hz"""


def standard(p: Any = 220.0):
    """Made in the precision of the test."""
    return jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(p))


@pytest.fixture(scope="module")
def alpha():
    """From near the equilibrium that each surrounds."""
    with jax.enable_x64(True):
        columns = standard(jnp.array([*ALPHA, 400.0]))
        rest = equilibria(columns).states
        highest = jnp.nanargmax(rest[..., 0], axis=1)
        near = jnp.take_along_axis(rest, highest[:, None, None], axis=1)[:, 0]
        return limit_cycle(columns, y0=near.at[:, 0].multiply(1.01))


@pytest.mark.usefixtures("x64")
def test_published_frequencies(alpha):
    np.testing.assert_allclose(alpha.frequency[:-1], list(ALPHA.values()), atol=1e-6)
    assert np.all(alpha.stable[:-1])


@pytest.mark.usefixtures("x64")
def test_the_spike_cycle():
    spikes = limit_cycle(standard(130.0))
    assert float(spikes.frequency) == pytest.approx(3.170388, abs=1e-6)
    assert bool(spikes.stable)


@pytest.mark.usefixtures("x64")
def test_extrema_are_those_of_a_long_simulation(alpha):
    row = list(ALPHA).index(220)
    ys = jrae.simulate(standard(), t1=21.0, dt=1e-4, burn_in=20.0).ys
    np.testing.assert_allclose(alpha.extrema[row], [eeg(ys).min(), eeg(ys).max()], atol=1e-6)
    assert float(eeg(alpha.states[row])) == pytest.approx(alpha.extrema[row, 1].item(), abs=1e-8)


@pytest.mark.usefixtures("x64")
def test_the_least_potential_of_a_fast_turn_is_between_samples():
    column = standard().replace(C=250.0)
    v = eeg(jrae.simulate(column, t1=21.0, dt=1e-4, burn_in=20.0).ys)
    np.testing.assert_allclose(limit_cycle(column).extrema, [v.min(), v.max()], atol=2e-6)


@pytest.mark.usefixtures("x64")
def test_deviations_decay_as_multipliers_say(alpha):
    row = list(ALPHA).index(220)
    sizes = np.abs(np.asarray(alpha.multipliers[row]))
    period, states = float(alpha.period[row]), alpha.states[row]
    assert sizes[0] == pytest.approx(1, abs=1e-7)
    assert np.log(sizes[1]) / period == pytest.approx(-1.62, abs=0.005)
    # On the section of maxima of y1 - y2, by plain simulation.
    start = states.at[1].add(1e-3).at[2].add(1e-3)
    v = np.asarray(eeg(jrae.simulate(standard(), t1=30 * period, dt=period / 1000, y0=start).ys))
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
    found = limit_cycle(standard())
    assert found.period.dtype == jnp.float32
    assert float(found.frequency) == pytest.approx(10.938, abs=0.003)
    assert bool(found.stable)


def test_cycles_print_themselves(alpha):
    lines = repr(alpha).splitlines()
    assert lines[0] == f"LimitCycle({len(ALPHA)} of {len(ALPHA) + 1} exist"
    assert lines[4].startswith("  p = 220 1/s, frequency = 10.938 Hz, least y1 - y2 = 6.088")


@pytest.mark.parametrize(
    ("column", "settings", "message"),
    [
        (standard, {"longest": 0.0}, "`longest` must be positive, got 0"),
        (standard, {"burn_in": -1.0}, "`burn_in` must be positive, got -1"),
        (lambda: standard().replace(a=3e3), {}, "`column` must have rates a and b below 2367 /s, .*, got 3000 /s"),
        (standard, {"y0": np.zeros(5)}, r"`y0` must have shape \(6,\) or \(batch, 6\), got \(5,\)"),
        (
            lambda: standard().replace(input=jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3)),
            {},
            r"`column` must have a ConstantInput, got a UniformNoiseInput: column\.replace\(input=",
        ),
    ],
)
def test_invalid_arguments_are_refused(column, settings, message):
    with pytest.raises(ValueError, match=message):
        limit_cycle(column(), **settings)
