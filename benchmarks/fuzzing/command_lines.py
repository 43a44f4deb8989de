"""Command lines, drawn from the options that the commands have.

Whatever takes long is left out by construction: what is simulated has few steps, and `fit`, `atlas`, `pretrain` and
`reproduce` are given something that they have to refuse, as is `decode`, to which every table is too short.
"""

import argparse
from collections.abc import Sequence

from hypothesis import strategies as st

from jrae_jax.cli.options import SUMMARIES

from .originals import ATLAS, REPORT, SCAN, TABLES
from .outcome import options_of

_TEXTS = (
    *("", " ", "x", "-", "--", "\xe9", "\xb5V", "\udcff", "\u2028", "a\nb", "x" * 300),
    *("*", "$HOME", "~", "{}", "%s", "@x"),
)
_NUMBERS = (
    *("0", "-1", "-0", ".5", "1.5", "2", "3", "1e-5", "1e3", "1e-300", "1e300", "1e999", "nan", "inf", "-inf", "1,5"),
    *("5ms", "0x10", "1_000", "\uff11", "10**6", "2147483648", "9223372036854775808", "1" + "0" * 30, "1" + "0" * 400),
)
_NONSENSE = st.sampled_from(_TEXTS + _NUMBERS)
_NAMES = (
    *("C", "p", "a", "A", "e0", "background.p", "initial_y0", "sigma", "hold", "mean", "gain", "C1", "y0", "c"),
    *("", "\xe9"),
)
_NEW = (
    *("new.csv", "new.csv.gz", "new.zarr", "new.json", "new", "folder/new.csv", "./new.zarr", "\xe9.csv", "\udcff.csv"),
    *(f"new.{suffix}" for suffix in ("png", "svg", "pdf", "pgf", "eps", "jpg", "webp", "raw", "txt")),
)
_TAKEN = (
    *(*TABLES, SCAN, ATLAS, REPORT, "folder", "folder/file", "link.csv", "loop.csv", ".", "..", "/", "/dev/null"),
    *("/dev/full", "/proc/x.csv", "/proc/x.zarr", "rest.csv/x.csv", "no/x.csv", "no/x.zarr", "no/x.png", ".csv"),
    "x" * 300 + ".csv",
)
_PATHS = st.sampled_from((*_NEW * 3, *_TAKEN, *_TEXTS))


def _some(values: st.SearchStrategy[str], separator: str) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=3).map(separator.join)


def _pairs(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(_NAMES), st.sampled_from(["=", "=", "=", "", ":"]), values).map("".join)


_NUMBER = st.sampled_from(_NUMBERS)
_RANGES = _some(_NUMBER, ":") | st.sampled_from(["100:200", "1:4", "2:1", "1:2:3", "1:2:3:log", "0:2:2:log", "1:2:log"])
_ANY: dict[str, st.SearchStrategy[str]] = {
    "set": _pairs(_NONSENSE | st.sampled_from(["100", "150", "220"])),
    "axis": st.sampled_from(["C=100,135", "p=100:200:2", "a=90:110:2:log", "C=100,135+p=200,220", "initial_y0=0,1"])
    | _some(_pairs(_RANGES | _some(_NUMBER, ",")), "+"),
    "free": _pairs(_RANGES),
    "range": _RANGES,
    "latent_sizes": _RANGES | _some(_NUMBER, ","),
    "summaries": _some(st.sampled_from([*SUMMARIES, "", "x"]), ","),
    "channels": _some(st.sampled_from(["y0", "y5", "eeg", "y6", "", "\xe9"]), ","),
    "masks": _some(st.sampled_from(["y0", "eeg", "y0,y1", "y0,eeg", "y9", "", ","]), "+"),
    "noise": _some(_NUMBER, ","),
    "preset": st.sampled_from(["jansen_rit_1995"] * 3 + ["x", "", "\xe9"]),
    "encoding": st.sampled_from(
        ["utf-8", "latin-1", "utf-16", "idna", "hex", "rot13", "undefined", "\xe9", "", "punycode"]
    ),
    "unit": st.sampled_from(["V", "mV", "uV", "µV", "MV", "pT", "s", ""]),
    "pick": st.sampled_from(["eeg", "O1", "O2", "1", "2", "time", "", "\xe9", "eeg (mV)"]),
    "device": st.sampled_from(["cpu", "tpu", ""]),
    "recording": st.sampled_from([*TABLES, *TABLES, *_TAKEN, "none.csv", ""]),
}
_REAL = st.sampled_from((*(".02", ".05", "1e-3", "2e-3") * 10, *_NUMBERS, *_TEXTS[:6]))
_WHOLE = st.sampled_from((*("1", "2", "3") * 10, *_NUMBERS, *_TEXTS[:6]))
_JOINED = ("coordinator", "processes", "process", "distributed")
"""Not tried at random: who gives all of them waits for other processes, as asked."""

CHEAP = {
    "simulate": ["--duration", ".02", "--burn-in", "0", "--every", "1"],
    "scan": ["--duration", ".02", "--burn-in", "0", "--summaries", "moments"],
    "scan-show": [],
    "dynamics": [],
    "decode": [],
    "fit": ["--free", "e0=1:4"],
    "atlas": ["--store", ATLAS, "--quick"],
    "pretrain": ["--out", "no/x.jrae"],
    "reproduce": ["--out", "folder"],
}
"""With these a command takes moments; the last five refuse them, or have nothing to compute."""

_KEPT = {"fit": ("free", "help"), "atlas": ("store",), "pretrain": ("out",), "reproduce": ("out",), "dynamics": ()}
"""What is not drawn for a command, or it might take long; `dynamics` has something that it refuses at the end."""

_REFUSED = {
    "dynamics": st.sampled_from(
        [["--along", "x"], ["--range", "2:1"], ["--axis", "C=1"], ["--set", "x=1"], ["--set", "C=nan"]]
    )
}


def _options(command: str) -> list[argparse.Action]:
    left_out = (*_JOINED, *_KEPT.get(command, ()), "help")
    return [action for action in options_of(command) if action.dest not in left_out]


def _values(action: argparse.Action) -> st.SearchStrategy[list[str]]:
    """An option as it may be written, with its value, joined to it or behind it."""
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        return st.sampled_from(action.option_strings).map(lambda option: [option])
    values = _ANY.get(action.dest)
    if values is None and action.choices is not None:
        values = st.sampled_from([*action.choices] * 4 + ["x", ""])
    if values is None:
        values = {float: _REAL, int: _WHOLE}.get(action.type, _PATHS)  # pyright: ignore[reportArgumentType]
    if not action.option_strings:
        return values.map(lambda value: [value])
    option = action.option_strings[0]
    return st.booleans().flatmap(
        lambda joined: values.map(lambda value: [f"{option}={value}"] if joined else [option, value])
    )


def _of(command: str) -> st.SearchStrategy[list[str]]:
    options = _options(command)
    needed = [_values(action) for action in options if not action.option_strings or action.required]
    drawn = st.lists(st.one_of([_values(action) for action in options if action.option_strings]), max_size=4)
    extra = st.sampled_from([[]] * 40 + [["x"], ["--x"], ["--"], [""], ["\xe9"]])
    ends = _REFUSED.get(command, st.just([]))

    def written(parts: tuple[Sequence[list[str]], ...]) -> list[str]:
        return [command, *CHEAP[command], *(text for part in parts for each in part for text in each)]

    return st.tuples(st.tuples(*needed), drawn, extra.map(lambda one: [one]), ends.map(lambda one: [one])).map(written)


COMMAND_LINES: st.SearchStrategy[list[str]] = st.one_of(
    *[_of(command) for command in (*CHEAP, "scan", "scan", "simulate", "atlas")] * 3, st.lists(_NONSENSE, max_size=3)
)
"""Command lines of all commands, most of them wrong."""
