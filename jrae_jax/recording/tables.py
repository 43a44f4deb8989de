"""Tables of numbers in text files: their separator, decimal sign and header, found or given."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .text import read_text

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
"""What may stand between two fields, and what it is called."""

_NO_SEPARATOR = "\x1f"  # in no text
_LOOKED_AT = 50  # lines from which separator and decimal sign are found
_ENOUGH = 0.5  # of the fields are numbers where separator and decimal sign are right; some may be faulty
_MISSING = frozenset(("", "na", "n/a", "#n/a", "nan", "-nan", "null", "none", "<na>"))  # as pandas has it
_NUMBER = {
    sign: re.compile(rf"[+-]?(\d+(\{sign}\d*)?|\{sign}\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
    for sign in (".", ",")
}


class Layout(NamedTuple):
    """How a line is divided into numbers."""

    separator: str | None
    """`None` in a table of one column."""
    decimal: str
    header: bool
    """Whether the first line has names."""
    width: int
    """How many fields a line has."""

    def split(self, line: str) -> list[str]:
        """The fields of a line."""
        return _splitter(self.separator)(line)


class Table(NamedTuple):
    """A table of numbers whose layout is known."""

    path: Path
    encoding: str
    layout: Layout
    names: tuple[str, ...]
    """Those of the header, without blanks around them; from "1" on where there is none."""
    lines: list[str]
    """Those of the numbers."""
    first: int
    """The number of the first of them in the file, from 1 on."""

    @property
    def described(self) -> str:
        """The layout, in words."""
        separator, decimal, header, _ = self.layout
        between = "one column" if separator is None else SEPARATORS[separator]
        return ", ".join(
            [between, *["decimal commas"] * (decimal == ","), *["no header"] * (not header), self.encoding]
        )

    def texts(self, position: int) -> list[str]:
        """A column as it is written."""
        import pandas as pd  # here, as importing it is slow

        column = pd.read_csv(
            io.StringIO("\n".join(self.lines)),
            sep={None: _NO_SEPARATOR, " ": r"\s+"}.get(self.layout.separator, self.layout.separator),
            header=None,
            names=range(len(self.names)),
            usecols=[position],
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            skipinitialspace=True,
        )[position]
        return column.str.strip().to_list()

    def column(self, position: int) -> Float[np.ndarray, " line"]:
        """A column as numbers, NaN where a field is empty or says that nothing is there.

        **Raises:** `ValueError` for a field that is no number.
        """
        # By Python, to the last bit: how a clock is rounded is seen from its digits.
        decimal, texts = self.layout.decimal, self.texts(position)
        for number, text in enumerate(texts, self.first):
            if not _is_field(text, decimal):
                raise ValueError(
                    f"`source` must have numbers in column {self.names[position]}, got {text!r} in line {number} of "
                    f"{self.path}: leave a field empty where nothing was measured"
                )
        return np.array([math.nan if _is_missing(text) else float(text.replace(decimal, ".")) for text in texts])


def read_table(
    path: Path,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Table:
    """A table of numbers in a file.

    What is `None` is found out; lines at the top that begin with # or % are comments.

    **Raises:** `ValueError` for a file that is no table of numbers, that can be read in more than one way, or that has
        not as many fields in every line.
    """
    text = read_text(path, encoding)
    skipped = 0
    while skipped < len(text.lines) - 1 and (
        not text.lines[skipped].strip() or text.lines[skipped].lstrip().startswith(("#", "%"))
    ):
        skipped += 1
    lines = text.lines[skipped:]
    layout = _layout(path, lines[:_LOOKED_AT], separator, decimal, header)
    names = layout.split(lines[0]) if layout.header else [str(number + 1) for number in range(layout.width)]
    table = Table(path, text.encoding, layout, tuple(names), lines[layout.header :], skipped + layout.header + 1)
    if not table.lines:
        raise ValueError(f"`source` must have numbers below its names, got names only, {', '.join(names)}, in {path}")
    _check_widths(table)
    return table


def _layout(path: Path, head: Sequence[str], separator: str | None, decimal: str | None, header: bool | None) -> Layout:
    """How lines are divided, if there is one way only."""
    signs = (".", ",") if decimal is None else (decimal,)
    present = [mark for mark in (",", ";", "\t", "|") if any(mark in line for line in head)]
    kinds: list[list[str | None]] = [[*present], [" "], [None]] if separator is None else [[separator]]
    found: list[Layout] = []
    for kind in kinds:  # blanks count only where nothing else stands between fields
        if found:
            break
        found = [layout for mark in kind for sign in signs for layout in _tried(path, head, mark, sign, header)]
    found = [layout for layout in found if layout.decimal == "." or layout._replace(decimal=".") not in found]
    if separator is None and decimal is None and _tried(path, head, None, ",", header) and "," in "".join(head):
        raise ValueError(
            f"`source` can be read in two ways, got {_shown(head)} in {path}: two fields with a comma between them, or "
            "one number with a decimal comma: give `separator` or `decimal`"
        )
    if len(found) == 1:
        return found[0]
    raise ValueError(
        f"`source` must be a table of numbers with as many names as columns, got {_shown(head)} in {path}: correct "
        "it, or give `separator`, `decimal` or `header`"
    )


def _tried(path: Path, head: Sequence[str], separator: str | None, decimal: str, header: bool | None) -> list[Layout]:
    """The layout with this separator and decimal sign, if lines can be divided so."""
    split = _splitter(separator)
    rows = [split(line) for line in head]
    named = _has_names(path, rows[0]) if header is None else header
    data = rows[named:]
    if not data:
        return [Layout(separator, decimal, named, len(rows[0]))] if decimal == "." else []
    width = Counter(map(len, data)).most_common(1)[0][0]
    fields = [field for row in data for field in row if not _is_missing(field)]
    numbers = sum(_NUMBER[decimal].fullmatch(field) is not None for field in fields)
    if (
        (width == 1) != (separator is None)
        or (named and len(rows[0]) != width)
        or (separator is None and named and any(mark in rows[0][0] for mark in ",;\t|"))
        or numbers < max(1, _ENOUGH * len(fields))
    ):
        return []
    return [Layout(separator, decimal, named, width)]


def _has_names(path: Path, fields: Sequence[str]) -> bool:
    """Whether the fields of the first line are names, and not numbers."""
    whole = [field for field in fields if field.isdigit()]
    words = [field for field in fields if not (_is_field(field, ".") or _is_field(field, ","))]
    # Electrodes may have numbers for names; numbers that count upwards are hardly measured.
    if words:
        return len(whole) + len(words) + fields.count("") == len(fields)
    numbers = [int(field) for field in fields[fields[:1] == [""] :] if field in whole]
    if len(numbers) > 2 and numbers in ([*range(len(numbers))], [*range(1, len(numbers) + 1)]):
        raise ValueError(
            f"`source` must have names or numbers in its first line, got {', '.join(fields)} in {path}, which can be "
            "either: give `header`"
        )
    return False


def _check_widths(table: Table) -> None:
    """Raise for a line with more or fewer fields than the others."""
    separator, width = table.layout.separator, table.layout.width
    if separator is None:  # an empty line is a field that is empty
        return
    for number, line in enumerate(table.lines, table.first):
        quick = separator != " " and '"' not in line
        fields = line.count(separator) + 1 if quick else len(table.layout.split(line))
        if fields != width:
            raise ValueError(
                f"`source` must have {width} fields in every line, with {SEPARATORS[separator]} between them, got "
                f"{fields} in line {number} of {table.path}: {line[:60]!r}"
            )


def _splitter(separator: str | None) -> Callable[[str], list[str]]:
    def split(line: str) -> list[str]:
        if separator is None:
            return [line.strip().strip('"')]
        if separator == " ":
            return line.split()
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [""])
        return [field.strip() for field in fields]

    return split


def _is_missing(text: str) -> bool:
    return text.lower() in _MISSING


def _is_field(text: str, decimal: str) -> bool:
    return _is_missing(text) or _NUMBER[decimal].fullmatch(text) is not None


def _shown(head: Sequence[str]) -> str:
    return " and ".join(repr(line[:40]) for line in head[:2])
