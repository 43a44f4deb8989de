"""The regime of a column - rest, alpha rhythm or spikes - as a summary of a parameter scan."""

import jax
import jax.numpy as jnp
import numpy as np

from .summaries import AbstractSummary, Variable

REGIMES = ("rest", "alpha", "spike")
"""The regimes that `Regime` tells apart, in the order of its codes."""

_SILENT, _ACTIVE = 0.1, 0.8  # share of the maximum firing rate of the pyramidal cells
_FEWEST_SPIKES = 0.5  # 1/s
_LEAST_SWING = 0.5  # peak to peak of r v, which is about 0.9 mV at the standard r
_THINNED_RATE = 250.0  # Hz


class Regime(AbstractSummary):
    """Whether the column is at rest, in an alpha rhythm or spiking, and how often it spikes.

    By the firing rate of the pyramidal cells as a share of its maximum, so that the same rule serves whatever the
    parameters: a *spike* is a rise from below 10 % to above 80 %. With at least one spike in two seconds the regime
    is `spike`. Else it is `alpha` if the mean of `y1 - y2` is above `v0`, where the cells fire at half of their
    maximum, and it swings by more than `0.5 / r` (0.9 mV) from peak to peak, about an equilibrium as much as about a
    cycle. The remainder is `rest`. Looked at 250 times a second. The rule is ours; the names are those of the cycles of
    Grimbert and Faugeras (2006), doi 10.1162/neco.2006.18.12.3052.
    """

    channels = ("eeg",)  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def quantum(self, dt):
        """As many samples as lie between two that it looks at."""
        return _thinning(dt)

    def variables(self, dt, start, samples):
        """`regime`, a code into `REGIMES`, and `spike_rate` in 1/s."""
        del dt, start, samples
        codes = {"flag_values": list(range(len(REGIMES))), "flag_meanings": " ".join(REGIMES)}
        return {
            "regime": Variable("1", "regime of the column", attributes=codes),
            "spike_rate": Variable("1/s", "spikes in a second"),
        }

    def init(self, run):
        """Whether it was silent last, spikes so far, and the sum, least and largest of `y1 - y2 - v0`."""
        zeros = jnp.zeros(run.columns)
        return jnp.zeros(run.columns, bool), zeros, zeros, zeros + jnp.inf, zeros - jnp.inf

    def update(self, run, state, samples):
        """Count the rises from silent to active."""
        silent, spikes, total, least, largest = state
        v = samples[:: _thinning(run.dt), 0]
        v = v - jnp.broadcast_to(run.parameters.v0, v.shape)
        low, high = (np.log(share / (1 - share)) / run.parameters.r for share in (_SILENT, _ACTIVE))

        def look(carry, v):
            silent, spikes = carry
            spikes = spikes + (silent & (v > high)).astype(spikes.dtype)
            return ((v < low) | (silent & (v <= high)), spikes), None

        (silent, spikes), _ = jax.lax.scan(look, (silent, spikes), v)
        least, largest = jnp.minimum(least, jnp.min(v, axis=0)), jnp.maximum(largest, jnp.max(v, axis=0))
        return silent, spikes, total + jnp.sum(v, axis=0), least, largest

    def result(self, run, state):
        """See `variables`; -1 and NaN for a trajectory that failed."""
        _, spikes, total, least, largest = state
        spike_rate = jnp.where(jnp.isfinite(total), spikes / (run.samples * run.dt), jnp.nan)
        swings = run.parameters.r * (largest - least) > _LEAST_SWING
        codes = jnp.where((total > 0) & swings, REGIMES.index("alpha"), REGIMES.index("rest"))
        codes = jnp.where(spike_rate >= _FEWEST_SPIKES, REGIMES.index("spike"), codes)
        return {"regime": jnp.where(jnp.isfinite(total), codes, -1).astype(jnp.int8), "spike_rate": spike_rate}


def _thinning(dt: float) -> int:
    return max(1, int(1 / (_THINNED_RATE * dt) * (1 + 1e-9)))
