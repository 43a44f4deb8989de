"""Files of amplifiers: which formats MNE reads, how one is opened, and what MNE has to say of it."""

import contextlib
import errno
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

import numpy as np

from .._checks import warn_caller
from .suspect import SuspectValuesWarning

if TYPE_CHECKING:
    import mne

FORMATS = MappingProxyType(
    {
        ".edf": "EDF",
        ".bdf": "BDF",
        ".gdf": "GDF",
        ".vhdr": "BrainVision",
        ".vmrk": "BrainVision",
        ".ahdr": "BrainVision",
        ".eeg": "Nihon Kohden",
        ".fif": "FIF",
        ".fif.gz": "FIF",
        ".set": "EEGLAB",
        ".cnt": "CNT",
        ".mff": "EGI",
        ".nxe": "eXimia",
        ".data": "Nicolet",
        ".lay": "Persyst",
        ".nedf": "NEDF",
        ".ns3": "NSx",
        ".mefd": "MEF",
        ".cdt": "Curry",
        ".dap": "Curry",
        ".rs3": "Curry",
    }
)
"""Files that are no tables, by how their names end."""

_EPOCHS = ("-epo", "_epo")  # so end the names of FIF files with epochs
APART = (".edf", ".bdf")
"""Formats in which each channel has a rate and filters of its own."""

_SAME_TIME = 1e-6  # seconds

# What MNE warns of and a user has to know; the rest is about file names, positions, and metadata not used here.
_MATTERS = (
    "does not match the file size",
    "samples set to zero",
    "possibly corrupted",
    "Scaling factor will not be defined",
    "Physical range is not defined",
    "incorrect for record length",
)


def format_of(path: Path) -> str | None:
    """The end of a name that says a format of `FORMATS`; `None` for a table."""
    name = path.name.lower()
    return next((suffix for suffix in FORMATS if name.endswith(suffix)), None)


def main_file(path: Path) -> Path:
    """The file that is opened, where any of several belonging together is named: the header of BrainVision."""
    header = path.with_suffix(".vhdr")
    return header if format_of(path) in (".eeg", ".vmrk") and header.exists() else path


def import_mne(what: str) -> ModuleType:
    """MNE, which is optional.

    **Arguments:**

    - `what`: is done by it.

    **Raises:** `ImportError` that says how it is installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of its own dependencies
            import mne
    except ImportError as error:
        raise ImportError(f"{what} by MNE, which is not installed: pip install 'jrae-jax[eeg]'") from error
    return mne


@contextlib.contextmanager
def quiet(mne: ModuleType, source: str) -> Iterator[None]:
    """Where MNE reads: it prints nothing, warns of what matters only, and fails in one line.

    **Raises:** `ValueError` for whatever it raises, but for a file that is not there and a package that it lacks.
    """
    # At a higher level it would not warn.
    with warnings.catch_warnings(record=True) as found, mne.use_log_level("WARNING"):
        warnings.simplefilter("always")
        try:
            yield
        except (OSError, MemoryError, ImportError):
            raise
        except Exception as error:  # a file that is damaged raises anything
            why = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(
                f"`source` must be a whole recording, of the format that its name says, got {source}: MNE says "
                f"{why:.200}"
            ) from error
    for text in dict.fromkeys(" ".join(str(warning.message).split()) for warning in found):
        if any(matter in text for matter in _MATTERS):
            warn_caller(f"`source` is damaged, {source}: MNE says {text}", SuspectValuesWarning)


def open_file(path: Path, suffix: str, only: Sequence[str] | None = None) -> "mne.io.BaseRaw | mne.BaseEpochs":
    """A file of `FORMATS`, opened by MNE but not read.

    **Arguments:**

    - `only`: the channels that are looked at. A format may have a rate and filters for each, of which MNE takes the
        highest and the narrowest of all channels that it looks at.

    **Raises:** what `quiet` raises; `ValueError` for one with gaps that MNE leaves out.
    """
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, "`source` must be a file that exists", str(path))
    mne = import_mne(f"{path} is read")
    with quiet(mne, str(path)):
        if suffix.startswith(".fif") and path.name.lower().removesuffix(suffix).endswith(_EPOCHS):
            return mne.read_epochs(path, preload=False)
        if only is None or suffix not in APART:
            return mne.io.read_raw(path, preload=False)
        return mne.io.read_raw(path, preload=False, include=list(only), exclude_after_unique=True)


def check_no_gaps(path: Path, begin: float, end: float) -> None:
    """Raise for an EDF+D or BDF+D with gaps between its data records, which MNE reads as if there were none.

    **Arguments:**

    - `begin`, `end`: the part that is read, seconds as if there were no gaps.
    """
    with path.open("rb") as file:
        header = file.read(256)
        if header[192:197] not in (b"EDF+D", b"BDF+D"):
            return
        size, seconds, count = (header[a:b] for a, b in ((184, 192), (244, 252), (252, 256)))
        signals = file.read(256 * int(count))
    labels = [signals[16 * i : 16 * (i + 1)].strip() for i in range(int(count))]
    samples = np.array([int(signals[216 * int(count) + 8 * i :][:8]) for i in range(int(count))])
    width = 2 if header[192:193] == b"E" else 3
    notes = next(i for i, label in enumerate(labels) if label.endswith(b"Annotations"))
    left, right = width * samples[:notes].sum(), width * samples[: notes + 1].sum()
    data = np.memmap(path, np.uint8, "r", int(size))
    whole = len(data) // (width * samples.sum())
    rows = data[: whole * width * samples.sum()].reshape(whole, -1)[:, left:right]
    # The first note of a record is empty and has its time: +12.5, and the bytes 20 and 20.
    times = np.array([float(row.tobytes().split(b"\x14", 1)[0]) for row in rows])
    late = 1 + np.flatnonzero(np.abs(np.diff(times) - float(seconds)) > _SAME_TIME)
    joints = float(seconds) * late
    joints = joints[(joints > begin) & (joints < end)]
    if len(joints):
        raise ValueError(
            f"`source` must have no gaps, got {path}, an EDF+D with {len(joints)}, the first after {joints[0]:g} s of "
            f"recording: read a part without, as raw.crop(tmax={joints[0]:g}, include_tmax=False)"
        )
