"""Intrinsic dimensions of trajectories, from distances to neighbours: two nearest neighbours, correlation dimension."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from .._checks import of_numbers
from .neighbours import BLOCKS, as_trajectories, evenly, generator, sample_times, squared_separations, theiler_window

if TYPE_CHECKING:
    import pandas as pd

_LEAST_SAMPLES = 200  # in time; fewer have no scaling range, and blocks of too few neighbours
# Points that count for two nearest neighbours: one in so many, but at least and at most so many. Of a finely sampled
# curve all points lie in rows, where the ratios of distances are those of the sampling and not of the dimension.
_ONE_IN, _FEWEST, _MOST = 5, 200, 2000
_REFERENCES = 1000  # of the correlation sum, as all pairs of 10,000 points would be 1e8
_CELL = 0.25  # width of a cell of radii, in natural logarithms
_CELLS_BELOW = 80  # cells from the size of the whole downwards: 20 natural logarithms, as good as all
_RANGE = 6  # cells of a scaling range, a factor of 4.5; shorter ones are found in noise as well
_LARGEST = 3  # cells below the size of the whole, where a scaling range ends at the latest: larger radii feel the edge
_LEAST_PAIRS = 200  # within the smallest radius: a number with an error of 7 %
_EVENNESS = 0.1  # how much local slopes may differ in a scaling range, in parts of their mean


class Dimension(eqx.Module):
    """An intrinsic dimension, and how sure it is."""

    value: float
    standard_error: float
    """From the scatter over ten blocks of time."""

    @of_numbers
    def __repr__(self) -> str:
        return f"Dimension({self.value:.3g} +- {self.standard_error:.2g})"


class CorrelationDimension(eqx.Module):
    """A correlation dimension, and the local slopes that it is the mean of."""

    value: float
    """NaN where there is no scaling range."""
    standard_error: float
    """Of the slope in this range, from ten blocks of time left out one by one."""
    radii: Float[np.ndarray, " cell"]
    """Middles of cells a quarter wide in natural logarithms, in units of the points' root mean square distance from
    their mean."""
    slopes: Float[np.ndarray, " cell"]
    """Local slopes of the logarithm of the correlation sum: a plateau is a dimension."""
    scaling_range: tuple[float, float]
    """The radii between which `value` is the slope, in the same units."""

    def to_dataframe(self) -> "pd.DataFrame":
        """A row a cell, by its `radius`: the local `slope`."""
        import pandas as pd  # here, as importing it is slow

        return pd.DataFrame({"slope": self.slopes}, index=pd.Index(self.radii, name="radius"))

    @of_numbers
    def __repr__(self) -> str:
        if np.isnan(self.value):
            return "CorrelationDimension(no scaling range)"
        low, high = self.scaling_range
        return f"CorrelationDimension({self.value:.3g} +- {self.standard_error:.2g}, at radii {low:.2g} to {high:.2g})"


def two_nn_dimension(
    points: Float[np.ndarray | Array, "*time dimension"],
    *,
    theiler: int | None = None,
    key: PRNGKeyArray,
) -> Dimension:
    """Intrinsic dimension by the ratios of distances to the second and to the first neighbour.

    If density is constant over these distances, the logarithms of the ratios are exponential, with the dimension as
    their rate (Facco et al. 2017, doi 10.1038/s41598-017-11873-y; the maximum of likelihood). One point in five counts,
    but at least 200 and at most 2000, drawn at random: all points of a finely sampled curve would lie in rows, with
    ratios of their own. Where two neighbours still lie in one row, as in short recordings, the dimension is too large.

    **Arguments:**

    - `points`: one trajectory (time, dimension) or several (trajectory, time, dimension) in any space and any units;
        all axes count alike.
    - `theiler`: points no more than this many samples apart are no neighbours (Theiler 1986,
        doi 10.1103/PhysRevA.34.2427). By default the first lag without a positive autocorrelation. 0 for points
        that are in no order, or that never come back.
    - `key`: draws the points.

    **Returns:** a `Dimension`.

    **Raises:** `ValueError` for fewer than 200 samples in time, points that are not finite, do not vary, or stay alike
        for more than a tenth of the time while `theiler` is not given; for `theiler` above a third of it; for a few
        points that repeat, whose neighbours are all as far away as each other.
    """
    trajectories = as_trajectories(points, _LEAST_SAMPLES)
    theiler = theiler_window(trajectories, theiler)
    times = sample_times(trajectories)
    count = min(max(len(times) // _ONE_IN, _FEWEST), _MOST)
    kept = np.sort(generator(key).choice(len(times), count, replace=False))
    cloud = trajectories.reshape(len(times), -1)[kept]
    blocks = []
    for references in np.array_split(np.arange(len(kept)), BLOCKS):
        parts = []
        for squares in squared_separations(cloud, times[kept], references, theiler):
            squares.partition(1)  # in place
            parts.append(squares[:, :2].copy())
        nearest = np.concatenate(parts)
        nearest = nearest[np.isfinite(nearest).all(axis=1)]
        blocks.append(np.log(nearest[:, 1] / nearest[:, 0]) / 2)
    ratios = np.concatenate(blocks)
    if not ratios.sum() > 0:
        raise ValueError("`points` must have neighbours at different distances, got none, as of points that repeat")
    with np.errstate(divide="ignore", invalid="ignore"):  # a block without neighbours makes the error NaN
        each = np.array([len(block) / block.sum() for block in blocks])
        value = (len(ratios) - 1) / ratios.sum()  # the -1 makes it unbiased
    return Dimension(float(value), float(each.std(ddof=1) / BLOCKS**0.5))


def correlation_dimension(
    points: Float[np.ndarray | Array, "*time dimension"], *, theiler: int | None = None
) -> CorrelationDimension:
    """How the fraction of pairs of points within a radius grows with the radius (Grassberger and Procaccia 1983,
    doi 10.1016/0167-2789(83)90298-1).

    Pairs of at most 1000 points, evenly spread over time, with all others are counted in cells of radii. The scaling
    range is the factor of 4.5, below half the size of the whole and with at least 200 pairs within its smallest radius,
    in which local slopes differ least; where they differ by more than a tenth there is none. Noise fills all dimensions
    there are, and beyond four or so, 10,000 points are too few for a range.

    **Arguments:**

    - `points`, `theiler`: as in `two_nn_dimension`.

    **Returns:** a `CorrelationDimension`, of NaN if there is no scaling range.

    **Raises:** `ValueError` as `two_nn_dimension` does.
    """
    trajectories = as_trajectories(points, _LEAST_SAMPLES)
    theiler = theiler_window(trajectories, theiler)
    times = sample_times(trajectories)
    cloud = trajectories.reshape(len(times), -1)
    cloud = cloud / np.sqrt(cloud.var(axis=0).sum())
    references = np.array_split(evenly(_REFERENCES, len(times)), BLOCKS)
    pairs = np.array([_pairs_within(squared_separations(cloud, times, block, theiler)) for block in references])
    total = pairs.sum(axis=0)
    first = int(np.argmax(total >= _LEAST_PAIRS)) if total[-1] >= _LEAST_PAIRS else len(total)
    slopes = np.diff(np.log(total[first:])) / _CELL
    radii = np.exp(np.arange(first - _CELLS_BELOW, 1) * _CELL)
    value, error, scaling_range = np.nan, np.nan, (np.nan, np.nan)
    low = _evenest(slopes)
    if low is not None:
        high = low + _RANGE
        value = slopes[low:high].mean()
        left_out = [_slope(total - block, first + low) for block in pairs]
        error = np.std(left_out) * (BLOCKS - 1) ** 0.5  # the jackknife's
        scaling_range = (float(radii[low]), float(radii[high]))
    middles = radii[:-1] * np.exp(_CELL / 2)
    return CorrelationDimension(float(value), float(error), middles, slopes, scaling_range)


def _pairs_within(parts: Iterable[Float[np.ndarray, "portion point"]]) -> Int[np.ndarray, " radius"]:
    """How many pairs are no further apart than each radius, of which the last is 1, from squared distances."""
    cells = np.concatenate([_cells(squares) for squares in parts])
    # Counted two by two, as two bytes are one number: `bincount` takes as long for a small number as for a large one.
    even = len(cells) // 2 * 2
    twos = np.bincount(cells[:even].view(np.uint16), minlength=1 << 16).reshape(256, 256)
    found = twos.sum(axis=0) + twos.sum(axis=1)
    found[cells[even:]] += 1
    return np.cumsum(found[: _CELLS_BELOW + 1])


def _cells(squares: Float[np.ndarray, "portion point"]) -> UInt8[np.ndarray, " pair"]:
    """The cell of radii that each squared distance lies in."""
    cells = squares.astype(np.float32).ravel()  # a cell is a quarter wide, and a float good to a ten millionth
    np.log(cells, out=cells)
    cells *= 0.5 / _CELL
    np.ceil(cells, out=cells)
    cells += _CELLS_BELOW
    return np.clip(cells, 0, _CELLS_BELOW + 1, out=cells).astype(np.uint8)


def _evenest(slopes: Float[np.ndarray, " cell"]) -> int | None:
    """The first cell of the scaling range, if there is one."""
    slopes = slopes[:-_LARGEST]
    if len(slopes) < _RANGE:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(slopes, _RANGE)
    means = windows.mean(axis=1)
    unevenness = np.where(means > 0, np.ptp(windows, axis=1) / np.where(means > 0, means, 1), np.inf)
    return int(np.argmin(unevenness)) if unevenness.min() <= _EVENNESS else None


def _slope(pairs: np.ndarray, low: int) -> float:
    return float(np.log(pairs[low + _RANGE] / pairs[low]) / (_RANGE * _CELL))
