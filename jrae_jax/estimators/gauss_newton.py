"""The cost of a column's path given a recording, and the Gauss-Newton step that lowers it, exact in one sweep.

Controls are a column's start and the deviation of the unobserved input at each step, both in standard deviations. The
linearised problem is solved by dynamic programming backwards in time, in square-root form, so that float32 is enough;
the equations are then followed forwards under the feedback that it found: a step that stays near the recording however
long it is.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..column.states import STATES
from ..column.transition import Transition
from .square_root import Gaussian, Measurements, predict, update

_SIZE = len(STATES)


class Path(NamedTuple):
    """A trajectory of a column and what led to it; states in units of their largest values."""

    start: Float[Array, "6"]
    """The state at the first sample, in standard deviations from the mean beforehand."""
    deviations: Float[Array, " step"]
    """Of the input from its mean, in standard deviations."""
    states: Float[Array, "time 6"]


class Descent(NamedTuple):
    """The step from a path to the minimum of the linearised problem."""

    start: Float[Array, "6"]
    deviations: Float[Array, " step"]
    """How the controls change."""
    feedback: Float[Array, "step 6"]
    """How the input changes with the deviation of the state from the path."""
    drop: Float[Array, ""]
    """The decrease of the cost that is expected."""


class PathCost(eqx.Module):
    """Half the sum of squares of the controls and of the misfits to one recording, in standard deviations each."""

    model: Transition
    prior: Gaussian
    """The state at the first sample, beforehand."""
    measurements: Measurements

    def __call__(self, path: Path) -> Float[Array, ""]:
        """The cost of a path."""
        squares = (jnp.sum(part**2) for part in (path.start, path.deviations, self.misfits(path.states)))
        return sum(squares, jnp.zeros(())) / 2

    def step(self, x: Float[Array, "6"], deviation: Float[Array, ""]) -> Float[Array, "6"]:
        """One step after `x`."""
        return self.model.step(x * self.model.scale, deviation) / self.model.scale

    def slopes(
        self, x: Float[Array, "6"], deviation: Float[Array, ""]
    ) -> tuple[Float[Array, "6 6"], Float[Array, "6"]]:
        """How a step depends on the state and on the input."""
        return jax.jacfwd(self.step, argnums=(0, 1))(x, deviation)

    def misfits(self, states: Float[Array, "time 6"]) -> Float[Array, "time 7"]:
        """How far the channels are from the samples; 0 for what was not measured."""
        sensors, samples, measured = self.measurements
        return jnp.where(measured, states @ sensors.T - samples, 0)

    def sensors(self) -> Float[Array, "time 7 6"]:
        """The sensors that measured something, at each instant."""
        return jnp.where(self.measurements.measured[..., None], self.measurements.sensors[None], 0)


def first_guess(cost: PathCost) -> Path:
    """The states as an extended Kalman filter estimates them: not yet a path that the equations allow."""
    sensors, samples, measured = cost.measurements

    def step(state, now):
        state, _ = update(state, sensors, *now)
        return predict(cost.model, state), state.mean

    _, states = jax.lax.scan(step, cost.prior, (samples, measured))
    return Path(jnp.zeros(len(STATES)), jnp.zeros(len(states) - 1), states)


def descend(cost: PathCost, path: Path) -> Descent:
    """Solve the problem linearised about a path, which need not obey the equations.

    The cost of the future is kept as the squared length of `R x + r`, with `x` the deviation of the state from the
    path: rows over the states and a constant. A step back in time writes these rows over the input, the state before,
    and the constant; a QR decomposition then leaves the input in one row only, which gives its feedback.
    """
    states, deviations = path.states, path.deviations
    along, across = jax.vmap(cost.slopes)(states[:-1], deviations)
    gaps = jax.vmap(cost.step)(states[:-1], deviations) - states[1:]
    moves = jnp.concatenate([across[..., None], along, gaps[..., None]], axis=-1)
    sensors, misfits = cost.sensors(), cost.misfits(states)

    def step_back(future, now):
        move, deviation, sensors, misfit = now
        rows, constants = jnp.concatenate([sensors, future.rows]), jnp.append(misfit, future.constants)
        rows = (rows @ move).at[:, -1].add(constants)
        input_row = jnp.zeros(rows.shape[1]).at[0].set(1).at[-1].set(deviation)
        root = jnp.linalg.qr(jnp.concatenate([rows, input_row[None]]), mode="r")
        first, others = root[0], root[1 : 1 + _SIZE]
        gain = _Gain(first[0], first[1:-1], first[-1])
        return _Rows(others[:, 1:-1], others[:, -1]), gain

    none = _Rows(jnp.zeros((_SIZE, _SIZE)), jnp.zeros(_SIZE))
    later = (moves, deviations, sensors[1:], misfits[1:])
    future, gains = jax.lax.scan(step_back, none, later, reverse=True)
    rows, constants = jnp.concatenate([sensors[0], future.rows]), jnp.append(misfits[0], future.constants)
    mean, factor = cost.prior
    constants = constants + rows @ (mean + factor @ path.start - states[0])
    rows, constants = jnp.concatenate([rows @ factor, jnp.eye(_SIZE)]), jnp.append(constants, path.start)
    root = jnp.linalg.qr(jnp.column_stack([rows, constants]), mode="r")[:_SIZE]
    start = -jax.scipy.linalg.solve_triangular(root[:, :-1], root[:, -1])
    drop = (jnp.sum(gains.constant**2) + jnp.sum(root[:, -1] ** 2)) / 2
    return Descent(start, -gains.constant / gains.own, -gains.states / gains.own[:, None], drop)


class _Rows(NamedTuple):
    """The squared length of `rows x + constants`."""

    rows: Float[Array, "row 6"]
    constants: Float[Array, " row"]


class _Gain(NamedTuple):
    """The row that determines the input: `own u + states x + constant = 0`."""

    own: Float[Array, "*step"]
    states: Float[Array, "*step 6"]
    constant: Float[Array, "*step"]


def follow(cost: PathCost, path: Path, descent: Descent, fraction: Float[Array, ""]) -> Path:
    """Take a fraction of the step down, by the equations themselves."""
    start = path.start + fraction * descent.start

    def step(x, now):
        before, deviation, change, feedback = now
        deviation = deviation + fraction * change + feedback @ (x - before)
        x = cost.step(x, deviation)
        return x, (x, deviation)

    first = cost.prior.mean + cost.prior.factor @ start
    along = (path.states[:-1], path.deviations, descent.deviations, descent.feedback)
    _, (states, deviations) = jax.lax.scan(step, first, along)
    return Path(start, deviations, jnp.concatenate([first[None], states]))
