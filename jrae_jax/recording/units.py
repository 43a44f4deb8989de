"""Units in which recordings and their clocks come, and how they are written."""

from types import MappingProxyType

VOLTAGES = MappingProxyType({"V": 1e3, "mV": 1.0, "uV": 1e-3, "nV": 1e-6})
"""mV in each unit of a potential."""

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


def millivolts(unit: str) -> float:
    """How many mV a unit of a potential has.

    **Raises:** `ValueError` for another unit.
    """
    found = VOLTAGES.get(known_unit(unit) or "") if isinstance(unit, str) else None
    if found is None:
        raise ValueError(f"`unit` must be one of {', '.join(VOLTAGES)}, got {unit!r}")
    return found
