"""Damage to files, as hypothesis draws it: to any bytes, to lines of text, to JSON, to the files of a folder."""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

PLACES = st.integers(0, 999).map(lambda thousandths: thousandths / 1000)
"""Where in a file or a folder, as a fraction of its length."""

_BYTES = st.binary(min_size=1, max_size=8)
_FIELDS = st.sampled_from(
    (
        *("", "nan", "inf", "-inf", "1e400", "-9999", "1,5", "1.5.2", "0x10", "1e5", "9" * 400, "NA", "=1+1", "\uff11"),
        *("x", "\xe9", "\0", '"', "'", " ", "#", "\ufeff", "\u2028", "\x1f", "x" * 10_000),
        *("12:30", "2024-01-01T00:00:00", "99999-01-01"),
    )
)
_VALUES = st.sampled_from(
    (
        *(
            None,
            True,
            False,
            0,
            1,
            -1,
            3,
            1.5,
            math.inf,
            10**30,
            "",
            "x",
            "float64",
            "complex128",
            "object",
            "S8",
            "NaN",
        ),
        *([], {}, [[]], [None], [1], [-1], [0, 0], [10**9], [10**18], ["y0"], ["y9"], {"a": 1}),
    )
)


class Damage(NamedTuple):
    """One change."""

    how: str
    place: float
    width: float
    """How far it reaches, as the place is given."""
    content: Any


def _drawn(how: list[str], content: st.SearchStrategy) -> st.SearchStrategy[Damage]:
    return st.builds(Damage, st.sampled_from(how), PLACES, PLACES, content)


OF_BYTES = _drawn(["flip", "cut off", "drop", "repeat", "insert", "zeros", "replace"], _BYTES)
OF_LINES = _drawn(["field", "drop line", "repeat line", "swap lines", "separators", "line ends", "encoding"], _FIELDS)
OF_JSON = _drawn(["set", "delete", "rename"], _VALUES)


def damaged_bytes(data: bytes, damage: Damage) -> bytes:
    """Some bytes, changed."""
    start = int(damage.place * len(data))
    stop = start + max(1, int(damage.width**4 * (len(data) - start)))  # short ones more often
    head, middle, tail = data[:start], data[start:stop], data[stop:]
    changed: dict[str, Callable[[], bytes]] = {
        "flip": lambda: head + bytes(byte ^ damage.content[0] for byte in middle[:3]) + middle[3:] + tail,
        "cut off": lambda: head,
        "drop": lambda: head + tail,
        "repeat": lambda: head + middle + middle + tail,
        "insert": lambda: head + damage.content + middle + tail,
        "zeros": lambda: head + bytes(len(middle)) + tail,
        "replace": lambda: damage.content * (1 + len(data) // 100),
    }
    return changed[damage.how]()


def damaged_lines(data: bytes, damage: Damage) -> bytes:
    """Text, changed as by a hand or a program that exports it."""
    text = data.decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    number, other = int(damage.place * len(lines)), int(damage.width * len(lines))
    match damage.how:
        case "field":
            fields = lines[number].split(",")
            fields[int(damage.width * len(fields))] = damage.content
            lines[number] = ",".join(fields)
        case "drop line":
            del lines[number]
        case "repeat line":
            lines.insert(other, lines[number])
        case "swap lines":
            lines[number], lines[other] = lines[other], lines[number]
        case "separators":
            lines = [line.replace(",", ";\t |"[int(damage.width * 4)]) for line in lines]
        case "line ends":
            return data.replace(b"\n", [b"\r\n", b"\r", b"\n\n", b"\x0b"][int(damage.width * 4)])
        case "encoding":
            encoding = ["utf-16", "utf-16-le", "utf-8-sig", "utf-32"][int(damage.width * 4)]
            return text.encode(encoding, "replace")
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def damaged_json(data: bytes, damage: Damage) -> bytes:
    """JSON, with one entry changed, deleted or renamed; what is no JSON as it is."""
    try:
        value = json.loads(data)
    except ValueError:
        return data
    entries = [(value, key) for key in value] if isinstance(value, dict) else []
    for parent, key in entries:  # grows on the way
        child = parent[key]
        keys = child if isinstance(child, dict) else range(len(child)) if isinstance(child, list) else ()
        entries += [(child, each) for each in keys]
    if not entries:
        return json.dumps(damage.content).encode()
    parent, key = entries[int(damage.place * len(entries))]
    if damage.how == "set":
        parent[key] = damage.content
    else:
        content = parent.pop(key)
        if damage.how == "rename" and isinstance(parent, dict):
            parent["x"] = content
    return json.dumps(value).encode()


def damaged_container(data: bytes, damage: Damage) -> bytes:
    """A file of arrays whose header or arrays are changed, and whose digest is that of what is in it then."""
    header, _, arrays = data[:-32].partition(b"\n")
    if damage.how in ("set", "delete", "rename"):
        header = damaged_json(header, damage)
    else:
        arrays = damaged_bytes(arrays, damage)
    body = header + b"\n" + arrays
    return body + hashlib.sha256(body).digest()


def damage_folder(folder: Path, damage: Damage) -> None:
    """A file of a folder deleted, replaced by a folder or changed: one of JSON, at the top or not, or of data."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    top = [path for path in folder.glob("*.json") if path.is_file()]
    metadata = [path for path in files if path.suffix == ".json"]
    data = [path for path in files if path.suffix != ".json"]
    of_json = damage.how in ("set", "delete", "rename")
    some = (top if damage.width < 0.5 else metadata) if of_json or damage.width < 0.25 else data
    if not some:
        return
    path = some[int(damage.place * len(some))]
    inside = damage._replace(place=(damage.place * len(some)) % 1)
    if of_json:
        path.write_bytes(damaged_json(path.read_bytes(), inside))
        return
    match damage.how:
        case "drop":
            path.unlink()
        case "repeat":
            files[int(damage.width * len(files))].write_bytes(path.read_bytes())
        case "replace":
            path.unlink()
            path.mkdir()
        case _:
            path.write_bytes(damaged_bytes(path.read_bytes(), inside))
