"""The settings of a parameter scan, as its store records them."""

from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ..column.kernel import takes
from .axes import Grid
from .comparison import comparable
from .engine import ScanPlan


def scan_settings(grid: Grid, plan: ScanPlan, key: PRNGKeyArray) -> dict[str, Any]:
    """Everything that makes the results what they are."""
    start = grid.start
    return {
        "axes": {name: f"{comparable(values)}, along {dim}" for name, dim, values, _ in grid.coordinates},
        "dims": list(grid.dims),
        "column": comparable(start.column),
        "y0": {state: comparable(value) for state, value in start.y0._asdict().items()},
        "solver": comparable(plan.solver),
        "integrator": "kernel" if takes(start.column.input, plan.solver) else "diffrax",
        "summaries": [comparable(summary) for summary in plan.summaries],
        "dt": plan.dt,
        "steps": plan.steps,
        "burn_in_steps": plan.burn_in,
        "key": [str(jax.random.key_impl(key)), *np.asarray(jax.random.key_data(key)).tolist()],
        "dtype": str(start.column.parameters.A.dtype),
        "compiled_for": jax.default_backend(),
    }
