"""The best that any function of one instant can do: the conditional mean of the states given that instant's samples.

What an autoencoder of one sample at a time can reach at most, whatever its size. By local linear regression among
nearest neighbours (Stone 1977, doi 10.1214/aos/1176343886; Cleveland 1979, doi 10.1080/01621459.1979.10481038) in a
large simulated sample.
"""

import jax
import numpy as np
from jaxtyping import ArrayLike, Float, PRNGKeyArray

from .._checks import as_float, as_numbers, check_key, check_not_negative, check_type, of_numbers
from ..column.states import CHANNELS, STATES
from ..recording.estimate import AbstractEstimator, Estimate, check_concrete, check_observed
from ..recording.mask import ObservationMask, Observed, as_mask
from ..recording.recording import Recording
from .statistics import ColumnStatistics

# Measured with y0, with the EEG and with all states observed: r is within 0.01 of that of ten times as many neighbours.
_SAMPLES, _NEIGHBOURS = 50_000, 300
_RIDGE = 1e-6  # of the neighbours' variance, as channels that depend on each other span no volume
_QUERIES_AT_ONCE = 1_000  # a few tens of MB of neighbours


class MemorylessPredictor(AbstractEstimator):
    """A sample of states with what sensors would have given of each; made by `MemorylessPredictor.fit`.

    For noise-free recordings of all six states it is exact to about 1e-5 of a standard deviation; its correlation with
    a hidden state falls short of the best by about one part in 300.
    """

    states: Float[np.ndarray, "sample 6"]
    """mV and mV/s."""
    channels: Float[np.ndarray, "sample 7"]
    """With sensor noise, mV and mV/s."""
    observed: ObservationMask

    @classmethod
    def fit(
        cls, statistics: ColumnStatistics, *, observed: Observed, noise_std: ArrayLike, key: PRNGKeyArray
    ) -> "MemorylessPredictor":
        """Draw the sample.

        **Arguments:**

        - `statistics`: 50,000 of its samples are used, evenly spread.
        - `observed`: which channels are observed.
        - `noise_std`: standard deviation of each sensor's noise, mV and mV/s, seven numbers or one for all.
        - `key`: for the sensor noise.

        **Raises:** `ValueError` for a mask or noise out of range, or fewer samples than the 300 neighbours needed.
        """
        check_type(ColumnStatistics, statistics=statistics)
        pool = np.asarray(statistics.states, dtype=float).reshape(-1, len(STATES))
        if len(pool) < _NEIGHBOURS:
            raise ValueError(f"`statistics` must hold at least {_NEIGHBOURS} samples, got {len(pool)}")
        mask, noise = as_mask(observed), as_numbers("noise_std", noise_std).astype(float)
        if noise.shape not in ((), (len(CHANNELS),)):
            raise ValueError(f"`noise_std` must be one number or {len(CHANNELS)}, one a channel, got {noise.shape}")
        check_not_negative(noise_std=noise)
        check_key(key=key)
        sample = pool[:: -(-len(pool) // _SAMPLES)]
        by_name = dict(zip(STATES, sample.T, strict=True))
        channels = np.column_stack([sample, by_name["y1"] - by_name["y2"]])
        channels = channels + noise * np.asarray(jax.random.normal(key, channels.shape), dtype=float)
        return cls(sample, channels, mask)

    def __call__(self, recording: Recording) -> Estimate:
        """The states at each sample; where samples are missing, from the channels that are left.

        **Raises:** `ValueError` for a recording with other channels than it was fitted to.
        """
        check_concrete(recording, "this MemorylessPredictor")
        check_observed(recording, self.observed, "this MemorylessPredictor")
        values, measured = np.asarray(recording.values, dtype=float), np.asarray(recording.measured)
        queries, there = values.reshape(-1, len(CHANNELS)), measured.reshape(-1, len(CHANNELS))
        estimates = np.empty((len(queries), len(STATES)))
        patterns, which = np.unique(there, axis=0, return_inverse=True)
        for index, pattern in enumerate(patterns):
            rows = which == index
            estimates[rows] = self._given(pattern, queries[rows][:, pattern])
        return Estimate(as_float(estimates.reshape(*values.shape[:-1], -1)), dt=recording.dt, start=recording.start)

    @of_numbers
    def __repr__(self) -> str:
        return f"MemorylessPredictor({', '.join(self.observed.names)}: {len(self.states)} samples)"

    def _given(
        self, pattern: np.ndarray, queries: Float[np.ndarray, "query channel"]
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
    inputs: Float[np.ndarray, "query neighbour channel"],
    states: Float[np.ndarray, "query neighbour 6"],
    queries: Float[np.ndarray, "query channel"],
) -> Float[np.ndarray, "query 6"]:
    """The value at each query of the plane fitted to its neighbours."""
    centre, mean = inputs.mean(axis=1), states.mean(axis=1)
    inputs, states = inputs - centre[:, None], states - mean[:, None]
    products = inputs.swapaxes(1, 2) @ inputs
    ridge = _RIDGE * np.trace(products, axis1=1, axis2=2) + np.finfo(float).tiny
    slopes = np.linalg.solve(products + ridge[:, None, None] * np.eye(inputs.shape[-1]), inputs.swapaxes(1, 2) @ states)
    return mean + np.einsum("qc,qcs->qs", queries - centre, slopes)
