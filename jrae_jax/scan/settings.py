"""The settings of a parameter scan as its store records them, in a form that can be compared."""

import dataclasses
import hashlib
import inspect
import os
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from .axes import Grid
from .engine import ScanPlan


def scan_settings(grid: Grid, plan: ScanPlan, key: PRNGKeyArray) -> dict[str, Any]:
    """Everything that makes the results what they are."""
    start = grid.start
    # What decides on the last bits of results, beside the code.
    compiler_options = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if "xla_backend_extra_options" in flag]
    return {
        "axes": {name: f"{comparable(values)}, along {dim}" for name, dim, values, _ in grid.coordinates},
        "dims": list(grid.dims),
        "column": comparable(start.column),
        "y0": {state: comparable(value) for state, value in start.y0._asdict().items()},
        "solver": comparable(plan.solver),
        "summaries": [comparable(summary) for summary in plan.summaries],
        "dt": plan.dt,
        "steps": plan.steps,
        "burn_in_steps": plan.burn_in,
        "key": [str(jax.random.key_impl(key)), *np.asarray(jax.random.key_data(key)).tolist()],
        "dtype": str(start.column.parameters.A.dtype),
        "compiled_for": [jax.default_backend(), *compiler_options],
    }


def comparable(value: Any) -> Any:
    """A setting in a form that JSON can hold: a record as a dictionary, an array as its first and last value and a
    digest of all, a function by its name."""
    match value:
        case eqx.Module():
            fields = {field.name: comparable(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return {"type": type(value).__name__, **fields}
        case jax.Array() | np.ndarray():
            array = np.asarray(value)
            if not array.ndim:
                return array.item()
            digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]
            return f"{array.flat[0]:.6g} to {array.flat[-1]:.6g}, {array.size} values, sha256 {digest}"
        case tuple():
            return [comparable(item) for item in value]
        case int() | float() | str() | None:
            return value
    if inspect.isroutine(value) or inspect.isclass(value):  # whose repr would say where it lies in memory
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)
