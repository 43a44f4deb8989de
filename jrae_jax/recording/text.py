"""The text of a file that may be no text: its encoding, found or given, and what to say of binary files."""

import codecs
from pathlib import Path
from typing import NamedTuple

from .._checks import check_memory

_EDF = "an EDF file"
_SIGNATURES = (
    (b"\xffBIOSEMI", "a BDF file"),
    (b"GDF ", "a GDF file"),
    (b"Brain Vision", "a BrainVision file"),
    (b"\x00\x00\x00\x64\x00\x00\x00\x1f", "a FIF file"),
    (b"MATLAB", "a MAT file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip archive, as .xlsx and .npz are"),
    (b"\x1f\x8b", "a gzip archive"),
)
_SUFFIXES = {
    _EDF: ".edf",
    "a BDF file": ".bdf",
    "a GDF file": ".gdf",
    "a BrainVision file": ".vhdr",
    "a FIF file": ".fif",
}
_EDF_VERSION, _EDF_HEADER = b"0       ", 256  # the version; no line ends within the header
_LOOKED_AT = 1 << 16  # bytes
_BYTES_A_CHARACTER = 8  # of data, text, and lines, each an object
_CONTROL = bytes(code for code in range(32) if chr(code) not in "\t\n\v\f\r\x1a")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Text(NamedTuple):
    """The text of a file."""

    lines: list[str]
    """Without empty ones at the end."""
    encoding: str


def read_text(path: Path, encoding: str | None = None) -> Text:
    """The lines of a file, in UTF-8 or UTF-16 with or without a mark, or in Latin-1.

    **Raises:** `ValueError` for a binary file, an empty one, one that is not in the given encoding, or a device.
    """
    if path.is_char_device():  # which may have no end
        raise ValueError(f"`source` must be a table of numbers, got a device, {path}")
    check_memory("its lines", _BYTES_A_CHARACTER * path.stat().st_size, source=str(path))
    data = path.read_bytes()
    encoding = _encoding(data, path) if encoding is None else encoding
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise ValueError(f"`encoding` must be that of {path}, got {encoding!r}: {error.__cause__ or error}") from None
    lines = text.rstrip("\x1a \t\r\n").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines == [""]:
        raise ValueError(f"`source` must be a table of numbers, got an empty file, {path}")
    return Text(lines, {"utf-8-sig": "utf-8"}.get(encoding, encoding))


def _encoding(data: bytes, path: Path) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    some = data[:_LOOKED_AT]
    kind = next((kind for signature, kind in _SIGNATURES if some.startswith(signature)), None)
    if kind is None and some.startswith(_EDF_VERSION) and len(data) >= _EDF_HEADER and b"\n" not in some[:_EDF_HEADER]:
        kind = _EDF
    # Without a mark, every other byte of UTF-16 is 0 in a table of numbers.
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(some) > 1 and not len(data) % 2 and not any(some[start::2]) and 0 not in some[1 - start :: 2]:
            return encoding
    if kind is None and some.translate(None, _CONTROL) != some:
        kind = "a binary file"
    if kind is not None:
        remedy = f"name it {_SUFFIXES[kind]}" if kind in _SUFFIXES else "export it as .csv or .edf"
        raise ValueError(
            "`source` must be a table of numbers as text (.csv, .tsv, .txt) or a file of a format that its name says "
            f"(.edf, .bdf, .vhdr, .fif, .set, ...), got {kind}, {path}: {remedy}"
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"
