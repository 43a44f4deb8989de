"""Extended Kalman filter and smoother of a column whose external input is not seen: the ceiling for any reconstruction.

They know the equations, the parameters, the statistics of the input and of the sensors, and compute the mean of the
states given the recording, exact but for the linearisation about the current estimate. The filter looks back, the
smoother, Rauch, Tung and Striebel (1965), doi 10.2514/3.3166, both ways. In square-root form, by the library
`cuthbert`; everything inside in units of the largest value that each state can reach, so that float32 is enough.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._model.external_input import AbstractExternalInput, ConstantInput, UniformNoiseInput, WhiteNoiseInput
from .._model.parameters import JansenRitParameters, batch_size
from .._model.states import EXCITATORY_STATES
from .._observation.mask import to_channels
from .._simulation.solvers import RK4, StrangSplitting
from .._simulation.terms import Clock, ColumnTerm, batch_axes
from .._validation import as_float, check_choice, check_positive, check_type
from .recordings import seen, sensor_noise

UNKNOWNS = ("A", "B", "a", "b", "C", "p")
"""What can be estimated along with the states: parameters of the column, and `p`, the mean of its input."""

_LEAST_SENSOR_NOISE = 3e-5  # of the largest value; below it, what linearisation leaves out outweighs the noise
_LEAST_PROCESS_NOISE = 1e-7  # of the largest value, per step; it keeps covariances invertible
_PRIOR_SECONDS, _PRIOR_SPREAD = 1.0, 3e-3


class StateEstimate(eqx.Module):
    """What a recording says about the states, sample by sample."""

    mean: Float[Array, "*trajectory time 6"]
    """mV and mV/s."""
    std: Float[Array, "*trajectory time 6"]
    """Standard deviation of the error that is to be expected, mV and mV/s."""
    unknown_mean: Float[Array, "*trajectory time unknown"]
    """Estimates of the unknown parameters, in the order of `unknown` and in their units."""
    unknown_std: Float[Array, "*trajectory time unknown"]


def kalman_filter(
    recordings: Any,
    *,
    mask: Any,
    noise_std: Any,
    parameters: JansenRitParameters,
    input: AbstractExternalInput,
    dt: float,
    unknown: Sequence[str] = (),
    prior_std: float = 0.2,
) -> StateEstimate:
    """The states at each sample, from the recording up to then.

    The state before the first sample is taken to be anywhere about the column's motion under the mean input; after
    half a second that no longer matters, but where only `y1` or `y4` is seen: from these alone the phase of the other
    states is so hard to tell that the linearised filter may follow a wrong one for seconds, and is no ceiling.

    **Arguments:**

    - `recordings`: mV and mV/s, shape `(trajectory, time, 7)`, one sample every `dt` seconds; NaN in a channel that
        is seen: not measured at that instant.
    - `mask`: which channels are seen: a mask such as `EEG`, names, or truth values.
    - `noise_std`: standard deviation of each sensor's Gaussian noise, mV and mV/s, seven numbers or one for all.
        Less than 3e-5 of the largest value the channel can reach counts as that (0.03 % of the standard deviation
        of y0, 0.2 % of that of the EEG), as with less the `std` leaves out most of the error, that of linearisation.
    - `parameters`: of the column; shape `()`, or `(trajectory,)` to give each trajectory its own.
    - `input`: a `ConstantInput`, a `WhiteNoiseInput`, or a `UniformNoiseInput` that is held for `dt`.
    - `dt`: seconds between samples, and the step of the integration by `RK4`.
    - `unknown`: which of A, B, a, b, C and p (the mean of the input) are to be estimated too, as constants.
    - `prior_std`: how far an unknown may be off beforehand, as a share of the value given: the standard deviation of
        its logarithm.

    **Returns:** a `StateEstimate`.

    **Raises:** `ImportError` where `cuthbert` is not installed; `ValueError` for arguments that do not fit together.
    """
    problem = _problem(recordings, mask, noise_std, parameters, input, dt, unknown, prior_std)
    return _estimate(*problem, smooth=False)


def kalman_smoother(
    recordings: Any,
    *,
    mask: Any,
    noise_std: Any,
    parameters: JansenRitParameters,
    input: AbstractExternalInput,
    dt: float,
    unknown: Sequence[str] = (),
    prior_std: float = 0.2,
) -> StateEstimate:
    """The states at each sample, from the whole recording.

    Arguments, returns and errors are those of `kalman_filter`.
    """
    problem = _problem(recordings, mask, noise_std, parameters, input, dt, unknown, prior_std)
    return _estimate(*problem, smooth=True)


class _Column(eqx.Module):
    """All that the filter knows of one column."""

    parameters: JansenRitParameters
    p: Float[Array, "*batch"]
    """The mean of the input, 1/s."""
    held_std: Float[Array, "*batch"]
    """The standard deviation of the values held for a step, 1/s."""
    white: Float[Array, "*batch"]
    """The intensity of its white noise, s^-1/2."""


def _problem(recordings, mask, noise_std, parameters, input, dt, unknown, prior_std):
    """The arguments as arrays, after all checks."""
    _cuthbert()
    check_type(JansenRitParameters, parameters=parameters)
    check_positive(dt=dt, prior_std=prior_std)
    for name in unknown:
        check_choice(UNKNOWNS, unknown=name)
    if len(set(unknown)) < len(unknown):
        raise ValueError(f"`unknown` must name each parameter once, got {', '.join(unknown)}")
    column = _column(parameters, input, dt)
    values = seen(recordings, mask)
    size = batch_size(column=column)
    if size not in (None, len(values)):
        raise ValueError(f"`parameters` and `input` must be of one column or of {len(values)}, got {size}")
    return as_float(values), as_float(sensor_noise(noise_std)), column, as_float(prior_std), dt, tuple(unknown)


def _column(parameters: JansenRitParameters, input: AbstractExternalInput, dt: float) -> _Column:
    zero = as_float(0.0)
    match input:
        case ConstantInput():
            return _Column(parameters, input.p, zero, zero)
        case WhiteNoiseInput():
            return _Column(parameters, input.p, zero, input.intensity)
        case UniformNoiseInput() if abs(input.hold - dt) <= 1e-6 * dt:
            return _Column(parameters, (input.low + input.high) / 2, (input.high - input.low) / 12**0.5, zero)
        case UniformNoiseInput():
            raise ValueError(f"`input` must be held for `dt` = {dt} s, got hold={input.hold} s")
    raise ValueError(
        f"`input` must be a ConstantInput, WhiteNoiseInput or UniformNoiseInput, got a {type(input).__name__}"
    )


@eqx.filter_jit
def _estimate(
    recordings: Float[Array, "trajectory time 7"],
    noise_std: Float[Array, "7"],
    column: _Column,
    prior_std: Float[Array, ""],
    dt: float,
    unknown: tuple[str, ...],
    *,
    smooth: bool,
) -> StateEstimate:
    def of_trajectory(column, recording):
        model = _StandardizedColumn(column, prior_std, dt, unknown)
        return _estimate_one(model, recording, noise_std, smooth=smooth)

    return jax.vmap(of_trajectory, in_axes=(batch_axes(column), 0))(column, recordings)


class _StandardizedColumn(eqx.Module):
    """The column over one step: states in units of their largest values, then logarithms of the unknowns' factors."""

    column: _Column
    prior_std: Float[Array, ""]
    dt: float = eqx.field(static=True)
    unknown: tuple[str, ...] = eqx.field(static=True)

    @property
    def scale(self) -> Float[Array, "6"]:
        """The largest value that each state can reach, mV and mV/s."""
        known = self.column.parameters
        excitatory, inhibitory = known.A / known.a, known.B / known.b
        y0 = 2 * known.e0 * excitatory
        y1 = excitatory * (2 * known.e0 * known.C2 + jnp.abs(self.column.p))
        y2 = 2 * known.e0 * inhibitory * known.C4
        return jnp.stack([y0, y1, y2, known.a * y0, known.a * y1, known.b * y2])

    def __call__(self, x: Float[Array, " n"]) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
        """Mean and Cholesky factor of the covariance of the state one step after `x`."""
        column = self._with_unknowns(x[6:])
        clock = Clock(jnp.zeros(()), as_float(self.dt), 1)
        term = ColumnTerm(column.parameters, ConstantInput(column.p), None, clock, None)
        t0, t1 = as_float(-1.0), as_float(0.0)
        y, *_ = RK4().step(term, t0, t1, x[:6] * self.scale, None, None, False)
        _, flow = StrangSplitting().init(term, t0, t1, y, None)
        return jnp.concatenate([y / self.scale, x[6:]]), self._process_noise(column, flow, x)

    def estimate(self, mean: Float[Array, "time n"], std: Float[Array, "time n"]) -> StateEstimate:
        """Means and standard deviations in units."""
        scale = self.scale[None]
        known = vars(self.column.parameters) | {"p": self.column.p}
        values = jnp.stack([known[name] for name in self.unknown])[None] if self.unknown else jnp.zeros((1, 0))
        unknown = values * jnp.exp(mean[:, 6:])
        return StateEstimate(mean[:, :6] * scale, std[:, :6] * scale, unknown, unknown * std[:, 6:])

    def _with_unknowns(self, logarithms: Float[Array, " unknown"]) -> _Column:
        factors = dict(zip(self.unknown, jnp.exp(logarithms), strict=True))
        p = self.column.p * factors.pop("p", 1.0)
        known = self.column.parameters
        changed = {name: getattr(known, name) * factor for name, factor in factors.items()}
        return dataclasses.replace(self.column, parameters=dataclasses.replace(known, **changed), p=p)

    def _process_noise(self, column: _Column, flow: Any, x: Float[Array, " n"]) -> Float[Array, "n n"]:
        """What the unseen part of the input adds to y1 and y4, by the exact flow of the damped linear part."""
        held, white = column.held_std, column.white
        y1, y4 = EXCITATORY_STATES
        least = _LEAST_PROCESS_NOISE * jnp.eye(len(x))
        first = (held * flow.response[0] + white * flow.spread[0]) / self.scale[y1]
        shared = (held * flow.response[1] + white * flow.spread[1]) / self.scale[y4]
        second = white * flow.spread[2] / self.scale[y4]
        return least.at[y1, y1].add(first).at[y4, y1].set(shared).at[y4, y4].add(second)

    def prior(self) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
        """Mean and Cholesky factor before the first sample: about the motion under the mean input.

        With a wider prior the first linearisation is so far off that some trajectories never find back.
        """
        steps = round(_PRIOR_SECONDS / self.dt)
        start = jnp.zeros(6 + len(self.unknown))
        _, xs = jax.lax.scan(lambda x, _: (self(x)[0], x), start, length=2 * steps)
        mean = jnp.mean(xs[steps:], axis=0)
        deviations = xs[steps:] - mean[None]
        # An unknown parameter shifts the motion as well, by part of its own share.
        spread = _PRIOR_SPREAD + (self.prior_std / 4 if self.unknown else jnp.zeros(()))
        more = jnp.append(jnp.full(6, spread), jnp.full(len(self.unknown), self.prior_std))
        return mean, jnp.linalg.cholesky(deviations.T @ deviations / steps + jnp.diag(more**2))


def _estimate_one(
    model: _StandardizedColumn, recording: Float[Array, "time 7"], noise_std: Float[Array, "7"], *, smooth: bool
) -> StateEstimate:
    cuthbert, moments = _cuthbert()
    direction = to_channels(jnp.diag(model.scale)).T
    channel_scale = jnp.sum(jnp.abs(direction), axis=1)
    matrix = jnp.pad(direction / channel_scale[:, None], ((0, 0), (0, len(model.unknown))))
    noise = jnp.diag(jnp.maximum(noise_std / channel_scale, _LEAST_SENSOR_NOISE))

    def sensors(x):
        return matrix @ x, noise

    def observation(predicted, sample):
        return sensors, predicted.mean, sample / channel_scale

    def dynamics(previous, sample):
        del sample
        return model, previous.mean

    kalman = moments.build_filter(*model.prior(), dynamics, observation)
    states = cuthbert.filter(kalman, recording, kalman.init_prepare())
    if smooth:
        states = cuthbert.smoother(moments.build_smoother(dynamics), states)
    return model.estimate(states.mean[1:], jnp.linalg.norm(states.chol_cov[1:], axis=-1))


def _cuthbert():
    """The library, imported where it is used: it is optional, and brings a compiler along."""
    try:
        import cuthbert
        from cuthbert.gaussian import moments
    except ImportError as error:
        raise ImportError("the Kalman ceilings need cuthbert: pip install 'jrae-jax[ceilings]'") from error
    return cuthbert, moments
