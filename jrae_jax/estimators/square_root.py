"""Kalman filter and smoother of a nonlinear transition, in square-root form: of one recording, to be vmapped.

A covariance `P` is kept as a factor `L` with `P = L L^T`, which needs half the digits, so that float32 is enough. Every
step is orthogonal: a reflection per sensor for what was measured (Potter's form; Bierman 1977), and a QR decomposition
for the step in time, of which the smoother of Rauch, Tung and Striebel (1965), doi 10.2514/3.3166, needs no more than
the remaining rows (Park and Kailath 1995, International Journal of Control 62).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..column.transition import Transition


class Gaussian(NamedTuple):
    """A normal distribution of the states."""

    mean: Float[Array, " n"]
    factor: Float[Array, "n n"]
    """Of the covariance, which is this matrix times its transpose; not always triangular."""


class Measurements(NamedTuple):
    """Samples of all channels, in standard deviations of each sensor's noise."""

    sensors: Float[Array, "channel n"]
    """From the state to the channels."""
    samples: Float[Array, "time channel"]
    measured: Bool[Array, "time channel"]


class Moments(NamedTuple):
    """Mean and standard deviation of the states at each sample."""

    mean: Float[Array, "time n"]
    std: Float[Array, "time n"]
    innovations: Float[Array, "time channel"]
    """Each sample less what was expected of it from those before, in its expected standard deviations; 0 where nothing
    was measured."""


class _Return(NamedTuple):
    """From the next instant back to this one."""

    mean: Float[Array, " n"]
    predicted: Float[Array, " n"]
    """Mean at the next instant, before its samples."""
    gain: Float[Array, "n n"]
    remainder: Float[Array, "n n"]
    """The transposed factor of the covariance that remains once the next instant is known."""


def kalman(
    transition: Transition,
    start: Gaussian,
    measurements: Measurements,
    path: Float[Array, "time n"] | None = None,
    *,
    smooth: bool,
) -> Moments:
    """Mean and standard deviation at each sample, from the samples up to then or, to `smooth`, from all.

    **Arguments:**

    - `transition`: linearised about each filtered mean, or about `path` if it is given.
    - `start`: one step before the first sample.
    - `path`: the standard deviations are then those along this path, and the means are not estimates.
    """
    sensors, samples, measured = measurements
    previous = None if path is None else jnp.concatenate([path[:1], path[:-1]])

    def filter_step(state, now):
        sample, there, about = now
        state = state if about is None else state._replace(mean=about)
        state, innovations = update(predict(transition, state), sensors, sample, there)
        return state, Moments(state.mean, _std(state.factor), innovations)

    def returning_filter_step(state, now):
        sample, there, about = now
        state = state if about is None else state._replace(mean=about)
        state, back = _predict_and_return(transition, state)
        state, innovations = update(state, sensors, sample, there)
        return state, (back, innovations)

    def smoother_step(later, step):
        back, innovations = step
        return _smoothed(later, back), Moments(later.mean, _std(later.factor), innovations)

    along = (samples, measured, previous)
    if not smooth:
        return jax.lax.scan(filter_step, start, along)[1]
    last, steps = jax.lax.scan(returning_filter_step, start, along)
    # The last step leads back to `start`, which is not asked for: leaving it out would copy all that was kept.
    return jax.lax.scan(smoother_step, last, steps, reverse=True)[1]


def update(
    state: Gaussian,
    sensors: Float[Array, "channel n"],
    sample: Float[Array, " channel"],
    there: Bool[Array, " channel"],
) -> tuple[Gaussian, Float[Array, " channel"]]:
    """The state given a sample, and the innovations; one channel after the other, as their noise is independent."""
    sensors, sample = jnp.where(there[:, None], sensors, 0), jnp.where(there, sample, 0)
    mean, factor = state
    innovations = []
    for i in range(len(sensors)):
        along = jnp.sum(sensors[i][:, None] * factor, axis=0)
        variance = 1 + jnp.sum(along**2)
        covariance = jnp.sum(factor * along[None], axis=1)
        difference = sample[i] - jnp.sum(sensors[i] * mean)
        innovations.append(difference / jnp.sqrt(variance))
        mean = mean + covariance * (difference / variance)
        factor = factor - covariance[:, None] * (along / (variance + jnp.sqrt(variance)))[None]
    return Gaussian(mean, factor), jnp.stack(innovations)


def predict(transition: Transition, state: Gaussian) -> Gaussian:
    """The state one step later."""
    mean, moved, noise = _moved(transition, state)
    return Gaussian(mean, _reflected(jnp.concatenate([moved, noise.T]))[: len(mean)].T)


def _predict_and_return(transition: Transition, state: Gaussian) -> tuple[Gaussian, _Return]:
    mean, moved, noise = _moved(transition, state)
    n = len(mean)
    next_rows = jnp.concatenate([moved, noise.T])
    these_rows = jnp.concatenate([state.factor.T, jnp.zeros((n, n), moved.dtype)])
    rows = _reflected(jnp.concatenate([next_rows, these_rows], axis=1), n)
    gain = _triangular_solve(rows[:n, :n], rows[:n, n:]).T
    return Gaussian(mean, rows[:n, :n].T), _Return(state.mean, mean, gain, rows[n:, n:])


def _smoothed(later: Gaussian, back: _Return) -> Gaussian:
    mean = back.mean + jnp.sum(back.gain * (later.mean - back.predicted)[None], axis=1)
    # Sums are written out, as below: batched products of matrices this small take a library several times as long.
    spread = jnp.sum(back.gain[:, :, None] * later.factor[None], axis=1)
    return Gaussian(mean, _reflected(jnp.concatenate([spread.T, back.remainder]))[: len(mean)].T)


def _moved(
    transition: Transition, state: Gaussian
) -> tuple[Float[Array, " n"], Float[Array, "n n"], Float[Array, "n n"]]:
    """Mean one step later, the rows that the factor's columns become, and the factor of the noise that is added."""

    def along(column):
        return jax.jvp(transition, (state.mean,), (column,), has_aux=True)

    return jax.vmap(along, in_axes=1, out_axes=(None, 0, None))(state.factor)


def _std(factor: Float[Array, "n n"]) -> Float[Array, " n"]:
    return jnp.sqrt(jnp.sum(factor**2, axis=1))


def _reflected(rows: Float[Array, "m n"], columns: int | None = None) -> Float[Array, "m n"]:
    """The rows after a rotation that leaves nothing below the diagonal of the first columns (Householder 1958)."""
    columns = rows.shape[1] if columns is None else columns
    place, across = np.arange(len(rows)), np.arange(rows.shape[1])
    for j in range(columns):
        column = jnp.where(place >= j, rows[:, j], 0)
        # One pass over the rows gives the length of the column and its products with all others.
        products = jnp.sum(rows * column[:, None], axis=0)
        length = jnp.sqrt(products[j])
        signed = jnp.copysign(length, rows[j, j])
        weights = (products + signed * rows[j]) / (length * (length + jnp.abs(rows[j, j])))
        rows = rows - jnp.where(place == j, column + signed, column)[:, None] * weights[None]
    below = (place[:, None] > across) & (across < columns)
    return jnp.where(below, 0, rows)


def _triangular_solve(upper: Float[Array, "n n"], right: Float[Array, "n k"]) -> Float[Array, "n k"]:
    found = []
    for i in reversed(range(len(upper))):
        row = right[i] / upper[i, i]
        right = right - upper[:, i, None] * row[None]
        found.append(row)
    return jnp.stack(found[::-1])
