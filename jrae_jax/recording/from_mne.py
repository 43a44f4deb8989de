"""Recordings out of what MNE reads: `Raw`, `Epochs`, source estimates and the files of amplifiers."""

import itertools
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from jaxtyping import Float

from .channels import Channel, Choice, choose
from .formats import APART, FORMATS, check_no_gaps, format_of, import_mne, main_file, open_file, quiet
from .info import Annotation, RecordingInfo, Wanted, as_read
from .recording import Recording
from .suspect import without_codes
from .units import UNITS, VOLTAGES, Origin, known_unit, origin

if TYPE_CHECKING:
    import mne

_LISTED = 5  # channels that were left out
_JOINT = re.compile(r"(edge |bad )?boundary$|new segment", re.IGNORECASE)  # of MNE, EEGLAB, BrainVision
_SAME_RATE = 1e-6  # as a fraction: a file has its rate, or the length of its records, in some digits


class _Stored(NamedTuple):
    """A channel as it is in a file, before MNE made it V and as long as the others."""

    unit: str | None
    volts: float
    """By what MNE multiplies its numbers; 1 where it does not know their unit."""
    interpolated: bool = False
    """Whether MNE raises its rate to that of the fastest channel."""


class Sources(NamedTuple):
    """A source estimate: time courses of places in a brain, which are no potentials."""

    values: Float[np.ndarray, "source time"]
    names: tuple[str, ...]
    start: float
    sfreq: float


def object_of_mne(source: object) -> "mne.io.BaseRaw | mne.BaseEpochs | Sources | None":
    """What is read of an object of MNE; `None` if it is none."""
    mne: Any = sys.modules.get("mne")  # whoever has one has imported it
    if mne is None:
        return None
    if isinstance(source, mne.io.BaseRaw | mne.BaseEpochs):
        return cast(Any, source)
    if isinstance(source, mne.SourceEstimate | mne.VolSourceEstimate):
        estimate: Any = source
        sides = ("lh ", "rh ") if isinstance(source, mne.SourceEstimate) else ("",) * len(estimate.vertices)
        names = [f"{side}{vertex}" for side, some in zip(sides, estimate.vertices, strict=True) for vertex in some]
        return Sources(estimate.data, tuple(names), float(estimate.tmin), float(estimate.sfreq))
    return None


def recording_in_file(path: Path, wanted: Wanted) -> Recording:
    """The recording in a file of `FORMATS`.

    **Raises:** what `recording_from` and `open_file` raise.
    """
    path = main_file(path)
    suffix = format_of(path)
    assert suffix is not None
    opened = open_file(path, suffix)
    choice = choose(_channels(opened), wanted.picks, str(path))
    if suffix in APART and len(choice.channels) < len(opened.ch_names):
        opened = open_file(path, suffix, only=[channel.name for channel in choice.channels])
    return _recording(opened, choice, wanted, str(path), FORMATS[suffix])


def recording_from(source: "mne.io.BaseRaw | mne.BaseEpochs", wanted: Wanted) -> Recording:
    """The recording in an object of MNE.

    Epochs are a batch, those of the first channel before those of the second. What annotations call bad is not
    measured.

    **Raises:** `ValueError` for picks, a unit or a rate that do not fit, and for parts that were joined.
    """
    kind = type(source).__name__
    return _recording(source, choose(_channels(source), wanted.picks, f"the {kind}"), wanted, f"the {kind}", kind)


def _recording(
    source: "mne.io.BaseRaw | mne.BaseEpochs", choice: Choice, wanted: Wanted, name: str, kind: str
) -> Recording:
    """The recording of some channels; `name` and `kind` are what to call the source."""
    mne = import_mne(f"{name} is read")
    epochs: Any = source if isinstance(source, mne.BaseEpochs) else None
    names = [channel.name for channel in choice.channels]
    came_in, volts = _origin(source, names, wanted.unit, name)
    rate = float(source.info["sfreq"])
    if wanted.sfreq is not None and abs(wanted.sfreq / rate - 1) > _SAME_RATE:
        raise ValueError(f"`sfreq` must be that of {name}, {rate:g} Hz, got {wanted.sfreq:g} Hz: leave it out")
    if epochs is None:
        _check_one_part(source, name)
    with quiet(mne, name):
        values = np.asarray(source.get_data(picks=np.array(names)))
    values = without_codes(values / volts, wanted.missing)
    if values.ndim == 3:
        names = [channel for channel in names for _ in values]
        values = values.swapaxes(0, 1).reshape(len(names), -1)
    info = _info(source, names, came_in.described, choice.channels[0].kind)
    _set_bad_to_nan(values, info, rate)
    if np.isnan(values).all():
        raise ValueError(f"`source` must have numbers, got none that are not called bad in {name}")
    band = "band not known" if info.band is None else f"{info.band[0]:g} to {info.band[1]:g} Hz"
    how = as_read(
        [*dict.fromkeys(names)], values.shape[-1], 1 / rate, info.unit or "", int(np.isnan(values).sum()), band
    )
    parts = "" if epochs is None else f", {len(epochs)} epochs"
    left_out = [channel.name for channel in choice.left_out]
    left = f"; left out {', '.join(left_out[:_LISTED])}{', ...' * (len(left_out) > _LISTED)}" if left_out else ""
    return Recording.of(
        eeg=values[0] if choice.alone and epochs is None else values,
        dt=1 / rate,
        unit=came_in.unit,
        noise_std=wanted.noise_std,
        info=info._replace(read_as=f"{how}; {kind}{parts}{left}"),
    )


def _channels(source: "mne.io.BaseRaw | mne.BaseEpochs") -> list[Channel]:
    """The channels of a `Raw` or of `Epochs`."""
    bads, kinds = source.info["bads"], source.get_channel_types()
    return [
        Channel(name, kind, _stored(source, name).unit, name in bads)
        for name, kind in zip(source.ch_names, kinds, strict=True)
    ]


def _stored(source: "mne.io.BaseRaw | mne.BaseEpochs", name: str) -> _Stored:
    """How a channel is stored in the file that it comes from."""
    # MNE has no public word for either. What it calls uV in an EDF file it has not always multiplied by 1e-6: not where
    # the file writes UV.
    units = getattr(source, "_orig_units", None) or {}
    unit = known_unit(units.get(name, "V"))
    unit = unit if unit in VOLTAGES else None
    (extras, *_) = getattr(source, "_raw_extras", None) or [None]
    if not isinstance(extras, dict) or name not in extras.get("ch_names", ()) or "n_samps" not in extras:
        return _Stored(unit, 1e-3 * VOLTAGES[unit] if unit else 1.0)
    position = list(extras["ch_names"]).index(name)
    volts = float(extras["units"][position])
    if not units:  # GDF, whose units are codes
        unit = {1e-6: "uV", 1e-3: "mV"}.get(volts)
    return _Stored(unit, volts, bool(extras["n_samps"][extras["sel"][position]] != extras["max_samp"]))


def _origin(
    source: "mne.io.BaseRaw | mne.BaseEpochs", names: Sequence[str], unit: str | None, name: str
) -> tuple[Origin, Float[np.ndarray, "channel 1"]]:
    """The unit of the numbers in a file, and by what MNE multiplied them."""
    stored = [_stored(source, channel) for channel in names]
    units = {channel.unit for channel in stored}
    found = origin(stored[0].unit, unit) if len(units) == 1 else None
    of_each = ", ".join(f"{channel} ({each.unit or 'unknown'})" for channel, each in zip(names, stored, strict=True))
    if len(units) > 1:
        raise ValueError(f"`picks` must be of one unit, got {of_each} in {name}: read them apart")
    if found is None:
        raise ValueError(
            f"`unit` must be given, one of {UNITS}, where the file does not say it, got {of_each} in {name}"
        )
    slow = [channel for channel, each in zip(names, stored, strict=True) if each.interpolated]
    if slow:
        raise ValueError(
            f"`picks` must be recorded at one rate, got {', '.join(slow)} in {name}, which MNE raises to the rate of a "
            "faster channel: read them apart, by the path of the file"
        )
    return found, np.array([[channel.volts] for channel in stored])


def _info(source: "mne.io.BaseRaw | mne.BaseEpochs", names: Sequence[str], unit: str, kind: str) -> RecordingInfo:
    """What MNE knows of a recording."""
    info: Any = source.info
    annotations, start = (), float(source.times[0])
    if hasattr(source, "first_time"):  # epochs are apart in time
        found: Any = source.annotations
        start = float(cast(Any, source).first_time)
        annotations = tuple(
            Annotation(float(onset), float(duration), str(description), tuple(about))
            for onset, duration, description, about in zip(
                found.onset, found.duration, found.description, found.ch_names, strict=True
            )
        )
    low, high = float(info["highpass"]), float(info["lowpass"])
    # What MNE has where a file says nothing.
    unfiltered = low == 0 and high >= info["sfreq"] / 2 * (1 - _SAME_RATE)
    return RecordingInfo(
        tuple(names),
        unit,
        None if unfiltered else (low, high),
        _reference(info, names),
        start,
        line_freq=None if info["line_freq"] is None else float(info["line_freq"]),
        kind=kind,
        measured_on=None if info["meas_date"] is None else info["meas_date"].isoformat(),
        annotations=annotations,
    )


def _reference(info: Any, names: Sequence[str]) -> str | None:
    """What potentials are measured against, as far as MNE or names such as O1-A2 say it."""
    behind = {name.rpartition("-")[2].strip() if "-" in name else "" for name in names}
    if any(projector["active"] and "average" in projector["desc"].lower() for projector in info["projs"]):
        return "average"
    if info["custom_ref_applied"]:
        return "custom"
    return behind.pop() or None if len(behind) == 1 else None


def _check_one_part(raw: Any, name: str) -> None:
    """Raise for parts that were joined, which is no even sampling, nor anything that a filter can pass over."""
    begin, end = float(raw.first_time), float(raw.first_time) + raw.n_times / raw.info["sfreq"]
    for file in raw.filenames:
        if file is not None and format_of(Path(file)) in APART and Path(file).exists():
            check_no_gaps(Path(file), begin, end)
    found: Any = raw.annotations
    joints = sorted(
        {float(onset) for onset, what in zip(found.onset, found.description, strict=True) if _JOINT.match(what)}
        | {begin, end}
    )
    joints = [joint - begin for joint in joints if begin <= joint <= end]
    if len(joints) > 2:
        _, start, stop = max((b - a, a, b) for a, b in itertools.pairwise(joints))
        raise ValueError(
            f"`source` must be one continuous part, got {len(joints) - 1} in {name} that were joined, the first two at "
            f"{joints[1]:g} s: read one of them, the longest as raw.crop({start:g}, {stop:g}, include_tmax=False)"
        )


def _set_bad_to_nan(values: Float[np.ndarray, "signal time"], info: RecordingInfo, rate: float) -> None:
    """What annotations call bad is not measured."""
    for onset, duration, description, names in info.annotations:
        if description.lower().startswith("bad"):
            rows = [row for row, name in enumerate(info.names) if not names or name in names]
            begin, end = (max(round((time - info.start) * rate), 0) for time in (onset, onset + duration))
            values[rows, begin:end] = np.nan
