"""Scaling symmetries: changes of several parameters at once that leave the EEG as it is."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from .._checks import check_names
from ..column.column import Column, check_single
from ..column.quantities import quantities

GAIN = "gain"
"""Name of the factor from `y1 - y2` to what was recorded."""

_POWERS_OF_COLUMN: tuple[Mapping[str, int], ...] = tuple(
    MappingProxyType(powers)
    for powers in (
        {"a": 1},
        {"b": 1},
        {"r": 1, "v0": 1},
        {"r": 1, "A": 1, "e0": 1, "C": 1, "alpha2": 1},
        {"r": 1, "B": 1, "e0": 1, "C": 1, "alpha4": 1},
        {"r": 1, "A": 1, "e0": 1, "C": 1, "alpha1": 1},
        {"r": 1, "A": 1, "e0": 1, "C": 1, "alpha3": 1},
        {GAIN: 1, "r": -1},
    )
)
"""The products of powers through which the quantities enter, once potentials are counted in units of `1 / r`, and y0 in
those of `1 / (r C)`: rates, the threshold, the four connections, and the scale of the recording."""

_UNITS_OF_DRIVE = ("1/s", "s^-1/2")  # the input's quantities that p(t) is proportional to: it enters as r A p

# Exponents are small whole numbers, so that row reduction leaves either exact zeros with rounding or fractions far
# above this.
_ZERO = 1e-9


def scaling_symmetries(names: Iterable[str], column: Column) -> tuple[str, ...]:
    """The ways in which some quantities can change together without any change in the EEG, in words.

    Exact, and found from the equations alone: but for its own scale, the EEG depends on parameters only through
    products of their powers. So `e0` and `C` enter as `e0 C`; and `A`, `B`, `v0` and `1 / r` together are a gain, so
    that not all of them can be identified along with the `gain` of a recording.

    **Arguments:**

    - `names`: of quantities of the column, and `gain`, the factor from `y1 - y2` to the recording. All others are
        known.
    - `column`: one column; only its input matters, and which of the input's quantities are 0.

    **Returns:** a sentence for each symmetry; empty if the EEG identifies all of the quantities, at least locally.

    **Raises:** `ValueError` for a quantity that the column does not have, or a batch of columns.
    """
    check_single("column", column, "take one of them, column[0]")
    given = tuple(names) if isinstance(names, Iterable) and not isinstance(names, str) else names
    check_names((*column.quantities, GAIN), names=given)
    names = tuple(given)
    if not names:
        return ()
    exponents = np.array([[powers.get(name, 0) for name in names] for powers in _products(column)], float)
    return tuple(_sentence(names, direction) for direction in _null_space(exponents))


def _products(column: Column) -> Iterator[Mapping[str, int]]:
    yield from _POWERS_OF_COLUMN
    for name, symbol in quantities(column.input).items():
        if symbol not in _UNITS_OF_DRIVE:
            yield {name: 1}
        elif np.any(np.asarray(column.value(name))):  # what is 0 stays 0 under any factor, and fixes nothing
            yield {"r": 1, "A": 1, name: 1}


def _null_space(matrix: np.ndarray) -> np.ndarray:
    """Directions that the matrix maps to zero, each with as few entries as row reduction leaves, and small ones."""
    rows, pivots = matrix.copy(), []
    for column in range(matrix.shape[1]):
        row = len(pivots)
        if row == len(rows):
            break
        best = row + int(np.argmax(np.abs(rows[row:, column])))
        if abs(rows[best, column]) < _ZERO:
            continue
        rows[[row, best]] = rows[[best, row]]
        rows[row] /= rows[row, column]
        others = np.arange(len(rows)) != row
        rows[others] -= rows[others, column : column + 1] * rows[row]
        pivots.append(column)
    directions = []
    for column in sorted(set(range(matrix.shape[1])) - set(pivots)):
        direction = np.zeros(matrix.shape[1])
        direction[column] = 1
        direction[pivots] = -rows[: len(pivots), column]
        directions.append(direction * np.sign(direction[np.flatnonzero(direction)[0]]))
    return np.array(directions).reshape(-1, matrix.shape[1])


def _sentence(names: tuple[str, ...], direction: np.ndarray) -> str:
    parts = [
        f"{name} {'multiplied' if power > 0 else 'divided'} by x{'' if abs(power) == 1 else f'^{abs(power):g}'}"
        for name, power in zip(names, direction, strict=True)
        if abs(power) > _ZERO
    ]
    return f"{', '.join(parts)}: the EEG is the same for every x"
