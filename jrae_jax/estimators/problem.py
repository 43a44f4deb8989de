"""What estimators that know the equations have in common: checked arguments, sensors, and where a column may start."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_float, check_positive, check_type
from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters, batch_size
from ..column.transition import KnownColumn, Transition, known_column
from ..recording.mask import to_channels
from ..recording.recording_model import seen, sensor_noise

_LEAST_SENSOR_NOISE = 3e-5  # of the largest value; below it, linearisation and float32 outweigh the noise
_PRIOR_SECONDS, _PRIOR_SPREAD = 1.0, 3e-3


class Problem(NamedTuple):
    """Recordings, and all that is known of the columns and sensors they come from."""

    recordings: Float[Array, "trajectory time 7"]
    """mV and mV/s; NaN for what was not measured."""
    noise_std: Float[Array, "7"]
    """mV and mV/s."""
    column: KnownColumn
    dt: float


class Sensors(NamedTuple):
    """From states in units of their largest values to channels in units of theirs."""

    matrix: Float[Array, "7 6"]
    scale: Float[Array, "7"]
    """The largest value that each channel can reach, mV and mV/s."""
    noise: Float[Array, "7"]
    """Standard deviation of the sensor noise, as a share of `scale`."""


def known_problem(
    recordings: Any,
    mask: Any,
    noise_std: Any,
    parameters: JansenRitParameters,
    input: AbstractExternalInput,
    dt: float,
) -> Problem:
    """The arguments as arrays, after all checks.

    **Raises:** `ValueError` for arguments that do not fit together.
    """
    check_type(JansenRitParameters, parameters=parameters)
    check_positive(dt=dt)
    column = known_column(parameters, input, dt)
    values = seen(recordings, mask)
    size = batch_size(column=column)
    if size not in (None, len(values)):
        raise ValueError(f"`parameters` and `input` must be of one column or of {len(values)}, got {size}")
    return Problem(as_float(values), as_float(sensor_noise(noise_std)), column, dt)


def sensors_of(model: Transition, noise_std: Float[Array, "7"]) -> Sensors:
    """The sensors, with no less noise than single precision can use."""
    direction = to_channels(jnp.diag(model.scale)).T
    scale = jnp.sum(jnp.abs(direction), axis=1)
    return Sensors(direction / scale[:, None], scale, jnp.maximum(noise_std / scale, _LEAST_SENSOR_NOISE))


def prior(model: Transition, prior_std: Float[Array, ""]) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """Mean and Cholesky factor before the first sample: about the motion under the mean input.

    With a wider prior the first linearisation is so far off that some trajectories never find back.
    """
    steps = round(_PRIOR_SECONDS / model.dt)
    start = jnp.zeros(6 + len(model.unknown))
    _, xs = jax.lax.scan(lambda x, _: (model(x)[0], x), start, length=2 * steps)
    mean = jnp.mean(xs[steps:], axis=0)
    deviations = xs[steps:] - mean[None]
    # An unknown parameter shifts the motion as well, by part of its own share.
    spread = _PRIOR_SPREAD + (prior_std / 4 if model.unknown else jnp.zeros(()))
    more = jnp.append(jnp.full(6, spread), jnp.full(len(model.unknown), prior_std))
    return mean, jnp.linalg.cholesky(deviations.T @ deviations / steps + jnp.diag(more**2))
