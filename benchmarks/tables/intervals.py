"""Tables of intervals: how often truth lies in them, and what is noticed where they cannot be believed."""

from pathlib import Path

import numpy as np

from jrae_jax.column import STATES

from .markdown import KINDS, PERCENT, measured, percent, record, select, table

_ESTIMATORS = {
    "autoencoder": "autoencoder",
    "autoencoder causal": "autoencoder, causal",
    "kalman smoother": "Kalman smoother",
    "4d-var": "4D-Var",
}
_CHANGES = {
    "V": "recorded in V",
    "uV": "recorded in uV",
    "offset": "an offset of 1 mV",
    "gain 2": "twice the gain",
    "gain 1/2": "half the gain",
    "gain 2 about the mean": "twice the gain, about the mean",
    "gain 1/2 about the mean": "half the gain, about the mean",
    "1/f of 30 %": "a 1/f background of 30 %",
    "0.5 to 45 Hz": "a band-pass of 0.5 to 45 Hz",
    "250 Hz resampled": "resampled from 250 Hz",
    "500 Hz resampled": "resampled from 500 Hz",
    "white noise": "white noise instead",
    "flat line": "a flat line instead",
    "reversed polarity": "reversed polarity",
}
_MASKS = {**KINDS, "y1,y2": "`y1`, `y2`", "y4": "`y4`"}


def calibration(results: Path) -> str:
    """How much of the truth the intervals of the shipped autoencoders hold."""
    found = record(results, "calibration")
    rows = [
        [f"{width} % intervals, all together", *[percent(value, 1) for value in found["together"][width]]]
        for width in ("50", "90")
    ]
    for mask, words in _MASKS.items():
        values = np.array([row["90"] for row in select(found["rows"], observed=mask)])
        spans = [f"{100 * low:.0f} to {percent(high)}" for low, high in zip(values.min(0), values.max(0), strict=True)]
        rows.append([f"90 % intervals, from {words}", *spans])
    from_where = measured("python -m benchmarks.calibration", "calibration.json", found["environment"])
    levels = sorted({row["noise"] for row in found["rows"]})
    return (
        f"{table(['true values held', *STATES], rows)}\n\nBoth autoencoders, sensor noise of "
        f"{', '.join(percent(level) for level in levels)}; rows of one kind of recording give the least and the "
        "greatest over "
        f"these. {from_where}"
    )


def consistency(results: Path) -> str:
    """The fraction of changed recordings that are noticed, and of unchanged ones that are called so."""
    found = record(results, "consistency")
    rows = []
    for change, words in _CHANGES.items():
        cells = [select(found["rows"], estimator=name, change=change) for name in _ESTIMATORS]
        rows.append([words, *[", ".join(f"{100 * row['beyond']:.3g}" for row in cell) + PERCENT for cell in cells]])
    alarms = []
    for name in _ESTIMATORS:
        unchanged = select(found["rows"], estimator=name, change="none")
        number = sum(row["recordings"] for row in unchanged)
        alarms.append(f"{sum(row['beyond'] * row['recordings'] for row in unchanged):.0f} of {number:,}")
    rows.append(["**nothing (false alarms, five kinds of recording)**", *alarms])
    numbers = {name: select(found["rows"], estimator=name, change="V")[0]["recordings"] for name in _ESTIMATORS}
    levels = sorted({row["noise"] for row in found["rows"]})
    from_where = measured("python -m benchmarks.consistency", "consistency.json", found["environment"])
    number = ", ".join(f"{numbers[name]} ({words})" for name, words in _ESTIMATORS.items())
    return (
        f"{table(['what was done to the EEG', *_ESTIMATORS.values()], rows)}\n\nEEGs of {found['seconds']:g} s with "
        f"{', '.join(percent(level) for level in levels)} white noise, one number each; recordings a number: {number}. "
        f"{from_where}"
    )


def coloured(results: Path) -> str:
    """Coverage of the smoother's intervals where the background is coloured."""
    found = record(results, "coloured_noise")
    cases = found["cases"]
    plain = np.array([case["coverage"] for case in cases if case["filter"] is None])
    rows = [["told the background and its exponent", *[_spread(column) for column in plain.T]]]
    rows += [
        [f"the same, behind a {case['filter']} that it is not told", *[percent(value) for value in case["coverage"]]]
        for case in cases
        if case["filter"] is not None
    ]
    from_where = measured("python -m benchmarks.coloured_noise", "coloured_noise.json", found["environment"])
    return (
        f"{table(['smoother, 90 % intervals', *STATES], rows)}\n\n{len(plain)} cases of {found['recordings']} "
        "recordings, from "
        "the least to the greatest: rates of 128 to 1000 Hz, exponents of 0.5 to 2, backgrounds of 20 and 50 %. "
        f"{from_where}"
    )


def _spread(values: np.ndarray) -> str:
    return f"{100 * values.min():.0f} to {percent(values.max())}"


PARTS = {
    "intervals: calibration": calibration,
    "intervals: consistency": consistency,
    "intervals: coloured background": coloured,
}
