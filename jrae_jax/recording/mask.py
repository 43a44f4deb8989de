"""Observation masks: which channels of a column a recording has."""

from collections.abc import Iterable, Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool

from .._checks import check_choice, check_count, is_concrete, of_numbers
from ..column.states import CHANNELS, STATES


class ObservationMask(eqx.Module):
    """Which of the seven channels (six states, and the EEG-like `y1 - y2`) are observed.

    An array leaf, so that masks can be stacked and vmapped. Make one by names, with `ObservationMask.from_names`.
    """

    channels: Bool[Array | np.ndarray, "7"]
    """True for an observed channel, in the order of `CHANNELS`."""

    def __check_init__(self):
        if np.shape(self.channels) != (len(CHANNELS),):
            raise ValueError(f"`channels` must have {len(CHANNELS)} truth values, got shape {np.shape(self.channels)}")

    @classmethod
    def from_names(cls, *names: str) -> "ObservationMask":
        """The mask that observes the channels of these names, such as `ObservationMask.from_names("y0", "eeg")`.

        **Raises:** `ValueError` for a name that is no channel, or for no name at all.
        """
        return _mask_of_names(names, "names")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the observed channels."""
        return tuple(name for name, observed in zip(CHANNELS, np.asarray(self.channels), strict=True) if observed)

    @property
    def observed_states(self) -> tuple[str, ...]:
        """Names of the states that are observed themselves."""
        return tuple(name for name in self.names if name in STATES)

    @property
    def hidden_states(self) -> tuple[str, ...]:
        """Names of the states that have to be reconstructed."""
        return tuple(name for name in STATES if name not in self.names)

    @of_numbers
    def __repr__(self) -> str:
        return f"ObservationMask.from_names({', '.join(map(repr, self.names))})"


def _mask_of_names(names: tuple[str, ...], argument: str) -> ObservationMask:
    if not names:
        raise ValueError(f"`{argument}` must name at least one of {', '.join(CHANNELS)}, got none")
    for name in names:
        check_choice(CHANNELS, **{argument: name})
    return ObservationMask(np.isin(CHANNELS, names))


FULL = ObservationMask.from_names(*STATES)
"""All six states."""
POTENTIALS = ObservationMask.from_names("y0", "y1", "y2")
"""The three postsynaptic potentials."""
PYRAMIDAL = ObservationMask.from_names("y0")
"""The pyramidal potential alone."""
EEG = ObservationMask.from_names("eeg")
"""The EEG-like signal `y1 - y2` alone: no state is observed itself."""


Observed = ObservationMask | str | Iterable[str] | Sequence[bool] | np.ndarray | Array
"""What people write for one kind of recording: a mask, names of channels, or six (seven with EEG) truth values."""


def as_mask(observed: object, argument: str = "observed") -> ObservationMask:
    """A mask from what people write: a mask, names of channels, or six (seven with EEG) truth values.

    **Raises:** `ValueError`, for the argument of this name, for an unknown name, a wrong length, or a mask that
        observes nothing.
    """
    if isinstance(observed, Iterable) and not isinstance(observed, str | np.ndarray | Array):
        observed = tuple(observed)  # names from a generator can be read once only
    if isinstance(observed, ObservationMask):
        mask = observed
    elif isinstance(observed, str):
        mask = _mask_of_names((observed,), argument)
    elif isinstance(observed, tuple) and all(isinstance(name, str) for name in observed):
        mask = _mask_of_names(observed, argument)
    else:
        try:
            values = np.asarray(observed)
        except (TypeError, ValueError):  # lists of different lengths, and what is traced
            values = np.asarray(None)
        if values.dtype != bool or values.shape not in ((len(STATES),), (len(CHANNELS),)):
            raise ValueError(
                f"`{argument}` must be names, an ObservationMask, or {len(STATES)} truth values "
                f"({len(CHANNELS)} with the EEG), got shape {values.shape} of {values.dtype}"
            )
        mask = ObservationMask(np.pad(values, (0, len(CHANNELS) - len(values))))
    if is_concrete(mask.channels) and not np.any(np.asarray(mask.channels)):
        raise ValueError(f"`{argument}` must observe at least one of {', '.join(CHANNELS)}, got an empty mask")
    return mask


def as_masks(kinds: Sequence[object] | Bool[Array | np.ndarray, "kind 7"]) -> Bool[np.ndarray, "kind 7"]:
    """A row of truth values for each kind of recording, from masks, names or truth values.

    **Raises:** `ValueError` for a single kind instead of a list of them, or as `as_mask`.
    """
    if isinstance(kinds, str | ObservationMask) or not isinstance(kinds, Sequence | np.ndarray | Array):
        raise ValueError(f"`kinds` must be a list of kinds of recordings, got one: [{kinds!r}]")
    check_count(1, **{"len(kinds)": len(kinds)})
    return np.stack([np.asarray(as_mask(kind, "kinds").channels) for kind in kinds])


def in_words(kinds: Bool[Array | np.ndarray, "kind 7"]) -> str:
    """The channels of each of a few kinds of recordings."""
    names = [", ".join(ObservationMask(np.asarray(row)).names) for row in kinds[:3]]
    return "; ".join(names) + (f"; and {len(kinds) - 3} more" if len(kinds) > 3 else "")
