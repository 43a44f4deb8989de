"""The cost of a column's path given a recording, and the Gauss-Newton step that lowers it, exact in one sweep.

Controls are a column's start and what the unseen input does at each step, both in standard deviations. The linearised
problem is solved by dynamic programming backwards in time, in square-root form, so that float32 is enough; the
equations are then followed forwards under the feedback that it found: a step that holds on to the recording however
long the window is.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..column.transition import Transition

_LEAST_SPREAD = 1e-7  # of the largest value, per step; it keeps the first guess's covariances invertible


class Path(NamedTuple):
    """Where a column may have been; states in units of their largest values."""

    start: Float[Array, "6"]
    """The state at the first sample, in standard deviations from the mean beforehand."""
    deviations: Float[Array, " step"]
    """Of the input from its mean, in standard deviations."""
    states: Float[Array, "time 6"]


class Descent(NamedTuple):
    """The way down from a path in the linearised problem."""

    start: Float[Array, "6"]
    deviations: Float[Array, " step"]
    """How the controls change."""
    feedback: Float[Array, "step 6"]
    """How the input changes with the state as it turns out."""
    drop: Float[Array, ""]
    """What is left to gain of the cost."""


class PathCost(eqx.Module):
    """Half the sum of squares of the controls and of the misfits to one recording, in standard deviations each."""

    model: Transition
    mean: Float[Array, "6"]
    factor: Float[Array, "6 6"]
    """Mean and Cholesky factor of the state at the first sample, beforehand."""
    sensors: Float[Array, "7 6"]
    """From states to channels, in standard deviations of the sensor noise."""
    samples: Float[Array, "time 7"]
    """The recording in these; NaN for what was not measured."""

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
        return jnp.where(jnp.isnan(self.samples), 0, states @ self.sensors.T - self.samples)

    def seen(self) -> Float[Array, "time 7 6"]:
        """The sensors that measured something, at each instant."""
        return jnp.where(jnp.isnan(self.samples)[..., None], 0, self.sensors[None])


def first_guess(cost: PathCost) -> Path:
    """The states as an extended Kalman filter finds them: not yet a path that the equations allow."""

    def sample(before, measured):
        mean, factor = before
        seen = jnp.where(jnp.isnan(measured)[:, None], 0, cost.sensors)
        misfit = jnp.where(jnp.isnan(measured), 0, measured - cost.sensors @ mean)
        root = jnp.linalg.qr(jnp.concatenate([seen @ factor, jnp.eye(6)]), mode="r")
        factor = jax.scipy.linalg.solve_triangular(root, factor.T, trans="T").T
        mean = mean + factor @ (factor.T @ (seen.T @ misfit))
        along, across = cost.slopes(mean, jnp.zeros(()))
        spread = jnp.concatenate([(along @ factor).T, across[None], _LEAST_SPREAD * jnp.eye(6)])
        return (cost.step(mean, jnp.zeros(())), jnp.linalg.qr(spread, mode="r").T), mean

    _, states = jax.lax.scan(sample, (cost.mean, cost.factor), cost.samples)
    return Path(jnp.zeros(6), jnp.zeros(len(states) - 1), states)


def descend(cost: PathCost, path: Path) -> Descent:
    """Solve the problem linearised about a path, which need not obey the equations.

    What the future costs is kept as the squared length of `R x + r`, with `x` the deviation of the state from the path.
    """
    states, deviations = path.states, path.deviations
    along, across = jax.vmap(cost.slopes)(states[:-1], deviations)
    gaps = jax.vmap(cost.step)(states[:-1], deviations) - states[1:]
    moves = jnp.concatenate([across[..., None], along, gaps[..., None]], axis=-1)
    seen, misfits = cost.seen(), cost.misfits(states)

    def step_back(future, now):
        move, deviation, seen, misfit = now
        rows = jnp.concatenate([seen, future[:, :6]])
        rows = (rows @ move).at[:, 7].add(jnp.append(misfit, future[:, 6]))
        of_input = jnp.zeros(8).at[0].set(1).at[7].set(deviation)
        root = jnp.linalg.qr(jnp.concatenate([rows, of_input[None]]), mode="r")
        return root[1:7, 1:], root[0]

    later = (moves, deviations, seen[1:], misfits[1:])
    future, gains = jax.lax.scan(step_back, jnp.zeros((6, 7)), later, reverse=True)
    rows = jnp.concatenate([seen[0], future[:, :6]])
    constant = jnp.append(misfits[0], future[:, 6]) + rows @ (cost.mean + cost.factor @ path.start - states[0])
    rows = jnp.concatenate([rows @ cost.factor, jnp.eye(6)])
    root = jnp.linalg.qr(jnp.column_stack([rows, jnp.append(constant, path.start)]), mode="r")
    start = -jax.scipy.linalg.solve_triangular(root[:6, :6], root[:6, 6])
    drop = (jnp.sum(gains[:, 7] ** 2) + jnp.sum(root[:6, 6] ** 2)) / 2
    return Descent(start, -gains[:, 7] / gains[:, 0], -gains[:, 1:7] / gains[:, :1], drop)


def follow(cost: PathCost, path: Path, descent: Descent, share: Float[Array, ""]) -> Path:
    """Go part of the way down, by the equations themselves."""
    start = path.start + share * descent.start

    def step(x, now):
        before, deviation, change, feedback = now
        deviation = deviation + share * change + feedback @ (x - before)
        x = cost.step(x, deviation)
        return x, (x, deviation)

    first = cost.mean + cost.factor @ start
    along = (path.states[:-1], path.deviations, descent.deviations, descent.feedback)
    _, (states, deviations) = jax.lax.scan(step, first, along)
    return Path(start, deviations, jnp.concatenate([first[None], states]))
