"""The quantities of a column by name: which there are, their units, and how they are replaced and printed.

A quantity is an array leaf of a record: a parameter such as `C`, or a field of the external input such as `p`; a field
of a record inside another stands behind a dot, as `background.p`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from .._checks import is_concrete

_Record = TypeVar("_Record", bound=eqx.Module)


def unit(symbol: str) -> dict[str, str]:
    """The metadata of a field that is a quantity."""
    return {"unit": symbol}


def quantities(record: eqx.Module) -> dict[str, str]:
    """Name and unit of every quantity of a record; the unit is empty where the field has none."""
    found: dict[str, str] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, eqx.Module):
            found |= {f"{field.name}.{name}": symbol for name, symbol in quantities(value).items()}
        elif not field.metadata.get("static", False):
            found[field.name] = field.metadata.get("unit", "")
    return found


def replaced(record: _Record, values: Mapping[str, ArrayLike | Sequence[float | int]]) -> _Record:
    """The record with other values of some of its quantities, all at once, as they may be checked together."""
    changes: dict[str, Any] = {name: value for name, value in values.items() if "." not in name}
    for inner in {name.partition(".")[0] for name in values if "." in name}:
        within = {name.partition(".")[2]: value for name, value in values.items() if name.startswith(f"{inner}.")}
        changes[inner] = replaced(getattr(record, inner), within)
    return dataclasses.replace(record, **changes) if changes else record


def batch_size(**records: eqx.Module | jax.Array) -> int | None:
    """The batch length shared by the array leaves of `records`; `None` when every leaf is a scalar.

    **Raises:** `ValueError` naming the leaf whose length disagrees, or that has more than one axis.
    """
    size = None
    if not any(map(np.ndim, jax.tree.leaves(records))):  # which takes a fifth of the time
        return None
    for name, record in records.items():
        for path, leaf in jax.tree_util.tree_leaves_with_path(record):
            label = f"`{name}{jax.tree_util.keystr(path)}`"
            if np.ndim(leaf) > 1:
                raise ValueError(f"{label} must be a scalar or one value a column, got shape {np.shape(leaf)}")
            if np.ndim(leaf) == 1:
                if size is not None and np.shape(leaf)[0] != size:
                    raise ValueError(
                        f"{label} has a batch axis of {np.shape(leaf)[0]}, but {size} columns were given before it"
                    )
                size = np.shape(leaf)[0]
    return size


def batch_axes(record: Any) -> Any:
    """For `jax.vmap`: 0 for the leaves of `record` that have a batch axis, `None` for those that have none."""
    return jax.tree.map(lambda leaf: 0 if jnp.ndim(leaf) else None, record)


def described(record: eqx.Module, sizes: str = "batch of ") -> str:
    """A record on one line: the name, value and unit of every field; of arrays the range, and behind `sizes` the
    lengths of their axes."""
    fields = dataclasses.fields(record)
    parts = (
        f"{field.name}={_shown(getattr(record, field.name), field.metadata.get('unit', ''), sizes)}" for field in fields
    )
    return f"{type(record).__name__}({', '.join(parts)})"


def _shown(value: Any, symbol: str, sizes: str) -> str:
    if not isinstance(value, jax.Array | np.ndarray | float):
        return repr(value)
    if not is_concrete(value):
        return eqx.tree_pformat(value)
    values = np.asarray(value)
    if values.ndim and values.size:
        text = f"{values.min():.6g} to {values.max():.6g}"
        return f"{text}{_unit_behind(symbol)} ({sizes}{' x '.join(map(str, values.shape))})"
    return f"{values:.6g}{_unit_behind(symbol)}" if values.size else "none"


def _unit_behind(symbol: str) -> str:
    return "" if symbol in ("", "1") else f" {symbol}"
