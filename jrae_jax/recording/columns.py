"""Recordings in tables: which columns are signals, in which unit, and when samples were taken."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._checks import check_positive
from ..column.states import CHANNELS, STATES
from .info import RecordingInfo, Wanted, as_read
from .recording import Recording
from .sampling import Sampling, even_sampling
from .suspect import without_codes
from .tables import Table
from .units import DURATIONS, SIMULATED, UNITS, VOLTAGES, Origin, known_unit, origin

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


def recording_in_table(table: Table, wanted: Wanted) -> Recording:
    """The recording in a table."""
    columns = [_Column(position, *_name_and_unit(name)) for position, name in enumerate(table.names)]
    clocks = [column for column in columns if _is_clock(column)]
    picked = _picked(table, [column for column in columns if column not in clocks], wanted.picks)
    came_in = _origin(table, picked, wanted.unit)
    signals = {column.name: without_codes(table.column(column.position), wanted.missing) for column in picked}
    for name, values in signals.items():
        if np.all(np.isnan(values)):
            raise ValueError(f"`source` must have numbers in column {name}, got none in {table.path}")
    sampling = _sampling(table, clocks, columns, wanted.sfreq)
    absent = sum(int(np.isnan(values).sum()) for values in signals.values())
    names, clock = tuple(signals), f"clock {clocks[0].name}" if clocks else "no clock"
    read_as = f"{as_read(names, len(table.lines), sampling.dt, came_in.described, absent)}; {table.described}; {clock}"
    info = RecordingInfo(names, came_in.described, start=sampling.start, read_as=read_as)
    given = {"dt": sampling.dt, "unit": came_in.unit, "noise_std": wanted.noise_std, "info": info}
    if set(signals) <= set(CHANNELS):
        return Recording.of(**signals, **given)
    if set(signals) & set(STATES):
        raise ValueError(
            f"`picks` must be channels of one column, y0 to y5 and eeg, or electrodes, got {', '.join(names)}: read "
            "them apart"
        )
    values = list(signals.values())
    alone = wanted.picks is None or isinstance(wanted.picks, str)
    return Recording.of(eeg=values[0] if alone else np.stack(values), **given)


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
            raise ValueError(f"`source` must have more than a clock, got {', '.join(table.names)} in {table.path}")
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


def _origin(table: Table, picked: Sequence[_Column], unit: str | None) -> Origin:
    """The unit of the signals: as given, or as all their names have it."""
    units = {column.unit if column.unit in VOLTAGES else None for column in picked}
    mixed = len(units) > 1
    found = None if mixed and unit in (None, SIMULATED) else origin(None if mixed else units.pop(), unit)
    if found is None:
        names = ", ".join(table.names[column.position] for column in picked)
        raise ValueError(
            f"`unit` must be given, one of {UNITS}, where the names of the columns do not say it, or not "
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
        raise ValueError(f"`source` must have one clock, got {names} in {table.path}: leave all but one out")
    (clock,) = clocks
    name = table.names[clock.position]
    said = clock.unit if clock.unit in DURATIONS else known_unit(clock.name) if len(clock.name) > 1 else None
    times = _times(table, clock)
    if len(times) < 2 or not np.all(np.isfinite(times)):
        raise ValueError(
            f"`source` must have two or more samples, each with its time, got {np.isfinite(times).sum()} times for "
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
