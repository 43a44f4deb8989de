"""What no EEG can tell, however long: changes of parameters that change nothing in it."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import jax
import numpy as np

from ..column.inputs import AbstractExternalInput

_COLUMN: tuple[Mapping[str, int], ...] = tuple(
    MappingProxyType(powers)
    for powers in (
        {"a": 1},
        {"b": 1},
        {"r": 1, "v0": 1},
        {"r": 1, "A": 1, "e0": 1, "C": 1, "alpha2": 1},
        {"r": 1, "B": 1, "e0": 1, "C": 1, "alpha4": 1},
        {"r": 1, "A": 1, "e0": 1, "C": 1, "alpha1": 1},
        {"r": 1, "A": 1, "e0": 1, "C": 1, "alpha3": 1},
        {"gain": 1, "r": -1},
    )
)
"""The products of powers through which the quantities enter, once potentials are counted in units of `1 / r`, and y0 in
those of `1 / (r C)`: rates, the threshold, the four connections, and the scale of the recording."""

_RATES = ("p", "low", "high", "q", "intensity", "sd")
"""What the input has that is multiplied by `r A`."""
_LEAST = 1e-9


def unidentifiable(free: Iterable[str], input: AbstractExternalInput) -> tuple[str, ...]:
    """The ways in which some quantities can change together without any change in the EEG, in words.

    Exact, and found from the equations alone: but for its own scale, the EEG depends on parameters only through
    products of their powers. So `e0` and `C` enter as `e0 C`; and `A`, `B`, `v0` and `1 / r` together are a gain, so
    that not all of them can be told along with the `gain` of a recording.

    **Arguments:**

    - `free`: names of parameters, quantities of the input, and `gain`, the factor from `y1 - y2` to the recording.
    - `input`: the external input. What is not in `free` is known.

    **Returns:** a sentence for each; empty if there is none.
    """
    names = tuple(free)
    exponents = np.array([[powers.get(name, 0) for name in names] for powers in _products(input)], float)
    return tuple(_told(names, direction) for direction in _null_space(exponents))


def _products(input: AbstractExternalInput) -> Iterator[Mapping[str, int]]:
    yield from _COLUMN
    for path, value in jax.tree_util.tree_leaves_with_path(input):
        name = jax.tree_util.keystr(path).lstrip(".")
        if name.split(".")[-1] not in _RATES:
            yield {name: 1}
        elif np.any(np.asarray(value)):
            yield {"r": 1, "A": 1, name: 1}


def _null_space(matrix: np.ndarray) -> np.ndarray:
    """Directions that the matrix maps to zero, each with as few entries as row reduction leaves, and small ones."""
    rows, pivots = matrix.copy(), []
    for column in range(matrix.shape[1]):
        row = len(pivots)
        if row == len(rows):
            break
        best = row + int(np.argmax(np.abs(rows[row:, column])))
        if abs(rows[best, column]) < _LEAST:
            continue
        rows[[row, best]] = rows[[best, row]]
        rows[row] /= rows[row, column]
        others = np.arange(len(rows)) != row
        rows[others] -= rows[others, column : column + 1] * rows[row]
        pivots.append(column)
    found = []
    for column in sorted(set(range(matrix.shape[1])) - set(pivots)):
        direction = np.zeros(matrix.shape[1])
        direction[column] = 1
        direction[pivots] = -rows[: len(pivots), column]
        found.append(direction * np.sign(direction[np.flatnonzero(direction)[0]]))
    return np.array(found).reshape(-1, matrix.shape[1])


def _told(names: tuple[str, ...], direction: np.ndarray) -> str:
    parts = [
        f"{name} {'multiplied' if power > 0 else 'divided'} by x{'' if abs(power) == 1 else f'^{abs(power):g}'}"
        for name, power in zip(names, direction, strict=True)
        if abs(power) > _LEAST
    ]
    return f"{', '.join(parts)}: the EEG is the same for every x"
