"""What a simulation returns."""

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from .states import STATE_LABELS, STATE_UNITS, STATES, eeg


class Trajectories(eqx.Module):
    """Simulated or recorded trajectories of all six states.

    Your own simulations come in the same way: `Trajectories(ts, ys)`.
    """

    ts: Float[Array, " time"]
    """Times, seconds."""
    ys: Float[Array, "*batch time 6"]
    """States in mV and mV/s; the batch axis, if any, is in front."""
    result: diffrax.RESULTS = eqx.field(default_factory=lambda: diffrax.RESULTS.successful)
    """How each trajectory ended: `diffrax.RESULTS.successful`, or what went wrong; shape `()` or `(batch,)`."""

    def __check_init__(self):
        shape = jnp.shape(self.ys)
        if len(shape) not in (2, 3) or shape[-1] != len(STATES):
            raise ValueError(f"`ys` must have shape (time, 6) or (batch, time, 6), got {shape}")
        if jnp.shape(self.ts) != shape[-2:-1]:
            raise ValueError(f"`ts` must have one time for each of {shape[-2]} samples, got shape {jnp.shape(self.ts)}")


def to_dataset(trajectories: Trajectories) -> xr.Dataset:
    """Trajectories with names and units: `y0..y5` and `eeg` over `column` and `time`."""
    dims = ("column", "time")[-trajectories.ys.ndim + 1 :]
    ys = np.asarray(trajectories.ys)
    states = zip(STATES, STATE_LABELS, STATE_UNITS, strict=True)
    variables = {
        name: (dims, ys[..., i], {"long_name": label, "units": unit}) for i, (name, label, unit) in enumerate(states)
    }
    variables["eeg"] = (dims, np.asarray(eeg(trajectories.ys)), {"long_name": "y1 - y2", "units": "mV"})
    return xr.Dataset(variables, {"time": ("time", np.asarray(trajectories.ts), {"units": "s"})})
