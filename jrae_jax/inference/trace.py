"""Fit of the EEG sample by sample, for a column whose input is known."""

import dataclasses
import math

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._checks import Progress, as_float, check_count, check_finite, check_memory
from ..column.column import Column
from ..column.quantities import described
from ..column.simulate import simulate
from ..column.solvers import RK4
from ..column.states import STATES, States, eeg
from ..column.step_size import MOST_STEPS, check_rates
from ..recording.recording import Recording
from .free_parameters import FreeParameters
from .least_squares import (
    LONGEST_STEP,
    SHORTEST_RECORDING,
    AbstractFitMethod,
    AbstractProblem,
    Comparison,
    ParameterFit,
    error_covariance,
    finite,
    minimise,
    recorded_eeg,
    steps_per_sample,
)

# How many times longer each window is than the one before: a fit to one is near enough to the minimum of the next.
_WINDOW_GROWTH = 4
_FEWEST_STARTS = 4  # that are followed to the last window: as a safeguard, and to see whether they agree
_SETTLE = 2.0  # s; a column's transients last some 0.1 s


def _as_state(y0: ArrayLike | None) -> Array | None:
    return None if y0 is None else as_float(y0, "y0")


class MatchTrace(AbstractFitMethod):
    """Parameters, and the initial state, with which the simulated EEG follows a recording sample by sample.

    For a column whose input is known; with a random one take `MatchSpectrum`. Levenberg and Marquardt's method with
    forward derivatives, from many starts in one program: first on a quarter of a second, where the squared difference
    has few local minima, then on windows four times longer each, with a quarter of the starts, the best.

    The time of the input is that of the recording. The fit's `std` takes what is left of the recording for white noise.

    **Arguments:**

    - `y0`: the states one sample before the first, mV and mV/s, shape `(6,)`; to be found if `None`.
    - `starts`: how many.

    **Raises:** `ValueError` for `y0` of another shape or that is not finite, or no start.
    """

    y0: Float[Array, "6"] | None = eqx.field(converter=_as_state, default=None)
    starts: int = eqx.field(static=True, default=32)

    def __check_init__(self):
        if self.y0 is not None:
            if self.y0.shape != (len(STATES),):
                raise ValueError(f"`y0` must have shape (6,), got {self.y0.shape}")
            check_finite(y0=self.y0)
        check_count(1, starts=self.starts)
        check_memory("fits side by side", 1000 * self.starts, starts=self.starts)

    def __repr__(self) -> str:
        return described(self, "")

    def fit(self, recording: Recording, free: FreeParameters, *, key: PRNGKeyArray, progress: Progress) -> ParameterFit:
        """The parameters that fit a recording best.

        **Raises:** `ValueError` for a column whose input is random, or a recording that is too long.
        """
        if free.known.input.random:
            raise ValueError(
                f"`method` must be MatchSpectrum() for a column with a random input, a "
                f"{type(free.known.input).__name__}, got MatchTrace()"
            )
        values, dt = recorded_eeg(recording), recording.dt
        longest = MOST_STEPS // steps_per_sample(dt)
        if len(values) > longest:
            raise ValueError(
                f"`recording` must have at most {longest:,} samples of {dt:g} s to be followed by MatchTrace(), got "
                f"{len(values):,}: cut out a part; minutes determine a column"
            )
        check_rates("column", free.slowest, dt / steps_per_sample(dt), RK4())
        t0 = round(float(recording.ts[0]) - dt, 12)  # rounded, so that a simulation from 0 on is fitted from 0 on
        whole = _TraceProblem(free, as_float(values), as_float(np.std(values)), self.y0, t0, dt)
        windows = _windows(len(values), dt)
        stages = len(windows) + 2
        progress(0, stages, f"{self.starts} starts")
        xs = _starts(free, self.y0, self.starts, key)
        for stage, window in enumerate(windows, 1):
            progress(stage, stages, f"{len(xs)} starts on {window * dt:.3g} s")
            shorter = dataclasses.replace(whole, recording=whole.recording[:window])
            xs = minimise(shorter, xs).xs[: max(_FEWEST_STARTS, len(xs) // _WINDOW_GROWTH)]
        progress(stages - 1, stages, f"{len(xs)} starts on {len(values) * dt:.3g} s")
        minima = minimise(whole, xs)
        best, loss = minima.xs[0], float(minima.losses[0])
        noise = max(loss / len(values), _rounding(whole))
        covariance = error_covariance(_slopes(whole, best), noise)
        compared = Comparison(recording.ts, values, whole.simulated(best))
        progress(stages, stages, "fitted")
        return ParameterFit.from_minima(
            free, minima, covariance, compared, explained=1 - loss, y0=whole.initial_state(best)
        )


class _TraceProblem(AbstractProblem):
    free: FreeParameters
    recording: Float[Array, " time"]
    """mV"""
    size: Float[Array, ""]
    """Standard deviation of the whole recording, mV."""
    y0: Float[Array, "6"] | None
    """The initial state, where it is known."""
    t0: float = eqx.field(static=True)
    """Time of the initial state, s."""
    dt: float = eqx.field(static=True)

    def initial_state(self, x: Float[Array, " n"]) -> Float[Array, "6"]:
        """The states one sample before the first, mV and mV/s."""
        return x[len(self.free.names) :] * _state_scale(self.free.known) if self.y0 is None else self.y0

    def residuals(self, x: Float[Array, " n"], key: PRNGKeyArray | None) -> Float[Array, " time"]:
        """In units in which the sum of their squares is the fraction of the variance that is not explained."""
        return finite((self.simulated(x) - self.recording) / self.size) / math.sqrt(len(self.recording))

    def simulated(self, x: Float[Array, " n"]) -> Float[Array, " time"]:
        """The EEG, mV."""
        column, gain = self.free.column(x[: len(self.free.names)])
        substeps = steps_per_sample(self.dt)
        ys = simulate(
            column,
            t0=self.t0,
            t1=self.t0 + len(self.recording) * self.dt,
            dt=self.dt / substeps,
            y0=self.initial_state(x),
            saveat=diffrax.SaveAt(steps=substeps),
            adjoint=diffrax.ForwardMode(),
            throw=False,
        ).ys
        return gain * eeg(ys)


def _state_scale(column: Column) -> Float[Array, "6"]:
    """Units in which an initial state is searched: mV, and a or b times that for derivatives, so that all six are of
    one size."""
    a, b = column.parameters.a, column.parameters.b
    one = jnp.ones_like(a)
    return jnp.stack(States(one, one, one, a, a, b))


def _windows(samples: int, dt: float) -> list[int]:
    """Lengths of the windows before the whole recording, in samples."""
    first = round(SHORTEST_RECORDING / dt)
    count = max(0, math.ceil(math.log(samples / first, _WINDOW_GROWTH) - 1e-9))
    return [first * _WINDOW_GROWTH**i for i in range(count)]


@eqx.filter_jit
def _starts(
    free: FreeParameters, y0: Float[Array, "6"] | None, count: int, key: PRNGKeyArray
) -> Float[Array, "count n"]:
    """Quantities spread over the bounds, and a state somewhere on the attractor of a column that has them."""
    spread_key, time_key = jax.random.split(key)
    xs = free.latin_hypercube(count, spread_key)
    if y0 is not None:
        return xs

    def some_state(x, key):
        column, _ = free.column(x)
        ys = simulate(column, t1=2 * _SETTLE, dt=LONGEST_STEP, burn_in=_SETTLE, throw=False).ys
        return jax.random.choice(key, ys) / _state_scale(free.known)

    states = jax.vmap(some_state)(xs, jax.random.split(time_key, count))
    return jnp.concatenate([xs, jnp.where(jnp.isfinite(states), states, 0.0)], axis=1)


def _rounding(problem: _TraceProblem) -> float:
    """Variance of a residual that rounding alone leaves."""
    largest = float(jnp.max(jnp.abs(problem.recording)))
    return (float(jnp.finfo(problem.recording.dtype).eps) * largest / float(problem.size)) ** 2 / len(problem.recording)


@eqx.filter_jit
def _slopes(problem: _TraceProblem, x: Float[Array, " n"]) -> Float[Array, "time n"]:
    return jax.jacfwd(problem.residuals)(x, None)
