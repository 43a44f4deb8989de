"""A test whether a trajectory is more than linear noise: nonlinear against linear prediction, and surrogates."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import as_numbers, as_positive, check_count, check_memory, of_numbers
from .neighbours import as_trajectories, evenly, generator

_LAGS = 3  # points that are predicted from, a horizon apart: an autoregressive model of third order
_TRAINING, _TESTED = 500, 300  # points, at most, as each surrogate is predicted anew
_LOCAL = 10  # one in so many training points is a neighbour
_RIDGE = 1e-3  # of the mean variance of neighbours; points that all lie on a line would make it singular
_TRIMMED = 10  # up to one in so many samples is cut off at the start and at the end
_EXACT = 1e-6  # fraction of variance below which an error is rounding


class SurrogateTest(eqx.Module):
    """How well the future is predicted linearly and nonlinearly, and whether chance would do as well."""

    linear_error: float
    """Mean squared error out of sample, as a fraction of variance."""
    nonlinear_error: float
    """The same of nonlinear prediction."""
    surrogate_ratios: Float[np.ndarray, " surrogate"]
    """Nonlinear over linear error of each surrogate."""
    p_value: float
    """How often a linear Gaussian process has a ratio as small as that of the points."""

    @property
    def ratio(self) -> float:
        """Nonlinear over linear error: below 1 where nonlinear prediction is better."""
        return _ratio(self.linear_error, self.nonlinear_error)

    @property
    def nonlinear(self) -> bool:
        """Whether nonlinear prediction is better than linear, and by more than chance allows at 5 %."""
        return self.ratio < 1 and self.p_value <= 0.05

    @of_numbers
    def __repr__(self) -> str:
        verdict = "nonlinear" if self.nonlinear else "not distinguished from linear noise"
        return f"SurrogateTest({verdict}: ratio of errors {self.ratio:.3g}, p = {self.p_value:.3g})"


def surrogate_test(
    points: Float[np.ndarray | Array, "*time dimension"],
    dt: float,
    *,
    horizon: float,
    surrogates: int = 19,
    key: PRNGKeyArray,
) -> SurrogateTest:
    """Test stationary trajectories for nonlinearity, by predicting them.

    Points a horizon ahead are predicted from three points, each a horizon apart: by one linear map (an autoregressive
    model of third order), and by a linear map for each, fitted to the residuals of the tenth of the training points
    that are nearest (Farmer and Sidorowich 1987, doi 10.1103/PhysRevLett.59.845; Casdagli 1992,
    doi 10.1111/j.2517-6161.1992.tb01884.x). Both learn from at most 500 points of the first half of each trajectory and
    are scored on at most 300 of the second.

    Surrogates have the points' auto- and cross-spectra and are linear and Gaussian: Fourier phases are shifted at
    random, by the same angle in all dimensions (Prichard and Theiler 1994, doi 10.1103/PhysRevLett.73.951). First, up
    to a tenth of the samples is cut off at the start and at the end so that value and slope meet; else the jump between
    them makes surrogates of rhythms less predictable than they are (Theiler et al. 1993). The p-value is the rank of
    the ratio of errors among those of surrogates. A static nonlinear reading of a linear process is rejected as well as
    nonlinear dynamics, and so is what is not stationary; a cycle without noise is not, being predicted linearly without
    error.

    **Arguments:**

    - `points`: one trajectory (time, dimension) or several (trajectory, time, dimension) in any space and any units;
        all axes count alike.
    - `dt`: seconds between samples.
    - `horizon`: how far ahead to predict, s.
    - `surrogates`: how many; 19 for p-values down to 0.05.
    - `key`: draws phases.

    **Returns:** a `SurrogateTest`.

    **Raises:** `ValueError` for numbers out of range, too few samples for the horizon and the number of dimensions, or
        points that are not finite or do not vary.
    """
    dt, horizon = as_positive("dt", dt), as_positive("horizon", horizon)
    check_count(1, surrogates=surrogates)
    check_memory("their errors", 8 * surrogates, surrogates=surrogates)
    steps = max(1, round(horizon / dt))
    dimensions = as_numbers("points", points).shape[-1:]
    predictors = _LAGS * (dimensions[0] if dimensions else 1) + 1
    least = int(np.ceil((8 * predictors + 3 * _LAGS * steps) / (1 - 2 / _TRIMMED)))
    trajectories = as_trajectories(points, least)
    trajectories = trajectories - trajectories.mean(axis=(0, 1))
    trajectories = trajectories / np.sqrt(np.mean(np.sum(trajectories**2, axis=2)))
    matched = [with_ends_matched(trajectory) for trajectory in trajectories]
    linear, nonlinear = _errors(matched, steps)
    random = generator(key)
    randomised = [phase_randomised(trajectory, random) for trajectory in matched]
    ratios = np.array([_ratio(*_errors([next(each) for each in randomised], steps)) for _ in range(surrogates)])
    p_value = (1 + np.sum(ratios <= _ratio(linear, nonlinear))) / (1 + surrogates)
    return SurrogateTest(linear, nonlinear, ratios, float(p_value))


def phase_randomised(
    trajectory: Float[np.ndarray, "time dimension"], random: np.random.Generator
) -> Iterator[Float[np.ndarray, "time dimension"]]:
    """Linear Gaussian trajectories without end, with the same means, auto- and cross-spectra."""
    time, spectrum = len(trajectory), np.fft.rfft(trajectory, axis=0)
    while True:
        angles = random.uniform(0, 2 * np.pi, len(spectrum))
        angles[0] = 0
        if time % 2 == 0:
            angles[-1] = 0  # the fastest frequency has no phase
        yield np.fft.irfft(spectrum * np.exp(1j * angles)[:, None], time, axis=0)


def with_ends_matched(trajectory: Float[np.ndarray, "time dimension"]) -> Float[np.ndarray, "shorter dimension"]:
    """The trajectory cut at both ends such that its last point, repeated periodically, leads over to its first."""
    from scipy.spatial.distance import cdist  # here, as importing it is slow

    displacements = np.diff(trajectory, axis=0)
    scales = [np.sqrt(values.var(axis=0).sum()) or 1.0 for values in (trajectory, displacements)]
    values_and_slopes = np.concatenate([trajectory[:-1] / scales[0], displacements / scales[1]], axis=1)
    most = len(trajectory) // _TRIMMED
    apart = cdist(values_and_slopes[:most], values_and_slopes[-most:])
    start, end = np.unravel_index(np.argmin(apart), apart.shape)
    return trajectory[start : len(values_and_slopes) - most + end]


class Halves(NamedTuple):
    """What to learn from and what to test on: points, each with its past, and the points that follow."""

    known: Float[np.ndarray, "known predictor"]
    target: Float[np.ndarray, "known dimension"]
    unknown: Float[np.ndarray, "unknown predictor"]
    truth: Float[np.ndarray, "unknown dimension"]


def halves(trajectory: Float[np.ndarray, "time dimension"], steps: int) -> Halves:
    """The first half of a trajectory to learn from, and the second, apart from the first, to test on."""
    time = len(trajectory) - _LAGS * steps
    past = np.concatenate([trajectory[lag * steps :][:time] for lag in range(_LAGS)], axis=1)
    future = trajectory[_LAGS * steps :]
    half, later = time // 2, time // 2 + _LAGS * steps
    return Halves(past[:half], future[:half], past[later:], future[later:])


def _errors(trajectories: Sequence[Float[np.ndarray, "_ dimension"]], steps: int) -> tuple[float, float]:
    """Linear and nonlinear errors of prediction out of sample, as fractions of variance."""
    split = [halves(trajectory, steps) for trajectory in trajectories]
    known, target, unknown, truth = (np.concatenate(parts) for parts in zip(*split, strict=True))
    chosen, tested = evenly(_TRAINING, len(known)), evenly(_TESTED, len(unknown))
    known, target, unknown, truth = known[chosen], target[chosen], unknown[tested], truth[tested]
    known, unknown = (np.concatenate([np.ones((len(x), 1)), x], axis=1) for x in (known, unknown))
    weights = np.linalg.lstsq(known, target, rcond=1e-6)[0]
    linear = truth - unknown @ weights
    nonlinear = linear - _local_prediction(known[:, 1:], target - known @ weights, unknown[:, 1:])
    variance = np.sum((truth - target.mean(axis=0)) ** 2)
    return float(np.sum(linear**2) / variance), float(np.sum(nonlinear**2) / variance)


def _local_prediction(
    known: Float[np.ndarray, "known predictor"],
    target: Float[np.ndarray, "known dimension"],
    unknown: Float[np.ndarray, "unknown predictor"],
) -> Float[np.ndarray, "unknown dimension"]:
    """For each unknown point, that of a linear map fitted to its neighbours."""
    from scipy.spatial.distance import cdist  # here, as importing it is slow

    size = known.shape[1]
    count = max(len(known) // _LOCAL, 2 * (size + 1))  # a map needs more points than it has coefficients
    nearest = np.argpartition(cdist(unknown, known, "sqeuclidean"), count - 1, axis=1)[:, :count]
    # A constant in front, which moving the point itself to the origin leaves as it is.
    around = np.insert(known, 0, 1, axis=1)[nearest] - np.insert(unknown, 0, 0, axis=1)[:, None]
    transposed = np.swapaxes(around, 1, 2)
    products = transposed @ around
    slopes = np.arange(1, size + 1)
    products[:, slopes, slopes] += _RIDGE * products[:, slopes, slopes].mean(axis=1, keepdims=True)
    return np.linalg.solve(products, transposed @ target[nearest])[:, 0]  # the constant: its value at the point itself


def _ratio(linear: float, nonlinear: float) -> float:
    return max(nonlinear, _EXACT) / max(linear, _EXACT)
