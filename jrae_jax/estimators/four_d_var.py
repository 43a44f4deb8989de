"""States and input of a column together, by optimisation: weak-constraint four-dimensional variational assimilation.

Of all paths that the equations allow under some input, the most likely one given the recording: Trémolet (2006), doi
10.1256/qj.05.224, with the input as the model's only error. Minimised incrementally, as Courtier et al. (1994), doi
10.1002/qj.49712051912, by Gauss-Newton steps, which for one path are passes of a Kalman smoother: Bell (1994), doi
10.1137/0804035.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._checks import as_float, check_count
from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters
from ..column.terms import batch_axes
from ..column.transition import Transition
from .gauss_newton import Path, PathCost, descend, first_guess, follow
from .problem import Problem, known_problem, prior, sensors_of

_SHARES = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01)
"""Of each step, tried side by side: a scan over time takes hardly longer for six than for one."""
_FIRST_NOISE = (3e-3, 1e-2)  # of the largest value: where only y1 or y4 is seen, one finds the phase that another loses
_TOLERANCE = 1e-5  # of the number of terms in the cost: what may be left to gain


class VariationalEstimate(eqx.Module):
    """The most likely states and input, and how the search for them ended."""

    states: Float[Array, "*trajectory time 6"]
    """mV and mV/s."""
    input: Float[Array, "*trajectory time"]
    """p(t), 1/s, from each sample to the next; after the last sample, of which nothing is known, its mean."""
    initial_state: Float[Array, "*trajectory 6"]
    """At the first sample, mV and mV/s."""
    cost: Float[Array, "*trajectory"]
    """Half the sum of squares of what is off, in standard deviations; at the true path about half of `measured`."""
    measured: Float[Array, "*trajectory"]
    """How many samples there were, of all channels together."""
    converged: Bool[Array, "*trajectory"]
    """Whether next to nothing was left to gain near by; that no other path is more likely, nobody can tell."""


def weak_constraint_4dvar(
    recordings: Any,
    *,
    mask: Any,
    noise_std: Any,
    parameters: JansenRitParameters,
    input: AbstractExternalInput,
    dt: float,
    max_steps: int = 40,
) -> VariationalEstimate:
    """The most likely states, initial state and input p(t), from the whole recording.

    Where the equations are nearly linear between samples, that is the mean of `kalman_smoother`. Where they are not, as
    when only `y1` or `y4` is seen, it is better: each step linearises about the whole path found so far, and the
    path obeys the equations from the first sample to the last. It needs no optional package, and tells no `std`.

    The first guess is that of an extended Kalman filter. The problem is solved twice, for noise of at least 0.3 % and
    of at least 1 % of the largest value first, and the path that costs less is told.

    **Arguments:**

    - `recordings`: mV and mV/s, shape `(trajectory, time, 7)`, one sample every `dt` seconds; NaN in a channel that
        is seen: not measured at that instant.
    - `mask`: which channels are seen: a mask such as `EEG`, names, or truth values.
    - `noise_std`: standard deviation of each sensor's Gaussian noise, mV and mV/s, seven numbers or one for all.
        Less than 3e-5 of the largest value the channel can reach counts as that.
    - `parameters`: of the column; shape `()`, or `(trajectory,)` to give each trajectory its own.
    - `input`: a `ConstantInput`, a `WhiteNoiseInput`, or a `UniformNoiseInput` that is held for `dt`; a deviation from
        its mean counts as Gaussian, of the same standard deviation.
    - `dt`: seconds between samples, and the step of the integration by `RK4`.
    - `max_steps`: Gauss-Newton steps at most, for either size of noise.

    **Returns:** a `VariationalEstimate`; one that did not converge is told by `converged`, row by row.

    **Raises:** `ValueError` for arguments that do not fit together.
    """
    problem = known_problem(recordings, mask, noise_std, parameters, input, dt)
    check_count(1, max_steps=max_steps, **{"recordings.shape[1]": problem.recordings.shape[1]})
    return _estimate(problem, jnp.asarray(max_steps))


@eqx.filter_jit
def _estimate(problem: Problem, max_steps: Int[Array, ""]) -> VariationalEstimate:
    def of_trajectory(column, recording):
        return _estimate_one(Transition(column, problem.dt, ()), recording, problem.noise_std, max_steps)

    return jax.vmap(of_trajectory, in_axes=(batch_axes(problem.column), 0))(problem.column, problem.recordings)


def _estimate_one(
    model: Transition, recording: Float[Array, "time 7"], noise_std: Float[Array, "7"], max_steps: Int[Array, ""]
) -> VariationalEstimate:
    def stage(path, least_noise):
        cost = _cost_of(model, recording, noise_std, least_noise)
        path, converged = _lowest(cost, path, max_steps)
        return path, (cost(path), converged)

    def search(first_noise):
        guess = first_guess(_cost_of(model, recording, noise_std, first_noise))
        path, (costs, converged) = jax.lax.scan(stage, guess, jnp.append(first_noise, 0))
        return path, costs[-1], converged[-1]

    found = jax.vmap(search)(as_float(_FIRST_NOISE))
    best = jnp.argmin(jnp.nan_to_num(found[1], nan=jnp.inf))
    path, cost, converged = jax.tree.map(lambda each: each[best], found)
    states = path.states * model.scale[None]
    column = model.column
    p = column.p + jnp.append(path.deviations, 0) * (column.held_std + column.white / model.dt**0.5)
    measured = jnp.sum(~jnp.isnan(recording), dtype=recording.dtype)
    return VariationalEstimate(states, p, states[0], cost, measured, converged)


def _cost_of(
    model: Transition, recording: Float[Array, "time 7"], noise_std: Float[Array, "7"], least_noise: Float[Array, ""]
) -> PathCost:
    sensors = sensors_of(model, noise_std)
    noise = jnp.maximum(sensors.noise, least_noise)
    return PathCost(
        model,
        *prior(model, jnp.ones(())),
        sensors.matrix / noise[:, None],
        recording / (sensors.scale * noise)[None],
    )


def _lowest(cost: PathCost, path: Path, max_steps: Int[Array, ""]) -> tuple[Path, Bool[Array, ""]]:
    """The path where steps end, from one that need not obey the equations; and whether that is for lack of slope."""
    terms = path.deviations.size + jnp.sum(~jnp.isnan(cost.samples), dtype=path.states.dtype)
    shares = as_float(_SHARES)

    def step(carry):
        path, value, _, _, count = carry
        descent = descend(cost, path)
        paths = jax.vmap(lambda share: follow(cost, path, descent, share))(shares)
        values = jnp.nan_to_num(jax.vmap(cost)(paths), nan=jnp.inf)
        best = jnp.argmin(values)
        lower = values[best] < value
        path = jax.tree.map(lambda new, old: jnp.where(lower, new[best], old), paths, path)
        return path, jnp.where(lower, values[best], value), descent.drop, ~lower, count + 1

    def goes_on(carry):
        _, _, drop, stuck, count = carry
        return ~(drop <= _TOLERANCE * terms) & ~stuck & (count < max_steps)

    start = (path, jnp.full((), jnp.inf), jnp.full((), jnp.inf), jnp.zeros((), bool), jnp.zeros_like(max_steps))
    path, _, drop, _, _ = jax.lax.while_loop(goes_on, step, start)
    return path, drop <= _TOLERANCE * terms
