"""The regime of a column - rest, alpha rhythm or spikes - as a summary of a parameter scan."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..column.one_function import one_function
from .summaries import AbstractSummary, Blocks, Variable

REGIMES = ("rest", "alpha", "spike")
"""The regimes that `Regime` distinguishes, in the order of its codes."""

# The rule is a convention of this package. At the standard parameters and p = 220 /s the alpha cycle swings by 3 mV and
# is never silent; each spike begins from silence.
_SILENT, _ACTIVE = 0.1, 0.8  # fractions of the maximum firing rate of the pyramidal cells
_FEWEST_SPIKES = 0.5  # 1/s
_LEAST_SWING = 0.5  # peak to peak of r v, which is about 0.9 mV at the standard r
_LEAST_RATE = 200.0  # Hz; a spike lasts tens of milliseconds, and of a spectrum as many samples are kept


class RegimeState(NamedTuple):
    """What the regime depends on, so far; `y1 - y2 - v0` in mV."""

    silent: Bool[Array, " batch"]
    """Whether the column was silent, and not active since."""
    spikes: Float[Array, " batch"]
    total: Float[Array, " batch"]
    least: Float[Array, " batch"]
    largest: Float[Array, " batch"]


class Regime(AbstractSummary[RegimeState]):
    """Whether the column is at rest, in an alpha rhythm or spiking, and how often it spikes.

    By the firing rate of the pyramidal cells as a fraction of its maximum, so that the same rule serves whatever the
    parameters: a *spike* is a rise from below 10 % to above 80 %. With at least one spike in two seconds the regime
    is `spike`. Else it is `alpha` if the mean of `y1 - y2` is above `v0`, where the cells fire at half of their
    maximum, and it swings by more than `0.5 / r` (0.9 mV) from peak to peak. The remainder is `rest`. Sampled at least
    200 times a second.

    So `alpha` covers a column on the alpha cycle as well as one that noise moves about an equilibrium, at whatever
    frequency: `Spectrum` has it. The rule is ours; the names are those of the cycles of Grimbert and Faugeras (2006),
    doi 10.1162/neco.2006.18.12.3052.
    """

    channels = ("eeg",)  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def blocks(self, dt):
        """At least 200 samples a second."""
        return Blocks(max(1, int(1 / (_LEAST_RATE * dt) * (1 + 1e-9))))  # 1e-9: what rounding of 1 / dt may take off

    def variables(self, info):
        """`regime`, a code into `REGIMES`, and `spike_rate` in 1/s."""
        del info
        codes = {"flag_values": list(range(len(REGIMES))), "flag_meanings": " ".join(REGIMES)}
        return {
            "regime": Variable("1", "regime of the column", attributes=codes),
            "spike_rate": Variable("1/s", "spikes in a second"),
        }

    def init(self, info):
        """No samples yet."""
        zeros = jnp.zeros(info.batch)
        return RegimeState(jnp.zeros(info.batch, bool), zeros, zeros, zeros + jnp.inf, zeros - jnp.inf)

    def update(self, info, state, samples):
        """Count the rises from silent to active."""
        parameters = info.column.parameters
        low, high = (np.log(rate / (1 - rate)) / parameters.r for rate in (_SILENT, _ACTIVE))

        def followed(stage, state, limits, samples):
            del stage
            v0, low, high = limits

            def follow(state, v):
                v = v - v0
                spikes = state.spikes + (state.silent & (v > high)).astype(v.dtype)
                silent = (v < low) | (state.silent & (v <= high))
                least, largest = jnp.minimum(state.least, v), jnp.maximum(state.largest, v)
                return RegimeState(silent, spikes, state.total + v, least, largest), None

            return jax.lax.scan(follow, state, samples)[0]

        return one_function(followed)(state, (parameters.v0, low, high), samples[:, 0])

    def result(self, info, state):
        """See `variables`; -1 and NaN for a trajectory that failed."""
        finite = jnp.isfinite(state.total)
        spike_rate = jnp.where(finite, state.spikes / (info.samples * info.dt), jnp.nan)
        swings = info.column.parameters.r * (state.largest - state.least) > _LEAST_SWING
        codes = jnp.where((state.total > 0) & swings, REGIMES.index("alpha"), REGIMES.index("rest"))
        codes = jnp.where(spike_rate >= _FEWEST_SPIKES, REGIMES.index("spike"), codes)
        return {"regime": jnp.where(finite, codes, -1).astype(jnp.int8), "spike_rate": spike_rate}
