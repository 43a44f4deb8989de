"""Extended Kalman filter and smoother of a column whose external input is not seen, and the bound on any such estimate.

They know the equations, the parameters, the statistics of the input and of the sensors, and compute the mean of the
states given the recording, exact but for the linearisation about the current estimate. The filter looks back, the
smoother, Rauch, Tung and Striebel (1965), doi 10.2514/3.3166, both ways. Linearised about the true states instead, the
same equations are the posterior Cramer-Rao bound: Tichavsky, Muravchik and Nehorai (1998), doi 10.1109/78.668800. In
square-root form, by the library `cuthbert`; everything inside in units of the largest value that each state can reach,
so that float32 is enough.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import as_float, check_choice, check_finite, check_positive
from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters
from ..column.terms import batch_axes
from ..column.transition import Transition
from ..recording.mask import to_channels
from .problem import Problem, known_problem, prior, sensors_of

UNKNOWNS = ("A", "B", "a", "b", "C", "p")
"""What can be estimated along with the states: parameters of the column, and `p`, the mean of its input."""


class StateEstimate(eqx.Module):
    """What a recording says about the states, sample by sample."""

    mean: Float[Array, "*trajectory time 6"]
    """mV and mV/s."""
    std: Float[Array, "*trajectory time 6"]
    """Standard deviation of the error that is to be expected, mV and mV/s."""
    unknown_mean: Float[Array, "*trajectory time unknown"]
    """Estimates of the unknown parameters, in the order of `unknown` and in their units."""
    unknown_std: Float[Array, "*trajectory time unknown"]


class ErrorBound(eqx.Module):
    """The least standard deviation of errors, sample by sample."""

    std: Float[Array, "*trajectory time 6"]
    """mV and mV/s."""
    unknown_std: Float[Array, "*trajectory time unknown"]
    """Of the unknown parameters, in the order of `unknown` and in their units."""


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


def posterior_cramer_rao(
    states: Any,
    *,
    mask: Any,
    noise_std: Any,
    parameters: JansenRitParameters,
    input: AbstractExternalInput,
    dt: float,
    unknown: Sequence[str] = (),
    prior_std: float = 0.2,
    causal: bool = False,
) -> ErrorBound:
    """How far off the best estimate of the states must be, along a path that is known to you but not to it.

    The inverse of the Fisher information of the whole path, of which the input's statistics are a part; `cramer_rao`
    has it for inputs that are known. The information is that of this path and not the mean over paths, which would have
    no upper limit: the input drives one state of six directly, and the others follow each other exactly. To first order
    in the errors: an estimate that takes one turn of a cycle for another is farther off, and an input whose deviations
    are not Gaussian could be told a little better. Sensors that are better than 3e-5 of the largest value count as that
    here too.

    **Arguments:**

    - `states`: the true ones, mV and mV/s, shape `(trajectory, time, 6)`, one sample every `dt` seconds.
    - `mask`, `noise_std`, `parameters`, `input`, `dt`, `unknown`, `prior_std`: as for `kalman_filter`.
    - `causal`: of estimates that know the recording up to each sample only, as `kalman_filter`.

    **Raises:** `ImportError` where `cuthbert` is not installed; `ValueError` for arguments that do not fit together, or
        states that are not finite.
    """
    path = as_float(states)
    if path.ndim != 3 or path.shape[-1] != 6:
        raise ValueError(f"`states` must have shape (trajectory, time, 6), got {path.shape}")
    check_finite(states=path)
    problem = _problem(to_channels(path), mask, noise_std, parameters, input, dt, unknown, prior_std)
    found = _estimate(*problem, path, smooth=not causal)
    return ErrorBound(found.std, found.unknown_std)


def _problem(recordings, mask, noise_std, parameters, input, dt, unknown, prior_std):
    """The arguments as arrays, after all checks."""
    _cuthbert()
    check_positive(prior_std=prior_std)
    for name in unknown:
        check_choice(UNKNOWNS, unknown=name)
    if len(set(unknown)) < len(unknown):
        raise ValueError(f"`unknown` must name each parameter once, got {', '.join(unknown)}")
    problem = known_problem(recordings, mask, noise_std, parameters, input, dt)
    return problem, as_float(prior_std), tuple(unknown)


@eqx.filter_jit
def _estimate(
    problem: Problem,
    prior_std: Float[Array, ""],
    unknown: tuple[str, ...],
    path: Float[Array, "trajectory time 6"] | None = None,
    *,
    smooth: bool,
) -> StateEstimate:
    """Linearised about a path, or about each estimate if none is given."""

    def of_trajectory(column, recording, path):
        model = Transition(column, problem.dt, unknown)
        about = None if path is None else jnp.pad(path / model.scale[None], ((0, 0), (0, len(unknown))))
        return _estimate_one(model, prior(model, prior_std), recording, problem.noise_std, about, smooth=smooth)

    axes = (batch_axes(problem.column), 0, None if path is None else 0)
    return jax.vmap(of_trajectory, in_axes=axes)(problem.column, problem.recordings, path)


def _in_units(model: Transition, mean: Float[Array, "time n"], std: Float[Array, "time n"]) -> StateEstimate:
    """Means and standard deviations in units."""
    scale = model.scale[None]
    known = vars(model.column.parameters) | {"p": model.column.p}
    values = jnp.stack([known[name] for name in model.unknown])[None] if model.unknown else jnp.zeros((1, 0))
    unknown = values * jnp.exp(mean[:, 6:])
    return StateEstimate(mean[:, :6] * scale, std[:, :6] * scale, unknown, unknown * std[:, 6:])


def _estimate_one(
    model: Transition,
    start: tuple[Float[Array, " n"], Float[Array, "n n"]],
    recording: Float[Array, "time 7"],
    noise_std: Float[Array, "7"],
    about: Float[Array, "time n"] | None,
    *,
    smooth: bool,
) -> StateEstimate:
    cuthbert, moments = _cuthbert()
    known = sensors_of(model, noise_std)
    matrix = jnp.pad(known.matrix, ((0, 0), (0, len(model.unknown))))
    noise = jnp.diag(known.noise)

    def sensors(x):
        return matrix @ x, noise

    def observation(predicted, now):
        sample, _ = now
        return sensors, predicted.mean, sample / known.scale

    def dynamics(previous, now):
        _, before = now
        return model, previous.mean if before is None else before

    before = None if about is None else jnp.concatenate([about[:1], about[:-1]])

    kalman = moments.build_filter(*start, dynamics, observation)
    states = cuthbert.filter(kalman, (recording, before), kalman.init_prepare())
    if smooth:
        states = cuthbert.smoother(moments.build_smoother(dynamics), states)
    mean = states.mean[1:] if about is None else about
    return _in_units(model, mean, jnp.linalg.norm(states.chol_cov[1:], axis=-1))


def _cuthbert():
    """The library, imported where it is used: it is optional, and brings a compiler along."""
    try:
        import cuthbert
        from cuthbert.gaussian import moments
    except ImportError as error:
        raise ImportError("the Kalman ceilings need cuthbert: pip install 'jrae-jax[ceilings]'") from error
    return cuthbert, moments
