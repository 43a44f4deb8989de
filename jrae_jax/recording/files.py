"""The door for recordings from outside: tables, files of amplifiers, objects of MNE, and arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np
from jaxtyping import ArrayLike

from .._checks import as_numbers, check_positive
from .columns import recording_in_table
from .formats import format_of
from .from_mne import Sources, object_of_mne, recording_from, recording_in_file
from .info import RecordingInfo, Wanted, as_read
from .recording import Recording
from .suspect import without_codes
from .tables import SEPARATORS, read_table
from .units import UNITS, origin

if TYPE_CHECKING:
    import mne


def read_recording(
    source: Union[str, Path, ArrayLike, Sequence, "mne.io.BaseRaw", "mne.BaseEpochs", "mne.SourceEstimate"],
    *,
    picks: str | Sequence[str] | None = None,
    unit: str | None = None,
    sfreq: float | None = None,
    noise_std: ArrayLike | None = None,
    missing: Sequence[float] = (),
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Recording:
    """A recording from outside: a table, a file of an amplifier, an object of MNE, or an array.

    What is `None` is found out where the source says it, and never guessed; `recording.info.read_as` is what was found.

    ```python
    rest = jrae.read_recording("rest.edf", picks="O1")
    print(rest.info.read_as)  # read O1, 3,200 samples at 160 Hz, uV, 0.5 to 45 Hz; EDF
    rest = jrae.read_recording("rest.csv", picks="O1", unit="uV")
    print(rest.info.read_as)  # read O1, 3,200 samples at 160 Hz, uV; commas, utf-8; clock time
    rest = jrae.read_recording(array, sfreq=160.0, unit="uV")
    ```

    **Arguments:**

    - `source`: one of
        - a table of numbers, .csv, .tsv or .txt: a line a sample, with names above or without. A column called time, t,
            timestamp or the like is the clock, in seconds unless its name says ms or us, or ISO 8601; samples have to
            be even, apart from rounding. An empty field is a sample that was not measured.
        - a file that MNE reads, which has to be installed: EDF, BDF, GDF, BrainVision, FIF, EEGLAB, CNT, EGI and more,
            by how its name ends.
        - an `mne.io.Raw`, `mne.Epochs`, or `mne.SourceEstimate`. Epochs are a batch, those of the first channel before
            those of the second. Parts that annotations call bad are not measured.
        - an array of shape `(time,)` or `(channel, time)`, such as time courses of labels; NaN: not measured.
    - `picks`: what to read, by name: one, or several as a batch of recordings. Of a table, `None` is the column called
        `eeg`, or the only one. A column called `y0` to `y5` is that state, any other an EEG; several of them, with or
        without `eeg`, are one recording of several channels. Without names, columns are called "1", "2", ....
        Of what MNE reads, `None` is every good EEG channel (or sEEG, ECoG, DBS); a type, as `"eeg"`, can be given too,
        and dots that fill a name up, as in `"O1.."`, can be left out.
    - `unit`: V, mV, uV or nV, of the numbers in the file or the object; needed where it does not say it, and for
        arrays and source estimates. `"column"`: they are the potential of a simulated column, in mV if nothing else is
        said.
    - `sfreq`: samples a second; needed for arrays and tables without a clock, or one that is rounded too coarsely.
    - `noise_std`: standard deviation of the sensor noise, in the unit of the source.
    - `missing`: numbers that stand for a sample that was not measured, such as -9999.
    - `separator`: of fields of a table, one of `","`, `";"`, `"\\t"`, `"|"`, and `" "` for any blanks.
    - `decimal`: of a table, `"."` or `","`.
    - `encoding`: of a table, as Python calls it.
    - `header`: whether the first line of a table has names.

    **Returns:** a `Recording`, of one signal or of several.

    **Raises:** `ValueError` for a source that is none of these, is damaged or can be read in several ways, that has no
        such column or channel, that does not say its unit or its rate, or whose samples are not even; `OSError` for a
        file that cannot be read; `ImportError` where MNE is needed and not installed.
    """
    if picks is not None and not isinstance(picks, str):
        if not np.iterable(picks) or not all(isinstance(name, str) for name in picks):
            raise ValueError(f"`picks` must be a name or a list of names, got {picks!r}")
        picks = tuple(picks)
    wanted = Wanted(picks, unit, sfreq, noise_std, missing)
    for_tables = {"separator": separator, "decimal": decimal, "encoding": encoding, "header": header}
    for name, known in (("separator", tuple(SEPARATORS)), ("decimal", (".", ","))):
        if for_tables[name] is not None and for_tables[name] not in known:
            raise ValueError(f"`{name}` must be one of {', '.join(map(repr, known))}, got {for_tables[name]!r}")
    path = Path(source) if isinstance(source, str | Path) else None
    if path is not None and format_of(path) is None:
        return recording_in_table(
            read_table(path, separator=separator, decimal=decimal, encoding=encoding, header=header), wanted
        )
    for name, value in for_tables.items():
        if value is not None:
            raise ValueError(f"`{name}` must be left out of what is no table, got {value!r} for {path or 'an object'}")
    if path is not None:
        return recording_in_file(path, wanted)
    found = object_of_mne(source)
    if isinstance(found, Sources):
        info = RecordingInfo(found.names, start=found.start)
        what = "a source estimate, whose values are moments or statistics: scale them as its EEG is"
        return _in_array(found.values, info, what, wanted._replace(sfreq=found.sfreq))
    if found is not None:
        return recording_from(found, wanted)
    return _in_array(source, RecordingInfo(), "an array", wanted)


def _in_array(source: object, info: RecordingInfo, what: str, wanted: Wanted) -> Recording:
    """The recording in an array, which nothing is known of but what is `wanted`."""
    try:
        values = as_numbers("source", source).astype(float)
    except ValueError:
        raise ValueError(
            "`source` must be the path of a file, an array of numbers, or an mne.io.Raw, mne.Epochs or "
            f"mne.SourceEstimate, got {type(source).__name__}, {' '.join(repr(source).split()):.60}"
        ) from None
    if wanted.picks is not None:
        raise ValueError(f"`picks` must be left out, got {what}: take the rows that are to be read")
    came_in = origin(None, wanted.unit)
    if came_in is None:
        raise ValueError(f"`unit` must be given, one of {UNITS}, got {what}")
    if wanted.sfreq is None:
        raise ValueError(f"`sfreq` must be given, samples a second, got {what}")
    check_positive(sfreq=wanted.sfreq)
    shape = values.shape
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[0] > shape[1]):
        turned = ": transpose it" if len(shape) == 2 else ""
        raise ValueError(f"`source` must have shape (time,) or (channel, time), got {shape}{turned}")
    values, dt = without_codes(values, wanted.missing), 1 / wanted.sfreq
    if np.isnan(values).all():
        raise ValueError(f"`source` must have numbers, got none in {what}")
    names = info.names or (["an array"] if len(shape) == 1 else [f"row {row}" for row in range(shape[0])])
    read_as = as_read(names, shape[-1], dt, came_in.described, int(np.isnan(values).sum()))
    info = info._replace(unit=came_in.described, read_as=read_as)
    return Recording.of(eeg=values, dt=dt, unit=came_in.unit, noise_std=wanted.noise_std, info=info)
