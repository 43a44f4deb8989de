"""The command `fit`."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import runtime
from .options import (
    INPUTS,
    add_command,
    add_preset_option,
    add_run_options,
    add_set_option,
    add_table_options,
)

if TYPE_CHECKING:
    from ..inference.least_squares import ParameterFit


def add_commands(commands: Any) -> None:
    """Add the command."""
    fit = add_command(
        commands,
        "fit",
        help="find parameters of a column in an EEG",
        example="jrae fit eeg.csv --free C=100:200 --free p=150:300 --plot fit.png",
    )
    fit.add_argument(
        "recording",
        type=Path,
        help="a table as text, .csv, .tsv or .txt; or .edf, .bdf, .vhdr, .fif, ..., as MNE reads",
    )
    fit.add_argument(
        "--free", action="append", default=[], metavar="NAME=LOW:HIGH", help="what is to be found, and its bounds"
    )
    add_table_options(fit)
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
    from .arguments import check_figure_file, column_from, key_from_seed, options_named, recording_from

    if options.plot is not None:
        check_figure_file("--plot", options.plot)
    if options.json is not None:
        check_output("--json", options.json, suffixes=(".json",))
    column = column_from(options.preset, options.input, options.set, options.hold)
    bounds = [_parsed_bounds(text) for text in options.free]
    check_names((*column.quantities, GAIN), **{"--free": [name for name, _ in bounds]})
    key, recording = key_from_seed(options.seed), recording_from(options, options.recording)
    if recording.info is not None and recording.batch is not None:
        raise ValueError(f"`--pick` must name the channel to read, one of {', '.join(recording.info.names)}")
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


def _record(found: "ParameterFit") -> dict[str, Any]:
    """For JSON, which has no infinity."""
    import numpy as np

    quantities = {
        name: {"value": value, "std": std if np.isfinite(std) else None, "at_bound": at_bound}
        for name, value, std, at_bound in zip(
            found.names, found.values.tolist(), found.std.tolist(), found.at_bound.tolist(), strict=True
        )
    }
    return {
        "found": quantities,
        "correlation": found.correlation.tolist(),
        "explained": found.explained,
        "converged": found.converged,
        "agreeing": found.agreeing,
        "starts": found.starts,
    }
