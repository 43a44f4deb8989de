"""Features of windows: another route to each, and independence of unit and rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal, stats

from jrae_jax.decoding import FREQUENCIES
from jrae_jax.decoding.features import IN_CORE, features, within

RATE = 200


def eeg(rate, seconds=12.0):
    """The same signal at any rate: an alpha rhythm that waxes and wanes beside a background, below 50 Hz."""
    rng, t = np.random.default_rng(0), np.arange(round(rate * seconds)) / rate
    found = 2 * (1 + 0.7 * np.sin(1.9 * t)) * (np.sin(2 * np.pi * 10.13 * t) + 0.4 * np.cos(4 * np.pi * 10.13 * t))
    for frequency in np.arange(0.5, 50, 1 / seconds):
        found += rng.normal() * frequency**-0.5 * np.cos(2 * np.pi * (frequency * t + rng.uniform()))
    return found


@pytest.fixture(scope="module")
def read():
    return jax.jit(features, static_argnums=1)


def test_densities_are_those_of_welch_with_the_power_in_the_core_as_unit(read):
    values = eeg(RATE)
    every, power = signal.welch(values, RATE, nperseg=2 * RATE)
    power = power[np.searchsorted(every, FREQUENCIES)]
    core = 0.5 * power[(FREQUENCIES >= 4.5) & (FREQUENCIES <= 24)].sum()
    found = read(jnp.asarray(values[None], "float32"), 1 / RATE)
    np.testing.assert_allclose(found.log_density[0], np.log(power / core), atol=2e-3)
    np.testing.assert_allclose(found.log_std[0], 0.5 * np.log(core), atol=1e-4)
    np.testing.assert_allclose(0.5 * np.exp(found.log_density[0])[IN_CORE].sum(), 1, rtol=1e-4)


def test_measures_of_waveform_and_envelope_are_those_of_scipy(read):
    values = eeg(RATE)

    def passed(low, high):
        f = np.fft.rfftfreq(values.size, 1 / RATE)
        gain = 1 / (1 + np.exp((low - f) / 0.25)) / (1 + np.exp((f - high) / 0.5))
        return np.fft.irfft(np.fft.rfft(values - values.mean()) * gain, values.size)

    edge = slice(RATE // 2, -RATE // 2)
    wave, envelope = passed(4.5, 24)[edge], np.abs(signal.hilbert(passed(6, 14)))[edge]
    slope, changes = np.diff(wave), (envelope - envelope.mean()) / envelope.std()
    expected = [
        np.log(envelope.std() / envelope.mean()),
        np.log(stats.kurtosis(wave, fisher=False)),
        stats.skew(wave),
        stats.skew(slope),
        np.log(stats.kurtosis(slope, fisher=False)),
        stats.skew(envelope),
        *(np.mean(changes[lag:] * changes[:-lag]) for lag in (30, 60, 120, 240)),
    ]
    found = read(jnp.asarray(values[None], "float32"), 1 / RATE)
    np.testing.assert_allclose(found.waveform[0], expected, atol=1e-4)


def test_features_do_not_depend_on_the_unit(read):
    values = np.stack([eeg(RATE), 1e-6 * eeg(RATE) + 1e-5])
    found = read(jnp.asarray(values, "float32"), 1 / RATE)
    np.testing.assert_allclose(found.log_density[1], found.log_density[0], atol=2e-3)
    np.testing.assert_allclose(found.waveform[1], found.waveform[0], atol=2e-3)
    np.testing.assert_allclose(found.log_std[1], found.log_std[0] + np.log(1e-6), atol=2e-3)


@pytest.mark.parametrize("rate", [160, 250, 1000])
def test_features_do_not_depend_on_the_rate(read, rate):
    slow, fast = (read(jnp.asarray(eeg(r)[None], "float32"), 1 / r) for r in (RATE, rate))
    np.testing.assert_allclose(fast.log_density, slow.log_density, atol=0.01)
    np.testing.assert_allclose(fast.waveform, slow.waveform, atol=0.02)
    np.testing.assert_allclose(fast.log_std, slow.log_std, atol=1e-3)


def test_features_outside_the_band_are_known_to_be_so():
    found = np.asarray(within(jnp.array([[0.0, 60.0], [4.5, 24.0], [2.75, 44.8]])))
    assert found.shape == (3, len(FREQUENCIES) + 10)
    assert found[0].all()
    inside = FREQUENCIES[found[1, :-10]]
    assert (inside[0], inside[-1]) == (4.5, 24.0)
    assert np.flatnonzero(~found[2]).tolist() == [0, 1]
    assert found[:, -10:].all()
