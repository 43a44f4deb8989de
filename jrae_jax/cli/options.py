"""Options that several commands have; loads nothing but the standard library."""

import argparse
import textwrap
from pathlib import Path
from typing import Any

INPUTS = ("white", "uniform", "ou", "constant")
"""External inputs by name; `arguments.INPUTS` makes them."""

SOLVERS = ("strang", "heun", "rk4", "euler")
"""Solvers by name; `arguments.SOLVERS` makes them."""

SUMMARIES = ("moments", "spectrum", "regime", "samples")
"""Summaries of a scan by name; `arguments.summaries_from` makes them."""


SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "blank": " "}
"""What may stand between fields of a table, by name."""


def add_command(commands: Any, name: str, *, help: str, example: str) -> argparse.ArgumentParser:
    """A command; its own help ends with an example, which can be copied from a terminal of any width."""
    return commands.add_parser(
        name,
        help=help,
        description=textwrap.fill(f"{help[0].upper()}{help[1:]}."),
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_preset_option(parser: argparse.ArgumentParser) -> None:
    """`--preset`."""
    parser.add_argument("--preset", default="jansen_rit_1995", help="parameters to start from (jansen_rit_1995)")


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """`--input` and `--hold`."""
    parser.add_argument("--input", choices=INPUTS, default="white", help="external input (white)")
    parser.add_argument("--hold", type=float, default=1e-3, help="of uniform and ou: seconds a value is held (1e-3)")


def add_set_option(parser: argparse.ArgumentParser) -> None:
    """`--set`."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter, or a quantity of the input"
    )


def add_simulation_options(parser: argparse.ArgumentParser) -> None:
    """A column and how it is simulated, where, and a picture of the results."""
    add_preset_option(parser)
    add_input_options(parser)
    add_set_option(parser)
    parser.add_argument("--duration", type=float, default=10.0, help="seconds (10)")
    parser.add_argument("--burn-in", type=float, default=1.0, help="seconds at the start that are left out (1)")
    parser.add_argument("--dt", type=float, default=1e-3, help="step, seconds (1e-3)")
    parser.add_argument("--solver", choices=SOLVERS, default="strang", help="(strang)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (0)")
    parser.add_argument("--devices", type=int, help="CPU cores to use (all)")
    add_run_options(parser)
    parser.add_argument("--plot", type=Path, help="a picture of the results")


def add_table_options(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """How a recording in a file is read, of one channel or `several`; `arguments.recording_from` reads it."""
    if several:
        what = "a column or channel to read, or a type as eeg; can be repeated (all of the EEG)"
        parser.add_argument("--pick", metavar="NAME", action="append", help=what)
    else:
        parser.add_argument("--pick", metavar="NAME", help="the column or channel to read (eeg, or the only one)")
    parser.add_argument("--unit", help="V, mV, uV or nV, where the file does not say it; column: simulated mV")
    parser.add_argument("--sfreq", type=float, metavar="HZ", help="samples a second, where no column is called time")
    parser.add_argument(
        "--missing", type=float, action="append", default=[], metavar="NUMBER", help="stands for a missing sample"
    )
    parser.add_argument("--separator", choices=SEPARATORS, help="between fields (found out)")
    parser.add_argument("--decimal", choices=(".", ","), help="decimal sign (found out)")
    parser.add_argument("--encoding", help="of the text (found out)")
    parser.add_argument(
        "--header", action=argparse.BooleanOptionalAction, help="whether the first line has names (found out)"
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """`--device` and `--no-progress`."""
    parser.add_argument("--device", choices=("cpu", "gpu"), help="where to compute (what JAX finds)")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="do not say how far it is")
