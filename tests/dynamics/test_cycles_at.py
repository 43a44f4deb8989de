from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.dynamics import cycles_at, limit_cycle, limit_cycles


def standard(p: Any = 220.0, **values: Any):
    """Made in the precision of the test."""
    return jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(p)).replace(**values)


@pytest.fixture(scope="module")
def at_130():
    """In single precision: cycles are found in double precision all the same."""
    return limit_cycles(standard(130.0))


def test_stable_and_unstable_cycles_are_found(at_130):
    np.testing.assert_array_equal(at_130.stable, [True, False, True])
    assert float(at_130.frequency[0]) == pytest.approx(3.170388, rel=1e-6)  # published
    assert at_130.p.dtype == jnp.float32
    assert repr(at_130).startswith("LimitCycle(3 of 3 exist\n  p = 130 1/s, frequency = 3.17039 Hz")


def test_the_unstable_cycle_is_one(at_130, numpy_right_hand_side):
    """By SciPy from its states; over one period its growth by a factor of some ten is borne."""
    from scipy.integrate import solve_ivp

    y0, period = np.asarray(at_130.states[1], float), float(at_130.period[1])
    end = solve_ivp(lambda _, y: numpy_right_hand_side(y, 130.0), (0, period), y0, "DOP853", rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(end.y[:3, -1], y0[:3], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("p", "stable", "hertz"),
    [
        (100.0, [False, True], [8.151914, 10.393488]),
        (120.0, [True, False, True], [2.384571, 7.327518, 10.468268]),
        (137.3792, [True, False, True], [4.711722, 4.723425, 10.556]),  # the fold of cycles is at 137.37926720
        (220.0, [True], [10.938029]),
        (0.0, [False], [7.555515]),
        (400.0, [], []),
    ],
)
def test_cycles_of_the_standard_column(p, stable, hertz):
    found = limit_cycles(standard(p))
    np.testing.assert_array_equal(found.stable, stable)
    np.testing.assert_allclose(found.frequency, hertz, rtol=1e-4)
    np.testing.assert_array_equal(found.p, p)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_branches_without_a_hopf_point_are_found_by_simulation(monkeypatch):
    monkeypatch.setattr(cycles_at, "followed_branches", lambda *_: [])
    found = limit_cycles(standard(130.0))
    np.testing.assert_array_equal(found.stable, [True, False, True])


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("C", "p"), [(135.0, 220.0), (250.0, 220.0), (135.0, 130.0), (150.0, 220.0)])
def test_extrema_are_right_to_rounding(C, p, numpy_right_hand_side):
    """By an independent solver: where y1 - y2 stops to rise or to fall along its orbit."""
    from scipy.integrate import solve_ivp

    cycle = limit_cycle(standard(p, C=C))
    period = float(cycle.period)

    def rate(_, y):
        return numpy_right_hand_side(y, p, C=C)

    def turn(_, y):
        return y[4] - y[5]

    orbit = solve_ivp(rate, (0, 1.01 * period), np.asarray(cycle.states), "DOP853", rtol=1e-12, atol=1e-12, events=turn)
    v = np.concatenate([y[:, 1] - y[:, 2] for y in orbit.y_events])
    np.testing.assert_allclose(cycle.extrema, [v.min(), v.max()], atol=2e-9)


@pytest.mark.parametrize(
    ("column", "settings", "message"),
    [
        (lambda: standard(jnp.ones(2)), {}, r"`column` must be one column, got a batch of 2: .*column\[i\]"),
        (standard, {"longest": 0.0}, "`longest` must be positive, got 0"),
        (
            lambda: standard().replace(input=jrae.WhiteNoiseInput(220.0, 6.0)),
            {},
            r"`column` must have a ConstantInput, got a WhiteNoiseInput: column\.replace\(input=",
        ),
    ],
)
def test_invalid_arguments_are_refused(column, settings, message):
    with pytest.raises(ValueError, match=message):
        limit_cycles(column(), **settings)
