"""Recordings that no single column of the prior makes, and noise, to find out what the check of `decode` notices."""

from collections.abc import Callable, Mapping

import jax
import numpy as np
from scipy import signal

from jrae_jax.decoding import Prior
from jrae_jax.decoding.simulated import SAMPLED, eeg_of
from jrae_jax.recording import RecordingModel
from jrae_jax.recording.recording_model import CORE
from jrae_jax.timeseries.surrogates import phase_randomised

RATE = 1 / SAMPLED
"""Hz, of all of them."""

Signals = np.ndarray
"""Shape `(recording, time)`; their unit means nothing."""


def unit(values: Signals) -> Signals:
    """Centred, with a standard deviation of 1."""
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / centred.std(axis=-1, keepdims=True)


def core_std(values: Signals) -> np.ndarray:
    """Standard deviation between 4.5 and 24 Hz."""
    frequencies, density = signal.welch(values, RATE, nperseg=int(2 * RATE), axis=-1)
    inside = (frequencies >= CORE[0]) & (frequencies <= CORE[1])
    return np.sqrt(density[:, inside].sum(axis=-1) * frequencies[1])


def record(eeg: Signals, values: Mapping[str, jax.Array], key: jax.Array) -> Signals:
    """As the model of a recording makes it."""
    background = values["background"] * core_std(eeg)
    model = RecordingModel(np.ones(len(eeg)), background, values["exponent"], values["white"] * background)
    return np.asarray(model.record(jax.numpy.asarray(eeg, "float32"), 1 / RATE, key=key))


def power_law(
    exponent: np.ndarray,
    number: int,
    samples: int,
    rng: np.random.Generator,
    *,
    dt: float = 1 / RATE,
    flat: float = 0.5,
) -> Signals:
    """Noise whose power falls as `1/f^exponent` above the frequency `flat`, of standard deviation 1."""
    frequencies = np.maximum(np.fft.rfftfreq(samples, dt), flat)
    parts = rng.normal(size=(2, number, len(frequencies)))
    amplitude = frequencies ** (-np.broadcast_to(exponent, number)[:, None] / 2)
    return unit(np.fft.irfft((parts[0] + 1j * parts[1]) * amplitude, samples))


def rhythm(frequency: float, number: int, samples: int, rng: np.random.Generator) -> Signals:
    """Noise within 1 Hz of a frequency, of standard deviation 1."""
    band = signal.butter(3, [frequency - 1, frequency + 1], "bandpass", fs=RATE, output="sos")
    margin = int(RATE)
    noise = rng.normal(size=(number, samples + 2 * margin))
    return unit(signal.sosfiltfilt(band, noise, axis=1)[:, margin:-margin])


def wendling(number: int, seconds: float, rng: np.random.Generator) -> Signals:
    """The EEG of Wendling et al. (2002), doi 10.1046/j.1460-9568.2002.01985.x, whose fourth population is fast.

    With drawn gains A (3 to 7 mV), B (5 to 40 mV) and G (5 to 25 mV), by Euler's method at 1 ms.
    """
    A, B, G = (rng.uniform(low, high, number) for low, high in ((3, 7), (5, 40), (5, 25)))
    p = np.full(number, 90.0)
    a, b, g, C, step = 100.0, 50.0, 500.0, 135.0, 2.5e-4
    positions, slopes, found = np.zeros((5, number)), np.zeros((5, number)), []

    def sigmoid(v):
        return 5 / (1 + np.exp(0.56 * (6 - v)))

    gains, rates = np.stack([A * a, A * a, B * b, G * g, B * b]), np.array([a, a, b, g, b])[:, None]
    for i in range(round((seconds + 2.0) / step)):
        if i % round(1e-3 / step) == 0:
            p = 90 + 30 * rng.normal(size=number)
        y0, y1, y2, y3, y4 = positions
        firing = np.stack(
            [
                sigmoid(y1 - y2 - y3),
                p + 0.8 * C * sigmoid(C * y0),
                0.25 * C * sigmoid(0.25 * C * y0),
                0.8 * C * sigmoid(0.3 * C * y0 - y4),
                0.1 * C * sigmoid(0.3 * C * y0),
            ]
        )
        slopes = slopes + step * (gains * firing - 2 * rates * slopes - rates**2 * positions)
        positions = positions + step * slopes
        if i * step >= 2.0 and i % round(1 / (RATE * step)) == 0:
            found.append(positions[1] - positions[2] - positions[3])
    return np.stack(found, axis=1)


def recordings_of_the_model(number: int, seconds: float, seed: int, **ranges: tuple[float, float]) -> Signals:
    """Of columns of the prior; `ranges` narrow that of a quantity, or give it another value."""
    keys = jax.random.split(jax.random.key(seed), 3)
    rng = np.random.default_rng(seed)
    values = {name: np.asarray(value) for name, value in Prior().values(Prior().draw(number, key=keys[0])).items()}
    values |= {name: np.exp(rng.uniform(*np.log(between), size=number)) for name, between in ranges.items()}
    values = {name: jax.numpy.asarray(value, "float32") for name, value in values.items()}
    eeg = np.asarray(eeg_of(Prior().columns(values), seconds, key=keys[1]))
    return record(eeg, values, keys[2])


def unlike(number: int, seconds: float, seed: int = 0) -> dict[str, Callable[[], Signals]]:
    """Kinds of recordings by name."""
    samples = round(seconds * RATE)
    clear = (0.05, 0.5)  # of the column, what is background

    def rng(k: int) -> np.random.Generator:
        return np.random.default_rng([seed, k])

    def of_column(k: int, **ranges: tuple[float, float]) -> Signals:
        return unit(recordings_of_the_model(number, seconds, 1000 * seed + k, **{"background": clear, **ranges}))

    times = np.arange(samples) / RATE

    def square() -> Signals:
        phase = rng(1).random((number, 1))
        return np.sign(np.sin(2 * np.pi * (2 * times + phase))) + 0.1 * rng(2).normal(size=(number, samples))

    def surrogates() -> Signals:
        random = rng(4)
        return np.stack([next(phase_randomised(each[:, None], random))[:, 0] for each in of_column(3)])

    def pink(k: int) -> Signals:
        return power_law(np.ones(1), number, samples, rng(k))

    def sine() -> Signals:
        return pink(5) + 3 * np.sin(2 * np.pi * (10 * times + rng(6).random((number, 1))))

    return {
        "the model": lambda: recordings_of_the_model(number, seconds, 7 + 1000 * seed),
        "background 45 times the column": lambda: of_column(8, background=(45.0, 45.001)),
        "exponent 3": lambda: of_column(9, exponent=(3.0, 3.0001)),
        "two columns": lambda: of_column(10) + of_column(11),
        "Wendling's column": lambda: unit(wendling(number, seconds, rng(12))) + 0.2 * pink(13),
        "a column and a rhythm of 22 Hz, half as large": lambda: (
            of_column(14) + 0.5 * rhythm(22, number, samples, rng(15))
        ),
        "a column and a rhythm of 22 Hz": lambda: of_column(14) + rhythm(22, number, samples, rng(15)),
        "a column and a rhythm of 30 Hz, half as large": lambda: (
            of_column(16) + 0.5 * rhythm(30, number, samples, rng(17))
        ),
        "a column and a rhythm of 30 Hz": lambda: of_column(16) + rhythm(30, number, samples, rng(17)),
        "rhythms of 10 and 22 Hz, and 1/f": lambda: (
            pink(18) + 1.5 * (rhythm(10, number, samples, rng(19)) + rhythm(22, number, samples, rng(20)))
        ),
        "a rhythm of 30 Hz, and 1/f": lambda: pink(21) + 2 * rhythm(30, number, samples, rng(22)),
        "square wave of 2 Hz": square,
        "white noise": lambda: rng(23).normal(size=(number, samples)),
        "1/f noise": lambda: power_law(rng(24).uniform(0.5, 2, number), number, samples, rng(25)),
        "sine of 10 Hz, and 1/f": sine,
        "surrogates": surrogates,
    }
