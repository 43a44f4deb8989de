"""How often estimators notice that a recording is unlike what they were made for, and how often without cause.

    python -m benchmarks.consistency [--out benchmarks/results/consistency.json] [--quick] [--recordings N]

Standard columns, passed through what amplifiers and people do to recordings: the fraction of recordings beyond a limit,
for each estimator, level of white noise and change of the EEG; and of other kinds of recording without any change.
"""

import time
import warnings
from collections.abc import Callable, Mapping

import jax
import numpy as np
from scipy import signal

import jrae_jax as jrae
from jrae_jax.column import CHANNELS, to_channels
from jrae_jax.recording import InconsistentRecordingWarning

from .timing import arguments_parser, environment, write
from .unlike import Signals, power_law

DT = 1e-3
SECONDS = 10.0
NOISE = (0.05, 0.2, 0.5)
KINDS = ("eeg", "y0", "y1", "y0,y1,y2", "y0,y1,y2,y3,y4,y5")
_AT_ONCE = 50


def _noisy(clean: Signals, noise: float, rng: np.random.Generator) -> Signals:
    return clean + noise * clean.std() * rng.normal(size=clean.shape)


def _about_mean(recorded: Signals, gain: float) -> Signals:
    mean = recorded.mean(axis=-1, keepdims=True)
    return mean + gain * (recorded - mean)


def _with_pink(clean: Signals, noise: float, rng: np.random.Generator) -> Signals:
    """With noise whose power falls as 1/f from the lowest frequency on, and white noise."""
    recorded = _noisy(clean, noise, rng)
    return recorded + 0.3 * clean.std() * power_law(
        np.ones(1), len(clean), clean.shape[1], rng, dt=DT, flat=1 / SECONDS
    )


def _resampled(clean: Signals, noise: float, rate: int, rng: np.random.Generator) -> Signals:
    """Recorded at a lower rate behind an anti-aliasing filter, with the noise of that amplifier, and resampled."""
    every = round(1 / (DT * rate))
    low_pass = signal.butter(8, 0.4 * rate, fs=1 / DT, output="sos")
    recorded = signal.sosfiltfilt(low_pass, clean, axis=-1)[:, ::every]
    recorded = recorded + noise * clean.std() * rng.normal(size=recorded.shape)
    return signal.resample_poly(recorded, every, 1, axis=-1, padtype="line")


def _band_passed(recorded: Signals) -> Signals:
    band = signal.butter(4, [0.5, 45.0], "bandpass", fs=1 / DT, output="sos")
    return signal.sosfiltfilt(band, recorded, axis=-1)


CHANGES: Mapping[str, Callable[[Signals, float, np.random.Generator], Signals]] = {
    "none": _noisy,
    "V": lambda clean, noise, rng: _noisy(clean, noise, rng) * 1e-3,
    "uV": lambda clean, noise, rng: _noisy(clean, noise, rng) * 1e3,
    "offset": lambda clean, noise, rng: _noisy(clean, noise, rng) + clean.std() / 1.25,  # 1 mV of the EEG
    "gain 2": lambda clean, noise, rng: _noisy(clean, noise, rng) * 2,
    "gain 1/2": lambda clean, noise, rng: _noisy(clean, noise, rng) / 2,
    "gain 2 about the mean": lambda clean, noise, rng: _about_mean(_noisy(clean, noise, rng), 2.0),
    "gain 1/2 about the mean": lambda clean, noise, rng: _about_mean(_noisy(clean, noise, rng), 0.5),
    "1/f of 30 %": _with_pink,
    "0.5 to 45 Hz": lambda clean, noise, rng: _band_passed(_noisy(clean, noise, rng)),
    "250 Hz resampled": lambda clean, noise, rng: _resampled(clean, noise, 250, rng),
    "500 Hz resampled": lambda clean, noise, rng: _resampled(clean, noise, 500, rng),
    "reversed polarity": lambda clean, noise, rng: _about_mean(_noisy(clean, noise, rng), -1.0),
    "white noise": lambda clean, noise, rng: clean.mean() + clean.std() * rng.normal(size=clean.shape),
    "flat line": lambda clean, noise, rng: np.full_like(clean, clean.mean()),
}
"""What is done to a recording, from the signal of a channel and the noise as a fraction of its standard deviation."""

_SCALE = {"V": 1e-3, "uV": 1e3, "gain 2": 2.0, "gain 1/2": 0.5}
_SCALE |= {"gain 2 about the mean": 2.0, "gain 1/2 about the mean": 0.5}


def changed_recording(
    channels: np.ndarray, kind: str, change: str, noise: float, rng: np.random.Generator
) -> jrae.Recording:
    """Recordings of a kind, changed; the noise is known, in the unit and with the gain of the recording.

    **Arguments:**

    - `channels`: without noise, shape `(recording, time, 7)`.
    - `kind`: names of channels with commas between them.
    """
    names = kind.split(",")
    clean = {name: np.asarray(channels[..., CHANNELS.index(name)], float) for name in names}
    values = np.full(channels.shape, np.nan)
    for name, signal_of in clean.items():
        values[..., CHANNELS.index(name)] = CHANGES[change](signal_of, noise, rng)
    noise_std = np.zeros(len(CHANNELS))
    for name, signal_of in clean.items():
        noise_std[CHANNELS.index(name)] = noise * signal_of.std() * _SCALE.get(change, 1.0)
    return jrae.Recording.from_array(values, observed=names, dt=DT, noise_std=noise_std)


def main() -> None:
    """Measure, and write the results."""
    parser = arguments_parser(__doc__, __file__)
    parser.add_argument("--recordings", type=int, default=200, help="of each kind, noise and change (200)")
    parser.add_argument("--estimators", default="autoencoder,autoencoder causal,kalman smoother,4d-var")
    parser.add_argument("--kinds", default=";".join(KINDS))
    options = parser.parse_args()
    number, noises = (4, NOISE[:1]) if options.quick else (options.recordings, NOISE)
    warnings.simplefilter("ignore", InconsistentRecordingWarning)
    column = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=DT))
    trajectories = jrae.simulate(column, t1=2.0 + SECONDS, dt=DT, burn_in=2.0, batch=number, key=jax.random.key(7))
    channels = np.asarray(to_channels(trajectories.ys))
    makers = {
        "autoencoder": lambda: jrae.load_pretrained(),
        "autoencoder causal": lambda: jrae.load_pretrained(causal=True),
        "kalman smoother": lambda: jrae.estimators.KalmanSmoother(column),
        "4d-var": lambda: jrae.estimators.FourDVar(column),
    }
    rows = []
    for name in options.estimators.split(","):
        estimator = makers[name]()
        for kind in options.kinds.split(";"):
            for noise in noises:
                for change in CHANGES if kind == "eeg" else ("none",):
                    start, rng = time.perf_counter(), np.random.default_rng(0)
                    recording = changed_recording(channels, kind, change, noise, rng)
                    row = noticed(estimator, recording) | {"estimator": name, "kind": kind}
                    rows.append(row | {"noise": noise, "change": change, "recordings": number})
                    print(
                        f"{name:18} {kind:18} {noise:4.0%} {change:24} {row['beyond']:7.1%}  "
                        f"{time.perf_counter() - start:5.1f} s",
                        flush=True,
                    )
    write({"environment": environment(), "seconds": SECONDS, "rows": rows}, options.out)


def noticed(estimator: jrae.recording.AbstractEstimator, recording: jrae.Recording) -> dict:
    """The fraction of recordings beyond a limit, and by which statistic."""
    beyond, by_name, names = [], [], ()
    for start in range(0, len(recording), _AT_ONCE):
        consistency = estimator(recording[start : start + _AT_ONCE]).consistency
        assert consistency is not None
        beyond.append(~np.asarray(consistency.within))
        over = np.asarray(consistency.statistics) > np.asarray(consistency.limits)
        by_name.append(over.any(axis=-1))
        names = consistency.names
    found = np.concatenate(by_name).mean(axis=0)
    return {"beyond": float(np.concatenate(beyond).mean()), "by": dict(zip(names, found.tolist(), strict=True))}


if __name__ == "__main__":
    main()
