"""The axes of a parameter scan: which quantities take which values, on a grid, together, or sampled."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, PRNGKeyArray, UInt32

from .._checks import (
    as_float,
    as_numbers,
    check_count,
    check_finite,
    check_key,
    check_memory,
    check_names,
    check_type,
    is_concrete,
)
from ..column.column import Column
from ..column.states import STATE_UNITS, STATES
from .contents import Coordinate
from .engine import ScanPoints

INITIAL_STATES: dict[str, str] = {f"initial_{state}": unit for state, unit in zip(STATES, STATE_UNITS, strict=True)}
"""Name and unit of the states at t = 0, which can be scanned like quantities of the column."""

Design = Callable[[np.random.Generator, int, int], np.ndarray]
"""Chooses points in the unit cube: from a generator, how many points, and how many quantities, to `(point, quantity)`.
"""


@dataclass(frozen=True)
class Axis:
    """One axis of a scan, along which one quantity changes, or several together; made by `zipped` or `sampled`."""

    dim: str
    """The name of the dimension in the results."""
    values: Mapping[str, np.ndarray]
    """For each quantity as many values as the axis is long."""

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))


def zipped(dim: str = "point", /, **values: ArrayLike | Sequence[float | int]) -> Axis:
    """One axis along which several quantities change together.

    **Arguments:**

    - `dim`: what to call the axis.
    - `values`: the values of each quantity, all of one length.

    **Raises:** `ValueError` if a quantity has no values, values that are not finite, or more or fewer than another.
    """
    arrays = {name: _axis_values(name, numbers) for name, numbers in values.items()}
    lengths = {name: len(numbers) for name, numbers in arrays.items()}
    if len(set(lengths.values())) != 1:
        came = ", ".join(f"{length} of {name}" for name, length in lengths.items()) or "none"
        raise ValueError(f"`values` must be as many for each quantity of axis {dim}, got {came}")
    return Axis(dim, arrays)


def latin_hypercube(
    generator: np.random.Generator, points: int, quantities: int
) -> Float[np.ndarray, "point quantity"]:
    """One point in each of as many equal parts of every range as there are points.

    McKay, Beckman and Conover (1979), doi 10.1080/00401706.1979.10489755, by `scipy.stats.qmc`.
    """
    from scipy.stats import qmc  # slow to import

    return qmc.LatinHypercube(quantities, rng=generator).random(points)


def independent_uniform(
    generator: np.random.Generator, points: int, quantities: int
) -> Float[np.ndarray, "point quantity"]:
    """Independent points, uniform in the ranges."""
    return generator.random((points, quantities))


def sampled(
    points: int,
    *,
    key: PRNGKeyArray,
    design: Design = latin_hypercube,
    log: Sequence[str] = (),
    dim: str = "point",
    **ranges: tuple[float, float],
) -> Axis:
    """One axis of points spread over ranges.

    **Arguments:**

    - `points`: how many.
    - `key`: for the choice of points.
    - `design`: how points are chosen: `latin_hypercube` or `independent_uniform`, or a function like them.
    - `log`: the quantities to be spread evenly in their logarithm.
    - `dim`: what to call the axis.
    - `ranges`: lowest and highest value of each quantity.

    **Raises:** `ValueError` for a range whose bounds are not in rising order, or not positive under `log`.
    """
    check_count(1, points=points)
    check_memory("their values", 4 * 8 * points * max(len(ranges), 1), points=points)
    if not ranges:
        raise ValueError("`ranges` must name at least one quantity, got none")
    check_names(ranges, log=log)
    if not callable(design):
        raise ValueError(f"`design` must be a function such as latin_hypercube, got {design!r:.60}")
    check_key(key=key)
    for name, limits in ranges.items():
        ends = as_numbers(name, limits)
        if ends.shape != (2,):
            raise ValueError(f"`{name}` must have a lowest and a highest value, got shape {ends.shape}")
        low, high = ends
        check_range(name, low, high, log=name in log)
    # As one number, so that `jax.random.key(seed)` gives the points of NumPy's generator with that seed.
    words = np.asarray(jax.random.key_data(key)).ravel().tolist()
    seed = sum(word << 32 * place for place, word in enumerate(reversed(words)))
    unit = design(np.random.default_rng(seed), points, len(ranges))
    values = {}
    for along, (name, (low, high)) in zip(unit.T, ranges.items(), strict=True):
        values[name] = low * (high / low) ** along if name in log else low + (high - low) * along
    return zipped(dim, **values)


def check_range(name: str, low: float, high: float, *, log: bool) -> None:
    """Raise if a range does not rise, or has no logarithm."""
    check_finite(**{name: np.array([low, high])})
    if not low < high:
        raise ValueError(f"`{name}` must have a range that rises, got {low:g} to {high:g}")
    if log and low <= 0:
        raise ValueError(f"`{name}` must be positive to be spread in its logarithm, got {low:g} to {high:g}")


def _axis_values(name: str, numbers: ArrayLike | Sequence[float | int]) -> np.ndarray:
    if not is_concrete(numbers):
        raise ValueError(
            f"`{name}` must be known before tracing along an axis, got a traced value: scan outside jax.jit"
        )
    values = as_numbers(name, numbers).astype(float)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"`{name}` must have a row of values along its axis, got shape {values.shape}")
    check_finite(**{name: values})
    return values


def _check_distinct(axis: Axis) -> None:
    """Raise for an axis with the same point twice: points differ in their noise only by their place in the scan."""
    if all(len(np.unique(along)) < len(axis) for along in axis.values.values()):
        points, counts = np.unique(np.stack([*axis.values.values()]), axis=1, return_counts=True)
        if counts.max() > 1:
            values = points[:, counts.argmax()]
            came = ", ".join(f"{name} = {value:g}" for name, value in zip(axis.values, values, strict=True))
            raise ValueError(
                f"`axes` must have different values along an axis, got {came} {counts.max()} times: `repeats` gives "
                "every point other noise"
            )


def scannable(column: Column) -> dict[str, str]:
    """Name and unit of all that can change along an axis: quantities of the column, and its states at t = 0."""
    return column.quantities | INITIAL_STATES


class Grid:
    """All points of a scan: the product of its axes, the last of which changes fastest.

    **Arguments:**

    - `start`: the column, and its states at t = 0, where no axis says otherwise.
    - `axes`: values by the name of a quantity, or axes made by `zipped` and `sampled`.
    - `repeats`: the length of a last axis, along which only the noise changes; `None`: there is none.

    **Raises:** `ValueError` for a quantity that the column does not have, or that is named twice.
    """

    def __init__(
        self,
        start: ScanPoints,
        axes: Mapping[str, ArrayLike | Sequence[float | int]] | Sequence[Axis],
        repeats: int | None = None,
    ):
        """See the class."""
        if isinstance(axes, Mapping):
            axes = [Axis(name, {name: _axis_values(name, values)}) for name, values in axes.items()]
        elif not isinstance(axes, Sequence):
            raise ValueError(f"`axes` must be a mapping or a list, got {type(axes).__name__}: put it into brackets")
        for axis in axes:
            check_type(Axis, axes=axis)
        if repeats is not None:
            check_count(1, repeats=repeats)
            check_memory("their numbers", 8 * repeats, repeats=repeats)
        self.start, self.axes = start, tuple(axes)
        self.repeats = None if repeats is None else int(repeats)  # a number of NumPy is no JSON
        check_names(scannable(start.column), axes=[name for axis in self.axes for name in axis.values])
        for axis in self.axes:
            _check_distinct(axis)
        twice = {dim for dim in self.dims if self.dims.count(dim) > 1}
        if twice:
            raise ValueError(f"`axes` must have different dimensions, got {', '.join(sorted(twice))} twice")

    @property
    def dims(self) -> tuple[str, ...]:
        """The names of the axes, in order."""
        return (*(axis.dim for axis in self.axes), *(["repeat"] if self.repeats is not None else []))

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return (*map(len, self.axes), *([self.repeats] if self.repeats is not None else []))

    @property
    def size(self) -> int:
        """How many points there are."""
        return math.prod(self.shape)

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Everything that changes along an axis."""
        units = scannable(self.start.column)
        found = [
            Coordinate(name, axis.dim, values, {"units": units[name]})
            for axis in self.axes
            for name, values in axis.values.items()
        ]
        if self.repeats is not None:
            attributes = {"long_name": "repetition with other noise"}
            found.append(Coordinate("repeat", "repeat", np.arange(self.repeats), attributes))
        return tuple(found)

    def points(self, numbers: UInt32[np.ndarray, " points"]) -> ScanPoints:
        """Some points of the scan, each with the noise that belongs to its place in it.

        **Raises:** `ValueError` for values that the column cannot take.
        """
        places = np.unravel_index(numbers, self.shape) if self.shape else ()
        values = {
            name: along[place]
            for axis, place in zip(self.axes, places, strict=False)
            for name, along in axis.values.items()
        }
        of_column = {name: value for name, value in values.items() if name not in INITIAL_STATES}
        y0 = {state: as_float(values[f"initial_{state}"]) for state in STATES if f"initial_{state}" in values}
        return ScanPoints(self.start.column.replace(**of_column), self.start.y0._replace(**y0), jnp.asarray(numbers))

    def corners(self) -> UInt32[np.ndarray, " points"]:
        """The points at which values are tried: the least and the largest of every quantity in all combinations, and
        of quantities that change together, which may fit each other at some points only, every point."""
        extremes: list[Sequence[int]] = [
            sorted({int(f(along)) for along in axis.values.values() for f in (np.argmin, np.argmax)})
            for axis in self.axes
        ]
        extremes += [[0]] if self.repeats is not None else []
        if not extremes:
            return np.zeros(1, np.uint32)
        together = [i for i, axis in enumerate(self.axes) if len(axis.values) > 1]
        chosen = [extremes, *([*extremes[:i], range(len(self.axes[i])), *extremes[i + 1 :]] for i in together)]
        points = [np.ravel_multi_index(np.ix_(*places), self.shape).ravel() for places in chosen]
        return np.unique(np.concatenate(points)).astype(np.uint32)
