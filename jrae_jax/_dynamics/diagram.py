"""A bifurcation diagram: all that happens to a column as its constant input changes."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd

from .._model.parameters import JansenRitParameters, batch_size
from .._validation import check_count
from .cycles import LimitCycle, cycle_families, cycle_folds
from .equilibria import Equilibria, equilibria, equilibrium_curve, hopf_points, saddle_nodes


class BifurcationDiagram(eqx.Module):
    """Equilibria and cycles along p, and where they change."""

    equilibria: Equilibria
    """Along their curve, by rising y1 - y2."""
    saddle_nodes: Equilibria
    hopf_points: Equilibria
    cycles: LimitCycle
    """Of shape `(family, point)`."""
    cycle_folds: LimitCycle


def bifurcation_diagram(
    parameters: JansenRitParameters, low: float, high: float, *, points: int = 1000
) -> BifurcationDiagram:
    """Equilibria, cycles and their bifurcations.

    **Arguments:**

    - `parameters`: of one column; enable double precision, as cycles near folds need it.
    - `low`, `high`: bounds of p, 1/s, that the curve of equilibria reaches to. Bifurcations and cycles are told
        wherever they are.
    - `points`: on the curve of equilibria.

    **Raises:** `ValueError` for a batch of columns, or bounds that are not in order.
    """
    check_count(2, points=points)
    if batch_size(parameters=parameters) is not None:
        raise ValueError("`parameters` must be of one column, got a batch")
    if not low < high:
        raise ValueError(f"`low` must be below `high`, got {low} and {high}")
    ends = [equilibria(parameters, p).states for p in (low, high)]
    v = np.concatenate([np.asarray(states[:, 1] - states[:, 2]) for states in ends])
    curve = equilibrium_curve(parameters, jnp.linspace(np.nanmin(v), np.nanmax(v), points))
    families = cycle_families(parameters)
    return BifurcationDiagram(
        curve, saddle_nodes(parameters), hopf_points(parameters), families, cycle_folds(parameters, families)
    )


def diagram_table(diagram: BifurcationDiagram) -> pd.DataFrame:
    """All points of a diagram, one a row: what it is, p, least and largest y1 - y2, frequency, whether it is stable."""
    resting = {
        "equilibrium": diagram.equilibria,
        "saddle-node": diagram.saddle_nodes,
        "Hopf point": diagram.hopf_points,
    }
    moving = {f"cycle {number}": _family(diagram.cycles, number) for number in range(len(diagram.cycles.p))}
    parts = []
    for kind, found in (resting | moving | {"fold of cycles": diagram.cycle_folds}).items():
        v = found.states[:, 1] - found.states[:, 2]
        least, largest = (v, v) if isinstance(found, Equilibria) else (found.extrema[:, 0], found.extrema[:, 1])
        parts.append(
            pd.DataFrame(
                {
                    "kind": kind,
                    "p": found.p,
                    "v_min": least,
                    "v_max": largest,
                    "frequency": found.frequency,
                    "stable": found.stable,
                }
            )[np.asarray(found.exists)]
        )
    return pd.concat(parts, ignore_index=True)


def _family(cycles: LimitCycle, number: int) -> LimitCycle:
    return LimitCycle(*(leaf[number] for leaf in vars(cycles).values()))
