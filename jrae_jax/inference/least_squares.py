"""Levenberg and Marquardt's method from many starts at once, and what a fit says of itself."""

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Bool, Float, Key

from .._checks import check_finite, check_positive
from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters
from .free_parameters import Unknowns

LONGEST_STEP = 1e-3  # s; of the integration
SHORTEST_RECORDING = 0.25  # s
_LONGEST_DT = 0.01  # s
_LEAST_CHANGE = 1e-5  # of the largest value, but for those below 1 uV
_FAILED = 30.0  # the residual of a simulation that blows up
_MOST_STEPS = 60
_NO_GAIN = 0.01  # of what is left; the solver itself does not stop where rounding makes every step a bad one
_SAME, _NEXT_TO_NOTHING = 0.1, 1e-6  # of the least loss, and of the largest: starts that end no worse agree
_EDGE = 1e-3  # of the bounds' distance
_ONLY_TOGETHER = 0.98

Free = Mapping[str, tuple[float, float]]
"""Lower and upper bound of each quantity that is to be found."""


class ParameterFit(eqx.Module):
    """Parameters found in a recording, and how far they can be trusted."""

    names: tuple[str, ...] = eqx.field(static=True)
    values: Float[np.ndarray, " free"]
    """In the order of `names`, in their units."""
    std: Float[np.ndarray, " free"]
    """Standard deviations of the values, from the Fisher information; huge for what the recording does not tell, and
    from a spectrum wider where other starts end nearly as well elsewhere."""
    correlation: Float[np.ndarray, "free free"]
    """Of the errors of the values; near -1 or 1: only a combination is known."""
    parameters: JansenRitParameters
    """The column with the values found."""
    input: AbstractExternalInput
    gain: float
    y0: Float[np.ndarray, "6"] | None
    """The states one sample before the first, mV and mV/s; `None` from a spectrum."""
    explained: float
    """The share of the recording's variance that the column explains; from a spectrum, of its logarithm's."""
    converged: bool
    """Whether the optimiser came to rest, and not at a bound."""
    agreeing: int
    """How many of the starts that were followed to the end fit as well, within 10 % of the least sum of squares."""
    starts: int
    """How many these are."""
    axis: Float[np.ndarray, " point"]
    """Where recording and simulation were compared: s, from a spectrum Hz."""
    recorded: Float[np.ndarray, " point"]
    """mV, from a spectrum mV²/Hz."""
    simulated: Float[np.ndarray, " point"]
    """The same, of the column found."""

    def __str__(self) -> str:
        found = zip(self.names, self.values, self.std, strict=True)
        lines = [f"{name} = {value:.5g} +- {std:.2g}" for name, value, std in found]
        lines += [
            f"only together: {first} and {second}, whose errors have a correlation of {self.correlation[i, j]:.3f}"
            for i, first in enumerate(self.names)
            for j, second in enumerate(self.names[:i])
            if abs(self.correlation[i, j]) > _ONLY_TOGETHER
        ]
        state = "converged" if self.converged else "NOT converged"
        share = f"{self.explained:.2%} of the variance explained"
        return "\n".join([*lines, f"{state}; {self.agreeing} of {self.starts} starts agree; {share}"])


class AbstractProblem(eqx.Module):
    """What is to be made small by a choice of unknowns."""

    unknowns: eqx.AbstractVar[Unknowns]

    @abstractmethod
    def residuals(self, x: Float[Array, " n"]) -> Float[Array, " residual"]:
        """How the simulation differs from the recording; `x` begins with the unknowns."""


class Ends(NamedTuple):
    """Where starts come to, the best first."""

    xs: Float[Array, "start n"]
    losses: Float[np.ndarray, " start"]
    """Sums of squares."""
    came_to_rest: Bool[np.ndarray, " start"]


def checked_recording(recording: Any, dt: float) -> Float[np.ndarray, " time"]:
    """A recording that parameters can be found in.

    **Raises:** `ValueError` for one with NaN, without change, too short or too slowly sampled.
    """
    values = np.asarray(recording, float)
    if values.ndim != 1:
        raise ValueError(f"`recording` must have shape (time,), got {values.shape}")
    check_finite(recording=values)
    check_positive(dt=dt)
    if dt > _LONGEST_DT * (1 + 1e-9):
        raise ValueError(f"`dt` must be at most {_LONGEST_DT} s, as columns move that fast, got {dt} s")
    least = math.ceil(SHORTEST_RECORDING / dt * (1 - 1e-9))
    if len(values) < least:
        raise ValueError(f"`recording` must have at least {least} samples of {dt} s, got {len(values)}")
    if np.ptp(values) <= _LEAST_CHANGE * max(1e-3, np.abs(values).max()):
        raise ValueError(f"`recording` must change, got {values[0]:g} mV throughout: rest tells too little of a column")
    return values


def steps_per_sample(dt: float) -> int:
    """Into how many steps of the integration a sample is divided."""
    return math.ceil(dt / LONGEST_STEP * (1 - 1e-9))


def covariance_of(slopes: Float[Array | np.ndarray, "residual n"], variance: float) -> Float[np.ndarray, "n n"]:
    """Of the errors of a fit: the inverse Fisher information, from the derivatives of residuals and their variance.

    In double precision, by singular values; very large along what the residuals do not depend on.
    """
    each = np.asarray(slopes, float)
    size = np.maximum(np.linalg.norm(each, axis=0), np.finfo(np.float32).tiny)
    _, values, directions = np.linalg.svd(each / size, full_matrices=False)
    spread = directions.T / np.maximum(values, np.finfo(np.float32).eps) / size[:, None]
    return variance * spread @ spread.T


def minimise(problem: AbstractProblem, xs: Float[Array, "start n"], keys: Key[Array, " start"] | None = None) -> Ends:
    """Follow every start down, each with a key of its own in place of the problem's if any are given."""
    ends, losses, came_to_rest = (np.asarray(found) for found in _minimised(problem, xs, keys))
    order = np.argsort(losses)  # NaN last
    return Ends(jnp.asarray(ends[order]), losses[order], came_to_rest[order])


@eqx.filter_jit
def _minimised(
    problem: AbstractProblem, xs: Float[Array, "start n"], keys: Key[Array, " start"] | None
) -> tuple[Float[Array, "start n"], Float[Array, " start"], Bool[Array, " start"]]:
    solver = optx.LevenbergMarquardt(rtol=1e-4, atol=1e-5)
    options = {"jac": "fwd"}

    def residuals(x, problem):
        return problem.residuals(x)

    def one(x, key):
        own = problem if key is None else dataclasses.replace(problem, key=key)
        found = optx.least_squares(residuals, solver, x, own, options, max_steps=_MOST_STEPS, throw=False)
        left, slopes = own.residuals(found.value), jax.jacfwd(own.residuals)(found.value)
        to_gain = jnp.sum((slopes @ jnp.linalg.lstsq(slopes, left)[0]) ** 2)
        loss = jnp.sum(left**2)
        at_rest = (found.result == optx.RESULTS.successful) | (to_gain <= _NO_GAIN * loss)
        return found.value, loss, at_rest

    return jax.vmap(one)(xs, keys)


def finite(residuals: Float[Array, " n"]) -> Float[Array, " n"]:
    """With a large number for what is not: a simulation that blows up is a bad one, and no more."""
    return jnp.where(jnp.isfinite(residuals), residuals, _FAILED)


def described(
    unknowns: Unknowns,
    ends: Ends,
    covariance: Float[np.ndarray, "n n"],
    *,
    explained: float,
    compared: tuple[Any, Any, Any],
    y0: Any = None,
) -> ParameterFit:
    """The best end; `covariance` is of its errors, `compared` where, what was recorded and what simulated."""
    count = len(unknowns.names)
    best = ends.xs[0, :count]
    share = np.asarray(jax.nn.sigmoid(best), float)
    slope = np.asarray(unknowns.high - unknowns.low, float) * share * (1 - share)
    parameters, input, gain = unknowns.column(best)
    std = np.sqrt(np.diag(covariance))[:count]
    axis, recorded, simulated = (np.asarray(values, float) for values in compared)
    inside = bool(np.all((share > _EDGE) & (share < 1 - _EDGE)))
    return ParameterFit(
        unknowns.names,
        values=np.asarray(unknowns.values(best), float),
        std=slope * std,
        correlation=covariance[:count, :count] / np.where(std > 0, std, 1)[:, None] / np.where(std > 0, std, 1),
        parameters=parameters,
        input=input,
        gain=float(gain),
        y0=None if y0 is None else np.asarray(y0, float),
        explained=float(explained),
        converged=bool(ends.came_to_rest[0]) and inside,
        agreeing=int(np.sum(ends.losses <= ends.losses[0] * (1 + _SAME) + _NEXT_TO_NOTHING)),
        starts=len(ends.losses),
        axis=axis,
        recorded=recorded,
        simulated=simulated,
    )
