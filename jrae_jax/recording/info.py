"""Where a recording comes from: names, unit, filters, reference, date and annotations, all of them known and static."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import ArrayLike


class Annotation(NamedTuple):
    """What somebody, or a program, wrote about a part of a recording."""

    onset: float
    """Seconds, on the clock of the recording."""
    duration: float
    """Seconds."""
    description: str
    names: tuple[str, ...] = ()
    """Of the signals that it is about; none: about all."""


class RecordingInfo(NamedTuple):
    """Where a recording comes from."""

    names: tuple[str, ...] = ()
    """What the signals are called where they come from, such as electrodes: one a recording of a batch."""
    unit: str | None = None
    """The unit they came in, or "column" if a column was simulated; values are in mV."""
    band: tuple[float, float] | None = None
    """The frequencies that filters let through, Hz; `None`: not known."""
    reference: str | None = None
    """What the potential was measured against."""
    start: float = 0.0
    """Time of the first sample, s: since the recording began, or as its clock has it."""
    read_as: str | None = None
    """How a file was read, in one line."""
    line_freq: float | None = None
    """Of the power supply, Hz."""
    kind: str | None = None
    """Type of the signals, as MNE calls it: eeg, seeg, ecog or dbs."""
    measured_on: str | None = None
    """When the recording began, in ISO 8601."""
    annotations: tuple[Annotation, ...] = ()


class Wanted(NamedTuple):
    """What a user says of a recording that is read, as in `read_recording`."""

    picks: str | Sequence[str] | None
    unit: str | None
    sfreq: float | None
    noise_std: ArrayLike | None
    missing: Sequence[float]


_LISTED = 8  # names in one line


def as_read(names: Sequence[str], samples: int, dt: float, unit: str, absent: int, band: str = "") -> str:
    """How signals were read, in words; `absent` samples of them were not measured."""
    what = ", ".join(names) if len(names) <= _LISTED else f"{len(names)} channels, {names[0]} to {names[-1]}"
    about = [f"read {what}", f"{samples:,} samples at {1 / dt:.6g} Hz", unit, *[band] * bool(band)]
    return ", ".join([*about, *[f"{absent:,} missing"] * bool(absent)])
