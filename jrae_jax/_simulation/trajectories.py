"""What a simulation returns."""

import diffrax
import equinox as eqx
from jaxtyping import Array, Float


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
