"""The command line's `fit`: arguments, reading, printing; no numerics."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .scan import INPUTS, column, parsed_number

Bar = Callable[[str, float], None]

_EVEN = 1e-3  # of the distance between samples


def add_commands(commands: Any, prepare: Callable[[argparse.Namespace], Bar]) -> None:
    """Add the command; `prepare` sets up JAX and returns what shows progress."""
    fit = commands.add_parser("fit", help="find parameters of a column in an EEG")
    fit.add_argument("recording", type=Path, help="a .csv with a column of mV, and one of seconds called time")
    fit.add_argument(
        "--free", action="append", default=[], metavar="NAME=LOW:HIGH", help="what is to be found, and its bounds"
    )
    fit.add_argument("--signal", help="the column to read (eeg, or the only one)")
    fit.add_argument("--rate", type=float, metavar="HZ", help="samples a second, where there is no column called time")
    fit.add_argument("--preset", default="jansen_rit_1995", help="of what is known (jansen_rit_1995)")
    fit.add_argument(
        "--input", choices=INPUTS, default="white", help="constant: follow the trace; else: match the spectrum (white)"
    )
    fit.add_argument("--hold", type=float, default=1e-3, help="of uniform and ou: seconds a value is held (1e-3)")
    fit.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter, or a quantity of the input"
    )
    fit.add_argument("--seed", type=int, default=0, help="of the starts and the noise (0)")
    fit.add_argument("--json", type=Path, metavar="FILE", help="values, standard deviations and correlations")
    fit.add_argument("--plot", type=Path, help="a picture of recording and fit")
    fit.add_argument("--device", choices=("cpu", "gpu"), help="where to compute (what JAX finds)")
    fit.set_defaults(run=lambda options: _fit(options, prepare(options)))


def _fit(options: argparse.Namespace, progress: Bar) -> int:
    import jax

    from ..inference.spectrum import fit_spectrum
    from ..inference.trace import fit_trace

    del progress
    free = dict(_bounds(text) for text in options.free)
    known = column(options.preset, options.input, options.set, options.hold)
    values, dt = _read(options)
    method = fit_spectrum if known.input.random else fit_trace
    found = method(values, known.parameters, known.input, dt=dt, free=free, key=jax.random.key(options.seed))
    print(found)
    if options.json is not None:
        options.json.write_text(json.dumps(_record(found), indent=1) + "\n", encoding="utf-8")
        print(f"\nall of it in {options.json}")
    if options.plot is not None:
        from ..plot.fit import plot_fit

        plot_fit(found).savefig(options.plot, dpi=150)
        print(f"\npicture in {options.plot}")
    return 0 if found.converged else 1


def _bounds(text: str) -> tuple[str, tuple[float, float]]:
    name, _, bounds = text.partition("=")
    low, _, high = bounds.partition(":")
    return name, (parsed_number("--free", name, low), parsed_number("--free", name, high))


def _read(options: argparse.Namespace) -> tuple[np.ndarray, float]:
    """The recording, mV, and the seconds between its samples."""
    import pandas as pd

    table = pd.read_csv(options.recording)
    name = options.signal or _only_signal(list(table.columns))
    if name not in table:
        raise ValueError(f"`--signal` must be one of {', '.join(map(str, table.columns))}, got {name}")
    if not pd.api.types.is_numeric_dtype(table[name]):
        raise ValueError(f"`{name}` must be a column of numbers, got {table[name].iloc[0]!r}")
    return table[name].to_numpy(float), _seconds_between(table, options.rate)


def _only_signal(names: Sequence[str]) -> str:
    signals = [name for name in names if name != "time"]
    if "eeg" in signals:
        return "eeg"
    if len(signals) != 1:
        raise ValueError(f"`--signal` must name the column to read, one of {', '.join(signals)}")
    return signals[0]


def _seconds_between(table: Any, rate: float | None) -> float:
    if "time" not in table:
        if rate is None or rate <= 0:
            raise ValueError(f"`--rate` must be positive where there is no column called time, got {rate}")
        return 1 / rate
    steps = np.diff(table["time"].to_numpy(float))
    dt = float(np.median(steps)) if len(steps) else np.nan
    if not dt > 0 or np.any(np.abs(steps - dt) > _EVEN * dt + np.abs(table["time"]).max() * 1e-6):
        raise ValueError(
            f"`time` must rise evenly, in seconds, got steps of {np.min(steps, initial=np.inf):g} to "
            f"{np.max(steps, initial=-np.inf):g} s: one continuous recording, resampled where it needs to be"
        )
    if rate is not None and abs(rate * dt - 1) > _EVEN:
        raise ValueError(f"`--rate` must be that of the column called time, {1 / dt:g} Hz, got {rate:g} Hz")
    return dt


def _record(found: Any) -> dict[str, Any]:
    told = {
        name: {"value": value, "std": std if np.isfinite(std) else None}
        for name, value, std in zip(found.names, found.values.tolist(), found.std.tolist(), strict=True)
    }
    shares = {"explained": found.explained, "converged": found.converged}
    starts = {"agreeing": found.agreeing, "starts": found.starts}
    return {"found": told, "correlation": found.correlation.tolist()} | shares | starts
