"""The best that any function of one instant can do: the conditional mean of the states given what is seen then.

What a network that sees one sample at a time can reach at most, whatever its size. By local linear regression among
nearest neighbours (Stone 1977, doi 10.1214/aos/1176343886; Cleveland 1979, doi 10.1080/01621459.1979.10481038) in a
large simulated sample.
"""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import as_float
from ..column.states import CHANNELS, STATES
from ..recording.mask import ObservationMask, as_mask
from ..recording.recording_model import checked_states, seen, sensor_noise

# Measured with y0, with the EEG and with all states seen: r is within 0.01 of that of ten times as many neighbours.
_SAMPLES, _NEIGHBOURS = 50_000, 300
_RIDGE = 1e-6  # of the neighbours' variance, as channels that depend on each other span no volume
_QUERIES_AT_ONCE = 1_000


class MemorylessPredictor(eqx.Module):
    """A sample of states, each with what sensors would have shown of it.

    Made with noise-free recordings of all six states it is exact to about 1e-5 of a standard deviation; its
    correlation with a state that is not seen falls short of the best by a share of about one in 300.
    """

    states: Float[np.ndarray, "sample 6"]
    """mV and mV/s."""
    channels: Float[np.ndarray, "sample 7"]
    """With sensor noise, mV and mV/s."""
    mask: ObservationMask

    @classmethod
    def fitted_to(cls, states: Any, *, mask: Any, noise_std: Any, key: PRNGKeyArray) -> "MemorylessPredictor":
        """Draw the sample.

        **Arguments:**

        - `states`: noise-free simulated states in the stationary regime, mV and mV/s, shape `(trajectory, time, 6)`;
            50,000 of the samples are used, evenly spread.
        - `mask`: which channels are seen.
        - `noise_std`: standard deviation of each sensor's noise, mV and mV/s, seven numbers or one for all.
        - `key`: for the sensor noise.

        **Raises:** `ValueError` for a mask or noise out of range, or fewer samples than the 300 neighbours needed.
        """
        pool = checked_states(states).reshape(-1, len(STATES))
        if len(pool) < _NEIGHBOURS:
            raise ValueError(f"`states` must hold at least {_NEIGHBOURS} samples, got {len(pool)}")
        sample = pool[:: -(-len(pool) // _SAMPLES)]
        channels = np.append(sample, sample[:, [1]] - sample[:, [2]], axis=1)
        noise = sensor_noise(noise_std) * np.asarray(jax.random.normal(key, channels.shape), dtype=float)
        return cls(sample, channels + noise, as_mask(mask))

    def __call__(self, recordings: Any) -> Float[Array, "trajectory time 6"]:
        """The estimated states, mV and mV/s; where samples are missing, from the channels that are left.

        **Arguments:**

        - `recordings`: mV and mV/s, shape `(trajectory, time, 7)`.
        """
        values = seen(recordings, self.mask)
        flat = values.reshape(-1, len(CHANNELS))
        estimates = np.empty((len(flat), len(STATES)))
        patterns, which = np.unique(~np.isnan(flat), axis=0, return_inverse=True)
        for index, pattern in enumerate(patterns):
            rows = which == index
            estimates[rows] = self._given(pattern, flat[rows][:, pattern])
        return as_float(estimates.reshape(*values.shape[:2], -1))

    def _given(
        self, pattern: np.ndarray, queries: Float[np.ndarray, "query seen"]
    ) -> Float[np.ndarray, "query 6"] | Float[np.ndarray, "6"]:
        from scipy.spatial import KDTree  # importing it takes a third of a second

        if not pattern.any():
            return self.states.mean(axis=0)
        scale = self.channels[:, pattern].std(axis=0)
        inputs, queries = self.channels[:, pattern] / scale, queries / scale
        tree = KDTree(inputs)
        parts = np.array_split(queries, -(-len(queries) // _QUERIES_AT_ONCE))
        neighbours = [tree.query(part, _NEIGHBOURS)[1] for part in parts]
        return np.concatenate(
            [_local_fit(inputs[i], self.states[i], part) for i, part in zip(neighbours, parts, strict=True)]
        )


def _local_fit(
    inputs: Float[np.ndarray, "query neighbour seen"],
    states: Float[np.ndarray, "query neighbour 6"],
    queries: Float[np.ndarray, "query seen"],
) -> Float[np.ndarray, "query 6"]:
    """The value at each query of the plane fitted to its neighbours."""
    centre, mean = inputs.mean(axis=1), states.mean(axis=1)
    inputs, states = inputs - centre[:, None], states - mean[:, None]
    products = inputs.swapaxes(1, 2) @ inputs
    ridge = _RIDGE * np.trace(products, axis1=1, axis2=2) + np.finfo(float).tiny
    slopes = np.linalg.solve(products + ridge[:, None, None] * np.eye(inputs.shape[-1]), inputs.swapaxes(1, 2) @ states)
    return mean + np.einsum("qc,qcs->qs", queries - centre, slopes)
