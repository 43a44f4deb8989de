"""Levenberg and Marquardt's method from many starts at once, the interface of fit methods, and what a fit returns."""

import math
from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pandas as pd
from jaxtyping import Array, Bool, Float, Key, PRNGKeyArray

from .._checks import Progress, of_numbers
from ..column.column import Column
from ..column.states import CHANNELS
from ..recording.recording import Recording
from .free_parameters import FreeParameters

# s; of the integration. RK4 then errs by 0.02 %, StrangSplitting by 0.5 % (see `suggest_dt`): less than a fit does.
LONGEST_STEP = 1e-3
SHORTEST_RECORDING = 0.25  # s; two to three cycles of alpha
# The residual of a simulation that diverges: far above those of a bad fit, which are some standard deviations, yet
# squares and their sums stay finite.
_DIVERGED = 30.0
_MOST_STEPS = 60  # of the optimiser; most starts need 10 to 30
# The optimiser itself does not stop where rounding makes every step a bad one: it is at a minimum if a step of Gauss
# and Newton would take off less than this fraction of the loss.
_NO_GAIN = 0.01
# Starts agree whose loss is at most so far above the least, as a fraction of it, or of that of no fit at all, which is
# about 1: below this it is rounding.
_SAME, _ROUNDING = 0.1, 1e-6
_EDGE = 1e-3  # of the distance between bounds: what is nearer to one of them is held by it
_ONLY_TOGETHER = 0.98  # correlation of errors; each alone is then five times as uncertain as if the other were known


class Comparison(NamedTuple):
    """What was recorded beside what the fitted column gives."""

    axis: Float[Array | np.ndarray, " point"]
    """s; or Hz, from a spectrum."""
    recorded: Float[Array | np.ndarray, " point"]
    """mV; or mV²/Hz."""
    simulated: Float[Array | np.ndarray, " point"]


class Minima(NamedTuple):
    """Where the optimiser came to from each start, the best first."""

    xs: Float[Array, "start n"]
    losses: Float[np.ndarray, " start"]
    """Sums of squares."""
    converged: Bool[np.ndarray, " start"]


class ParameterFit(eqx.Module):
    """Parameters found in a recording, and how far they can be trusted."""

    names: tuple[str, ...] = eqx.field(static=True)
    values: Float[np.ndarray, " free"]
    """In the order of `names`, in their units."""
    std: Float[np.ndarray, " free"]
    """Standard deviations of the values, from the Fisher information; huge for what the recording does not determine,
    and from a spectrum wider where other starts fit nearly as well elsewhere; NaN at a bound, where there is none."""
    at_bound: Bool[np.ndarray, " free"]
    """Which values are at one of their bounds: the recording asks for more, and nothing is known of their error."""
    correlation: Float[np.ndarray, "free free"]
    """Of the errors of the values; near -1 or 1: only a combination is known."""
    column: Column
    """The column with the values found."""
    gain: float
    """The factor from `y1 - y2` to the recording."""
    y0: Float[np.ndarray, "6"] | None
    """The states one sample before the first, mV and mV/s; `None` from a spectrum."""
    explained: float
    """The fraction of the recording's variance that the column explains; from a spectrum, of its logarithm's."""
    converged: bool
    """Whether the optimiser converged, and not at a bound."""
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

    @classmethod
    def from_minima(
        cls,
        free: FreeParameters,
        minima: Minima,
        covariance: Float[np.ndarray, "n n"],
        compared: Comparison,
        *,
        explained: float,
        y0: Float[Array, "6"] | None = None,
    ) -> "ParameterFit":
        """The best minimum; `covariance` is of its errors, of which the free parameters come first."""
        count = len(free.names)
        best = minima.xs[0, :count]
        fraction = np.asarray(jax.nn.sigmoid(best), float)
        slope = np.asarray(free.high - free.low, float) * fraction * (1 - fraction)
        column, gain = free.column(best)
        std = np.sqrt(np.diag(covariance))[:count]
        size = np.where(std > 0, std, 1)
        inside = (fraction > _EDGE) & (fraction < 1 - _EDGE)
        return cls(
            free.names,
            values=np.asarray(free.values(best), float),
            std=np.where(inside, slope * std, np.nan),
            at_bound=~inside,
            correlation=covariance[:count, :count] / size[:, None] / size,
            column=column,
            gain=float(gain),
            y0=None if y0 is None else np.asarray(y0, float),
            explained=float(explained),
            converged=bool(minima.converged[0]) and bool(np.all(inside)),
            agreeing=int(np.sum(minima.losses <= minima.losses[0] * (1 + _SAME) + _ROUNDING)),
            starts=len(minima.losses),
            axis=np.asarray(compared.axis, float),
            recorded=np.asarray(compared.recorded, float),
            simulated=np.asarray(compared.simulated, float),
        )

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each value; `"1"` of the gain."""
        return tuple(self.column.quantities.get(name, "1") for name in self.names)

    def to_dataframe(self) -> pd.DataFrame:
        """A row a quantity: `value`, `std`, NaN for a value at its bound, `at_bound` and `unit`."""
        columns = {"value": self.values, "std": self.std, "at_bound": self.at_bound, "unit": self.units}
        return pd.DataFrame(columns, index=pd.Index(self.names, name="quantity"))

    @of_numbers
    def __repr__(self) -> str:
        errors = ["" if held else f" +- {std:.2g}" for std, held in zip(self.std, self.at_bound, strict=True)]
        found = zip(self.names, self.values, errors, self.units, self.at_bound, strict=True)
        lines = [
            f"{name} = {value:.5g}{error} {unit}".removesuffix(" 1") + (", at its bound" if held else "")
            for name, value, error, unit, held in found
        ]
        lines += [
            f"only together: {first} and {second}, whose errors have a correlation of {self.correlation[i, j]:.3f}"
            for i, first in enumerate(self.names)
            for j, second in enumerate(self.names[:i])
            if abs(self.correlation[i, j]) > _ONLY_TOGETHER and not (self.at_bound[i] or self.at_bound[j])
        ]
        state = "converged" if self.converged else "NOT converged"
        explained = f"{self.explained:.2%} of the variance explained"
        return "\n".join([*lines, f"{state}; {self.agreeing} of {self.starts} starts agree; {explained}"])


class AbstractFitMethod(eqx.Module):
    """What is compared of a recording and a simulation, and how the best parameters are searched."""

    @abstractmethod
    def fit(self, recording: Recording, free: FreeParameters, *, key: PRNGKeyArray, progress: Progress) -> ParameterFit:
        """The parameters that fit a recording best; called by `fit_parameters`.

        **Raises:** `ValueError` for a column or a recording that the method cannot take.
        """


class AbstractProblem(eqx.Module):
    """Residuals whose sum of squares is to be made small by a choice of parameters."""

    free: eqx.AbstractVar[FreeParameters]

    @abstractmethod
    def residuals(self, x: Float[Array, " n"], key: PRNGKeyArray | None) -> Float[Array, " residual"]:
        """How the simulation differs from the recording; `x` begins with the free parameters, `key` is for the noise of
        the simulation where it has any."""


def recorded_eeg(recording: Recording) -> Float[np.ndarray, " time"]:
    """The EEG of a recording, mV, in double precision."""
    return np.asarray(recording.values, float)[:, CHANNELS.index("eeg")]


def steps_per_sample(dt: float) -> int:
    """Into how many steps of the integration a sample is divided."""
    return math.ceil(dt / LONGEST_STEP * (1 - 1e-9))


def error_covariance(slopes: Float[Array | np.ndarray, "residual n"], variance: float) -> Float[np.ndarray, "n n"]:
    """Covariance of the errors of a fit: the inverse Fisher information, from the derivatives of the residuals and
    their variance.

    In double precision, by singular values; very large along what the residuals do not depend on.
    """
    each = np.asarray(slopes, float)
    size = np.maximum(np.linalg.norm(each, axis=0), np.finfo(np.float32).tiny)
    _, values, directions = np.linalg.svd(each / size, full_matrices=False)
    spread = directions.T / np.maximum(values, np.finfo(np.float32).eps) / size[:, None]
    return variance * spread @ spread.T


def minimise(problem: AbstractProblem, xs: Float[Array, "start n"], keys: Key[Array, " start"] | None = None) -> Minima:
    """Follow every start to a minimum, each under noise of its own key if the problem has noise."""
    found, losses, converged = (np.asarray(each) for each in _minimised(problem, xs, keys))
    order = np.argsort(losses)  # NaN last
    return Minima(jnp.asarray(found[order]), losses[order], converged[order])


@eqx.filter_jit
def _minimised(
    problem: AbstractProblem, xs: Float[Array, "start n"], keys: Key[Array, " start"] | None
) -> tuple[Float[Array, "start n"], Float[Array, " start"], Bool[Array, " start"]]:
    solver = optx.LevenbergMarquardt(rtol=1e-4, atol=1e-5)
    options = {"jac": "fwd"}

    def residuals(x, problem_and_key):
        problem, key = problem_and_key
        return problem.residuals(x, key)

    def follow(x, key):
        found = optx.least_squares(residuals, solver, x, (problem, key), options, max_steps=_MOST_STEPS, throw=False)
        # Both by one differentiation, so that the simulation is compiled once for them.
        slopes, left = jax.jacfwd(lambda x: (problem.residuals(x, key),) * 2, has_aux=True)(found.value)
        to_gain = jnp.sum((slopes @ jnp.linalg.lstsq(slopes, left)[0]) ** 2)
        loss = jnp.sum(left**2)
        converged = (found.result == optx.RESULTS.successful) | (to_gain <= _NO_GAIN * loss)
        return found.value, loss, converged

    return jax.vmap(follow)(xs, keys)


def finite(residuals: Float[Array, " n"]) -> Float[Array, " n"]:
    """With a large number for what is not finite: a simulation that diverges is a bad fit, and no more."""
    return jnp.where(jnp.isfinite(residuals), residuals, _DIVERGED)
