"""Lower bounds on the errors of any estimator: Cramer-Rao bounds, with the input unobserved or known."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from .._checks import as_float, as_numbers, check_flag, check_names, check_positive, check_type, of_numbers
from ..column.column import Column
from ..column.labelled import UNIT_OF_QUANTITY, Signal, by_channel, over_time
from ..column.states import STATE_UNITS, STATES
from ..column.trajectories import Trajectories
from ..recording.background import Background
from ..recording.mask import Observed
from ..recording.observe import observe
from ..recording.recording import Recording
from .batches import channels_of, is_batch, recordings_of
from .kalman import UNKNOWN, check_unknown
from .square_root import kalman
from .state_space import measurements_of, state_space

if TYPE_CHECKING:
    import xarray as xr

# Of the diagonal of a scaled information matrix: directions with less information than that count as unobservable.
_PART_OF_A_DIRECTION = 1e-6


class ErrorBound(eqx.Module):
    """The least standard deviation of errors, sample by sample."""

    std: Float[Array, "*batch time 6"]
    """mV and mV/s."""
    parameter_std: dict[str, Float[Array, "*batch time"]]
    """Of the unknown parameters, by name, in their units."""
    dt: float = eqx.field(static=True, kw_only=True)
    """Seconds between samples."""

    def to_dataset(self) -> "xr.Dataset":
        """Over `trajectory` and `time`: `y0_std..y5_std`, and those of unknown parameters, as `C_std`."""
        signals = by_channel(self.std, "_std", "least standard deviation of the error of the ")
        for name, std in self.parameter_std.items():
            signals[f"{name}_std"] = Signal(std, UNIT_OF_QUANTITY[name], f"the same of {name}")
        return over_time(signals, self.dt * np.arange(self.std.shape[-2]), batch="trajectory")

    @of_numbers
    def __repr__(self) -> str:
        units = dict(zip(STATES, STATE_UNITS, strict=True)) | UNIT_OF_QUANTITY
        std = {name: self.std[..., i] for i, name in enumerate(STATES)} | self.parameter_std
        lines = [f"{name}: {np.mean(np.asarray(each)):.3g} {units[name]}" for name, each in std.items()]
        samples = " x ".join(map(str, self.std.shape[:-1]))
        return "\n  ".join([f"ErrorBound({samples} samples, on average", *lines]) + ")"


def posterior_cramer_rao(
    column: Column,
    trajectories: Trajectories,
    *,
    observed: Observed,
    noise_std: ArrayLike,
    unknown: Sequence[str] = (),
    prior_std: float = 0.2,
    causal: bool = False,
    background: Background | None = None,
) -> ErrorBound:
    """The posterior Cramer-Rao bound on the states, along trajectories that are known to you but not to an estimator.

    The inverse of the Fisher information of the whole trajectory, of which the input's statistics are a part
    (Tichavsky, Muravchik and Nehorai 1998, doi 10.1109/78.668800): the equations of the Kalman smoother, linearised
    about the true states. `cramer_rao` has it for inputs that are known. The information is that of each trajectory and
    not the mean over trajectories, which would have no upper limit: the input drives one state of six directly, and the
    others follow each other exactly. To first order in the errors: an estimate that takes one turn of a cycle for
    another is farther off, and an input whose deviations are not Gaussian could be estimated a little better. Sensor
    noise below 3e-5 of the largest value counts as that, as in `KalmanFilter`.

    **Arguments:**

    - `column`: as for `KalmanFilter`; one, or one for each trajectory.
    - `trajectories`: the true states, evenly sampled.
    - `observed`: which channels are observed.
    - `noise_std`: standard deviation of each sensor's noise, mV and mV/s, seven numbers or one for all.
    - `unknown`, `prior_std`: as for `KalmanFilter`.
    - `causal`: of estimators that know the recording up to each sample only, as `KalmanFilter`.
    - `background`: what the sensor adds beside white noise, as for `KalmanFilter`.

    **Raises:** `ValueError` for arguments that do not fit together, or states that are not finite.
    """
    check_type(Column, column=column)
    check_flag(causal=causal)
    check_names(UNKNOWN, unknown=unknown)
    check_positive(prior_std=prior_std)
    if np.ndim(prior_std):
        raise ValueError(f"`prior_std` must be one number, got shape {np.shape(prior_std)}")
    # The bound does not depend on the values that are recorded, only on which there are.
    recording = observe(trajectories, observed=observed)
    recording = Recording.from_array(
        recording.values, observed=recording.observed, dt=recording.dt, noise_std=noise_std
    )
    check_unknown(column, recording.dt, unknown)
    paths = trajectories.ys if trajectories.ys.ndim == 3 else trajectories.ys[None]
    recordings = recordings_of(column, recording, "trajectories", background)
    paths = jnp.broadcast_to(paths, (len(recordings), *paths.shape[1:]))
    names = tuple(map(str, unknown))
    std = _bounds(
        column, recordings, paths, background, channels_of(recordings), names, as_float(prior_std), smooth=not causal
    )
    batched = trajectories.ys.ndim == 3 or is_batch(recordings[0], column, background)
    std = std if batched else std[0]
    parameter_std = {name: std[..., len(STATES) + i] for i, name in enumerate(names)}
    return ErrorBound(std[..., : len(STATES)], parameter_std, dt=recording.dt)


@eqx.filter_jit
def _bounds(
    column: Column,
    recordings: Recording,
    paths: Float[Array, "batch time 6"],
    background: Background | None,
    channels: Int[Array | np.ndarray, " channel"],
    unknown: tuple[str, ...],
    prior_std: Float[Array, ""],
    *,
    smooth: bool,
) -> Float[Array, "batch time n"]:
    model = state_space(column, recordings, background, unknown)
    start, measurements = model.prior(prior_std), measurements_of(model, recordings, channels)
    scaled = jnp.moveaxis(paths, 0, -1) / model.column.scale[None]
    scaled = jnp.pad(scaled, ((0, 0), (0, len(start.mean) - len(STATES)), (0, 0)))
    std = kalman(model, start, measurements, scaled, smooth=smooth).std
    unit = jnp.concatenate([model.column.scale, model.column.unknown_values])
    return jnp.moveaxis(std[:, : len(unit)] * unit[None], -1, 0)


def cramer_rao(information: Float[Array | np.ndarray, "*batch n n"]) -> Float[Array, "*batch n"]:
    """The least standard deviation of any unbiased estimate, from Fisher information; infinite for what it lacks.

    The information is scaled to a unit diagonal first, so that states in different units are comparable.

    **Arguments:**

    - `information`: such as an `observability_gramian`.

    **Raises:** `ValueError` for what is no square matrix.
    """
    values = as_numbers("information", information).astype(float)
    if values.ndim < 2 or values.shape[-1] != values.shape[-2] or not values.size:
        raise ValueError(f"`information` must be a square matrix, or several, got shape {values.shape}")
    size = np.sqrt(np.einsum("...ii->...i", values))
    safe = np.where(size > 0, size, 1)
    eigenvalues, directions = np.linalg.eigh(values / safe[..., None] / safe[..., None, :])
    known = eigenvalues > values.shape[-1] * np.finfo(np.asarray(information).dtype).eps
    variance = np.sum(directions**2 / np.where(known, eigenvalues, np.inf)[..., None, :], axis=-1)
    lacking = np.any((directions**2 > _PART_OF_A_DIRECTION) & ~known[..., None, :], axis=-1) | (size == 0)
    return as_float(np.where(lacking, np.inf, np.sqrt(variance) / safe))
