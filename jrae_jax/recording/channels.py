"""Which channels of an amplifier are read: by name or by type, potentials of the brain and nothing else."""

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from .._checks import warn_caller
from .suspect import SuspectValuesWarning

POTENTIALS = ("eeg", "seeg", "ecog", "dbs")
"""Types of channels that are read, as MNE calls them."""

_REFUSED = {
    "csd": "a current density, V/m^2: read the potentials that it was made from",
    **dict.fromkeys(("mag", "grad", "ref_meg"), "a magnetic field: read time courses of its sources"),
    **dict.fromkeys(("eog", "ecg", "emg", "bio", "resp", "gsr", "temperature"), "no potential of a brain"),
}
_OTHER = "no potential: raw.set_channel_types says so if it is one"
# MNE takes every channel of an EDF file for EEG, whatever its label says.
_NAMED_OTHERWISE = re.compile(
    r"[hv]?eog|e[ck]g|emg|(resp|sa?p?o2|temp|light|sound|event|status|trigger|marker|pulse|pleth|flow|snore)(?![a-z0-9])",
    re.IGNORECASE,
)
_LISTED = 40  # names in a message


class Channel(NamedTuple):
    """A channel as a file has it."""

    name: str
    kind: str
    """Its type, as MNE calls it."""
    unit: str | None
    """The unit in the file, one of `VOLTAGES`; `None` if the file says none or another."""
    bad: bool
    """Whether it is marked as bad."""

    @property
    def named_otherwise(self) -> bool:
        """Whether its name says that it is something else than its type."""
        return self.kind == "eeg" and _NAMED_OTHERWISE.match(self.name.strip()) is not None


class Choice(NamedTuple):
    """The channels that are read."""

    channels: list[Channel]
    alone: bool
    """Whether one was asked for, or there is one only: no batch."""
    left_out: list[Channel]
    """Of the right type, and not read as they are bad or named otherwise."""


def choose(channels: Sequence[Channel], picks: str | Sequence[str] | None, source: str) -> Choice:
    """The channels that `picks` names, or all good ones of its type, or all good potentials.

    Warns of a channel that is picked although it is marked as bad, or named as something else.

    **Raises:** `ValueError` for an unknown name, a type that is no potential, or several types.
    """
    given = [] if picks is None else [picks] if isinstance(picks, str) else [*picks]
    by_name = {channel.name: channel for channel in channels}
    if picks is None or (len(given) == 1 and given[0] in POTENTIALS and given[0] not in by_name):
        choice = _of_type(channels, *given or POTENTIALS)
        if not choice.channels:
            what = " or ".join(given or POTENTIALS)
            raise ValueError(
                f"`picks` must name good channels of type {what}, got none, of {_listed(channels)} in {source}"
            )
    else:
        if not given:
            raise ValueError("`picks` must name at least one channel, got none")
        choice = Choice([_named(by_name, name, source) for name in given], isinstance(picks, str), [])
        for channel in choice.channels:
            if (times := choice.channels.count(channel)) > 1:
                raise ValueError(f"`picks` must name each channel once, got {channel.name} {times} times")
            why = "marked as bad" if channel.bad else "by its name no EEG" if channel.named_otherwise else ""
            if why:
                warn_caller(f"`{channel.name}` is {why}, in {source}", SuspectValuesWarning)
    if len({channel.kind for channel in choice.channels}) > 1:
        raise ValueError(f"`picks` must be of one type, got {_listed(choice.channels)} in {source}: read them apart")
    return choice


def _of_type(channels: Sequence[Channel], *kinds: str) -> Choice:
    """All good channels of some types."""
    found = [channel for channel in channels if channel.kind in kinds]
    good = [channel for channel in found if not (channel.bad or channel.named_otherwise)]
    # Among potentials, what has no unit of one is a sensor of something else.
    good = [channel for channel in good if channel.unit is not None] or good
    return Choice(good, len(good) == 1, [channel for channel in found if channel not in good])


def _named(by_name: dict[str, Channel], name: str, source: str) -> Channel:
    """The channel of a name."""
    # EDF files of BCI2000, such as those of PhysioNet, fill names up with dots: O1.. and Cz..
    padded = [channel for known, channel in by_name.items() if known.rstrip(".") == name.strip().rstrip(".")]
    channel = by_name.get(name) or by_name.get(name.strip()) or (padded[0] if len(padded) == 1 else None)
    if channel is None:
        alike = difflib.get_close_matches(name.lower(), [known.lower() for known in by_name], 1, 0.5)
        near = next((f', did you mean "{known}"?' for known in by_name if [known.lower()] == alike), ":")
        raise ValueError(
            f"`picks` must name channels of {source}, got {name}{near} there are {_listed([*by_name.values()])}"
        )
    if channel.kind not in POTENTIALS:
        why = _REFUSED.get(channel.kind, _OTHER)
        raise ValueError(f"`picks` must name potentials, got {name} in {source}, of type {channel.kind}, {why}")
    return channel


def _listed(channels: Sequence[Channel]) -> str:
    """Names, and types where they differ."""
    several = len({channel.kind for channel in channels}) > 1
    names = [f"{channel.name} ({channel.kind})" if several else channel.name for channel in channels]
    more = f", ... ({len(names)} in all)" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more or "no channel"
