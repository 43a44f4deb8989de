"""The largest Lyapunov exponent of a trajectory, and whether its neighbours diverge exponentially, as in chaos."""

from typing import TYPE_CHECKING

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_positive, of_numbers
from .neighbours import BLOCKS, as_trajectories, evenly, sample_times, squared_separations, theiler_window

if TYPE_CHECKING:
    import pandas as pd

_LEAST_SAMPLES = 500  # in time; of fewer, pairs are followed for too short a time to be cut into six
_REFERENCES = 1000  # pairs, whose median is right to 4 % of their spread
_FOLLOWED = 5  # pairs are followed for a fifth of the time, so that four fifths of all points can be neighbours
_BEFORE_SATURATION = 0.8  # of all that distances grow, in logarithms: beyond it they feel the size of the attractor
_CELLS, _RUN = 6, 3  # cells of time before saturation, and the fewest that make a run
# How many times as fast distances may grow in one cell of a run as in another: the Lorenz attractor passes, noise
# through cascades of one to six linear filters does not.
_STEADY = 1.5
_LEAST_FOLD = 4.0  # how many-fold distances must change in a run; noise has short steady stretches, too
_NEUTRAL = 2.0  # where they never grow or shrink that many-fold, the exponent is 0


class RosensteinExponent(eqx.Module):
    """How the distance between neighbours changes with time, and whether it does so exponentially."""

    value: float
    """The largest Lyapunov exponent, 1/s; NaN where distances grow in another way, as under noise."""
    standard_error: float
    """From the scatter over ten blocks of time; 1/s."""
    exponential: bool
    """Whether distances grow, or shrink, at one and the same rate while they change at least fourfold."""
    fold: float
    """How many-fold they change while the rate is the same; NaN if it never is."""
    times: Float[np.ndarray, " step"]
    """Since pairs were neighbours, s."""
    log_distances: Float[np.ndarray, " step"]
    """Natural logarithm of their median distance."""

    @property
    def chaotic(self) -> bool:
        """Whether neighbours diverge exponentially, at a rate that is more than two standard errors above 0."""
        return self.exponential and self.value > 2 * self.standard_error

    def to_dataframe(self) -> "pd.DataFrame":
        """A row a step, by its `time`, s: the `log_distance` of neighbours."""
        import pandas as pd  # here, as importing it is slow

        return pd.DataFrame({"log_distance": self.log_distances}, index=pd.Index(self.times, name="time"))

    @of_numbers
    def __repr__(self) -> str:
        if np.isnan(self.value):
            return "RosensteinExponent(none: distances do not grow exponentially)"
        how = f"exponential over a factor of {self.fold:.3g}" if self.exponential else "neither growing nor shrinking"
        return f"RosensteinExponent({self.value:.4g} +- {self.standard_error:.2g} 1/s, {how})"


def rosenstein_exponent(
    points: Float[np.ndarray | Array, "*time dimension"], dt: float, *, theiler: int | None = None
) -> RosensteinExponent:
    """The largest Lyapunov exponent of a trajectory in its own space, if there is one.

    The nearest neighbours of 1000 points, evenly spread over time, are followed for a fifth of the time; the slope of
    the logarithm of their distance is the exponent (Rosenstein et al. 1993, doi 10.1016/0167-2789(93)90009-P). The
    median over pairs is taken, which does not depend on pairs that are far apart already. Noise makes this slope
    positive as well, but ever smaller, the further neighbours are apart, while in chaos it is the same at all scales
    (Gao et al. 2006, doi 10.1103/PhysRevE.74.066204). So the time until distances have grown by 80 % of all they ever
    do, in logarithms, is cut into six; the exponent is the slope over the three or more of these in a row whose slopes
    differ by a factor of at most 1.5 and over which distances change most, and it counts if they change fourfold.

    Where neighbours never come twice as near or as far, as on a cycle, the exponent is the slope over all the time.
    Errors are for one and the same range of scales: between repeats of 10,000 points of the Lorenz attractor the
    exponent scatters twice as much.

    **Arguments:**

    - `points`: one trajectory (time, dimension) or several (trajectory, time, dimension) in any space and any units;
        all axes count alike, so standardise states first.
    - `dt`: seconds between samples.
    - `theiler`: as in `two_nn_dimension`.

    **Returns:** a `RosensteinExponent`.

    **Raises:** `ValueError` for fewer than 500 samples in time or a `dt` that is not positive, and else as
        `two_nn_dimension` does.
    """
    dt = as_positive("dt", dt)
    trajectories = as_trajectories(points, _LEAST_SAMPLES)
    theiler = theiler_window(trajectories, theiler)
    scale = np.sqrt(trajectories.var(axis=(0, 1)).sum())  # squares in other units may be beyond a float
    followed = _followed(trajectories / scale, theiler)
    curve = _medians(followed)
    times = np.arange(len(curve)) * dt
    change = np.abs(curve - curve[0])
    if change.max() < np.log(_NEUTRAL):
        return RosensteinExponent(*_rate(followed, 0, len(curve) - 1, dt), False, np.nan, times, curve + np.log(scale))
    run = _steadiest(curve, int(np.argmax(change >= _BEFORE_SATURATION * change.max())))
    fold = np.nan if run is None else float(np.exp(curve[run[1]] - curve[run[0]]))
    if run is None or max(fold, 1 / fold) < _LEAST_FOLD:
        return RosensteinExponent(np.nan, np.nan, False, fold, times, curve + np.log(scale))
    return RosensteinExponent(*_rate(followed, *run, dt), True, fold, times, curve + np.log(scale))


def _rate(followed: Float[np.ndarray, "step pair"], start: int, end: int, dt: float) -> tuple[float, float]:
    """The least-squares slope of median distances between two steps, and its error over blocks of time, 1/s."""
    among = followed[start : end + 1]
    medians = [_medians(pairs) for pairs in (among, *np.array_split(among, BLOCKS, axis=1))]
    slope, *block_slopes = np.polyfit(np.arange(len(among)) * dt, np.stack(medians, axis=-1), 1)[0]
    return float(slope), float(np.std(block_slopes, ddof=1) / BLOCKS**0.5)


def _followed(
    trajectories: Float[np.ndarray, "trajectory time dimension"], theiler: int
) -> Float[np.ndarray, "step pair"]:
    """The logarithm of the distance between neighbours, for each step they are followed."""
    number, time, dimension = trajectories.shape
    steps = time // _FOLLOWED
    points = trajectories.reshape(-1, dimension)
    starts = (np.arange(number)[:, None] * time + np.arange(time - steps)).ravel()  # of which the future is known
    times = sample_times(trajectories)[starts]
    references = evenly(_REFERENCES, len(starts))
    nearest = [np.argmin(part, axis=1) for part in squared_separations(points[starts], times, references, theiler)]
    these, others = starts[references], starts[np.concatenate(nearest)]
    followed = np.empty((steps + 1, len(references)), np.float32)  # of which medians are taken
    for pair, (this, other) in enumerate(zip(these, others, strict=True)):  # pair by pair, as steps lie side by side
        apart = points[this : this + steps + 1] - points[other : other + steps + 1]
        followed[:, pair] = np.einsum("sd,sd->s", apart, apart)
    np.maximum(followed, np.finfo(np.float32).tiny, out=followed)
    np.log(followed, out=followed)
    followed /= 2
    return followed


def _medians(followed: Float[np.ndarray, "step pair"]) -> Float[np.ndarray, " step"]:
    """Of each step. `np.median` copies what it is given, so that it is given a few steps at a time."""
    return np.concatenate([np.median(steps, axis=1) for steps in np.array_split(followed, len(followed) // 64 + 1)])


def _steadiest(curve: Float[np.ndarray, " step"], end: int) -> tuple[int, int] | None:
    """The steps between which the curve is straight, and rises or falls most while it is."""
    if end < _CELLS:
        return None
    edges = np.linspace(0, end, _CELLS + 1).astype(int)
    slopes = np.diff(curve[edges]) / np.diff(edges)
    runs = [
        (int(edges[low]), int(edges[high]))
        for low in range(_CELLS)
        for high in range(low + _RUN, _CELLS + 1)
        if _steady(slopes[low:high])
    ]
    return max(runs, key=lambda run: abs(curve[run[1]] - curve[run[0]]), default=None)


def _steady(slopes: np.ndarray) -> bool:
    sizes = np.abs(slopes)
    return bool(np.ptp(np.sign(slopes)) == 0 and sizes.max() <= _STEADY * sizes.min())
