"""The statistics of a column, from a long simulation: for estimators that know these and not the equations."""

from typing import TYPE_CHECKING

import equinox as eqx
import numpy as np
import scipy.fft
from jaxtyping import ArrayLike, Float, PRNGKeyArray

from .._checks import as_number, as_numbers, as_positive, check_finite, of_numbers
from ..column.column import Column, check_single
from ..column.simulate import simulate
from ..column.states import STATE_UNITS, STATES

if TYPE_CHECKING:
    import xarray as xr

# 640 s, some 7000 alpha cycles: means and covariances are known to about 1 %; the start has decayed after 2 s.
_TRAJECTORIES, _SECONDS, _BURN_IN = 32, 20.0, 2.0


class ColumnStatistics(eqx.Module):
    """Stationary noise-free states of a column, and how they are correlated in time."""

    states: Float[np.ndarray, "trajectory time 6"]
    """mV and mV/s."""
    mean: Float[np.ndarray, "6"]
    """mV and mV/s."""
    lagged: Float[np.ndarray, "lag 6 6"]
    """The covariance of state i, `lag` samples later, with state j, from lag 0 on."""
    dt: float = eqx.field(static=True)
    """Seconds between samples."""

    @classmethod
    def from_states(cls, states: ArrayLike, *, dt: float, longest_lag: float = 0.32) -> "ColumnStatistics":
        """Those of simulated states.

        What lies outside a trajectory counts as the mean, so that no combination of states has a negative variance;
        a trajectory is to be many times as long as the longest lag.

        **Arguments:**

        - `states`: noise-free and stationary, mV and mV/s, shape `(trajectory, time, 6)`.
        - `dt`: seconds between samples.
        - `longest_lag`: seconds.

        **Raises:** `ValueError` for another shape, states that are not finite, or a lag as long as a trajectory.
        """
        dt, longest_lag = as_positive("dt", dt), as_number("longest_lag", longest_lag)
        values = as_numbers("states", states).astype(float)
        if values.ndim != 3 or values.shape[-1] != len(STATES):
            raise ValueError(f"`states` must have shape (trajectory, time, {len(STATES)}), got {values.shape}")
        check_finite(states=values)
        trajectories, time, _ = values.shape
        if not 0 <= longest_lag < time * dt:
            raise ValueError(
                f"`longest_lag` must be less than the {time * dt:g} s of a trajectory, got {longest_lag} s"
            )
        lags = round(longest_lag / dt)
        mean = values.mean(axis=(0, 1))
        size = scipy.fft.next_fast_len(time + lags, real=True)
        spectra = np.fft.rfft(values - mean, size, axis=1)
        products = np.einsum("bfi,bfj->fij", spectra, spectra.conj())
        lagged = np.fft.irfft(products, size, axis=0)[: lags + 1]
        return cls(np.asarray(states), mean, lagged / (trajectories * time), dt)

    def to_dataset(self) -> "xr.Dataset":
        """With names and units: `mean` over `state`, and `covariance` over `lag` (s), `state` and `other`, which is the
        state that comes first."""
        import xarray as xr  # here, as importing it is slow

        about = {"long_name": "covariance of a state, so much later, with another", "units": "of both states"}
        lags = self.dt * np.arange(len(self.lagged))
        coordinates = {"lag": ("lag", lags, {"units": "s"}), "state": list(STATES), "other": list(STATES)}
        mean = ("state", self.mean, {"units": ", ".join(STATE_UNITS)})
        return xr.Dataset({"mean": mean, "covariance": (("lag", "state", "other"), self.lagged, about)}, coordinates)

    @of_numbers
    def __repr__(self) -> str:
        trajectories, time, _ = self.states.shape
        lag = (len(self.lagged) - 1) * self.dt
        return f"ColumnStatistics({trajectories} x {time} samples, {self.dt:g} s apart, lags to {lag:g} s)"


def simulate_statistics(
    column: Column, *, dt: float, longest_lag: float = 0.32, key: PRNGKeyArray | None = None
) -> ColumnStatistics:
    """Simulate a column long enough to know its statistics: 32 trajectories of 20 s.

    **Arguments:**

    - `column`: one column.
    - `dt`: seconds between samples, and the step of the integration.
    - `longest_lag`: of the covariances, s.
    - `key`: needed when the input is random.

    **Raises:** `ValueError` for arguments that do not fit together.
    """
    check_single("column", column, "its statistics are those of one column")
    trajectories = simulate(column, t1=_BURN_IN + _SECONDS, dt=dt, burn_in=_BURN_IN, batch=_TRAJECTORIES, key=key)
    return ColumnStatistics.from_states(trajectories.ys, dt=dt, longest_lag=longest_lag)
