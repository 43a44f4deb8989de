"""Recordings from files: which columns of a table are signals, in which unit, and when samples were taken."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float

from .._checks import check_positive
from ..column.states import CHANNELS, STATES
from .recording import Recording, RecordingInfo
from .sampling import Sampling, even_sampling
from .tables import SEPARATORS, Table, read_table
from .units import DURATIONS, VOLTAGES, known_unit, millivolts

_CLOCKS = frozenset(("time", "times", "t", "timestamp", "timestamps", "clock"))
_IN_BRACKETS = re.compile(r"(.*?)[\s_]*[(\[]\s*([^()\[\]]*?)\s*[)\]]")
_BEHIND = re.compile(r"(.+?)[\s_/]+(\S+)")
_SLOWEST = 2.0  # Hz: below it a clock that does not say its unit is hardly one in seconds
_NEAR = 0.1  # of `sfreq`: so near is a clock in the right unit


class _Column(NamedTuple):
    """What the header says of a column."""

    position: int
    name: str
    unit: str | None


def read_recording(
    path: str | Path,
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
    """A recording in a table of numbers: .csv, .tsv or .txt.

    What is `None` is found out where the file says it, and never guessed; `recording.info.read_as` is what was found.

    ```python
    rest = jrae.read_recording("rest.csv", picks="O1", unit="uV")
    print(rest.info.read_as)  # read O1, 3,200 samples at 160 Hz, uV; commas, utf-8; clock time
    ```

    **Arguments:**

    - `path`: a file with one line a sample: numbers, with names above them or without. A column called time, t,
        timestamp or the like is the clock, in seconds unless its name says ms or us, or ISO 8601; samples have to be
        even, apart from rounding. An empty field is a sample that was not measured.
    - `picks`: the column to read; `None`: the one called `eeg`, or the only one. Several columns are a batch of
        recordings. A column called `y0` to `y5` is that state, any other an EEG; several of them, with or without
        `eeg`, are one recording of several channels. Where there are no names, columns are called "1", "2", ....
    - `unit`: V, mV, uV or nV; needed where the names of the columns, as `O1 (uV)`, do not say it.
    - `sfreq`: samples a second; needed where there is no clock, or one that is rounded too coarsely.
    - `noise_std`: standard deviation of the sensor noise, in the unit of the file.
    - `missing`: numbers that stand for a sample that was not measured, such as -9999.
    - `separator`: of fields, one of `","`, `";"`, `"\\t"`, `"|"`, and `" "` for any blanks.
    - `decimal`: `"."` or `","`.
    - `encoding`: as Python calls it.
    - `header`: whether the first line has names.

    **Returns:** a `Recording`, of one column or of several.

    **Raises:** `ValueError` for a file that is no such table or can be read in several ways, that has no such column,
        that does not say its unit or its rate, or whose clock is not even or is not that of `sfreq`; `OSError` for one
        that cannot be read.
    """
    path = Path(path)
    for name, value, known in (("separator", separator, tuple(SEPARATORS)), ("decimal", decimal, (".", ","))):
        if value is not None and value not in known:
            raise ValueError(f"`{name}` must be one of {', '.join(map(repr, known))}, got {value!r}")
    table = read_table(path, separator=separator, decimal=decimal, encoding=encoding, header=header)
    columns = [_Column(position, *_name_and_unit(name)) for position, name in enumerate(table.names)]
    clocks = [column for column in columns if _is_clock(column)]
    picked = _picked(table, [column for column in columns if column not in clocks], picks)
    unit = _unit(table, picked, unit)
    signals = {column.name: table.column(column.position) for column in picked}
    for name, values in signals.items():
        signals[name] = np.where(np.isin(values, np.asarray(missing, float)), np.nan, values)
        if np.all(np.isnan(signals[name])):
            raise ValueError(f"`path` must have numbers in column {name}, got none in {path}")
    sampling = _sampling(table, clocks, columns, sfreq)
    names, samples = ", ".join(signals), len(table.lines)
    absent = sum(int(np.isnan(values).sum()) for values in signals.values())
    read_as = (
        f"read {names}, {samples:,} samples at {1 / sampling.dt:.6g} Hz, {unit}"
        f"{f', {absent:,} missing' if absent else ''}; {table.described}; "
        f"{f'clock {clocks[0].name}' if clocks else 'no clock'}"
    )
    info = RecordingInfo(name=names, unit=unit, start=sampling.start, read_as=read_as)
    given = {"dt": sampling.dt, "unit": unit, "noise_std": noise_std, "info": info}
    if set(signals) <= set(CHANNELS):
        return Recording.of(**signals, **given)
    if set(signals) & set(STATES):
        raise ValueError(
            f"`picks` must be channels of one column, y0 to y5 and eeg, or electrodes, got {names}: read them apart"
        )
    values = list(signals.values())
    return Recording.of(eeg=values[0] if picks is None or isinstance(picks, str) else np.stack(values), **given)


def _name_and_unit(text: str) -> tuple[str, str | None]:
    """The name of a column, and the unit behind it, in brackets or not."""
    text = " ".join(text.split())
    brackets = _IN_BRACKETS.fullmatch(text)
    if brackets and known_unit(brackets[2]):
        return brackets[1], known_unit(brackets[2])
    behind = _BEHIND.fullmatch(text)
    # Not a letter alone, which may be a name: an electrode V, or S.
    if behind and len(behind[2]) > 1 and known_unit(behind[2]):
        return behind[1], known_unit(behind[2])
    return text, None


def _is_clock(column: _Column) -> bool:
    name = column.name.lower()
    return name in _CLOCKS or (len(name) > 1 and known_unit(name) in DURATIONS) or column.unit in DURATIONS


def _picked(table: Table, signals: Sequence[_Column], picks: str | Sequence[str] | None) -> list[_Column]:
    """The columns that are read."""
    named = [column for column in signals if column.name]  # one without a name is an index, or behind the last mark
    if picks is None:
        chosen = [column for column in named if column.name == "eeg"] or named
        if not named:
            raise ValueError(f"`path` must have more than a clock, got {', '.join(table.names)} in {table.path}")
        if len(chosen) != 1:
            have = ", ".join(column.name for column in named)
            raise ValueError(f"`picks` must name the column to read, one of {have}, in {table.path}")
        return chosen
    names = [picks] if isinstance(picks, str) else list(picks)
    found = []
    for name in names:
        chosen = [column for column in named if name.strip() in (column.name, table.names[column.position])]
        if len(chosen) != 1 or names.count(name) > 1:
            have = ", ".join(column.name for column in named)
            raise ValueError(f"`picks` must name each column once, of {have}, got {name}, in {table.path}")
        found += chosen
    if not found:
        raise ValueError("`picks` must name at least one column, got none")
    return found


def _unit(table: Table, picked: Sequence[_Column], unit: str | None) -> str:
    """The unit of the signals: as given, or as all their names have it."""
    if unit is not None:
        millivolts(unit)
        return str(known_unit(unit))
    units = {column.unit if column.unit in VOLTAGES else None for column in picked}
    found = units.pop()
    if found is None or units:
        names = ", ".join(table.names[column.position] for column in picked)
        raise ValueError(
            f"`unit` must be given, one of {', '.join(VOLTAGES)}, where the names of the columns do not say it, or not "
            f"the same, got {names} in {table.path}"
        )
    return found


def _sampling(table: Table, clocks: Sequence[_Column], columns: Sequence[_Column], sfreq: float | None) -> Sampling:
    """When samples were taken."""
    if sfreq is not None:
        check_positive(sfreq=sfreq)
    if not clocks:
        if sfreq is None:
            names = ", ".join(column.name for column in columns)
            raise ValueError(
                f"`sfreq` must be given, samples a second, where no column is called time, got {names} in {table.path}"
            )
        return Sampling(1 / sfreq, 0.0)
    if len(clocks) > 1:
        names = ", ".join(table.names[clock.position] for clock in clocks)
        raise ValueError(f"`path` must have one clock, got {names} in {table.path}: leave all but one out")
    (clock,) = clocks
    name = table.names[clock.position]
    said = clock.unit if clock.unit in DURATIONS else known_unit(clock.name) if len(clock.name) > 1 else None
    times = _times(table, clock)
    if len(times) < 2 or not np.all(np.isfinite(times)):
        raise ValueError(
            f"`path` must have two or more samples, each with its time, got {np.isfinite(times).sum()} times for "
            f"{len(times)} samples in {table.path}"
        )
    step = float(np.median(np.diff(times)))
    if said is None:
        if sfreq is not None:
            said = next((u for u, seconds in DURATIONS.items() if abs(step * seconds * sfreq - 1) < _NEAR), "s")
        elif step * _SLOWEST > 1:
            rates = " or ".join(f"{1 / (step * seconds):g} Hz in {u}" for u, seconds in DURATIONS.items())
            raise ValueError(
                f"`{name}` must say its unit, as {clock.name} (ms), got steps of {step:g}, which are {rates}, in "
                f"{table.path}: or give `sfreq`"
            )
        else:
            said = "s"
    return even_sampling(_in_seconds(times, said), sfreq=sfreq, argument=name)


def _in_seconds(times: Float[np.ndarray, " line"], unit: str) -> Float[np.ndarray, " line"]:
    """Times in seconds, as they would be written: not 0.006999999999999999 for 7 ms."""
    return times if unit == "s" else times / round(1 / DURATIONS[unit])


def _times(table: Table, clock: _Column) -> Float[np.ndarray, " line"]:
    """The clock, in its unit, or in seconds if it is in ISO 8601."""
    try:
        return table.column(clock.position)
    except ValueError as error:
        import pandas as pd  # here, as importing it is slow

        try:
            dates = pd.to_datetime(pd.Series(table.texts(clock.position)), format="ISO8601", utc=True)
        except ValueError:
            raise error from None
        return (dates - dates.iloc[0]).dt.total_seconds().to_numpy(float)
