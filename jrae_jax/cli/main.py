"""The command `jrae`: its parser, and what becomes of errors. It loads nothing heavy before a command runs."""

import argparse
import contextlib
import io
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import NoReturn

from .._version import __version__
from . import atlas, decode, dynamics, fit, reproduce, scan
from .interrupts import Interrupts, print_error

_PATHS = ("recording", "store", "out", "table", "json", "plot", "plot_scores", "report")
"""Arguments that name files which are read or written."""

_GROUPS = {
    "recordings": ("decode", "fit"),
    "simulations": ("simulate", "scan", "scan-show", "dynamics"),
    "studies": ("reproduce", "atlas", "pretrain"),
}
"""The commands by what they are about, as `jrae --help` lists them."""

_READER_GONE = 141  # 128 and the number of SIGPIPE, as of other programs


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")

    def parse_known_args(self, args=None, namespace=None):  # pyright: ignore[reportIncompatibleMethodOverride]
        """As in argparse, of which some versions take the value of `--store=--` for an empty list."""
        for text in args or ():
            option, equals, value = text.partition("=")
            if option.startswith("--") and equals and value == "--":
                self.error(f"argument {option}: expected one argument, got {value}")
        return super().parse_known_args(args, namespace)


class _MainParser(_Parser):
    def format_help(self) -> str:
        """The commands by groups, of which argparse has none."""
        width = max(shutil.get_terminal_size().columns - 4, 40)
        (commands,) = (action for action in self._actions if isinstance(action, argparse._SubParsersAction))
        what = {name: " ".join(parser.description.split()) for name, parser in commands.choices.items()}
        lines = [self.format_usage(), self.description or ""]
        for group, names in _GROUPS.items():
            listed = (textwrap.fill(f"{name:<11}{what[name]}", width, subsequent_indent=" " * 11) for name in names)
            lines += ["", f"{group}:", textwrap.indent("\n".join(listed), "  ")]
        lines += ["", "options:", "  -h, --help   this help, or that of a command: jrae command --help"]
        return "\n".join([*lines, "  --version    the version of the package", ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `jrae`.

    **Returns:** the exit code: 0, 1 for a fit that did not converge, 2 after an error, 3 where nothing of a recording
        could be used, 130 and 143 after SIGINT and SIGTERM, 141 where what reads the output has gone, as `head` does.
    """
    interrupts = Interrupts()
    written = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments, argparse.Namespace(interrupts=interrupts, written=written))
    try:
        _check_paths(options)
        with interrupts.caught():
            return options.run(options)
    except BrokenPipeError:
        return _READER_GONE
    except (ValueError, OSError, RuntimeError, MemoryError, ImportError) as error:
        print_error(f"jrae: error: {_in_one_line(error)}")
        return 2
    except KeyboardInterrupt:
        print_error(str(interrupts))
        return interrupts.code


def run() -> NoReturn:
    """Run `jrae` as a process of its own."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path or a name need not be text in the encoding of the terminal
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = main()
    except SystemExit as stopped:  # of argparse, after a help
        code = int(stopped.code or 0)
    try:
        with contextlib.suppress(AttributeError, ValueError):  # there is none, or it is closed
            sys.stdout.flush()
    except BrokenPipeError:
        code = _READER_GONE
    if code > 128:
        # Without unwinding: XLA crashes at the end of a process whose threads still compile or compute.
        with contextlib.suppress(AttributeError, OSError, ValueError):  # closed
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _check_paths(options: argparse.Namespace) -> None:
    """Raise if two arguments are one path, as one would be written over the other."""
    named: dict[str, str] = {}
    for argument in _PATHS:
        given = getattr(options, argument, None)
        for path in given if isinstance(given, list) else [] if given is None else [given]:
            option = f"--{argument.replace('_', '-')}"
            name = option if any(text.startswith(option) for text in options.written) else argument
            other = named.setdefault(os.path.realpath(path), name)
            if other != name:
                raise ValueError(f"`{name}` must be another path than that of `{other}`, got {path}")


def _in_one_line(error: Exception) -> str:
    text = str(error) or "there is not enough memory"  # which Python says without a word
    if isinstance(error, OSError) and error.strerror:  # without the number of the error
        text = error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    return " ".join(text.split())


def _parser() -> argparse.ArgumentParser:
    parser = _MainParser(
        prog="jrae", description="Which hidden states of a cortical column can be recovered, and how well."
    )
    parser.add_argument("--version", action="version", version=f"jrae {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True, parser_class=_Parser)
    reproduce.add_commands(commands)
    scan.add_commands(commands)
    atlas.add_commands(commands)
    dynamics.add_commands(commands)
    fit.add_commands(commands)
    decode.add_commands(commands)
    return parser
