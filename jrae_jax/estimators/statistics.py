"""What can be said of hidden states without a network: one table of estimators, from the simplest to the best.

All get the same recordings, and all but the observer the statistics of the column; the Kalman filter and smoother and
the variational estimate know its equations and parameters as well, and are as near to what is possible as is known.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters
from ..column.simulate import simulate
from ..recording.mask import ObservationMask
from .four_d_var import weak_constraint_4dvar
from .kalman import StateEstimate, kalman_filter, kalman_smoother
from .memoryless import MemorylessPredictor
from .observer import observer_cascade
from .wiener import LaggedCovariances, WienerFilter

_TRAJECTORIES, _SECONDS, _BURN_IN = 32, 20.0, 2.0
_CAUSAL_MEMORY, _CENTRED_MEMORY = 0.128, 0.16  # s


class Reference(eqx.Module):
    """A column, and what a long simulation of it tells; made by `reference`."""

    parameters: JansenRitParameters
    input: AbstractExternalInput
    dt: float = eqx.field(static=True)
    states: Float[np.ndarray, "trajectory time 6"]
    """Noise-free and stationary, mV and mV/s."""
    covariances: LaggedCovariances


class Task(eqx.Module):
    """Recordings whose states are asked for."""

    recordings: Float[Array, "trajectory time 7"]
    """mV and mV/s, with sensor noise."""
    mask: ObservationMask
    noise_std: Float[Array, "7"]
    """Standard deviation of the sensor noise, mV and mV/s."""
    key: PRNGKeyArray
    """For estimators that draw something."""


class Estimate(NamedTuple):
    """What an estimator says, mV and mV/s."""

    states: Float[Array, "trajectory time 6"]
    std: Float[Array, "trajectory time 6"] | None = None
    """How far off it expects to be, if it tells."""


Estimator = Callable[[Reference, Task], Estimate]


def reference(
    parameters: JansenRitParameters, input: AbstractExternalInput, *, dt: float, key: PRNGKeyArray
) -> Reference:
    """Simulate a column long enough to know its statistics: 32 trajectories of 20 s.

    **Arguments:**

    - `parameters`, `input`: leaves of shape `()`.
    - `dt`: seconds between samples, and the step of the integration.
    - `key`: for the input.

    **Raises:** `ValueError` for arguments that do not fit together.
    """
    states = np.asarray(
        simulate(parameters, input, t1=_BURN_IN + _SECONDS, dt=dt, burn_in=_BURN_IN, batch=_TRAJECTORIES, key=key).ys
    )
    most_lag = 2 * round(_CENTRED_MEMORY / dt)
    return Reference(parameters, input, float(dt), states, LaggedCovariances.of(states, most_lag))


def _memoryless(column: Reference, task: Task) -> Estimate:
    predictor = MemorylessPredictor.fitted_to(column.states, mask=task.mask, noise_std=task.noise_std, key=task.key)
    return Estimate(predictor(task.recordings))


def _wiener(column: Reference, task: Task, past: float, future: float) -> Estimate:
    samples = {"past": round(past / column.dt), "future": round(future / column.dt)}
    fitted = WienerFilter.fitted_to(column.covariances, mask=task.mask, noise_std=task.noise_std, **samples)
    return Estimate(fitted(task.recordings))


def _wiener_causal(column: Reference, task: Task) -> Estimate:
    return _wiener(column, task, _CAUSAL_MEMORY, 0.0)


def _wiener_centred(column: Reference, task: Task) -> Estimate:
    return _wiener(column, task, _CENTRED_MEMORY, _CENTRED_MEMORY)


def _observer(column: Reference, task: Task) -> Estimate:
    known = {"parameters": column.parameters, "dt": column.dt, "mean": column.covariances.mean}
    return Estimate(observer_cascade(task.recordings, mask=task.mask, **known))


def _known(column: Reference, task: Task) -> dict[str, Any]:
    known = {"parameters": column.parameters, "input": column.input, "dt": column.dt}
    return known | {"mask": task.mask, "noise_std": task.noise_std}


def _kalman(column: Reference, task: Task, estimate: Callable[..., StateEstimate]) -> Estimate:
    found = estimate(task.recordings, **_known(column, task))
    return Estimate(found.mean, found.std)


def _filter(column: Reference, task: Task) -> Estimate:
    return _kalman(column, task, kalman_filter)


def _smoother(column: Reference, task: Task) -> Estimate:
    return _kalman(column, task, kalman_smoother)


def _variational(column: Reference, task: Task) -> Estimate:
    return Estimate(weak_constraint_4dvar(task.recordings, **_known(column, task)).states)


CEILINGS: Mapping[str, Estimator] = MappingProxyType(
    {
        "memoryless": _memoryless,
        "wiener causal": _wiener_causal,
        "wiener": _wiener_centred,
        "observer": _observer,
        "kalman filter": _filter,
        "kalman smoother": _smoother,
        "4d-var": _variational,
    }
)
"""Estimators by name. Causal are the memoryless one, the causal Wiener filter and the Kalman filter."""


def task_of(
    states: Float[np.ndarray, "trajectory time 6"],
    mask: ObservationMask,
    noise_std: Float[np.ndarray, "7"],
    *,
    key: PRNGKeyArray,
) -> Task:
    """Recordings of known states, with sensor noise: the same noise, up to its size, whatever is seen of it."""
    noise_key, estimator_key = jax.random.split(key)
    channels = np.append(states, states[..., [1]] - states[..., [2]], axis=-1)
    noise = np.asarray(jax.random.normal(noise_key, channels.shape))
    recordings = (channels + noise_std * noise).astype(states.dtype)
    return Task(jax.numpy.asarray(recordings), mask, jax.numpy.asarray(noise_std, states.dtype), estimator_key)
