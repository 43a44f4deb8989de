"""What came of a case: a result, a refusal in one line, or a fault."""

import argparse
import contextlib
import io
import itertools
import os
import re
import resource
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jrae_jax.cli import main as cli, runtime
from jrae_jax.cli.main import _parser

DONE, REFUSED, NO_RESULT = "done", "refused", "no result"
"""The good ends: exit code 0, 2 with one line, and 1, of a fit that did not converge."""

_SECONDS = 60  # that a case may take
_MEMORY = 4 << 30  # bytes that it may take: nothing is to try a terabyte
_WRITTEN_BY = ("--out", "--store", "--table", "--plot", "--json")
_PROGRESS = re.compile(r" *\d+% of |jrae: warning: ")
_LINE = re.compile(r"jrae( [a-z-]+)?: error: (.*)")
_NAMED = re.compile(r"`[^`]+`|--[a-z]|argument |command|recording|arguments|directory: |links: |too long: ")
_QUOTED = re.compile(r"`([^`]+)`")
_INTERNAL = re.compile(
    r"Traceback|\b[A-Z]\w*(Error|Exception)\b|Errno|object at 0x|NoneType|RESOURCE_EXHAUSTED|(?<!jrae_)jax\.|asarray"
    r"|subscriptable|unpack|positional|unhashable|attribute|literal"
)


class Outcome(NamedTuple):
    """How a case ended."""

    name: str
    """One of the good ends, or what is wrong with it."""
    said: str

    @property
    def good(self) -> bool:
        """Whether it ended as it should."""
        return self.name in (DONE, REFUSED, NO_RESULT)


class _TooLong(BaseException):
    pass


def of_command(arguments: Sequence[str], folder: Path) -> Outcome:
    """What `jrae` makes of a command line in a folder, in this process."""
    before = _content(folder)
    with _limits(), _streams() as (out, err), warnings.catch_warnings(record=True) as warned, _elsewhere(folder):
        warnings.simplefilter("default")
        try:
            code = cli.main(arguments)
        except SystemExit as stopped:
            code = stopped.code
        except _TooLong:
            return Outcome("hang", f"more than {_SECONDS} s")
        except Exception as error:
            return _traceback(error)
    changed = {path for path, content in _content(folder).items() | before.items() if before.get(path) != content}
    changed |= before.keys() - _content(folder).keys()
    said = err().rstrip("\n")
    if warned:
        return Outcome("warning", str(warned[0].message))
    if code == 2:
        if changed:
            return Outcome("altered", f"{sorted(changed)[:3]} though it said {said}")
        name, said = _refusal([line for line in said.split("\n") if not _PROGRESS.match(line)])
        foreign = _foreign_names(arguments, folder, said)
        return Outcome("names", f"{foreign}: {said}") if name == REFUSED and foreign else Outcome(name, said)
    if code not in (0, 1):
        return Outcome("exit code", f"{code}: {said}")
    written = _written(arguments)
    foreign = [path for path in changed if not any(Path(path).is_relative_to(each) for each in written)]
    if foreign:
        return Outcome("altered", f"{foreign[:3]} beside {written}")
    if any(not _PROGRESS.match(line) for line in said.split("\n") if line):
        return Outcome("unclear", said)
    return Outcome(NO_RESULT if code else DONE, out())


def of_call(function: Callable[[], Any], folder: Path) -> Outcome:
    """What a call of the library makes of a file in a folder; it writes nothing."""
    before = _content(folder)
    with _limits(), warnings.catch_warnings(record=True) as warned, _elsewhere(folder):
        warnings.simplefilter("default")
        try:
            function()
            ended = Outcome(DONE, "")
        except OSError as error:
            ended = Outcome(REFUSED, str(error))
        except ValueError as error:
            own = type(error) is ValueError
            ended = Outcome(*_refusal([f"jrae: error: {error}"])) if own else _traceback(error)
        except _TooLong:
            return Outcome("hang", f"more than {_SECONDS} s")
        except Exception as error:
            ended = _traceback(error)
    if _content(folder) != before:
        return Outcome("altered", ended.said)
    foreign = [warning for warning in warned if not warning.category.__module__.startswith("jrae_jax")]
    return Outcome("warning", str(foreign[0].message)) if foreign else ended


def _traceback(error: Exception) -> Outcome:
    return Outcome("traceback", f"{type(error).__name__}: {error} at {_place(error)}")


def _place(error: BaseException) -> str:
    """The last line of the package that it came through."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "jrae_jax" in file:
            place = f"{Path(file).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _refusal(lines: list[str]) -> tuple[str, str]:
    said = "\n".join(lines)
    match = _LINE.fullmatch(said)
    if match is None or not _NAMED.search(match[2]) or _INTERNAL.search(match[2]):
        return "unclear", said
    return REFUSED, said


def options_of(command: str) -> list[argparse.Action]:
    """What can be written behind a command."""
    (commands,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    return commands.choices[command]._actions if command in commands.choices else []


def _foreign_names(arguments: Sequence[str], folder: Path, said: str) -> list[str]:
    """What a message calls an argument and is neither one of the command, nor in what was written or is read."""
    actions = options_of(arguments[0] if arguments else "")
    own = {name for action in actions for name in action.option_strings or [action.dest]}
    quoted = {name for name in _QUOTED.findall(said) if not name.startswith("jrae ") and name.split()[0] not in own}
    quoted -= {*arguments}
    read = [(folder / text).read_bytes() for text in arguments if (folder / text).is_file()] if quoted else []
    return sorted(name for name in quoted if not any(name.encode() in content for content in read))


def _written(arguments: Sequence[str]) -> list[str]:
    """What a command line says is to be written."""
    behind = [value for option, value in itertools.pairwise(arguments) if option in _WRITTEN_BY]
    joined = [text.partition("=")[2] for text in arguments if text.partition("=")[0] in _WRITTEN_BY]
    numbered = ["reproduce-001"] if "reproduce" in arguments[:1] else []
    return [os.path.normpath(path) for path in [*behind, *joined, *numbered] if path]


def _content(folder: Path) -> dict[str, bytes | None]:
    """All that is in a folder, by its path in it; `None` for folders and links."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
    }


@contextlib.contextmanager
def _streams() -> Iterator[tuple[Callable[[], str], Callable[[], str]]]:
    """Standard output and error as a process has them, and what was written to them."""
    pipes = [io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("backslashreplace",) * 2]

    def reader(pipe: io.TextIOWrapper) -> Callable[[], str]:
        def read() -> str:
            pipe.flush()
            return pipe.buffer.getvalue().decode()  # pyright: ignore[reportAttributeAccessIssue]

        return read

    with contextlib.redirect_stdout(pipes[0]), contextlib.redirect_stderr(pipes[1]):
        yield reader(pipes[0]), reader(pipes[1])


@contextlib.contextmanager
def _elsewhere(folder: Path) -> Iterator[None]:
    """In a folder; JAX stays as it is, as its devices can be chosen but once in a process."""
    configure = runtime.configure_jax
    with contextlib.chdir(folder):
        runtime.configure_jax = lambda device, cores=None: runtime.check_cores(cores)
        try:
            yield
        finally:
            runtime.configure_jax = configure


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """Of time and memory."""

    def too_long(number, frame):
        raise _TooLong

    handler = signal.signal(signal.SIGALRM, too_long)
    memory = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + _MEMORY, memory[1]))
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, memory)
        sys.stdout.flush()
