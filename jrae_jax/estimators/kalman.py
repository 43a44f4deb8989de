"""Extended Kalman filter and smoother of a column whose external input is not observed.

They know the equations, the parameters, the statistics of the input and of the sensors, and compute the mean of the
states given the recording, exact apart from the linearisation about the current estimate. The filter is causal, the
smoother uses the whole recording. Everything inside is in units of the largest value that each state can reach.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_float, check_names, check_positive, check_type, is_concrete
from ..column.column import Column
from ..column.quantities import described
from ..column.states import STATES
from ..column.transition import Transition
from ..recording.consistency import Consistency
from ..recording.estimate import AbstractEstimator, Estimate, QuantityEstimate, noise_std_of, result_of
from ..recording.recording import Recording
from ..recording.recording_model import LEAST_SENSOR_NOISE, RecordingModel
from .batches import recordings_of
from .innovations import consistency_of
from .square_root import Gaussian, Measurements, Moments, kalman

UNKNOWN = ("A", "B", "a", "b", "C", "p")
"""What can be estimated along with the states: parameters of the column, and `p`, the mean of its input."""

_PRIOR_SECONDS = 1.0  # s; some ten alpha cycles
# Of the largest value. With a wider prior the first linearisation is so far off that some estimates never recover.
_PRIOR_SPREAD = 3e-3


class KalmanFilter(AbstractEstimator):
    """The states at each sample, from the recording up to then.

    The state before the first sample is taken to be anywhere about the column's trajectory under the mean input; after
    half a second that no longer matters, except where only `y1` or `y4` is observed: from these alone the phase of the
    other states is so hard to infer that the linearised filter may follow a wrong one for seconds.

    Sensor noise below 3e-5 of the largest value the channel can reach counts as that (0.03 % of the standard deviation
    of y0, 0.2 % of that of the EEG), as with less the `std` leaves out most of the error, that of linearisation.

    **Arguments:**

    - `column`: one, or a batch to give each recording its own; its input is a `ConstantInput`, a `WhiteNoiseInput`, or
        a `UniformNoiseInput` that is held for the recording's `dt`, which is also the step of the integration by `RK4`.
    - `unknown`: which of A, B, a, b, C and p (the mean of the input) are to be estimated too, as constants.
    - `prior_std`: standard deviation beforehand of the logarithm of an unknown, about the value of the column.

    **Raises:** `ValueError` for unknowns that do not exist, or `prior_std` that is not positive.
    """

    column: Column
    unknown: tuple[str, ...] = eqx.field(static=True)
    prior_std: Float[Array, ""]

    def __init__(self, column: Column, *, unknown: Sequence[str] = (), prior_std: float = 0.2):
        """See the class."""
        check_type(Column, column=column)
        self.column, self.unknown, self.prior_std = column, *_checked_unknown(unknown, prior_std)

    def __call__(self, recording: Recording) -> Estimate:
        """Mean and standard deviation of the states, and of the unknown parameters.

        **Warns:** `InconsistentRecordingWarning` where the innovations, which are white where column and sensors are
            as was said, are not, or are too large; under tracing, `estimate.consistency` alone says so.

        **Raises:** `ValueError` for a recording without `noise_std`, or whose `dt` or batch does not fit the column.
        """
        return _estimate(self.column, self.unknown, self.prior_std, recording, "KalmanFilter", smooth=False).warned()

    def __repr__(self) -> str:
        return described(self)


class KalmanSmoother(AbstractEstimator):
    """The states at each sample, from the whole recording.

    Arguments and errors are those of `KalmanFilter`.
    """

    column: Column
    unknown: tuple[str, ...] = eqx.field(static=True)
    prior_std: Float[Array, ""]

    def __init__(self, column: Column, *, unknown: Sequence[str] = (), prior_std: float = 0.2):
        """See the class."""
        check_type(Column, column=column)
        self.column, self.unknown, self.prior_std = column, *_checked_unknown(unknown, prior_std)

    def __call__(self, recording: Recording) -> Estimate:
        """Mean and standard deviation of the states, and of the unknown parameters.

        **Warns:** `InconsistentRecordingWarning` where the innovations, which are white where column and sensors are
            as was said, are not, or are too large; under tracing, `estimate.consistency` alone says so.

        **Raises:** `ValueError` for a recording without `noise_std`, or whose `dt` or batch does not fit the column.
        """
        return _estimate(self.column, self.unknown, self.prior_std, recording, "KalmanSmoother", smooth=True).warned()

    def __repr__(self) -> str:
        return described(self)


def _checked_unknown(unknown: Sequence[str], prior_std: float) -> tuple[tuple[str, ...], Float[Array, ""]]:
    check_names(UNKNOWN, unknown=unknown)
    check_positive(prior_std=prior_std)
    return tuple(unknown), as_float(prior_std)


def _estimate(
    column: Column,
    unknown: tuple[str, ...],
    prior_std: Float[Array, ""],
    recording: Recording,
    estimator: str,
    *,
    smooth: bool,
) -> Estimate:
    recordings = recordings_of(column, recording)
    check_unknown(column, recording.dt, unknown)
    noise_std_of(recording, estimator)
    moments, values, consistency = _moments(column, recordings, unknown, prior_std, smooth=smooth)
    count = len(STATES)
    parameters = {
        name: QuantityEstimate(values[..., i], values[..., i] * moments.std[..., count + i])
        for i, name in enumerate(unknown)
    }
    mean, std = moments.mean[..., :count], moments.std[..., :count]
    found = Estimate(mean, std, parameters, result=result_of(mean), consistency=consistency, dt=recording.dt)
    return found if recording.batch is not None or column.batch is not None else found[0]


def check_unknown(column: Column, dt: float, unknown: Sequence[str]) -> None:
    """Raise for an input that is not held for `dt`, or an unknown that is 0: what is estimated is a factor of it."""
    known = vars(column.parameters) | {"p": column.input.statistics(dt).mean}
    for name in unknown:
        if is_concrete(known[name]) and not np.all(np.asarray(known[name])):
            raise ValueError(f"`unknown` must name quantities that are not 0 in `column`, got {name} = 0")


@eqx.filter_jit
def _moments(
    column: Column, recordings: Recording, unknown: tuple[str, ...], prior_std: Float[Array, ""], *, smooth: bool
) -> tuple[Moments, Float[Array, "batch time unknown"], Consistency]:
    """Moments in units, the unknowns' as those of logarithms; the values of the unknowns; and the consistency."""

    def of_recording(column, recording):
        model = Transition(column, recording.dt, unknown)
        measurements = measurements_of(model, recording)
        mean, std, innovations = kalman(model, prior(model, prior_std), measurements, smooth=smooth)
        known = RecordingModel.from_scales(model.scale, noise_std_of(recording, "this estimator"))
        consistency = consistency_of(
            innovations,
            recording.measured,
            jnp.asarray(recording.observed.channels),
            mean[:, : len(STATES)],
            known.noise,
            least_noise=LEAST_SENSOR_NOISE,
            unknown_std=prior_std if unknown else jnp.zeros_like(prior_std),
            dt=recording.dt,
        )
        scale = jnp.pad(model.scale, (0, len(unknown)), constant_values=1)
        values = model.unknown_values[None] * jnp.exp(jnp.split(mean, [len(STATES)], axis=1)[1])
        return Moments(mean * scale[None], std * scale[None], innovations), values, consistency

    return jax.vmap(of_recording, in_axes=(column.axes, recordings.axes))(column, recordings)


def measurements_of(model: Transition, recording: Recording) -> Measurements:
    """The samples of one recording, for a transition of the same column."""
    known = RecordingModel.from_scales(model.scale, noise_std_of(recording, "this estimator"))
    sensors = jnp.pad(known.matrix / known.noise[:, None], ((0, 0), (0, len(model.unknown))))
    return Measurements(sensors, recording.values / (known.scale * known.noise)[None], recording.measured)


def prior(model: Transition, prior_std: Float[Array, ""]) -> Gaussian:
    """The state before the first sample: anywhere about the trajectory under the mean input."""
    steps = round(_PRIOR_SECONDS / model.dt)
    start = jnp.zeros(len(STATES) + len(model.unknown))
    _, xs = jax.lax.scan(lambda x, _: (model(x)[0], x), start, length=2 * steps)
    mean = jnp.mean(xs[steps:], axis=0)
    deviations = xs[steps:] - mean[None]
    # An unknown parameter shifts the trajectory as well, by part of its own spread.
    spread = _PRIOR_SPREAD + (prior_std / 4 if model.unknown else jnp.zeros(()))
    more = jnp.append(jnp.full(len(STATES), spread), jnp.full(len(model.unknown), prior_std))
    return Gaussian(mean, jnp.linalg.cholesky(deviations.T @ deviations / steps + jnp.diag(more**2)))
