"""Parameters from an EEG whose input is known, sample by sample."""

import dataclasses
import math
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import as_float, check_count
from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters
from ..column.simulate import simulate
from ..column.states import eeg
from ..dynamics.lyapunov import units
from .free_parameters import Unknowns
from .least_squares import (
    LONGEST_STEP,
    SHORTEST_RECORDING,
    AbstractProblem,
    Free,
    ParameterFit,
    checked_recording,
    covariance_of,
    described,
    finite,
    minimise,
    steps_per_sample,
)

_WINDOW_GROWTH = 4  # how many times longer each window is than the one before
_FEWEST_STARTS = 4  # that are followed to the end
_SETTLE = 2.0  # s


def fit_trace(
    recording: Any,
    parameters: JansenRitParameters,
    input: AbstractExternalInput,
    *,
    dt: float,
    free: Free,
    y0: Any = None,
    starts: int = 32,
    key: PRNGKeyArray,
) -> ParameterFit:
    """Find parameters, and the initial state, so that the simulated EEG follows a recording sample by sample.

    For recordings whose input is known; with an unseen random one take `fit_spectrum`, or `kalman_smoother` with
    `unknown`. Levenberg and Marquardt's method with forward derivatives, from many starts in one program: first on a
    quarter of a second, where the squared difference has few local minima, then on windows four times longer each, with
    a quarter of the starts, the best.

    **Arguments:**

    - `recording`: the EEG, `gain (y1 - y2)`, mV; shape `(time,)`, one sample every `dt` seconds.
    - `parameters`, `input`: the column; quantities that are not in `free` are known. The input's time begins `dt`
        before the first sample.
    - `free`: lower and upper bound of each quantity that is to be found: parameters, quantities of the input such as
        `p`, and `gain` (1 if it is not to be found).
    - `y0`: the states `dt` before the first sample, mV and mV/s; to be found if `None`.
    - `starts`: how many.
    - `key`: for the starts.

    **Returns:** a `ParameterFit`; its `std` takes what is left of the recording for white noise.

    **Raises:** `ValueError` for a recording with NaN, without change, too short or too slowly sampled, for an input
        that is random, or quantities that do not exist or that no EEG can tell apart.
    """
    values = checked_recording(recording, dt)
    check_count(1, starts=starts)
    unknowns = Unknowns.of(parameters, input, free)
    if input.random:
        raise ValueError(f"`input` must not be random to be followed, got a {type(input).__name__}: take fit_spectrum")
    if y0 is not None and np.shape(y0) != (6,):
        raise ValueError(f"`y0` must have shape (6,), got {np.shape(y0)}")
    given = None if y0 is None else as_float(y0)
    xs = _starts(unknowns, given, starts, key)
    whole = _Trace(unknowns, as_float(values), as_float(np.std(values)), given, dt)
    for window in _windows(len(values), dt):
        shorter = dataclasses.replace(whole, recording=whole.recording[:window])
        xs = minimise(shorter, xs).xs[: max(_FEWEST_STARTS, len(xs) // _WINDOW_GROWTH)]
    ends = minimise(whole, xs)
    noise = max(float(ends.losses[0]) / len(values), _rounding(whole))
    covariance = covariance_of(_slopes(whole, ends.xs[0]), noise)
    compared = dt * np.arange(1, len(values) + 1), values, whole.simulated(ends.xs[0])
    explained, initial = 1 - float(ends.losses[0]), whole.initial(ends.xs[0])
    return described(unknowns, ends, covariance, explained=explained, compared=compared, y0=initial)


class _Trace(AbstractProblem):
    unknowns: Unknowns
    recording: Float[Array, " time"]
    size: Float[Array, ""]
    """Standard deviation of the whole recording, mV."""
    given: Float[Array, "6"] | None
    """The initial state, where it is known."""
    dt: float = eqx.field(static=True)

    def initial(self, x: Float[Array, " n"]) -> Float[Array, "6"]:
        """The states one sample before the first."""
        return x[len(self.unknowns.names) :] * units(self.unknowns.parameters) if self.given is None else self.given

    def residuals(self, x: Float[Array, " n"]) -> Float[Array, " time"]:
        """In units in which the sum of their squares is the share of the variance that is not explained."""
        return finite((self.simulated(x) - self.recording) / self.size) / math.sqrt(len(self.recording))

    def simulated(self, x: Float[Array, " n"]) -> Float[Array, " time"]:
        """The EEG, mV."""
        parameters, input, gain = self.unknowns.column(x[: len(self.unknowns.names)])
        substeps = steps_per_sample(self.dt)
        ys = simulate(
            parameters,
            input,
            t1=len(self.recording) * self.dt,
            dt=self.dt / substeps,
            y0=self.initial(x),
            saveat=diffrax.SaveAt(steps=substeps),
            adjoint=diffrax.ForwardMode(),
            throw=False,
        ).ys
        return gain * eeg(ys)


def _windows(samples: int, dt: float) -> list[int]:
    """Lengths of the windows before the whole recording, in samples."""
    first = round(SHORTEST_RECORDING / dt)
    count = max(0, math.ceil(math.log(samples / first, _WINDOW_GROWTH) - 1e-9))
    return [first * _WINDOW_GROWTH**i for i in range(count)]


@eqx.filter_jit
def _starts(
    unknowns: Unknowns, given: Float[Array, "6"] | None, count: int, key: PRNGKeyArray
) -> Float[Array, "count n"]:
    """Quantities spread over the bounds, and a state somewhere on the way of a column that has them."""
    spread_key, time_key = jax.random.split(key)
    xs = unknowns.spread(count, spread_key)
    if given is not None:
        return xs

    def state(x, key):
        parameters, input, _ = unknowns.column(x)
        ys = simulate(parameters, input, t1=2 * _SETTLE, dt=LONGEST_STEP, burn_in=_SETTLE, throw=False).ys
        return jax.random.choice(key, ys) / units(unknowns.parameters)

    states = jax.vmap(state)(xs, jax.random.split(time_key, count))
    return jnp.concatenate([xs, jnp.where(jnp.isfinite(states), states, 0.0)], axis=1)


def _rounding(problem: _Trace) -> float:
    """Variance of a residual that rounding alone leaves."""
    largest = float(jnp.max(jnp.abs(problem.recording)))
    return (float(jnp.finfo(problem.recording.dtype).eps) * largest / float(problem.size)) ** 2 / len(problem.recording)


@eqx.filter_jit
def _slopes(problem: _Trace, x: Float[Array, " n"]) -> Float[Array, "time n"]:
    return jax.jacfwd(problem.residuals)(x)
