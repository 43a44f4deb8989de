import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jrae_jax.autoencoder import Window
from jrae_jax.autoencoder.window import averaging


def window_of(past, future, dt=1e-3):
    return Window(past=past * dt, future=future * dt, dt=dt)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_averages_lie_side_by_side_and_cover_the_window_exactly(past, future):
    window = window_of(past, future)
    covered = np.concatenate([np.arange(start, start + width) for start, width in averages(window)])
    np.testing.assert_array_equal(covered, np.arange(-window.past, window.future + 1))
    assert window.size == len(window.widths)
    assert window.noise_samples <= window.past + window.future + 1 < 2 * window.noise_samples


def averages(window):
    return zip(window.starts, window.widths, strict=True)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 3000))
def test_the_nearest_samples_are_single_and_farther_averages_ever_wider(samples):
    for window in (window_of(samples, 0), window_of(0, samples)):
        outwards = window.widths[::-1] if window.past else window.widths
        size = max(window.past, window.future)
        assert outwards[: min(samples, 16) + 1] == (1,) * (min(samples, 16) + 1)
        farther = list(outwards[17:])
        assert farther == [2 ** (1 + number // 11) for number in range(len(farther))]
        # Rounded up, by less than the last average.
        assert samples <= size < samples + outwards[-1]


def test_seconds_are_rounded_to_samples_and_up_to_whole_averages():
    window = Window(past=0.0172, future=0.01, dt=1e-3)
    assert (window.past, window.future, window.dt) == (18, 10, 1e-3)
    assert window.widths == (2, *[1] * 27)
    assert window.starts[:3] == (-18, -16, -15)
    assert Window(past=0.3).future == 0
    assert Window(past=0.3).dt == 1e-3
    assert (Window(past=0.3, dt=0.1).past, Window(past=0.3, dt=0.1).size) == (3, 4)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 5000), st.integers(0, 5000), st.sampled_from([1e-3, 1 / 256, 2.5e-4, 0.1]))
def test_a_window_of_its_own_samples_is_the_same(past, future, dt):
    window = window_of(past, future, dt)
    assert window_of(window.past, window.future, dt) == window


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"past": -0.01}, "`past / dt` must be a whole number of at least 0, got -10"),
        ({"past": 0.1, "future": -0.5}, "`future / dt` must be a whole number of at least 0, got -500"),
        ({"past": float("nan")}, "`past / dt` must be a whole number of at least 0"),
        ({"past": 0.1, "future": float("inf")}, "`future / dt` must be a whole number of at least 0"),
        ({"past": 0.1, "dt": 0.0}, r"`dt` must be positive, got 0\.0"),
        ({"past": 0.1, "dt": -1e-3}, r"`dt` must be positive, got -0\.001"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Window(**arguments)


def test_the_matrix_of_averages_is_what_widths_and_starts_say():
    window = window_of(40, 20)
    samples, found = np.random.default_rng(0).normal(size=window.past + 1 + window.future), averaging(window)
    for number, (start, width) in enumerate(zip(window.starts, window.widths, strict=True)):
        begin = window.past + start
        assert found[number] @ samples == pytest.approx(samples[begin : begin + width].mean(), rel=1e-12)
