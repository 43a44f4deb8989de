"""Cycles and branches are computed in double precision, whether JAX has it enabled or not."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from .._checks import is_concrete

_Result = TypeVar("_Result")

_WIDE = {np.dtype(np.float32): np.dtype(np.float64), np.dtype(np.complex64): np.dtype(np.complex128)}
_NARROW = {wide: narrow for narrow, wide in _WIDE.items()}


def in_double(compute: Callable[..., _Result], *arguments: Any) -> _Result:
    """What is computed from records and arrays, which come and go in JAX's own precision.

    Cycles near Hopf points and folds are ill-conditioned, and single precision loses them. Values under a JAX
    transformation stay in the precision that they have.
    """
    if jnp.result_type(float) == jnp.float64 or not all(map(is_concrete, jax.tree.leaves(arguments))):
        return compute(*arguments)
    with jax.enable_x64(True):
        found = compute(*jax.tree.map(_wide, arguments))
    return jax.tree.map(_narrow, found)


def _wide(leaf: Any) -> Any:
    return jnp.asarray(leaf, _WIDE.get(np.dtype(leaf.dtype), leaf.dtype)) if _is_array(leaf) else leaf


def _narrow(leaf: Any) -> Any:
    return jnp.asarray(np.asarray(leaf).astype(_NARROW.get(leaf.dtype, leaf.dtype))) if _is_array(leaf) else leaf


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)
