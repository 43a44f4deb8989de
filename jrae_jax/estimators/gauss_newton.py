"""The cost of a column's path given a recording, and the Gauss-Newton step that lowers it, exact in one sweep.

Controls are the start, and at each step the deviations of the unobserved input and of the parts of the background, all
in standard deviations. The
linearised problem is solved by dynamic programming backwards in time, in square-root form, so that float32 is enough;
the equations are then followed forwards under the feedback that it found: a step that stays near the recording however
long it is.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .square_root import Gaussian, Measurements, predict, update
from .state_space import StateSpace


class Path(NamedTuple):
    """A trajectory and what led to it; states as those of `StateSpace`."""

    start: Float[Array, " n"]
    """The state at the first sample, in standard deviations from the mean beforehand."""
    deviations: Float[Array, "step control"]
    """Of the input from its mean, and of the background, in standard deviations."""
    states: Float[Array, "time n"]


class Descent(NamedTuple):
    """The step from a path to the minimum of the linearised problem."""

    start: Float[Array, " n"]
    deviations: Float[Array, "step control"]
    """How the controls change."""
    feedback: Float[Array, "step control n"]
    """How the deviations change with the deviation of the state from the path."""
    drop: Float[Array, ""]
    """The decrease of the cost that is expected."""


class PathCost(eqx.Module):
    """Half the sum of squares of the controls and of the misfits to one recording, in standard deviations each."""

    model: StateSpace
    prior: Gaussian
    """The state at the first sample, beforehand."""
    measurements: Measurements

    def __call__(self, path: Path) -> Float[Array, ""]:
        """The cost of a path."""
        squares = (jnp.sum(part**2) for part in (path.start, path.deviations, self.misfits(path.states)))
        return sum(squares, jnp.zeros(())) / 2

    def slopes(
        self, x: Float[Array, " n"], deviations: Float[Array, " control"]
    ) -> tuple[Float[Array, "n n"], Float[Array, "n control"]]:
        """How a step depends on the state and on the controls."""
        return jax.jacfwd(self.model.step, argnums=(0, 1))(x, deviations)

    def misfits(self, states: Float[Array, "time n"]) -> Float[Array, "time 7"]:
        """How far the channels are from the samples; 0 for what was not measured."""
        sensors, samples, measured = self.measurements
        return jnp.where(measured, states @ sensors.T - samples, 0)

    def sensors(self) -> Float[Array, "time 7 n"]:
        """The sensors that measured something, at each instant."""
        return jnp.where(self.measurements.measured[..., None], self.measurements.sensors[None], 0)


def first_guess(cost: PathCost) -> Path:
    """The states as an extended Kalman filter estimates them: not yet a path that the equations allow."""
    sensors, samples, measured = cost.measurements

    def step(state, now):
        state, *_ = update(state, sensors, *now)
        return predict(cost.model, state), state.mean

    _, states = jax.lax.scan(step, cost.prior, (samples, measured))
    return Path(jnp.zeros_like(states[0]), jnp.zeros((len(states) - 1, cost.model.controls)), states)


def descend(cost: PathCost, path: Path) -> Descent:
    """Solve the problem linearised about a path, which need not obey the equations.

    The cost of the future is kept as the squared length of `R x + r`, with `x` the deviation of the state from the
    path: rows over the states and a constant. A step back in time writes these rows over the controls, the state
    before, and the constant; a QR decomposition then leaves the controls in as many rows only, which give their
    feedback.
    """
    states, deviations = path.states, path.deviations
    n, controls = states.shape[1], deviations.shape[1]
    along, across = jax.vmap(cost.slopes)(states[:-1], deviations)
    gaps = jax.vmap(cost.model.step)(states[:-1], deviations) - states[1:]
    moves = jnp.concatenate([across, along, gaps[..., None]], axis=-1)
    sensors, misfits = cost.sensors(), cost.misfits(states)

    def step_back(future, now):
        move, deviations, sensors, misfit = now
        rows, constants = jnp.concatenate([sensors, future.rows]), jnp.append(misfit, future.constants)
        rows = (rows @ move).at[:, -1].add(constants)
        control_rows = jnp.concatenate([jnp.eye(controls), jnp.zeros((controls, n)), deviations[:, None]], axis=1)
        root = jnp.linalg.qr(jnp.concatenate([rows, control_rows]), mode="r")
        first, others = root[:controls], root[controls : controls + n, controls:]
        gain = _Gain(first[:, :controls], first[:, controls:-1], first[:, -1])
        return _Rows(others[:, :-1], others[:, -1]), gain

    none = _Rows(jnp.zeros((n, n)), jnp.zeros(n))
    later = (moves, deviations, sensors[1:], misfits[1:])
    future, gains = jax.lax.scan(step_back, none, later, reverse=True)
    rows, constants = jnp.concatenate([sensors[0], future.rows]), jnp.append(misfits[0], future.constants)
    mean, factor = cost.prior
    constants = constants + rows @ (mean + factor @ path.start - states[0])
    rows, constants = jnp.concatenate([rows @ factor, jnp.eye(n)]), jnp.append(constants, path.start)
    root = jnp.linalg.qr(jnp.column_stack([rows, constants]), mode="r")[:n]
    start = -jax.scipy.linalg.solve_triangular(root[:, :-1], root[:, -1])
    drop = (jnp.sum(gains.constants**2) + jnp.sum(root[:, -1] ** 2)) / 2
    right = jnp.concatenate([gains.constants[..., None], gains.states], axis=-1)
    feedback = -(right / gains.own if controls == 1 else jax.scipy.linalg.solve_triangular(gains.own, right))
    return Descent(start, feedback[..., 0], feedback[..., 1:], drop)


class _Rows(NamedTuple):
    """The squared length of `rows x + constants`."""

    rows: Float[Array, "row n"]
    constants: Float[Array, " row"]


class _Gain(NamedTuple):
    """The rows that determine the controls: `own u + states x + constants = 0`, with `own` a triangle."""

    own: Float[Array, "*step control control"]
    states: Float[Array, "*step control n"]
    constants: Float[Array, "*step control"]


def follow(cost: PathCost, path: Path, descent: Descent, fraction: Float[Array, ""]) -> Path:
    """Take a fraction of the step down, by the equations themselves."""
    start = path.start + fraction * descent.start

    def step(x, now):
        before, deviations, change, feedback = now
        deviations = deviations + fraction * change + feedback @ (x - before)
        x = cost.model.step(x, deviations)
        return x, (x, deviations)

    first = cost.prior.mean + cost.prior.factor @ start
    along = (path.states[:-1], path.deviations, descent.deviations, descent.feedback)
    _, (states, deviations) = jax.lax.scan(step, first, along)
    return Path(start, deviations, jnp.concatenate([first[None], states]))
