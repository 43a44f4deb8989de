"""Kalman filter and smoother of a nonlinear transition, in square-root form: of one recording, or of a batch at once.

A covariance `P` is kept as a factor `L` with `P = L L^T`, which needs half the digits, so that float32 is enough. Every
step is orthogonal: a reflection per sensor for what was measured (Potter's form; Bierman 1977), and a QR decomposition
for the step in time, of which the smoother of Rauch, Tung and Striebel (1965), doi 10.2514/3.3166, needs no more than
the remaining rows (Park and Kailath 1995, International Journal of Control 62).

The batch is the last axis: small matrices are then loops over contiguous vectors, some five times faster on a CPU.
"""

from abc import abstractmethod
from typing import NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Standard deviation of independent noise that is added to each state in each step. Without it the factors of
# covariances of states that the input does not reach are singular, and triangular solves divide by zero.
_LEAST_PROCESS_NOISE = 1e-7

_Arrays = TypeVar("_Arrays")


class Gaussian(NamedTuple):
    """A normal distribution of the states."""

    mean: Float[Array, "n *batch"]
    factor: Float[Array, "n n *batch"]
    """Of the covariance, which is this matrix times its transpose; not always triangular."""


class AbstractTransition(eqx.Module):
    """How states go from one sample to the next."""

    noisy: eqx.AbstractVar[bool]
    """Whether noise reaches every state sooner or later. The least noise is then only a safeguard, of which the
    variances are kept and what it becomes later is not: half as many rows."""

    @abstractmethod
    def __call__(self, state: Gaussian) -> tuple[Float[Array, "n *batch"], Float[Array, "m n *batch"]]:
        """The mean at the next sample, and rows whose products are the covariance: the columns of `factor` as they are
        then, and behind them the columns of a factor of the noise that is added."""


class Measurements(NamedTuple):
    """Samples of some channels, in standard deviations of each sensor's noise."""

    sensors: Float[Array, "channel n *batch"]
    """From the state to the channels."""
    samples: Float[Array, "time channel *batch"]
    measured: Bool[Array, "time channel *batch"]


class Moments(NamedTuple):
    """Mean and standard deviation of the states at each sample."""

    mean: Float[Array, "time n *batch"]
    std: Float[Array, "time n *batch"]
    innovations: Float[Array, "time channel *batch"]
    """Each sample less what was expected of it from those before, in its expected standard deviations; 0 where nothing
    was measured."""
    log_likelihood: Float[Array, "time *batch"]
    """Of each sample given those before, but for a constant."""


class _Return(NamedTuple):
    """From the next instant back to this one."""

    mean: Float[Array, "n *batch"]
    predicted: Float[Array, "n *batch"]
    """Mean at the next instant, before its samples."""
    gain: Float[Array, "n n *batch"]
    """From the next instant, along the first axis, to this one."""
    remainder: Float[Array, "k n *batch"]
    """The transposed factor of the covariance that remains once the next instant is known."""


def kalman(
    transition: AbstractTransition,
    start: Gaussian,
    measurements: Measurements,
    path: Float[Array, "time n *batch"] | None = None,
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
        state, *of_samples = update(predict(transition, state), sensors, sample, there)
        return state, Moments(state.mean, _std(state.factor), *of_samples)

    def returning_filter_step(state, now):
        sample, there, about = now
        state = state if about is None else state._replace(mean=about)
        state, back = _predict_and_return(transition, state)
        state, *of_samples = update(state, sensors, sample, there)
        return state, (back, of_samples)

    def smoother_step(later, step):
        back, of_samples = step
        return _smoothed(later, back), Moments(later.mean, _std(later.factor), *of_samples)

    along = (samples, measured, previous)
    if not smooth:
        return jax.lax.scan(filter_step, start, along)[1]
    last, steps = jax.lax.scan(returning_filter_step, start, along)
    # The last step leads back to `start`, which is not asked for: leaving it out would copy all that was kept.
    return jax.lax.scan(smoother_step, last, steps, reverse=True)[1]


def update(
    state: Gaussian,
    sensors: Float[Array, "channel n *batch"],
    sample: Float[Array, "channel *batch"],
    there: Bool[Array, "channel *batch"],
) -> tuple[Gaussian, Float[Array, "channel *batch"], Float[Array, "*batch"]]:
    """The state given a sample, the innovations and their log likelihood; one channel after the other, as their noise
    is independent."""
    sensors, sample = jnp.where(there[:, None], sensors, 0), jnp.where(there, sample, 0)
    mean, factor = state
    innovations, log_variance = [], []
    for i in range(len(sensors)):
        along = jnp.sum(sensors[i][:, None] * factor, axis=0)
        variance = 1 + jnp.sum(along**2, axis=0)
        covariance = jnp.sum(factor * along[None], axis=1)
        difference = sample[i] - jnp.sum(sensors[i] * mean, axis=0)
        innovations.append(difference / jnp.sqrt(variance))
        log_variance.append(jnp.log(variance))
        mean = mean + covariance * (difference / variance)[None]
        factor = factor - covariance[:, None] * (along / (variance + jnp.sqrt(variance))[None])[None]
    innovations = jnp.stack(innovations)
    return Gaussian(mean, factor), innovations, -jnp.sum(innovations**2 + jnp.stack(log_variance), axis=0) / 2


def predict(transition: AbstractTransition, state: Gaussian) -> Gaussian:
    """The state one step later."""
    mean, rows = _apart(transition(state))
    return Gaussian(mean, _lower(_reflected(rows, len(mean), transition)[0]))


def _predict_and_return(transition: AbstractTransition, state: Gaussian) -> tuple[Gaussian, _Return]:
    mean, next_rows = _apart(transition(state))
    n = len(mean)
    nothing = jnp.zeros((len(next_rows) - n, *state.factor.shape[1:]))
    these_rows = jnp.concatenate([jnp.swapaxes(state.factor, 0, 1), nothing])
    triangle, remainder = _apart(_reflected(jnp.concatenate([next_rows, these_rows], axis=1), n, transition))
    gain = _triangular_solve([row[:-n] for row in triangle], jnp.stack([row[-n:] for row in triangle]))
    later = _apart(Gaussian(mean, _lower([row[:-n] for row in triangle])))
    return later, _Return(state.mean, mean, gain, remainder)


def _smoothed(later: Gaussian, back: _Return) -> Gaussian:
    mean = back.mean + jnp.sum(back.gain * (later.mean - back.predicted)[:, None], axis=0)
    # Sums are written out, as below: batched products of matrices this small take a library several times as long.
    spread = jnp.sum(back.gain[:, None] * later.factor[:, :, None], axis=0)
    return Gaussian(mean, _lower(_reflected(jnp.concatenate([spread, back.remainder]), len(mean))[0]))


def _std(factor: Float[Array, "n n *batch"]) -> Float[Array, "n *batch"]:
    return jnp.sqrt(jnp.sum(factor**2, axis=1))


def _apart(arrays: _Arrays) -> _Arrays:
    """The same, computed once: without it XLA computes all that leads to an element anew wherever it is used, which
    takes three times as long."""
    return jax.lax.optimization_barrier(arrays)


def _reflected(
    rows: Float[Array, "m n *batch"], columns: int, transition: AbstractTransition | None = None
) -> tuple[list[Float[Array, "_ *batch"]], Float[Array, "k l *batch"]]:
    """The rows after a rotation that leaves nothing below the diagonal of the first columns (Householder 1958); of a
    `transition`, with the least noise.

    **Returns:** the first rows, each from its diagonal on, and the others behind the first columns.
    """
    triangle = []
    for _ in range(columns):
        column, first = rows[:, 0], rows[0]
        # One pass over the rows gives the length of the column and its products with all others.
        products = jnp.sum(rows * column[:, None], axis=0)
        # With one more row, the least noise of this state.
        length = jnp.sqrt(products[0] + (0.0 if transition is None else _LEAST_PROCESS_NOISE**2))
        signed = jnp.copysign(length, first[0])
        weights = (products + signed[None] * first) / (length * (length + jnp.abs(first[0])))[None]
        rest = first[1:] - (first[0] + signed)[None] * weights[1:]
        triangle.append(jnp.concatenate([-signed[None], rest]))
        rows = rows[1:, 1:] - column[1:, None] * weights[None, 1:]
        if transition is not None and not transition.noisy:
            rows = jnp.concatenate([rows, -_LEAST_PROCESS_NOISE * weights[None, 1:]])
        rows = _apart(rows)
    return triangle, rows


def _lower(triangle: list[Float[Array, "_ *batch"]]) -> Float[Array, "n n *batch"]:
    """The transpose of an upper triangle, given row by row from the diagonal on."""
    columns = [jnp.concatenate([jnp.zeros((i, *row.shape[1:])), row]) for i, row in enumerate(triangle)]
    return jnp.stack(columns, axis=1)


def _triangular_solve(
    upper: list[Float[Array, "_ *batch"]], right: Float[Array, "n k *batch"]
) -> Float[Array, "n k *batch"]:
    found = []
    for i in reversed(range(len(upper))):
        row = right[i] / upper[i][:1]
        found.append(row)
        if i:
            column = jnp.stack([upper[j][i - j] for j in range(i)])
            right = right[:i] - column[:, None] * row[None]
    return jnp.stack(found[::-1])
