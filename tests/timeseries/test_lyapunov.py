import numpy as np
import pytest
from scipy.signal import lfilter

from jrae_jax.timeseries import rosenstein_exponent


def test_lorenz_is_chaotic(lorenz):
    found = rosenstein_exponent(lorenz, 0.02)
    assert found.chaotic
    assert found.exponential
    assert found.fold > 4
    # The last bits of SciPy's solution, which differ between machines, lead to another piece of the attractor.
    assert found.value == pytest.approx(0.906, rel=0.15)
    assert found.standard_error < 0.05
    assert repr(found).startswith(f"RosensteinExponent({found.value:.4g} +- ")


def test_lorenz_is_chaotic_under_a_little_sensor_noise(lorenz):
    found = rosenstein_exponent(lorenz + 0.01 * np.random.default_rng(0).normal(size=lorenz.shape), 0.02)
    assert found.chaotic
    assert found.value == pytest.approx(0.906, rel=0.15)


def test_on_the_alpha_cycle_neighbours_stay_as_near_as_they_are(cycle):
    found = rosenstein_exponent(cycle, 1e-3)
    assert found.value == pytest.approx(0, abs=0.01)
    assert found.standard_error < 0.01
    assert not found.exponential
    assert not found.chaotic


def test_on_the_way_to_rest_it_is_the_leading_eigenvalue(focus):
    found = rosenstein_exponent(focus, 1e-3)
    assert found.value == pytest.approx(-1.7398, rel=0.01)
    assert found.exponential
    assert found.fold < 0.25
    assert not found.chaotic


def test_noise_drives_neighbours_apart_but_not_exponentially(linear_filter, noisy_column):
    for points in (linear_filter(0), noisy_column):
        found = rosenstein_exponent(points, 1e-3)
        assert found.log_distances[100] - found.log_distances[0] > 1.5  # by its slope alone this would be chaos
        assert np.isnan([found.value, found.standard_error]).all()
        assert repr(found) == "RosensteinExponent(none: distances do not grow exponentially)"
        assert not found.exponential
        assert not found.chaotic


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("seed", range(3))
def test_no_cascade_of_filters_is_called_chaotic(order, seed):
    """Noise that is integrated again and again is ever smoother."""
    noise, decay, states = np.random.default_rng(seed).normal(size=8000), np.exp(-1 / 20), []
    for number in range(order):
        signal = np.asarray(lfilter([1 - decay], [1, -decay], states[-1] if number else noise))
        states.append(signal / signal.std())
    found = rosenstein_exponent(np.stack(states, axis=-1)[500:], 1e-3)
    assert not found.exponential
    assert not found.chaotic


def test_rates_are_per_second(lorenz):
    fast, slow = (rosenstein_exponent(lorenz, dt) for dt in (0.02, 0.04))
    assert slow.value == pytest.approx(fast.value / 2)
    assert slow.standard_error == pytest.approx(fast.standard_error / 2)
    np.testing.assert_allclose(slow.times, 2 * fast.times)
    assert fast.times[1] == 0.02


def test_neither_size_nor_place_nor_direction_counts(lorenz, rotated):
    found, moved = (rosenstein_exponent(points, 0.02) for points in (lorenz, 1000 + 7 * rotated(lorenz)))
    assert moved.value == pytest.approx(found.value, rel=1e-6)
    np.testing.assert_allclose(moved.log_distances, found.log_distances + np.log(7), atol=1e-6)


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_units_may_be_beyond_a_float(lorenz, unit):
    found, scaled = rosenstein_exponent(lorenz, 0.02), rosenstein_exponent(unit * lorenz, 0.02)
    assert scaled.value == pytest.approx(found.value, rel=1e-3)
    np.testing.assert_allclose(scaled.log_distances, found.log_distances + np.log(unit), atol=1e-3)


def test_several_trajectories_give_what_one_does(lorenz):
    found = rosenstein_exponent(lorenz.reshape(4, 2500, 3), 0.02, theiler=16)
    assert found.chaotic
    assert found.value == pytest.approx(0.906, rel=0.15)
    assert len(found.times) == 501


def test_neighbours_in_time_alone_do_not_count():
    ramp = np.arange(600.0)[:, None] * [1.0, 2.0]
    found = rosenstein_exponent(ramp, 1e-3, theiler=7)
    np.testing.assert_allclose(found.log_distances, np.log(8 * 5**0.5))
    assert found.value == pytest.approx(0, abs=1e-9)


WALK = np.random.default_rng(0).normal(size=(600, 2))


@pytest.mark.parametrize(
    ("points", "dt", "message"),
    [
        (WALK[:499], 1e-3, r"`points` must have at least 500 samples in time, .* got an array of shape \(499, 2\)"),
        (np.full((600, 2), 3.0), 1e-3, "`points` must vary"),
        (np.full((600, 2), np.inf), 1e-3, "`points` must be finite, got inf"),
        (WALK, 0.0, r"`dt` must be positive, got 0\.0"),
        (np.arange(600.0)[:, None] * [1.0, 2.0], 1e-3, "`theiler` must be given"),
    ],
)
def test_invalid_arguments_are_refused(points, dt, message):
    with pytest.raises(ValueError, match=message):
        rosenstein_exponent(points, dt)
