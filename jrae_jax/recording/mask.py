"""What a recording shows of a column."""

from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._checks import as_float, check_choice, is_concrete
from ..column.states import CHANNELS, STATES, eeg


class ObservationMask(eqx.Module):
    """Which of the seven channels (six states, and the EEG-like `y1 - y2`) a recording shows.

    An array leaf, so that masks can be stacked and vmapped. Make one by names, with `ObservationMask.of`.
    """

    channels: Bool[Array | np.ndarray, "7"]
    """True for an observed channel, in the order of `CHANNELS`."""

    def __check_init__(self):
        if np.shape(self.channels) != (len(CHANNELS),):
            raise ValueError(f"`channels` must have {len(CHANNELS)} truth values, got shape {np.shape(self.channels)}")

    @classmethod
    def of(cls, *names: str) -> "ObservationMask":
        """The mask that shows the channels of these names, such as `ObservationMask.of("y0", "eeg")`.

        **Raises:** `ValueError` for a name that is no channel, or for no name at all.
        """
        if not names:
            raise ValueError(f"`observed` must name at least one of {', '.join(CHANNELS)}, got none")
        for name in names:
            check_choice(CHANNELS, observed=name)
        return cls(np.isin(CHANNELS, names))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the observed channels."""
        return tuple(name for name, seen in zip(CHANNELS, np.asarray(self.channels), strict=True) if seen)

    @property
    def observed_states(self) -> tuple[str, ...]:
        """Names of the states that are seen themselves."""
        return tuple(name for name in self.names if name in STATES)

    @property
    def hidden_states(self) -> tuple[str, ...]:
        """Names of the states that have to be reconstructed."""
        return tuple(name for name in STATES if name not in self.names)


FULL = ObservationMask.of(*STATES)
"""All six states."""
POTENTIALS = ObservationMask.of("y0", "y1", "y2")
"""The three postsynaptic potentials."""
PYRAMIDAL = ObservationMask.of("y0")
"""The pyramidal potential alone."""
EEG = ObservationMask.of("eeg")
"""The EEG-like signal `y1 - y2` alone: no state is seen itself."""


def as_mask(observed: Any) -> ObservationMask:
    """A mask from what people write: a mask, names of channels, or six (seven with EEG) truth values.

    **Raises:** `ValueError` for an unknown name, a wrong length, or a mask that shows nothing.
    """
    if isinstance(observed, ObservationMask):
        mask = observed
    elif isinstance(observed, str):
        mask = ObservationMask.of(observed)
    elif isinstance(observed, Iterable) and all(isinstance(name, str) for name in observed):
        mask = ObservationMask.of(*observed)
    else:
        values = np.asarray(observed)
        if values.dtype != bool or values.shape not in ((len(STATES),), (len(CHANNELS),)):
            raise ValueError(
                f"`observed` must be names, an ObservationMask, or {len(STATES)} truth values "
                f"({len(CHANNELS)} with the EEG), got shape {values.shape} of {values.dtype}"
            )
        mask = ObservationMask(np.pad(values, (0, len(CHANNELS) - len(values))))
    if is_concrete(mask.channels) and not np.any(np.asarray(mask.channels)):
        raise ValueError(f"`observed` must show at least one of {', '.join(CHANNELS)}, got an empty mask")
    return mask


def to_channels(ys: Float[Array, "*batch 6"]) -> Float[Array, "*batch 7"]:
    """All seven channels of fully known states: the states, then `y1 - y2`."""
    return jnp.concatenate([ys, eeg(ys)[..., None]], axis=-1)


def recording(**signals: Any) -> Float[Array, "*batch 7"]:
    """A recording from the channels that were really measured; the others are NaN.

    **Arguments:**

    - `signals`: by channel name, such as `recording(eeg=v)`: mV (derivatives mV/s), all of one shape.

    **Raises:** `ValueError` for an unknown name, no signal, or signals of different shapes.
    """
    for name in signals:
        check_choice(CHANNELS, signals=name)
    mask = ObservationMask.of(*signals)
    shapes = {name: np.shape(signal) for name, signal in signals.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"`signals` must have one shape, got {shapes}")
    unknown = np.full(shapes[mask.names[0]], np.nan)
    return jnp.stack([as_float(signals.get(name, unknown)) for name in CHANNELS], axis=-1)
