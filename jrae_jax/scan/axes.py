"""The axes of a parameter scan: which quantities take which values, on a grid, together, or sampled."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, UInt32

from .._checks import check_choice, check_count, check_finite
from ..column.inputs import INPUT_UNITS
from ..column.parameters import PARAMETER_UNITS
from ..column.states import STATE_UNITS, STATES
from .engine import Columns

SAMPLING = ("latin_hypercube", "random")
"""How `sampled` can choose its points."""

_UNITS = {
    **PARAMETER_UNITS,
    **INPUT_UNITS,
    **{f"initial_{state}": unit for state, unit in zip(STATES, STATE_UNITS, strict=True)},
}


@dataclass(frozen=True)
class Axis:
    """One axis of a scan, along which one quantity changes, or several together."""

    dim: str
    """The name of the dimension in the results."""
    values: Mapping[str, np.ndarray]
    """For each quantity as many values as the axis is long."""

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))


def zipped(dim: str = "point", /, **values: ArrayLike) -> Axis:
    """One axis along which several quantities change together.

    **Arguments:**

    - `dim`: what to call the axis.
    - `values`: the values of each quantity, all of one length.

    **Raises:** `ValueError` if a quantity has no values, values that are not finite, or more or fewer than another.
    """
    arrays = {name: _axis_values(name, numbers) for name, numbers in values.items()}
    lengths = {name: len(numbers) for name, numbers in arrays.items()}
    if len(set(lengths.values())) != 1:
        told = ", ".join(f"{length} of `{name}`" for name, length in lengths.items()) or "none"
        raise ValueError(f"`values` must be as many for each quantity of axis {dim}, got {told}")
    return Axis(dim, arrays)


def sampled(
    points: int,
    *,
    seed: int,
    method: str = "latin_hypercube",
    log: Sequence[str] = (),
    dim: str = "point",
    **ranges: tuple[float, float],
) -> Axis:
    """One axis of points spread over ranges.

    **Arguments:**

    - `points`: how many.
    - `seed`: of the choice of points; the same seed gives the same points.
    - `method`: `"latin_hypercube"` (McKay, Beckman and Conover 1979, by `scipy.stats.qmc`) or `"random"`.
    - `log`: the quantities to be spread evenly in their logarithm.
    - `ranges`: lowest and highest value of each quantity.

    **Raises:** `ValueError` for a range whose ends are not in rising order, or not positive under `log`.
    """
    from scipy.stats import qmc  # slow to import

    check_count(1, points=points)
    check_choice(SAMPLING, method=method)
    if not ranges:
        raise ValueError("`ranges` must name at least one quantity, got none")
    for name in log:
        check_choice(tuple(ranges), log=name)
    generator = np.random.default_rng(seed)
    if method == "random":
        unit = generator.random((points, len(ranges)))
    else:
        unit = qmc.LatinHypercube(len(ranges), rng=generator).random(points)
    values = {}
    for column, (name, (low, high)) in zip(unit.T, ranges.items(), strict=True):
        check_range(name, low, high, log=name in log)
        values[name] = low * (high / low) ** column if name in log else low + (high - low) * column
    return zipped(dim, **values)


def check_range(name: str, low: float, high: float, *, log: bool) -> None:
    """Raise if a range does not rise, or has no logarithm."""
    check_finite(**{name: np.array([low, high])})
    if not low < high:
        raise ValueError(f"`{name}` must have a range that rises, got {low:g} to {high:g}")
    if log and low <= 0:
        raise ValueError(f"`{name}` must be positive to be spread in its logarithm, got {low:g} to {high:g}")


def _axis_values(name: str, numbers: ArrayLike) -> np.ndarray:
    values = np.asarray(numbers, dtype=float)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"`{name}` must have a row of values along its axis, got shape {values.shape}")
    check_finite(**{name: values})
    return values


class Grid:
    """All points of a scan: the product of its axes, the last of which changes fastest."""

    def __init__(self, axes: Mapping[str, ArrayLike] | Sequence[Axis], repeats: int | None):
        """From axes as given by the user."""
        if isinstance(axes, Mapping):
            axes = [Axis(name, {name: _axis_values(name, values)}) for name, values in axes.items()]
        if repeats is not None:
            check_count(1, repeats=repeats)
        self.axes = tuple(axes)
        self.repeats = repeats
        names = [name for axis in self.axes for name in axis.values]
        for kind, found in {"quantities": names, "dimensions": self.dims}.items():
            twice = {name for name in found if list(found).count(name) > 1}
            if twice:
                raise ValueError(f"`axes` must have different {kind}, got {', '.join(sorted(twice))} twice")

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

    def coordinates(self) -> Iterator[tuple[str, str, np.ndarray, dict[str, str]]]:
        """Name, dimension, values and attributes of everything that changes along an axis."""
        for axis in self.axes:
            for name, values in axis.values.items():
                yield name, axis.dim, values, {"units": _UNITS.get(name.split(".")[-1], "")}
        if self.repeats is not None:
            yield "repeat", "repeat", np.arange(self.repeats), {"long_name": "repetition with other noise"}

    def columns(self, base: Columns, points: UInt32[np.ndarray, " points"]) -> Columns:
        """The columns of some points of the scan, each with the noise that belongs to its place in it.

        **Raises:** `ValueError` for a quantity that `base` does not have, or values that it cannot take.
        """
        positions = np.unravel_index(points, self.shape) if self.shape else ()
        values = {
            name: along[position]
            for axis, position in zip(self.axes, positions, strict=False)
            for name, along in axis.values.items()
        }
        trajectories = eqx.tree_at(lambda columns: columns.trajectory, base, jnp.asarray(points))
        return with_quantities(trajectories, values)

    def corners(self) -> UInt32[np.ndarray, " points"]:
        """Points that tell whether columns can take the values: the ends of every quantity in all combinations, and
        of quantities that change together, which may fit each other at some points only, every point."""
        ends: list[Sequence[int]] = [
            sorted({int(f(along)) for along in axis.values.values() for f in (np.argmin, np.argmax)})
            for axis in self.axes
        ]
        ends += [[0]] if self.repeats is not None else []
        if not ends:
            return np.zeros(1, np.uint32)
        together = [i for i, axis in enumerate(self.axes) if len(axis.values) > 1]
        chosen = [ends, *([*ends[:i], range(len(self.axes[i])), *ends[i + 1 :]] for i in together)]
        points = [np.ravel_multi_index(np.ix_(*positions), self.shape).ravel() for positions in chosen]
        return np.unique(np.concatenate(points)).astype(np.uint32)


def with_quantities(columns: Columns, values: Mapping[str, ArrayLike]) -> Columns:
    """The columns with other values of some quantities."""
    known = {field: quantities(getattr(columns, field)) for field in ("parameters", "input", "initial")}
    check_quantities(columns, axes=values)
    changed = {}
    for field, names in known.items():
        changes = {name: values[name] for name in names if name in values}
        changed[field] = _replaced(getattr(columns, field), changes)
    return dataclasses.replace(columns, **changed)


def check_quantities(columns: Columns, **named: Iterable[str]) -> None:
    """Raise for a quantity that columns do not have.

    **Arguments:**

    - `named`: by the name of the argument that they come from.
    """
    ((argument, names),) = named.items()
    known = [name for field in (columns.parameters, columns.input, columns.initial) for name in quantities(field)]
    for name in names:
        if name not in known:
            raise ValueError(f"`{argument}` must name some of {', '.join(known)}; got {name}")


def _replaced(record: Any, changes: Mapping[str, ArrayLike]) -> Any:
    """The record with new fields, all at once, as it may check them against each other."""
    fields: dict[str, Any] = {name: values for name, values in changes.items() if "." not in name}
    for inner in {name.split(".")[0] for name in changes if "." in name}:
        within = {name[len(inner) + 1 :]: values for name, values in changes.items() if name.startswith(f"{inner}.")}
        fields[inner] = _replaced(getattr(record, inner), within)
    return dataclasses.replace(record, **fields) if fields else record


def quantities(record: eqx.Module) -> list[str]:
    """The names of the array leaves of a record, those of a record in it after a dot."""
    return [jax.tree_util.keystr(path).lstrip(".") for path, _ in jax.tree_util.tree_leaves_with_path(record)]
