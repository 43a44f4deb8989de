"""Units in which recordings and their clocks come, and how they are written."""

from types import MappingProxyType
from typing import NamedTuple

VOLTAGES = MappingProxyType({"V": 1e3, "mV": 1.0, "uV": 1e-3, "nV": 1e-6})
"""mV in each unit of a potential."""

SIMULATED = "column"
"""Instead of a unit: the potential of a simulated column."""

UNITS = f"{', '.join(VOLTAGES)}, or {SIMULATED} for the mV of a simulated column"
"""What `unit` may be, in words."""

DURATIONS = MappingProxyType({"s": 1.0, "ms": 1e-3, "us": 1e-6})
"""Seconds in each unit of a clock."""

# What people and programs write, in small letters with the micro sign as u.
_SPELLINGS = {name.lower(): name for name in (*VOLTAGES, *DURATIONS)}
_SPELLINGS |= {"volt": "V", "millivolt": "mV", "microvolt": "uV", "nanovolt": "nV"}
_SPELLINGS |= {"volts": "V", "millivolts": "mV", "microvolts": "uV", "nanovolts": "nV"}
_SPELLINGS |= {"sec": "s", "secs": "s", "second": "s", "seconds": "s"}
_SPELLINGS |= {"msec": "ms", "millis": "ms", "millisecond": "ms", "milliseconds": "ms"}
_SPELLINGS |= {"usec": "us", "micros": "us", "microsecond": "us", "microseconds": "us"}


def known_unit(text: str) -> str | None:
    """The unit that a text means, as it is spelled here; `None` if it means none.

    µ may be u; the unit of a derivative may end in /s, which is left out.
    """
    plain = text.strip().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u").removesuffix("/s")
    return None if plain.startswith("M") else _SPELLINGS.get(plain.lower())  # MV is no mV


class Origin(NamedTuple):
    """In which unit numbers come."""

    unit: str
    """One of `VOLTAGES`."""
    described: str
    """The same, or `SIMULATED`."""


def origin(said: str | None, unit: str | None) -> Origin | None:
    """The unit of numbers for which a file says one, and a user one or none; `None` if nobody says any.

    The user is believed. A simulated column is in the unit that the file says, or in mV.

    **Raises:** `ValueError` if the user's is none.
    """
    if unit is None:
        return None if said is None else Origin(said, said)
    millivolts(unit)
    return Origin(said or "mV", SIMULATED) if unit == SIMULATED else Origin(*[known_unit(unit) or ""] * 2)


def millivolts(unit: str) -> float:
    """How many mV a unit of a potential has.

    **Raises:** `ValueError` for another unit.
    """
    found = {**VOLTAGES, SIMULATED: 1.0}.get(known_unit(unit) or unit) if isinstance(unit, str) else None
    if found is None:
        raise ValueError(f"`unit` must be one of {UNITS}, got {unit!r}")
    return found
