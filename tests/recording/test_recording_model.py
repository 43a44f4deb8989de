"""A model of recordings: powers, slopes and bands of what it adds, and what it leaves of a column."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from jrae_jax.recording.recording_model import CORE, RecordingModel

DT = 1 / 160
TIME = np.arange(round(40 / DT)) * DT


def model(*, gain=1.0, background=0.0, exponent=1.0, white=0.0, band=(0.0, np.inf)):
    return RecordingModel(*jnp.array([[gain], [background], [exponent], [white]]), band=band)


@pytest.fixture(scope="module")
def spectrum():
    """Frequencies, and mean power densities of many recordings of a column that is silent or makes a rhythm."""

    def spectrum(model, eeg=0.0 * TIME):
        model = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (200,)), model)
        recorded = model.record(
            jnp.broadcast_to(jnp.asarray(eeg, "float32"), (200, TIME.size)), DT, key=jax.random.key(0)
        )
        f, power = signal.welch(np.asarray(recorded, float), 1 / DT, nperseg=640)
        return f, power.mean(axis=0)

    return spectrum


def in_core(f, power):
    inside = (f >= CORE[0]) & (f <= CORE[1])
    return np.trapezoid(power[inside], f[inside])


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_a_background_has_its_power_in_the_core_and_its_slope(spectrum, exponent):
    f, power = spectrum(model(background=2.0, exponent=exponent))
    np.testing.assert_allclose(in_core(f, power), 4.0, rtol=0.02)
    fitted = (f > 2) & (f < 70)
    np.testing.assert_allclose(np.polyfit(np.log(f[fitted]), np.log(power[fitted]), 1)[0], -exponent, atol=0.02)


def test_white_noise_has_its_power_in_the_core_at_any_rate(spectrum):
    f, power = spectrum(model(white=0.5))
    np.testing.assert_allclose(in_core(f, power), 0.25, rtol=0.02)
    np.testing.assert_allclose(power[20:300], power[20:300].mean(), rtol=0.1)
    for dt in (1e-3, 1 / 128):
        variance = float(model(white=0.5).white_noise_std(dt)[0]) ** 2
        np.testing.assert_allclose(variance * (CORE[1] - CORE[0]) / (0.5 / dt), 0.25, rtol=1e-5)


def test_a_column_comes_times_its_gain_less_its_mean_with_its_polarity():
    eeg = 3.0 + np.sin(2 * np.pi * 10 * TIME)
    found = model(gain=-0.01).record(jnp.asarray(eeg[None], "float32"), DT, key=jax.random.key(0))
    np.testing.assert_allclose(found[0], -0.01 * (eeg - 3.0), atol=1e-6)


def test_filters_halve_the_power_at_their_edges_and_delay_nothing(spectrum):
    wave = np.sum([np.sin(2 * np.pi * f * TIME) for f in (0.5, 4.0, 10.0, 40.0, 60.0)], axis=0)
    filtered = model(band=(4.0, 40.0))
    found = np.fft.rfft(filtered.record(jnp.asarray(wave[None], "float32"), DT, key=jax.random.key(0))[0])
    ratio = (found / np.fft.rfft(wave))[[round(40 * f) for f in (0.5, 4.0, 10.0, 40.0, 60.0)]]
    butter: Any = [
        signal.butter(n, 2 * np.pi * f, kind, analog=True) for n, f, kind in ((2, 4, "high"), (4, 40, "low"))
    ]
    at: Any = 2 * np.pi * np.array([0.5, 4.0, 10.0, 40.0, 60.0])
    expected = np.prod([np.abs(signal.freqs(*edge, worN=at)[1]) for edge in butter], axis=0)
    np.testing.assert_allclose(ratio, expected, atol=2e-4)
    f, noise = spectrum(model(background=1.0, exponent=0.0, white=1.0, band=(4.0, 40.0)))
    np.testing.assert_allclose(noise[np.searchsorted(f, [4.0, 40.0])] / noise[40], 0.5, rtol=0.1)


def test_fractions_are_of_the_variance_in_the_core():
    found = model(background=3.0, white=4.0).column_fraction(jnp.array([5.0]))
    np.testing.assert_allclose(found, [0.5])


@pytest.mark.parametrize("exponent", [0.5, 1.5])
def test_the_background_of_estimators_has_the_power_of_that_of_recordings(exponent):
    recorded = model(background=2.0, exponent=exponent)
    parts = recorded.background(jnp.array([0.7]))
    std, time = (np.asarray(x, float)[0] for x in (parts.std, parts.correlation_time))
    f = np.arange(1.0, 40, 0.5)
    # Of Ornstein-Uhlenbeck processes.
    density = (4 * std**2 * time / (1 + (2 * np.pi * f[:, None] * time) ** 2)).sum(axis=-1)
    expected = np.asarray(recorded.background_density(f), float)[0]
    assert np.abs(np.log(density / expected)).max() < 0.45
    core = (f >= CORE[0]) & (f <= CORE[1])
    np.testing.assert_allclose(density[core].sum(), expected[core].sum(), rtol=0.12)
    np.testing.assert_allclose(np.asarray(parts.offset_std), 0.7)
