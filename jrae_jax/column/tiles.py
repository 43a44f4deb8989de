"""A batch by the kernel: on a CPU tile by tile, on all cores."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, PRNGKeyArray

from .._threads import cores, side_by_side
from .column import Column
from .integrate import Holds
from .programs import Plan, Solved, by_kernel, by_kernel_on_cpu
from .states import STATES

_LARGEST_TILE = 256
"""Columns, a step of which stays in the nearest cache of a core; of some thousands XLA divides the work among threads,
which it cannot do within one function."""
_ALIGNMENT = 64  # bytes; JAX takes an array of NumPy for its own, without a copy, where it begins at a multiple


def on_all_cores(
    column: Column,
    y0: Float[ArrayLike, "*given 6"],
    t0: float,
    dt: float,
    holds: Holds | None,
    key: PRNGKeyArray | None,
    plan: Plan,
) -> Solved:
    """The steps of `plan`, outside of any transformation of JAX."""
    first_step, steps_per_hold = np.int32(0), 1
    if holds is not None:  # whose values are counted from t = 0
        t0, first_step, steps_per_hold = 0.0, holds.first_step, round(holds.steps_per_hold)
    program = by_kernel_on_cpu if jax.default_backend() == "cpu" else by_kernel
    times = np.float64(dt), np.float64(t0), first_step, None if holds is None else key
    if plan.batch is None or plan.batch <= _LARGEST_TILE or "cpu" not in _platforms(column):
        return program(column, y0, *times, np.int32(0), plan=plan, steps_per_hold=steps_per_hold)
    number = math.ceil(plan.batch / _LARGEST_TILE)
    tile = math.ceil(plan.batch / number)
    # The last tile overlaps with the one before, so that one program serves all.
    firsts = [min(i * tile, plan.batch - tile) for i in range(number)]
    whole = [
        _aligned((plan.batch, plan.kept, len(STATES)), jnp.result_type(float)),
        np.empty(plan.batch, np.int32),
        np.empty(plan.batch, bool),
    ]

    def solve(first):
        own = slice(first, first + tile)
        of_tile, start = jax.tree.map(
            lambda leaf: np.asarray(leaf)[own] if np.shape(leaf)[:1] == (plan.batch,) else leaf, (column, y0)
        )
        solved = program(
            of_tile, start, *times, np.int32(first), plan=plan._replace(batch=tile), steps_per_hold=steps_per_hold
        )
        for values, of_these in zip(whole, jax.tree.leaves(solved), strict=True):
            values[own] = of_these
        return jax.tree.structure(solved)

    structure = side_by_side(solve, firsts, cores())[0]
    return jax.tree.unflatten(structure, jax.device_put(whole))


def _platforms(column: Column) -> set[str]:
    """Where a program may run: where the column is, or where new arrays are."""
    arrays = [leaf for leaf in (jnp.zeros(()), *jax.tree.leaves(column)) if isinstance(leaf, jax.Array)]
    return {device.platform for array in arrays for device in array.devices()}


def _aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of NumPy, which has large pages of memory where those of XLA have not."""
    size = math.prod(shape) * dtype.itemsize
    buffer = np.empty(size + _ALIGNMENT, np.uint8)
    begin = -buffer.ctypes.data % _ALIGNMENT
    return buffer[begin : begin + size].view(dtype).reshape(shape)
