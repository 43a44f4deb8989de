"""Even sampling: times against the grid, within the rounding of the text and of doubles."""

from typing import Any

import numpy as np
import pytest

from jrae_jax.recording import Recording
from jrae_jax.recording.sampling import even_sampling

N = np.arange(2000)
LOST = np.delete(N, 1000)
REPEATED = np.insert(N, 1000, 1000)
RANDOM = np.random.default_rng(0)


def printed(times, digits):
    """As `%.6g` prints them."""
    return np.array([float(f"{time:.{digits}g}") for time in times])


@pytest.mark.parametrize("start", [0.0, 0.001, 3600.0, 1.7e9])
@pytest.mark.parametrize("rate", [100, 160, 256, 500, 512, 1000])
def test_a_clock_rounded_to_milliseconds_is_even_however_late_it_starts(start, rate):
    for times in (start + N / rate, np.round(start + N / rate, 3)):
        found = even_sampling(times)
        assert found.dt == 1 / rate
        assert found.start == times[0]


@pytest.mark.parametrize(
    ("times", "dt"),
    [
        (np.cumsum(np.full(10**5, 1e-3)), 1e-3),
        ((1e-3 * N).astype(np.float32), 1e-3),
        (np.linspace(0, 1, 1001), 1e-3),
        (printed(95 + N / 512, 6), 1 / 512),
        (4.0 * N, 4.0),
        (N[::100] / 333.0, 1 / 3.33),
        (np.array([0.5, 0.75]), 0.25),
    ],
    ids=["added up", "single precision", "linspace", "six digits", "whole", "odd rate", "two"],
)
def test_clocks_as_they_come_are_even(times, dt):
    assert even_sampling(times).dt == pytest.approx(dt, rel=1e-12)


def test_sfreq_settles_what_a_coarse_clock_leaves_open():
    coarse = np.round(N / 1024, 3)
    with pytest.raises(ValueError, match=r"`ts` is rounded to 0.001 s, which leaves two readings: 1024 Hz, or another"):
        even_sampling(coarse)
    assert even_sampling(coarse, sfreq=1024.0).dt == 1 / 1024
    assert even_sampling(np.round(N / 100, 1), sfreq=100.0).dt == 0.01


@pytest.mark.parametrize("start", [0.0, 3600.0, 1.7e9])
@pytest.mark.parametrize("rate", [160, 256, 500, 1000])
@pytest.mark.parametrize("samples", [LOST, REPEATED], ids=["lost", "repeated"])
def test_a_sample_that_is_lost_or_repeated_is_refused(start, rate, samples):
    for times in (start + samples / rate, np.round(start + samples / rate, 3)):
        with pytest.raises(ValueError, match=r"`ts` (must rise evenly|is rounded to .* two readings)"):
            even_sampling(times)
        with pytest.raises(
            ValueError, match=f"`sfreq` must be that of `ts`, got {rate} Hz and steps of .*after sample"
        ):
            even_sampling(times, sfreq=float(rate))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (1e-3 * N + RANDOM.uniform(-0.45e-3, 0.45e-3, len(N)), r"`ts` must rise evenly, .* and of .* after sample"),
        (1e-3 * N + RANDOM.uniform(-0.05e-3, 0.05e-3, len(N)), "`ts` must rise evenly"),
        (np.delete(N, [300, 450, 1100, 1700]) / 1000, "`ts` must rise evenly"),
        ((8388 + 1e-3 * N).astype(np.float32), "`ts` must rise evenly"),
        (np.concatenate([N, N]) / 1000, "and of -1.999 s after sample 1999: cut out one continuous part"),
        (-N / 1000, "`ts` must rise evenly"),
        (np.round(N / 500 + 1e-3 * (N > 700), 3), r"two readings: .* and of 0.003 s after sample 700: give `sfreq`"),
        (np.ones(5), "`ts` must rise evenly"),
        (np.array([0.0]), r"`ts` must be the times of two or more samples, got shape \(1,\)"),
        (np.ones((2, 2)), "`ts` must be the times of two or more samples"),
        (np.array([0.0, np.nan]), "`ts` must be finite, got nan"),
    ],
)
def test_times_that_are_not_even_are_refused(times, message):
    with pytest.raises(ValueError, match=message):
        even_sampling(times)


def test_another_rate_than_that_of_the_clock_is_refused():
    with pytest.raises(ValueError, match=r"`sfreq` must be that of `Time`, got 250 Hz and steps of 0.00390625 s:"):
        even_sampling(N / 256, sfreq=250.0, argument="Time")
    with pytest.raises(ValueError, match="`sfreq` must be positive, got 0"):
        even_sampling(N / 256, sfreq=0.0)


def test_a_recording_takes_times_instead_of_dt():
    recording = Recording.of(eeg=np.sin(N), ts=np.round(8388 + N / 256, 3))
    assert recording.dt == 1 / 256
    np.testing.assert_allclose(recording.ts, 8388 + N / 256, rtol=0, atol=1e-9)
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "`dt` or `ts` must be given, one of them, got neither"),
        ({"dt": 1e-3, "ts": N}, "`dt` or `ts` must be given, one of them, got both"),
        ({"ts": N[1:]}, r"`ts` must be the times of the 2000 samples, got shape \(1999,\)"),
    )
    for arguments, message in refused:
        with pytest.raises(ValueError, match=message):
            Recording.of(eeg=np.sin(N), **arguments)
