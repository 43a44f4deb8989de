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
from jaxtyping import Array, Float, Int

from .._checks import as_float, check_names, check_positive, check_type, is_concrete
from ..column.column import Column
from ..column.quantities import described
from ..column.states import STATES
from ..column.transition import Transition
from ..recording.background import Background
from ..recording.consistency import Consistency
from ..recording.estimate import AbstractEstimator, Estimate, QuantityEstimate, noise_std_of, result_of
from ..recording.linear_sensors import LEAST_SENSOR_NOISE
from ..recording.recording import Recording
from .batches import channels_of, check_background, is_batch, recordings_of
from .gaussian_sum import gaussian_sum
from .innovations import consistency_of
from .square_root import Moments, kalman
from .state_space import measurements_of, state_space

UNKNOWN = ("A", "B", "a", "b", "C", "p")
"""What can be estimated along with the states: parameters of the column, and `p`, the mean of its input."""


class KalmanFilter(AbstractEstimator):
    """The states at each sample, from the recording up to then.

    The state before the first sample is taken to be anywhere about the column's trajectory under the mean input; after
    half a second that no longer matters, except where only `y1` or `y4` is observed: from these alone the phase of the
    other states is so hard to infer that the linearised filter may follow a wrong one for seconds.

    Sensor noise below 3e-5 of the largest value the channel can reach counts as that (0.03 % of the standard deviation
    of y0, 0.2 % of that of the EEG), as with less the `std` leaves out most of the error, that of linearisation.

    **Arguments:**

    - `column`: one, or a batch to give each recording its own; its input is a `ConstantInput`, a `WhiteNoiseInput`, or
        a `UniformNoiseInput`, which counts as white noise of the same intensity where its values are not held for one
        step of the integration: an equal part of the recording's `dt` of at most 1 ms, by `RK4`.
    - `unknown`: which of A, B, a, b, C and p (the mean of the input) are to be estimated too, as constants; first the
        one that is least known, for which five values are tried.
    - `prior_std`: standard deviation beforehand of the logarithm of an unknown, about the value of the column.
    - `background`: what the sensor adds beside white noise, estimated along; one, or a batch, for each recording its
        own. Without it a coloured background or an offset is taken for the column's.

    **Raises:** `ValueError` for unknowns that do not exist, or `prior_std` that is not positive.
    """

    column: Column
    unknown: tuple[str, ...] = eqx.field(static=True)
    prior_std: Float[Array, ""]
    background: Background | None

    def __init__(
        self,
        column: Column,
        *,
        unknown: Sequence[str] = (),
        prior_std: float = 0.2,
        background: Background | None = None,
    ):
        """See the class."""
        check_type(Column, column=column)
        check_background(background)
        self.column, self.background = column, background
        self.unknown, self.prior_std = _checked_unknown(unknown, prior_std)

    def __call__(self, recording: Recording) -> Estimate:
        """Mean and standard deviation of the states, and of the unknown parameters.

        **Warns:** `InconsistentRecordingWarning` where the innovations, which are white where column and sensors are
            as was said, are not, or are too large; under tracing, `estimate.consistency` alone says so.

        **Raises:** `ValueError` for a recording without `noise_std`, or whose `dt` or batch does not fit the column.
        """
        return _estimate(self, recording, smooth=False).warned()

    def __repr__(self) -> str:
        return described(self)


class KalmanSmoother(AbstractEstimator):
    """The states at each sample, from the whole recording.

    Arguments and errors are those of `KalmanFilter`.
    """

    column: Column
    unknown: tuple[str, ...] = eqx.field(static=True)
    prior_std: Float[Array, ""]
    background: Background | None

    def __init__(
        self,
        column: Column,
        *,
        unknown: Sequence[str] = (),
        prior_std: float = 0.2,
        background: Background | None = None,
    ):
        """See the class."""
        check_type(Column, column=column)
        check_background(background)
        self.column, self.background = column, background
        self.unknown, self.prior_std = _checked_unknown(unknown, prior_std)

    def __call__(self, recording: Recording) -> Estimate:
        """Mean and standard deviation of the states, and of the unknown parameters.

        **Warns:** `InconsistentRecordingWarning` where the innovations, which are white where column and sensors are
            as was said, are not, or are too large; under tracing, `estimate.consistency` alone says so.

        **Raises:** `ValueError` for a recording without `noise_std`, or whose `dt` or batch does not fit the column.
        """
        return _estimate(self, recording, smooth=True).warned()

    def __repr__(self) -> str:
        return described(self)


def _checked_unknown(unknown: Sequence[str], prior_std: float) -> tuple[tuple[str, ...], Float[Array, ""]]:
    check_names(UNKNOWN, unknown=unknown)
    check_positive(prior_std=prior_std)
    return tuple(unknown), as_float(prior_std)


def _estimate(estimator: KalmanFilter | KalmanSmoother, recording: Recording, *, smooth: bool) -> Estimate:
    column, unknown, background = estimator.column, estimator.unknown, estimator.background
    recordings = recordings_of(column, recording, background=background)
    check_unknown(column, recording.dt, unknown)
    noise_std_of(recording, type(estimator).__name__)
    moments, values, consistency = _moments(
        column, recordings, background, channels_of(recordings), unknown, estimator.prior_std, smooth=smooth
    )
    count = len(STATES)
    parameters = {
        name: QuantityEstimate(values[..., i], values[..., i] * moments.std[..., count + i])
        for i, name in enumerate(unknown)
    }
    mean, std = moments.mean[..., :count], moments.std[..., :count]
    known = {"result": result_of(mean), "consistency": consistency, "dt": recording.dt, "start": recording.start}
    found = Estimate(mean, std, parameters, **known)
    return found if is_batch(recording, column, background) else found[0]


def check_unknown(column: Column, dt: float, unknown: Sequence[str]) -> None:
    """Raise for a column that no `Transition` takes, or an unknown that is 0: what is estimated is a factor of it."""
    known = vars(column.parameters) | {"p": Transition(column, dt).input.mean}
    for name in unknown:
        if is_concrete(known[name]) and not np.all(np.asarray(known[name])):
            raise ValueError(f"`unknown` must name quantities that are not 0 in `column`, got {name} = 0")


@eqx.filter_jit
def _moments(
    column: Column,
    recordings: Recording,
    background: Background | None,
    channels: Int[Array | np.ndarray, " channel"],
    unknown: tuple[str, ...],
    prior_std: Float[Array, ""],
    *,
    smooth: bool,
) -> tuple[Moments, Float[Array, "batch time unknown"], Consistency]:
    """Moments in units, the unknowns' as those of logarithms; the values of the unknowns; and the consistency."""
    model = state_space(column, recordings, background, unknown)
    measurements = measurements_of(model, recordings, channels)
    if unknown:
        found = gaussian_sum(model, prior_std, measurements, smooth=smooth)
    else:
        found = kalman(model, model.prior(prior_std), measurements, smooth=smooth)
    mean, std, innovations, log_likelihood = (jnp.moveaxis(x, -1, 0) for x in found)
    innovations = jnp.zeros(recordings.values.shape).at[..., channels].set(innovations)
    count, known = len(STATES), model.column.size

    def consistency_of_one(innovations, measured, mean, noise, logarithms):
        return consistency_of(
            innovations,
            measured,
            jnp.asarray(recordings.observed.channels),
            mean,
            noise,
            least_noise=LEAST_SENSOR_NOISE,
            unknown=logarithms,
            unknown_std=prior_std,
            coloured=model.coloured,
            dt=recordings.dt,
        )

    consistency = jax.vmap(consistency_of_one)(
        innovations, recordings.measured, mean[..., :count], model.sensors.noise.T, mean[:, -1, count:known]
    )
    scale = jnp.concatenate([model.column.scale.T, jnp.ones((len(recordings), len(unknown)))], axis=1)[:, None]
    values = model.column.unknown_values.T[:, None] * jnp.exp(mean[..., count:known])
    moments = Moments(mean[..., :known] * scale, std[..., :known] * scale, innovations, log_likelihood)
    return moments, values, consistency
