"""How often 90 % intervals of the smoother cover the states where the sensor's noise is coloured, and what it costs.

    python -m benchmarks.coloured_noise [--out benchmarks/results/coloured_noise.json] [--quick] [--recordings N]

Standard columns under white noise, with a background of 1/f^exponent from 1 Hz on, whose standard deviation in 2 to
40 Hz is a fraction of the column's, white noise of 5 %, and an unknown offset. The smoother is told all but the offset
itself. The power of the background goes on above 45 Hz, or is cut there; an amplifier's filters change column and
background alike, which the smoother is not told.
"""

import time
import warnings
from typing import Any

import diffrax
import jax
import numpy as np
from scipy import signal

import jrae_jax as jrae
from jrae_jax.recording import InconsistentRecordingWarning

from .timing import arguments_parser, environment, write

SECONDS, BURN_IN = 10, 2
BAND, OFFSET, NOISE = (1.0, 45.0), 3.0, 0.05
RATES, EXPONENTS, FRACTIONS = (128, 160, 250, 500, 1000), (0.5, 1.0, 1.5, 2.0), (0.2, 0.5)
FILTERS = {"high-pass 1 Hz": (1, 1.0, "highpass"), "low-pass 45 Hz": (4, 45.0, "lowpass")}
COLUMN = jrae.Column.preset("jansen_rit_1995", jrae.WhiteNoiseInput(220.0, 200 / 12**0.5 * 1e-3**0.5))


def _states(rate: int, recordings: int) -> np.ndarray:
    steps = -(-1000 // rate)
    settings = {"dt": 1 / rate / steps, "burn_in": float(BURN_IN), "saveat": diffrax.SaveAt(steps=steps)}
    trajectories = jrae.simulate(
        COLUMN, t1=float(SECONDS + BURN_IN), batch=recordings, key=jax.random.key(rate), **settings
    )
    return np.asarray(trajectories.ys, float)


def _coloured(shape: tuple[int, int], rate: int, exponent: float, cut: bool, rng: np.random.Generator) -> np.ndarray:
    """Of standard deviation 1 within the band."""
    samples = 8 * shape[1]  # of which the last are left out: those of a period are not independent
    f = np.fft.rfftfreq(samples, 1 / rate)
    power = np.maximum(f, BAND[0]) ** -exponent / (1 + cut * (f / BAND[1]) ** 8)
    parts = rng.normal(size=(2, shape[0], len(f)))
    values = np.fft.irfft((parts[0] + 1j * parts[1]) * np.sqrt(power), samples)[:, : shape[1]]
    within = signal.sosfiltfilt(signal.butter(4, BAND, "bandpass", fs=rate, output="sos"), values)
    return values / within[:, rate:-rate].std()


def _size(values: np.ndarray, rate: int) -> float:
    """Standard deviation in 2 to 40 Hz."""
    return float(signal.sosfiltfilt(signal.butter(4, (2, 40), "bandpass", fs=rate, output="sos"), values).std())


def measured(
    rate: int, exponent: float, fraction: float, cut: bool, band: str | None, recordings: int
) -> dict[str, Any]:
    """One case: coverage, r, and how many recordings are consistent with what is known of them."""
    rng = np.random.default_rng(0)
    states = _states(rate, recordings)
    clean = states[..., 1] - states[..., 2]
    noise_std = NOISE * clean.std()
    background = _coloured(clean.shape, rate, exponent, cut, rng)
    std = fraction * _size(clean, rate) / _size(background, rate)
    values = clean + std * background + noise_std * rng.normal(size=clean.shape)
    if band is not None:
        filtered = signal.sosfilt(signal.butter(*FILTERS[band], fs=rate, output="sos"), values - values[:, :1])
        values = np.asarray(filtered)
        values = values + clean.mean() - values.mean(axis=1, keepdims=True)
    values = values + OFFSET * rng.normal(size=(recordings, 1))
    told = jrae.recording.Background.one_over_f(std=std, exponent=exponent, band=BAND, offset_std=OFFSET)
    smoother = jrae.estimators.KalmanSmoother(COLUMN, background=told)
    start = time.process_time()
    estimate = smoother(jrae.Recording.of(eeg=values, dt=1 / rate, noise_std=noise_std))
    error, spread = np.asarray(estimate.mean, float) - states, np.asarray(estimate.std, float)
    seconds, inner = time.process_time() - start, slice(rate, -rate)
    covered = np.mean(np.abs(error[:, inner]) < 1.645 * spread[:, inner], axis=1)
    deviations = [x - x.mean(axis=1, keepdims=True) for x in (states[:, inner], np.asarray(estimate.mean)[:, inner])]
    r = np.sum(deviations[0] * deviations[1], axis=1) / np.prod(
        [np.sqrt(np.sum(each**2, axis=1)) for each in deviations], axis=0
    )
    assert estimate.consistency is not None
    return {
        "rate": rate,
        "exponent": exponent,
        "fraction": fraction,
        "cut_at_45_hz": cut,
        "filter": band,
        "coverage": covered.mean(axis=0).tolist(),
        "standard_error": (covered.std(axis=0) / recordings**0.5).tolist(),
        "median_r": np.median(r, axis=0).tolist(),
        "consistent": float(np.mean(np.asarray(estimate.consistency.within))),
        "cpu_s": seconds,
    }


def main() -> None:
    """Measure all cases, and write them."""
    parser = arguments_parser(__doc__, __file__)
    parser.add_argument("--recordings", type=int, default=50, help="a case")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", InconsistentRecordingWarning)
    rates, exponents = (RATES[1:2], EXPONENTS[1:2]) if arguments.quick else (RATES, EXPONENTS)
    cases = [
        (rate, exponent, fraction, cut, None)
        for rate in rates
        for exponent in exponents
        for fraction in FRACTIONS
        for cut in (False, True)
    ]
    cases += [(250, 1.0, 0.5, False, band) for band in FILTERS]
    found = []
    for case in cases:
        found.append(measured(*case, arguments.recordings))
        print(case, " ".join(f"{x:.3f}" for x in found[-1]["coverage"]), flush=True)
    write({"environment": environment(), "recordings": arguments.recordings, "cases": found}, arguments.out)


if __name__ == "__main__":
    main()
