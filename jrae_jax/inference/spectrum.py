"""Fit of the EEG's power spectrum, for a column whose input is random and unknown."""

import math
from functools import partial

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from .._checks import Progress, as_float, as_positive, check_count, check_memory, is_whole
from ..column.simulate import simulate
from ..column.solvers import StrangSplitting
from ..column.states import eeg
from ..column.step_size import check_rates
from ..recording.recording import Recording
from .free_parameters import FreeParameters
from .least_squares import (
    AbstractFitMethod,
    AbstractProblem,
    Comparison,
    Minima,
    ParameterFit,
    error_covariance,
    finite,
    minimise,
    recorded_eeg,
    steps_per_sample,
)
from .residuals import BAND, as_band, power_spectrum

_BURN_IN = 1.0  # s; a column's transients last some 0.1 s
_AT_ONCE = 64  # candidates that are simulated side by side, which bounds the memory
# Variance of a mean over segments that overlap by half under a Hann window, times their number: their spectra are
# correlated by 1/36, twice of which is added to the variance of independent ones (Welch 1967).
_HALF_OVERLAP = 1.056
# Variance of a sum over neighbouring frequencies under that window, over that of independent ones: the squared
# correlations of a frequency with its two neighbours, (2/3)^2, and with the next two, (1/6)^2, on both sides.
_NEIGHBOURS = 1.94
# Of the differences that stand for derivatives, on the logistic function's scale: large enough to average over the
# folds of a single noisy simulation, small enough that spectra change in proportion.
_STEP = 0.1
# Times the least loss: draws of noise that end no worse are averaged, and starts that end no worse widen `std`.
_SAME, _PLAUSIBLE = 1.5, 2.0


class MatchSpectrum(AbstractFitMethod):
    """Parameters with which the simulated EEG has the spectrum of a recording.

    For a column with a random input. Candidates spread over the bounds are simulated; the best are where Levenberg and
    Marquardt's method starts, which follows the logarithm of the power density, with noise that stays the same from
    step to step. From the best minimum it starts again with other draws of noise; the result is their mean. Where
    columns part under the same noise (a largest Lyapunov exponent above 0, between alpha and spikes) starts may come to
    different minima that fit about as well, which `std` covers.

    The fit's `std` covers what chance does to the spectra of the recording and of the simulations, and is larger where
    the fit is worse than that, or where other starts fit nearly as well elsewhere. Held noise is held for a whole
    number of steps, which are the recording's `dt`, or its longest whole fraction of up to 1 ms.

    **Arguments:**

    - `resolution`, `band`: of the spectrum, Hz.
    - `starts`: how many candidates are followed.
    - `candidates`: how many are simulated for each that is followed.
    - `duration`, `repeats`: seconds of each simulation, and how many with other noise are averaged.
    - `draws`: over how many draws of noise the result is averaged.

    **Raises:** `ValueError` for arguments out of range.
    """

    resolution: float = eqx.field(static=True, default=0.5, converter=partial(as_positive, "resolution"))
    band: tuple[float, float] = eqx.field(static=True, default=BAND, converter=as_band)
    starts: int = eqx.field(static=True, default=8)
    candidates: int = eqx.field(static=True, default=32, kw_only=True)
    duration: float = eqx.field(static=True, default=15.0, kw_only=True, converter=partial(as_positive, "duration"))
    repeats: int = eqx.field(static=True, default=4, kw_only=True)
    draws: int = eqx.field(static=True, default=8, kw_only=True)

    def __check_init__(self):
        check_count(1, starts=self.starts, candidates=self.candidates, repeats=self.repeats, draws=self.draws)
        numbers = {"starts": self.starts, "candidates": self.candidates}
        largest = max(numbers, key=lambda name: numbers[name])
        check_memory("candidates", 100 * self.starts * self.candidates, **{largest: numbers[largest]})
        # Steps are at most 1 ms.
        check_memory("simulations side by side", 8000 * math.ceil(self.duration) * self.repeats, repeats=self.repeats)
        if not self.duration * self.resolution >= 1:
            raise ValueError(
                f"`duration` must be at least {1 / self.resolution:g} s for a resolution of {self.resolution} Hz, got "
                f"{self.duration} s"
            )

    def fit(self, recording: Recording, free: FreeParameters, *, key: PRNGKeyArray, progress: Progress) -> ParameterFit:
        """The parameters that fit a recording best.

        **Raises:** `ValueError` for a column whose input is not random or whose noise is not held for a whole number of
            steps, or for a recording that is shorter than `1 / resolution`.
        """
        dt, seconds, stages = recording.dt, len(recording.ts) * recording.dt, 3
        _check_input(free, dt)
        if seconds * self.resolution < 1 - 1e-6:
            raise ValueError(
                f"`recording` must be at least {1 / self.resolution:g} s long for a resolution of {self.resolution} "
                f"Hz, got {seconds:g} s"
            )
        check_rates("column", free.slowest, dt / steps_per_sample(dt), StrangSplitting())
        candidate_key, noise_key, draws_key = jax.random.split(key, 3)
        frequencies, density = power_spectrum(
            as_float(recorded_eeg(recording)), dt=dt, resolution=self.resolution, band=self.band
        )
        segments = independent_segments(seconds, self.resolution)
        simulated_segments = independent_segments(self.duration, self.resolution) * self.repeats
        std = math.sqrt(1 / segments + 1 / simulated_segments)
        problem = SpectrumProblem(free, jnp.log(density), as_float(std), self, dt)
        progress(0, stages, f"{self.starts * self.candidates} candidates")
        candidates = free.latin_hypercube(self.starts * self.candidates, candidate_key)
        order = np.argsort(np.asarray(_losses(problem, candidates, noise_key)))
        progress(1, stages, f"{self.starts} starts")
        first = minimise(problem, candidates[order[: self.starts]], jnp.broadcast_to(noise_key, (self.starts,)))
        progress(2, stages, f"{self.draws} draws of noise")
        keys = jax.random.split(draws_key, self.draws)
        drawn = minimise(problem, jnp.broadcast_to(first.xs[0], (self.draws, len(free.names))), keys)
        kept = np.asarray(drawn.xs, float)[drawn.losses <= _SAME * drawn.losses[0]]
        x = as_float(kept.mean(axis=0))
        simulated, slopes = (np.asarray(mean, float) for mean in _means_over_draws(problem, x, keys))
        differences = np.log(simulated) - np.asarray(problem.target, float)
        by_chance = error_covariance(slopes, log_density_variance(differences, segments) / std**2)
        covariance = by_chance + sample_covariance(kept) / len(kept) + covariance_between_minima(first)
        explained = float(1 - np.mean(differences**2) / np.var(problem.target))
        compared = Comparison(frequencies, density, simulated)
        progress(stages, stages, "fitted")
        return ParameterFit.from_minima(free, first._replace(xs=x[None]), covariance, compared, explained=explained)


def _check_input(free: FreeParameters, dt: float) -> None:
    input, step = free.known.input, dt / steps_per_sample(dt)
    if not input.random:
        raise ValueError(
            f"`method` must be MatchTrace() for a column whose input is not random, a {type(input).__name__}, got "
            "MatchSpectrum()"
        )
    if input.hold is not None and (round(input.hold / step) < 1 or not is_whole(input.hold / step)):
        raise ValueError(
            f"`column` must hold its input for a whole number of steps, which are {step:g} s for this recording, got "
            f"hold={input.hold} s: take a multiple"
        )


class SpectrumProblem(AbstractProblem):
    """Logarithms of the power densities of simulations, less those of a recording."""

    free: FreeParameters
    target: Float[Array, " frequency"]
    """Logarithm of the recording's power density."""
    std: Float[Array, ""]
    """What chance does to the difference of two such logarithms."""
    method: MatchSpectrum
    dt: float = eqx.field(static=True)

    def residuals(self, x: Float[Array, " free"], key: PRNGKeyArray | None) -> Float[Array, " frequency"]:
        """In units of their standard deviation.

        Their derivatives are differences over a small step: those of a single noisy simulation may grow with its
        length, while what is wanted is how averages change.
        """
        return _residuals(x, self, key)

    def simulated(self, x: Float[Array, " free"], key: PRNGKeyArray | None) -> Float[Array, " frequency"]:
        """The power density, mV²/Hz."""
        column, gain = self.free.column(x)
        substeps = steps_per_sample(self.dt)
        ys = simulate(
            column,
            t1=math.ceil((_BURN_IN + self.method.duration) / self.dt) * self.dt,
            dt=self.dt / substeps,
            burn_in=_BURN_IN,
            batch=self.method.repeats,
            solver=StrangSplitting(),
            saveat=diffrax.SaveAt(steps=substeps),
            throw=False,
            key=key,
        ).ys
        _, density = power_spectrum(eeg(ys), dt=self.dt, resolution=self.method.resolution, band=self.method.band)
        return gain**2 * jnp.mean(density, axis=0)


@eqx.filter_custom_jvp
def _residuals(x, problem, key):
    return finite((jnp.log(problem.simulated(x, key)) - problem.target) / problem.std)


@_residuals.def_jvp
def _differences(primals, tangents):
    (x, problem, key), (direction, *_) = primals, tangents
    steps = jnp.array([_STEP, -_STEP], x.dtype)
    more, less = jax.vmap(lambda step: _residuals(x + step * direction, problem, key))(steps)
    return _residuals(x, problem, key), (more - less) / (2 * _STEP)


@eqx.filter_jit
def _losses(
    problem: SpectrumProblem, xs: Float[Array, "candidate free"], key: PRNGKeyArray
) -> Float[Array, " candidate"]:
    return jax.lax.map(lambda x: jnp.sum(problem.residuals(x, key) ** 2), xs, batch_size=_AT_ONCE)


@eqx.filter_jit
def _means_over_draws(
    problem: SpectrumProblem, x: Float[Array, " free"], keys: Key[Array, " draw"]
) -> tuple[Float[Array, " frequency"], Float[Array, "frequency free"]]:
    """Means over draws of noise: of the power density, and of the derivatives of the residuals."""

    def one_draw(key):
        return problem.simulated(x, key), jax.jacfwd(problem.residuals)(x, key)

    density, slopes = jax.lax.map(one_draw, keys)
    return jnp.mean(density, axis=0), jnp.mean(slopes, axis=0)


def independent_segments(seconds: float, resolution: float) -> float:
    """How many independent segments a spectrum of that length is worth."""
    return max(1.0, (2 * seconds * resolution - 1) / _HALF_OVERLAP)


def log_density_variance(differences: Float[np.ndarray, " frequency"], segments: float) -> float:
    """Variance of one logarithm of a recording's power density: that of chance, or what is left where this is more."""
    return _NEIGHBOURS * max(1 / segments, float(np.mean(differences**2)))


def covariance_between_minima(minima: Minima) -> Float[np.ndarray, "n n"]:
    """Covariance of the minima that fit about as well as the best."""
    return sample_covariance(np.asarray(minima.xs, float)[minima.losses <= _PLAUSIBLE * minima.losses[0]])


def sample_covariance(xs: Float[np.ndarray, "sample n"]) -> Float[np.ndarray, "n n"]:
    """Covariance of points; 0 of a single one."""
    size = xs.shape[1]
    return np.cov(xs, rowvar=False).reshape(size, size) if len(xs) > 1 else np.zeros((size, size))
