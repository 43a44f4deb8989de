"""Recordings before they are decoded: windows, line noise, gaps, bands, and what is refused."""

import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.decoding.prepare import prepare
from jrae_jax.recording import RecordingInfo, SuspectValuesWarning

RATE = 200.0


def noise(seconds=30.0, rate=RATE, rows=(), std=0.02):
    return std * np.random.default_rng(0).normal(size=(*rows, round(seconds * rate)))


def prepared(values, rate=RATE, **info):
    return prepare(jrae.Recording.of(eeg=values, dt=1 / rate, info=RecordingInfo(**info)))


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (
            {"values": noise(std=2.0)},
            "must vary by 0.1 uV to 1 mV .* got a standard deviation of 1.99 mV: is its `unit` ",
        ),
        ({"values": noise(std=2.0)}, '.* wrong, or is this a simulated column, `unit="column"`\\?$'),
        ({"values": noise(std=5e-5)}, "must vary by 0.1 uV to 1 mV .* got a standard deviation of 4.98e-05 mV"),
        ({"values": noise(9.9)}, "must be at least 10 s long, got 9.9 s$"),
        ({"values": noise(rate=99.0), "rate": 99.0}, "must have at least 100 samples a second, got 99 Hz$"),
        ({"values": noise(), "band": (4.0, 70.0)}, "must contain 3 to 30 Hz, got filters of 4 to 70 Hz$"),
        ({"values": noise(), "band": (0.5, 25.0)}, "must contain 3 to 30 Hz, got filters of 0.5 to 25 Hz$"),
    ],
)
def test_what_is_refused(recording, message):
    with pytest.raises(ValueError, match=f"^`recording` {message}"):
        prepared(**recording)


def test_other_channels_than_an_eeg_are_refused_by_the_name_that_the_user_wrote():
    other = jrae.Recording.of(y0=noise(), eeg=noise(), dt=1 / RATE)
    with pytest.raises(ValueError, match=r"^`recording\[1\]` must be of an EEG alone, got y0, eeg$"):
        prepare(other, "recording[1]")


def test_what_is_within_the_limits_is_taken():
    assert prepared(noise(10.0, std=1.1e-4)).values.shape == (1, 1, 2000)
    assert prepared(noise(rate=100.0), rate=100.0, band=(3.0, 30.0)).band == pytest.approx((4.5, 24.0))
    assert prepared(noise(std=5.0), unit="column").values.std() == pytest.approx(5.0, rel=0.02)


@pytest.mark.parametrize(
    ("rate", "filters", "band"),
    [
        (128.0, None, (2.0, 45.0)),
        (100.0, None, (2.0, 40.0)),
        (500.0, (2.0, 50.0), (3.0, 40.0)),
        # Half of the rate, which a header has where there is no filter.
        (160.0, (0.0, 80.0), (2.0, 45.0)),
    ],
)
def test_the_band_is_within_that_of_filters_and_of_the_rate(rate, filters, band):
    np.testing.assert_allclose(prepared(noise(rate=rate), rate=rate, band=filters).band, band)


@pytest.mark.parametrize(
    ("seconds", "windows", "length"), [(10.0, 1, 10.0), (20.0, 1, 20.0), (20.5, 2, 10.25), (59.9, 3, 19.965)]
)
def test_windows_are_as_few_and_as_long_as_can_be_and_of_nearly_all_samples(seconds, windows, length):
    found = prepared(noise(seconds))
    assert found.values.shape[1] == windows
    np.testing.assert_allclose(found.seconds, length, atol=1 / RATE)
    assert 0 <= found.samples - found.values[0].size < windows
    np.testing.assert_allclose(found.values.mean(axis=-1), 0, atol=1e-6)


def test_line_noise_and_its_multiples_are_removed_and_nothing_else():
    n = np.arange(round(12 * 500.0)) / 500.0
    rhythm = 0.02 * np.sin(2 * np.pi * 10.3 * n) + 0.01 * np.sin(2 * np.pi * 43 * n)
    # Of 50.1 Hz, as a generator has it, waxing and waning.
    line = 0.1 * (1 + 0.2 * np.sin(0.8 * n)) * np.sin(2 * np.pi * 50.1 * n) + 0.03 * np.sin(2 * np.pi * 150.2 * n)
    american = 0.05 * np.sin(2 * np.pi * 60 * n) + 0.05 * np.sin(2 * np.pi * 180 * n)
    inside = slice(250, -250)
    for added, info in ((line + american, {}), (line, {"line_freq": 50.0}), (american, {"line_freq": 60.0})):
        found = prepared(rhythm + added, rate=500.0, **info).values[0, 0]
        left = found - (rhythm - rhythm.mean())
        assert left[inside].std() < 0.1 * added.std()
    kept = prepared(rhythm + american, rate=500.0, line_freq=50.0).values[0, 0]
    np.testing.assert_allclose(kept, rhythm + american, atol=2e-3)
    # A column that was simulated has no line.
    found = prepared(rhythm + line, rate=500.0, unit="column").values[0, 0]
    np.testing.assert_allclose(found, rhythm + line - (rhythm + line).mean(), atol=1e-6)


def test_gaps_are_interpolated_and_known_to_be_gaps():
    values = 0.05 * np.sin(2 * np.pi * 2.0 * np.arange(3000) / RATE) + noise(15.0, std=1e-3)
    given = values.copy()
    given[700:710] = np.nan
    given[-3:] = np.nan
    found = prepared(given)
    assert np.flatnonzero(~found.measured[0, 0]).tolist() == [*range(700, 710), 2997, 2998, 2999]
    assert np.isfinite(found.values).all()
    np.testing.assert_allclose(found.values[0, 0, 700:710], values[700:710] - values.mean(), atol=0.01)


def test_windows_that_are_refused_are_empty():
    values = noise(60.0, rows=(2,))
    values[0, 4000:4400] = np.nan
    values[1, 100:400] = 0.01
    with pytest.warns(SuspectValuesWarning, match="300 samples without change"):
        found = prepared(values)
    assert found.windows.used.tolist() == [[True, False, True], [False, True, True]]
    assert not found.values[0, 1].any()
    np.testing.assert_allclose(found.values[0, 0].std(), 0.02, rtol=0.1)


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("O1", "O2"), ("O1", "O2")), (("O1", "O1"), ("eeg 0", "eeg 1")), (("O1",), ("eeg 0", "eeg 1"))],
)
def test_names_of_channels(names, expected):
    assert prepared(noise(10.0, rows=(2,)), names=names).names == expected
    assert prepared(noise(10.0)).names == ("eeg",)
