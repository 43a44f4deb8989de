"""States and input of a column together, by optimisation: weak-constraint four-dimensional variational assimilation.

Of all paths that the equations allow under some input, the most likely one given the recording: Trémolet (2006), doi
10.1256/qj.05.224, with the input as the model's only error. Minimised incrementally, as Courtier et al. (1994), doi
10.1002/qj.49712051912, by Gauss-Newton steps, which for one path are passes of a Kalman smoother: Bell (1994), doi
10.1137/0804035.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._checks import as_float, check_count, check_type
from ..column.column import Column
from ..column.quantities import described
from ..column.states import STATES, to_channels
from ..column.transition import Transition
from ..recording.background import Background
from ..recording.consistency import COST, INPUT, RESIDUAL, WHITENESS, Consistency
from ..recording.estimate import AbstractEstimator, Estimate, noise_std_of, result_of
from ..recording.linear_sensors import LEAST_SENSOR_NOISE
from ..recording.recording import Recording
from ..recording.residuals import Residuals, Running
from .batches import check_background, is_batch, recordings_of
from .gauss_newton import Path, PathCost, descend, first_guess, follow
from .square_root import Measurements
from .state_space import StateSpace

_FRACTIONS = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01)
"""Of each step, tried side by side: a scan over time takes hardly longer for six than for one."""
# Of the largest value: where only y1 or y4 is observed, a first guess at one of them finds the phase that the other
# loses.
_FIRST_NOISE = (3e-3, 1e-2)
# Of the number of terms in the cost, what may remain to be gained: a thousandth of a standard deviation a term.
_TOLERANCE = 1e-5
# What recordings of columns as described hardly ever exceed: low-passed residuals in standard deviations of the noise;
# and, apart from chance, how far the cost a sample is from 1/2 and the mean deviation of the input from 0.
_RESIDUAL, _STANDARD_ERRORS, _SYSTEMATIC = 0.5, 3.5, 0.02


class FourDVar(AbstractEstimator):
    """The most likely states, initial state and input p(t), from the whole recording.

    Where the equations are nearly linear between samples, that is the mean of `KalmanSmoother`. Where they are not, as
    when only `y1` or `y4` is observed, it is better: each step linearises about the whole path found so far, and the
    path obeys the equations from the first sample to the last. It gives no `std`.

    The first guess is that of an extended Kalman filter. The problem is solved twice, first for noise of at least 0.3 %
    and of at least 1 % of the largest value, and the path that costs less is returned.

    **Arguments:**

    - `column`: one, or a batch to give each recording its own; its input as for `KalmanFilter`; a deviation from its
        mean counts as Gaussian, of the same standard deviation.
    - `max_steps`: Gauss-Newton steps at most, for either size of noise.
    - `background`: what the sensor adds beside white noise, as for `KalmanFilter`.

    **Raises:** `ValueError` for `max_steps` below 1.
    """

    column: Column
    max_steps: int
    background: Background | None

    def __init__(self, column: Column, *, max_steps: int = 40, background: Background | None = None):
        """See the class."""
        check_type(Column, column=column)
        check_count(1, max_steps=max_steps)
        check_background(background)
        self.column, self.max_steps, self.background = column, int(max_steps), background

    def __call__(self, recording: Recording) -> Estimate:
        """States and input.

        **Returns:** an `Estimate` whose `input` is the mean of p from each sample to the next (after the last its own);
            `result` is `max_steps_reached` where something near by was left to gain (that no other path is more likely
            cannot be known); `stats` holds `cost`, half the sum of squares of all deviations in standard deviations,
            which at the true path is about half of `measured`, the number of samples of all channels.

        **Raises:** `ValueError` for a recording without `noise_std`, or whose `dt` or batch does not fit the column.
        """
        recordings = recordings_of(self.column, recording, background=self.background)
        Transition(self.column, recording.dt)  # raises for an input or rates that it cannot take
        noise_std_of(recording, "FourDVar")
        found = _search(self.column, recordings, self.background, jnp.asarray(self.max_steps))
        estimate = Estimate(
            found.states,
            input=found.input,
            result=result_of(found.states, found.converged),
            stats={"cost": found.cost, "measured": found.measured},
            consistency=found.consistency,
            dt=recording.dt,
            start=recording.start,
        ).warned()
        return estimate if is_batch(recording, self.column, self.background) else estimate[0]

    def __repr__(self) -> str:
        return described(self)


class _Found(NamedTuple):
    states: Float[Array, "*batch time 6"]
    input: Float[Array, "*batch time"]
    cost: Float[Array, "*batch"]
    measured: Float[Array, "*batch"]
    converged: Bool[Array, "*batch"]
    consistency: Consistency


@eqx.filter_jit
def _search(column: Column, recordings: Recording, background: Background | None, max_steps: Int[Array, ""]) -> _Found:
    def search_one(column, recording, background):
        noise_std = noise_std_of(recording, "FourDVar")
        return _most_likely(StateSpace(Transition(column, recording.dt), noise_std, background), recording, max_steps)

    backgrounds = None if background is None else background.broadcast(len(recordings))
    return jax.vmap(search_one, in_axes=(column.axes, recordings.axes, 0))(column, recordings, backgrounds)


def _most_likely(model: StateSpace, recording: Recording, max_steps: Int[Array, ""]) -> _Found:
    def stage(path, least_noise):
        cost = _cost_of(model, recording, least_noise)
        path, converged = _lowest(cost, path, max_steps)
        return path, (cost(path), converged)

    def search(first_noise):
        guess = first_guess(_cost_of(model, recording, first_noise))
        path, (costs, converged) = jax.lax.scan(stage, guess, jnp.append(first_noise, 0))
        return path, costs[-1], converged[-1]

    found = jax.vmap(search)(as_float(_FIRST_NOISE))
    best = jnp.argmin(jnp.nan_to_num(found[1], nan=jnp.inf))
    path, cost, converged = jax.tree.map(lambda each: each[best], found)
    steps = path.deviations[:, : model.column.steps]
    input = model.column.rate(jnp.append(jnp.mean(steps, axis=1), 0))
    measured = jnp.sum(recording.measured, dtype=cost.dtype)
    states = path.states[:, : len(STATES)] * model.column.scale[None]
    channels = to_channels(states) + model.background(path.states)
    consistency = _consistency(model, recording, channels, steps, cost / jnp.maximum(measured, 1))
    return _Found(states, input, cost, measured, converged, consistency)


def _consistency(
    model: StateSpace,
    recording: Recording,
    channels: Float[Array, "time 7"],
    deviations: Float[Array, "sample step"],
    cost: Float[Array, ""],
) -> Consistency:
    """Of one recording, from what the path leaves of it, the input it takes, and the cost a sample."""
    known, names = model.sensors, (RESIDUAL, WHITENESS, COST, INPUT)
    std = jnp.broadcast_to(known.scale * known.noise, recording.values.shape)
    residuals = Residuals(recording.values, channels, std, recording.measured)
    running = Running.start((), recording.dt, channels.dtype).add(residuals, recording.dt)
    observed, count = jnp.asarray(recording.observed.channels), running.sums.samples
    coarse = jnp.where(observed, (LEAST_SENSOR_NOISE / known.noise) ** 2, 0)
    chance = _STANDARD_ERRORS / jnp.sqrt(jnp.maximum(jnp.sum(count), 1))
    off = jnp.stack([jnp.abs(2 * cost - 1), jnp.abs(jnp.mean(jnp.append(deviations, 0)))])
    most = jnp.hypot(chance * jnp.array([2.0**0.5, 1.0]), _SYSTEMATIC) + jnp.max(coarse)
    statistic, limit = (
        jnp.stack([*parts, *jnp.broadcast_to(whole[:, None], (2, len(count)))])
        for parts, whole in (
            ((running.residual_ratio, running.autocorrelation), off),
            ((_RESIDUAL + coarse, running.whiteness_limit(coarse)), most),
        )
    )
    when = jnp.full_like(statistic, jnp.inf).at[0].set(running.when * recording.dt)
    # As of a filter's innovations: what a background leaves need not be white.
    unchecked = np.outer(np.isin(names, (WHITENESS, COST)), model.coloured)
    statistic = jnp.where(observed, jnp.where(count > 0, statistic, jnp.inf), 0)
    limit = jnp.where(observed[None] & ~unchecked, limit, jnp.inf)
    return Consistency(jnp.where(unchecked, 0, statistic), limit, when, names)


def _cost_of(model: StateSpace, recording: Recording, least_noise: Float[Array, ""]) -> PathCost:
    """The cost for sensor noise of at least so much of the largest value."""
    noise = jnp.maximum(model.sensors.noise, least_noise)
    samples = recording.values / (model.sensors.scale * noise)[None]
    return PathCost(model, model.prior(jnp.ones(())), Measurements(model.rows(noise), samples, recording.measured))


def _lowest(cost: PathCost, path: Path, max_steps: Int[Array, ""]) -> tuple[Path, Bool[Array, ""]]:
    """The path where steps end, from one that need not obey the equations; and whether that is for lack of slope."""
    terms = path.deviations.size + jnp.sum(cost.measurements.measured, dtype=path.states.dtype)
    fractions = as_float(_FRACTIONS)

    def step(carry):
        path, value, _, _, count = carry
        descent = descend(cost, path)
        paths = jax.vmap(lambda fraction: follow(cost, path, descent, fraction))(fractions)
        values = jnp.nan_to_num(jax.vmap(cost)(paths), nan=jnp.inf)
        best = jnp.argmin(values)
        lower = values[best] < value
        path = jax.tree.map(lambda new, old: jnp.where(lower, new[best], old), paths, path)
        return path, jnp.where(lower, values[best], value), descent.drop, ~lower, count + 1

    def unfinished(carry):
        _, _, drop, stuck, count = carry
        return ~(drop <= _TOLERANCE * terms) & ~stuck & (count < max_steps)

    start = (path, jnp.full((), jnp.inf), jnp.full((), jnp.inf), jnp.zeros((), bool), jnp.zeros_like(max_steps))
    path, _, drop, _, _ = jax.lax.while_loop(unfinished, step, start)
    return path, drop <= _TOLERANCE * terms
