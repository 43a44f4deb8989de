"""The settings of a parameter scan, as its store records them."""

import os
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from .axes import Grid
from .comparison import comparable
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
