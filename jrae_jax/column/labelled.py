"""Signals over time with their names and units, as xarray has them: what trajectories, recordings, estimates and bounds
of their errors are exported as."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Array, Float

from .parameters import JansenRitParameters
from .states import CHANNEL_LABELS, CHANNEL_UNITS, CHANNELS

if TYPE_CHECKING:
    import xarray as xr

UNIT_OF_QUANTITY: dict[str, str] = {
    **{field.name: field.metadata["unit"] for field in dataclasses.fields(JansenRitParameters)},
    "p": "1/s",
}
"""Unit of each parameter, and of the mean input."""


class Signal(NamedTuple):
    """One signal, or a batch of them."""

    values: Float[Array | np.ndarray, "*batch time"]
    units: str
    long_name: str


def by_channel(
    values: Float[Array | np.ndarray, "*batch time n"], suffix: str = "", about: str = ""
) -> dict[str, Signal]:
    """Each of the six states or the seven channels by its name, and what is added to it."""
    channels = enumerate(zip(CHANNELS[: values.shape[-1]], CHANNEL_LABELS, CHANNEL_UNITS, strict=False))
    return {f"{name}{suffix}": Signal(values[..., i], unit, f"{about}{label}") for i, (name, label, unit) in channels}


def over_time(signals: Mapping[str, Signal], ts: Float[np.ndarray, " time"], *, batch: str) -> "xr.Dataset":
    """Signals of one length, over `time` and, where there are several of each, over an axis named `batch`."""
    import xarray as xr  # here, as importing it is slow

    variables = {
        name: ((batch, "time")[-np.ndim(values) :], np.asarray(values), {"long_name": long_name, "units": units})
        for name, (values, units, long_name) in signals.items()
    }
    return xr.Dataset(variables, {"time": ("time", ts, {"units": "s"})})
