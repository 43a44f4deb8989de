"""The command `jrae`: its parser, and what becomes of errors. It loads nothing heavy before a command runs."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .._version import __version__
from . import atlas, dynamics, fit, reproduce, scan
from .interrupts import Interrupts, print_error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `jrae`.

    **Returns:** the exit code: 0, 1 for a fit that did not converge, 2 after an error, 130 and 143 after SIGINT and
        SIGTERM.
    """
    interrupts = Interrupts()
    written = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments, argparse.Namespace(interrupts=interrupts, written=written))
    try:
        with interrupts.caught():
            return options.run(options)
    except (ValueError, OSError, RuntimeError, MemoryError, ImportError) as error:
        print_error(f"jrae: error: {_in_one_line(error)}")
        return 2
    except KeyboardInterrupt:
        print_error(str(interrupts))
        return interrupts.code


def run() -> NoReturn:
    """Run `jrae` as a process of its own."""
    code = main()
    if code > 128:
        # Without unwinding: XLA crashes at the end of a process whose threads still compile or compute.
        with contextlib.suppress(AttributeError, OSError, ValueError):  # closed
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _in_one_line(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:  # without the number of the error
        text = error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    return " ".join(text.split())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="jrae", description="Which hidden states of a cortical column can be recovered, and how well."
    )
    parser.add_argument("--version", action="version", version=f"jrae {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    reproduce.add_commands(commands)
    scan.add_commands(commands)
    atlas.add_commands(commands)
    dynamics.add_commands(commands)
    fit.add_commands(commands)
    return parser
