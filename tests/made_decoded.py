"""What a decoder may return of a simulated column, without a decoder: for figures and pages."""

import functools
from typing import Any

import diffrax
import jax
import numpy as np

import jrae_jax as jrae
from jrae_jax.column.solvers import StrangSplitting
from jrae_jax.decoding import BANDS, FREQUENCIES, STANDARD, Check, Decoded
from jrae_jax.recording.info import RecordingInfo
from jrae_jax.recording.windows import REASONS

_DT, _WINDOW, _WINDOWS, _DRAWS = 1 / 160, 20.0, 3, 32
_GAIN = 4e-3  # mV of the recording for each mV of the column


def made_decoded(
    *,
    channels: int = 1,
    refused: dict[str, list[tuple[int, int]]] | None = None,
    unfamiliar: list[tuple[int, int]] | None = None,
    beyond: dict[str, float] | None = None,
    words: str = "One column explains this recording.",
    **info: Any,
) -> Decoded:
    """A minute of some channels at 160 Hz.

    **Arguments:**

    - `refused`: channels and windows, by reason.
    - `unfamiliar`: channels and windows.
    - `beyond`: by what the power in bands is multiplied.
    """
    rng = np.random.default_rng(0)
    states, recorded = _simulated()
    shape = (channels, _WINDOWS)
    why = np.zeros((len(REASONS), *shape), bool)
    for reason, places in (refused or {}).items():
        why[list(REASONS).index(reason), *np.transpose(places)] = True
    used, familiar = np.logical_not(why.any(axis=0)), np.ones(shape, bool)
    for place in unfamiliar or []:
        familiar[place] = False
    by_sample = np.repeat(used, recorded.size // _WINDOWS, axis=1)
    error = np.where(np.repeat(used & familiar, recorded.size // _WINDOWS, axis=1)[..., None], 0.4, np.nan)
    mean = np.where(by_sample[..., None], states, np.nan)
    own = np.broadcast_to(states.std(axis=0), mean.shape)
    recorded = _multiplied(recorded, beyond or {}) + 1e-3 * rng.normal(size=(channels, recorded.size))
    names = ("O1", "O2", *(f"E{i}" for i in range(3, channels + 1)))[:channels]
    given = {"names": names, "unit": "uV", "band": (0.5, 70.0), "line_freq": 50.0, "kind": "eeg"} | info
    return Decoded(
        mean=mean,
        std=error * own,
        shape_mean=(mean - states.mean(axis=0)) / own,
        shape_std=np.broadcast_to(error, mean.shape),
        draws=_draws(used, rng),
        check=_check(recorded, used, familiar, beyond or {}, words),
        eeg=recorded,
        start=_WINDOW * np.arange(_WINDOWS),
        refused=why,
        names=names,
        seconds=_WINDOW,
        band=(2.0, 45.0),
        dt=_DT,
        info=RecordingInfo(**given),
    )


@functools.cache
def _simulated() -> tuple[np.ndarray, np.ndarray]:
    """The states of a column that makes an alpha rhythm, and a recording of it, mV."""
    column = jrae.Column.preset("jansen_rit_1995", jrae.WhiteNoiseInput(220.0, 3.0))
    found = jrae.simulate(
        column,
        t1=2.0 + _WINDOWS * _WINDOW,
        dt=_DT / 8,
        burn_in=2.0,
        solver=StrangSplitting(),
        saveat=diffrax.SaveAt(steps=8),
        key=jax.random.key(3),
    )
    column = np.asarray(found.eeg, float)
    spectrum = np.fft.rfft(np.random.default_rng(4).normal(size=column.size))
    background = np.fft.irfft(spectrum * np.maximum(np.fft.rfftfreq(column.size, _DT), 0.5) ** -0.6, column.size)
    recorded = column - column.mean() + 0.6 * column.std() / background.std() * background
    return np.asarray(found.ys, float), _GAIN * recorded


def _multiplied(recorded: np.ndarray, factors: dict[str, float]) -> np.ndarray:
    spectrum, frequency = np.fft.rfft(recorded), np.fft.rfftfreq(recorded.size, _DT)
    for band, factor in factors.items():
        low, high = BANDS[band]
        spectrum[(frequency >= low) & (frequency < high)] *= factor**0.5
    return np.fft.irfft(spectrum, recorded.size)


def _draws(used: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    def around(low: float, middle: float, std: float, high: float) -> np.ndarray:
        values = middle + std * rng.normal(size=(*used.shape, _DRAWS))
        return np.where(used[..., None], np.clip(values, low, high), np.nan)

    middles = {"C": (137, 22), "B": (23, 4), "time_scale": (1.0, 0.05), "p": (230, 60), "sigma": (1.1, 0.4)}
    middles |= {"background": (-0.7, 0.3), "exponent": (1.2, 0.3), "white": (-2.0, 0.6)}
    draws = {}
    for name, quantity in STANDARD.items():
        bounds = (quantity.low, quantity.high)
        low, high = np.log(bounds) if quantity.logarithmic else bounds
        middle, std = middles[name]
        values = around(low, middle, std, high)
        draws[name] = np.exp(values) if quantity.logarithmic else values
    draws["column_std"] = np.exp(around(-5, 1.0, 0.2, 5))
    draws["column_fraction"] = 1 / (1 + draws["background"] ** 2 * (1 + draws["white"] ** 2))
    draws["gain"] = np.exp(around(-20, np.log(_GAIN), 0.5, 5))
    return draws


def _check(
    recorded: np.ndarray, used: np.ndarray, familiar: np.ndarray, factors: dict[str, float], words: str
) -> Check:
    from scipy.signal import welch

    windows = recorded.reshape(*used.shape, -1)
    every, power = welch(windows, 1 / _DT, nperseg=round(2 / _DT))
    there = used[..., None]
    density = np.where(there, power[..., np.searchsorted(every, FREQUENCIES)], np.nan)
    known = np.ones(FREQUENCIES.size)
    for band, factor in factors.items():
        known[(BANDS[band][0] <= FREQUENCIES) & (BANDS[band][1] > FREQUENCIES)] /= factor
    middle = np.exp(np.nanmean(np.log(density * known), axis=(0, 1))) if used.any() else known
    predicted = np.where(there[..., None], middle * np.array([0.45, 1.0, 2.1])[:, None], np.nan)
    left_over = np.where(there, [factors.get(band, 1.1) for band in BANDS], np.nan)
    p = 0.02 if factors else np.linspace(0.2, 0.7, used.size).reshape(used.shape)
    p = np.where(used, np.where(familiar, p, 0.001), np.nan)
    return Check(
        statistic=np.where(used, 2.0, np.nan),
        p=p,
        familiar=familiar & used,
        density=density,
        predicted=predicted,
        left_over=left_over,
        beyond=there & np.array([band in factors for band in BANDS]),
        column_fraction=np.where(used, 0.7, np.nan),
        explained=np.array([not factors and bool(row.any()) for row in used]),
        words=tuple(words if row.any() else "No window could be used." for row in used),
    )
