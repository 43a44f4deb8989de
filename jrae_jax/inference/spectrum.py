"""Parameters from the spectrum of an EEG whose input is random and not seen."""

import dataclasses
import math
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from .._checks import as_float, check_count
from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters
from ..column.simulate import simulate
from ..column.solvers import StrangSplitting
from ..column.states import eeg
from .free_parameters import Unknowns
from .least_squares import (
    AbstractProblem,
    Ends,
    Free,
    ParameterFit,
    checked_recording,
    covariance_of,
    described,
    finite,
    minimise,
    steps_per_sample,
)
from .residuals import BAND, power_spectrum

_BURN_IN, _SECONDS, _REPEATS = 1.0, 15.0, 4  # of the simulations that a spectrum is averaged over
_CANDIDATES_PER_START = 32
_AT_ONCE = 64  # candidates
_HALF_OVERLAP = 1.056  # variance of a mean over segments, half overlapping under a Hann window, times their number
_NEIGHBOURS = 1.94  # variance of a sum over neighbouring frequencies under that window, over that of independent ones
_STEP = 0.1  # of the differences that stand for derivatives
_DRAWS = 8  # of noise, over which the result is averaged
_SAME, _PLAUSIBLE = 1.5, 2.0  # times the least loss: draws that end no worse count, and starts widen what is told


def fit_spectrum(
    recording: Any,
    parameters: JansenRitParameters,
    input: AbstractExternalInput,
    *,
    dt: float,
    free: Free,
    resolution: float = 0.5,
    band: tuple[float, float] = BAND,
    starts: int = 8,
    key: PRNGKeyArray,
) -> ParameterFit:
    """Find parameters so that the simulated EEG has the spectrum of a recording.

    For recordings of a column that an unseen random input drives. Candidates spread over the bounds are simulated; the
    best are where Levenberg and Marquardt's method starts, which follows the logarithm of the power density, with noise
    that stays the same from step to step. From the best end it starts again with eight other draws of noise; the result
    is their mean. Where columns part under the same noise (a largest Lyapunov exponent above 0, between alpha and
    spikes) starts may end in different places that fit about as well, which `std` covers.

    **Arguments:**

    - `recording`: the EEG, `gain (y1 - y2)`, mV; shape `(time,)`, one sample every `dt` seconds.
    - `parameters`, `input`: the column; quantities that are not in `free` are known. Held noise is held for a whole
        number of steps, which are `dt`, or the longest share of it below 1 ms.
    - `free`: as in `fit_trace`.
    - `resolution`, `band`: of the spectrum, Hz.
    - `starts`: how many candidates are followed, of 32 times as many.
    - `key`: for the candidates, and for the noise of the simulations.

    **Returns:** a `ParameterFit`; its `std` covers what chance does to the spectra of the recording and of the
        simulations, and is larger where the fit is worse than that, or where other starts end nearly as well elsewhere.

    **Raises:** `ValueError` as `fit_trace`, and for an input that is not random.
    """
    values = checked_recording(recording, dt)
    check_count(1, starts=starts)
    unknowns = Unknowns.of(parameters, input, free)
    if not input.random:
        raise ValueError(f"`input` must be random to have a spectrum, got a {type(input).__name__}: take fit_trace")
    spread_key, noise_key, draws_key = jax.random.split(key, 3)
    frequencies, density = power_spectrum(as_float(values), dt=dt, resolution=resolution, band=band)
    counts = _segments(len(values) * dt, resolution), _segments(_SECONDS, resolution) * _REPEATS
    std = math.sqrt(sum(1 / count for count in counts))
    problem = _Spectrum(unknowns, jnp.log(density), as_float(std), noise_key, dt, resolution, band)
    candidates = unknowns.spread(starts * _CANDIDATES_PER_START, spread_key)
    order = np.argsort(np.asarray(_losses(problem, candidates)))
    first = minimise(problem, candidates[order[:starts]], jnp.broadcast_to(noise_key, (starts,)))
    keys = jax.random.split(draws_key, _DRAWS)
    drawn = minimise(problem, jnp.broadcast_to(first.xs[0], (_DRAWS, len(free))), keys)
    kept = np.asarray(drawn.xs, float)[drawn.losses <= _SAME * drawn.losses[0]]
    x = as_float(kept.mean(axis=0))
    simulated, slopes = (np.asarray(found, float) for found in _around(problem, x, keys))
    differences = np.log(simulated) - np.asarray(problem.target, float)
    by_chance = covariance_of(slopes, _variance(differences, counts[0]) / std**2)
    covariance = by_chance + _scatter(kept) / len(kept) + _between_ends(first)
    explained = float(1 - np.mean(differences**2) / np.var(problem.target))
    compared = frequencies, density, simulated
    return described(unknowns, first._replace(xs=x[None]), covariance, explained=explained, compared=compared)


class _Spectrum(AbstractProblem):
    unknowns: Unknowns
    target: Float[Array, " frequency"]
    """Logarithm of the recording's power density."""
    std: Float[Array, ""]
    """What chance does to the difference of two such logarithms."""
    key: PRNGKeyArray
    dt: float = eqx.field(static=True)
    resolution: float = eqx.field(static=True)
    band: tuple[float, float] = eqx.field(static=True)

    def residuals(self, x: Float[Array, " free"]) -> Float[Array, " frequency"]:
        """In units of their standard deviation.

        Their derivatives are differences over a small step: those of a single noisy simulation may grow with its
        length, while what is wanted is how averages change.
        """
        return _residuals(x, self)

    def simulated(self, x: Float[Array, " free"]) -> Float[Array, " frequency"]:
        """The power density, mV²/Hz."""
        parameters, input, gain = self.unknowns.column(x)
        substeps = steps_per_sample(self.dt)
        ys = simulate(
            parameters,
            input,
            t1=math.ceil((_BURN_IN + _SECONDS) / self.dt) * self.dt,
            dt=self.dt / substeps,
            burn_in=_BURN_IN,
            batch=_REPEATS,
            solver=StrangSplitting(),
            saveat=diffrax.SaveAt(steps=substeps),
            throw=False,
            key=self.key,
        ).ys
        _, density = power_spectrum(eeg(ys), dt=self.dt, resolution=self.resolution, band=self.band)
        return gain**2 * jnp.mean(density, axis=0)


def _segments(seconds: float, resolution: float) -> float:
    """How many independent segments a spectrum of that length is worth."""
    return max(1.0, (2 * seconds * resolution - 1) / _HALF_OVERLAP)


@eqx.filter_jit
def _losses(problem: _Spectrum, xs: Float[Array, "candidate free"]) -> Float[Array, " candidate"]:
    return jax.lax.map(lambda x: jnp.sum(problem.residuals(x) ** 2), xs, batch_size=_AT_ONCE)


@eqx.filter_jit
def _around(
    problem: _Spectrum, x: Float[Array, " free"], keys: Key[Array, " draw"]
) -> tuple[Float[Array, " frequency"], Float[Array, "frequency free"]]:
    """Averages over draws of noise: the power density, and the derivatives of the residuals."""

    def one(key):
        drawn = dataclasses.replace(problem, key=key)
        return drawn.simulated(x), jax.jacfwd(drawn.residuals)(x)

    density, slopes = jax.lax.map(one, keys)
    return jnp.mean(density, axis=0), jnp.mean(slopes, axis=0)


def _variance(differences: Float[np.ndarray, " frequency"], segments: float) -> float:
    """Of one logarithm of a recording's power density: that of chance, or what is left where this is more."""
    return _NEIGHBOURS * max(1 / segments, float(np.mean(differences**2)))


def _between_ends(ends: Ends) -> Any:
    """Covariance of where starts end that fit about as well as the best."""
    return _scatter(np.asarray(ends.xs, float)[ends.losses <= _PLAUSIBLE * ends.losses[0]])


def _scatter(xs: Float[np.ndarray, "end free"]) -> Any:
    """Covariance of places where fits end."""
    return np.atleast_2d(np.cov(xs, rowvar=False)) if len(xs) > 1 else 0.0


@eqx.filter_custom_jvp
def _residuals(x, problem):
    return finite((jnp.log(problem.simulated(x)) - problem.target) / problem.std)


@_residuals.def_jvp
def _differences(primals, tangents):
    (x, problem), (direction, _) = primals, tangents
    more, less = (_residuals(x + step * direction, problem) for step in (_STEP, -_STEP))
    return _residuals(x, problem), (more - less) / (2 * _STEP)
