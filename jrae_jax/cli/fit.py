"""The command `fit`."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import runtime
from .options import INPUTS, add_preset_option, add_run_options, add_set_option

if TYPE_CHECKING:
    import pandas as pd

    from ..inference.least_squares import ParameterFit
    from ..recording.recording import Recording

_UNEVEN = 1e-3  # of the distance between samples: times in files are rounded
_TIME_ROUNDING = 1e-6  # of the latest time: what six or seven digits leave


class _Samples(NamedTuple):
    dt: float
    start: float


def add_commands(commands: Any) -> None:
    """Add the command."""
    fit = commands.add_parser("fit", help="find parameters of a column in an EEG")
    fit.add_argument("recording", type=Path, help="a .csv with a column of mV, and one of seconds called time")
    fit.add_argument(
        "--free", action="append", default=[], metavar="NAME=LOW:HIGH", help="what is to be found, and its bounds"
    )
    fit.add_argument("--signal", help="the column to read (eeg, or the only one)")
    fit.add_argument("--rate", type=float, metavar="HZ", help="samples a second, where there is no column called time")
    add_preset_option(fit)
    fit.add_argument(
        "--input", choices=INPUTS, default="white", help="constant: follow the trace; else: match the spectrum (white)"
    )
    fit.add_argument("--hold", type=float, default=1e-3, help="of uniform and ou: seconds a value is held (1e-3)")
    add_set_option(fit)
    fit.add_argument("--seed", type=int, default=0, help="of the starts and the noise (0)")
    fit.add_argument(
        "--json", type=Path, metavar="FILE", help="values, standard deviations and correlations, to a .json"
    )
    fit.add_argument("--plot", type=Path, help="a picture of recording and fit")
    add_run_options(fit)
    fit.set_defaults(run=_fit)


def _fit(options: argparse.Namespace) -> int:
    progress = runtime.start(options, cores=1)
    from .._checks import check_names
    from .._files import atomic_path, check_output
    from ..inference.fit_parameters import fit_parameters
    from ..inference.identifiability import GAIN
    from .arguments import check_figure_file, column_from, key_from_seed, options_named

    if options.plot is not None:
        check_figure_file("--plot", options.plot)
    if options.json is not None:
        check_output("--json", options.json, suffixes=(".json",))
    column = column_from(options.preset, options.input, options.set, options.hold)
    bounds = [_parsed_bounds(text) for text in options.free]
    check_names((*column.quantities, GAIN), **{"--free": [name for name, _ in bounds]})
    key, recording = key_from_seed(options.seed), _read_recording(options.recording, options.signal, options.rate)
    named = {f"bounds[{name!r}]": f"--free {name}" for name, _ in bounds}
    with options_named({"bounds": "--free", "column": "--input", **named}):
        found = fit_parameters(column, recording, bounds=dict(bounds), key=key, progress=progress)
    print(found)
    if options.json is not None:
        with atomic_path(options.json, "--json") as unfinished:
            unfinished.write_text(json.dumps(_record(found), indent=1) + "\n", encoding="utf-8")
        print(f"\nall of it in {options.json}")
    if options.plot is not None:
        from ..plot.fit import fit as fit_figure
        from .printing import save_figure

        save_figure(fit_figure(found), options.plot)
    return 0 if found.converged else 1


def _parsed_bounds(text: str) -> tuple[str, tuple[float, float]]:
    from .arguments import parsed_number

    name, equals, bounds = text.partition("=")
    low, colon, high = bounds.partition(":")
    if not (equals and colon):
        raise ValueError(f"`--free` must be NAME=LOW:HIGH, got {text}")
    return name, (parsed_number("--free", name, low), parsed_number("--free", name, high))


def _read_recording(path: Path, signal: str | None, rate: float | None) -> "Recording":
    """The EEG in a file, one column of numbers in mV."""
    import pandas as pd

    from ..recording.recording import Recording, RecordingInfo
    from .arguments import options_named

    table = pd.read_csv(path)
    signals = [str(name) for name in table.columns if name != "time"]
    if signal is None:
        if "eeg" not in signals and len(signals) != 1:
            raise ValueError(f"`--signal` must name the column to read, one of {', '.join(signals)}")
        signal = "eeg" if "eeg" in signals else signals[0]
    if signal not in table:
        raise ValueError(f"`--signal` must be one of {', '.join(map(str, table.columns))}, got {signal}")
    if not pd.api.types.is_numeric_dtype(table[signal]):
        raise ValueError(f"`{signal}` must be a column of numbers, got {table[signal].iloc[0]!r}")
    samples = _sample_times(table, rate)
    info = RecordingInfo(name=signal, unit="mV", start=samples.start)
    with options_named({"values": signal}):
        return Recording.of(eeg=table[signal].to_numpy(float), dt=samples.dt, info=info)


def _sample_times(table: "pd.DataFrame", rate: float | None) -> _Samples:
    """When samples were taken, s."""
    import numpy as np

    if "time" not in table:
        if rate is None or not 0 < rate < np.inf:
            raise ValueError(f"`--rate` must be positive where there is no column called time, got {rate}")
        return _Samples(1 / rate, 0.0)
    times = table["time"].to_numpy(float)
    steps = np.diff(times)
    dt = float(np.median(steps)) if len(steps) else np.nan
    if not dt > 0 or np.any(np.abs(steps - dt) > _UNEVEN * dt + _TIME_ROUNDING * np.abs(times).max()):
        raise ValueError(
            f"`time` must rise evenly, in seconds, got steps of {np.min(steps, initial=np.inf):g} to "
            f"{np.max(steps, initial=-np.inf):g} s: one continuous recording, resampled where it needs to be"
        )
    if rate is not None and abs(rate * dt - 1) > _UNEVEN:
        raise ValueError(f"`--rate` must be that of the column called time, {1 / dt:g} Hz, got {rate:g} Hz")
    return _Samples(dt, float(times[0]))


def _record(found: "ParameterFit") -> dict[str, Any]:
    """For JSON, which has no infinity."""
    import numpy as np

    quantities = {
        name: {"value": value, "std": std if np.isfinite(std) else None}
        for name, value, std in zip(found.names, found.values.tolist(), found.std.tolist(), strict=True)
    }
    return {
        "found": quantities,
        "correlation": found.correlation.tolist(),
        "explained": found.explained,
        "converged": found.converged,
        "agreeing": found.agreeing,
        "starts": found.starts,
    }
