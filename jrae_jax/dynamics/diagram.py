"""A bifurcation diagram: all that happens to a column as its constant input or a parameter changes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from .._checks import as_float, check_choice, check_finite
from ..column.parameters import JansenRitParameters
from ..column.states import eeg
from .changing import QUANTITIES, ChangingColumn
from .continuation import checked_values, equilibria_along
from .cycles import LimitCycle, cycle_families, cycle_folds
from .equilibria import Equilibria, equilibria, equilibrium_curve, hopf_points, saddle_nodes


class BifurcationDiagram(eqx.Module):
    """Equilibria and cycles along p or a parameter, and where they change; NaN stands for none."""

    equilibria: Equilibria
    """Along their curve; along a parameter, NaN between separate curves."""
    saddle_nodes: Equilibria
    hopf_points: Equilibria
    cycles: LimitCycle
    """Of shape `(family, point)`."""
    cycle_folds: LimitCycle
    bounds: Float[Array, "2"]
    """Least and largest value of what changes."""

    @property
    def along(self) -> str:
        """What changes."""
        return self.equilibria.along


def bifurcation_diagram(
    parameters: JansenRitParameters,
    low: float,
    high: float,
    *,
    along: str = "p",
    p: float | None = None,
    points: int = 1000,
) -> BifurcationDiagram:
    """Equilibria, cycles and their bifurcations as the constant input or a parameter changes.

    Cycles are those of families that begin at Hopf points.

    **Arguments:**

    - `parameters`: of one column; enable double precision, as cycles near folds need it.
    - `low`, `high`: bounds of what changes, in its unit. Along p, the curve of equilibria reaches to them, and
        bifurcations and cycles are told wherever they are. Along a parameter nothing is looked for beyond them; a
        family of cycles ends with the first one there.
    - `along`: what changes: `"p"`, or a parameter, as `"C"`, whose own value in `parameters` is then not used.
    - `p`: the external input (1/s) at which a parameter changes.
    - `points`: on the curve of equilibria; along a parameter, values of it between which equilibria are told apart.

    **Returns:** `value` of each point is that of what changes, in its unit.

    **Raises:** `ValueError` for a batch of columns, no such quantity, bounds that are not in order or values that no
        column can have, p where it changes or no p where it does not.
    """
    check_choice(QUANTITIES, along=along)
    if (p is None) != (along == "p"):
        raise ValueError(f"`p` must be given where a parameter changes, and only there; got {p} along {along}")
    column = ChangingColumn(parameters, as_float(0.0 if p is None else p), along)
    check_finite(p=column.p)
    values = checked_values(column, low, high, points)
    if along == "p":
        rest, meeting, hopf = _rest_along_p(parameters, values), saddle_nodes(parameters), hopf_points(parameters)
        families = cycle_families(parameters, hopf)
    else:
        rest, meeting, hopf = equilibria_along(column, values)
        families = cycle_families(parameters, hopf, low=low, high=high)
    bounds = as_float([low, high])
    return BifurcationDiagram(rest, meeting, hopf, families, cycle_folds(parameters, families), bounds)


def _rest_along_p(parameters: JansenRitParameters, values: Float[Array, " value"]) -> Equilibria:
    ends = [equilibria(parameters, p).states for p in (values[0], values[-1])]
    v = np.concatenate([np.asarray(eeg(states)) for states in ends])
    return equilibrium_curve(parameters, jnp.linspace(np.nanmin(v), np.nanmax(v), len(values)))


def diagram_table(diagram: BifurcationDiagram) -> pd.DataFrame:
    """All points of a diagram, one a row: what it is, the value of what changes, p, least and largest y1 - y2,
    frequency, whether it is stable."""
    resting = {
        "equilibrium": diagram.equilibria,
        "saddle-node": diagram.saddle_nodes,
        "Hopf point": diagram.hopf_points,
    }
    moving = {f"cycle {number}": _family(diagram.cycles, number) for number in range(len(diagram.cycles.p))}
    parts = []
    for kind, found in (resting | moving | {"fold of cycles": diagram.cycle_folds}).items():
        v = eeg(found.states)
        least, largest = (v, v) if isinstance(found, Equilibria) else (found.extrema[:, 0], found.extrema[:, 1])
        parts.append(
            pd.DataFrame(
                {
                    "kind": kind,
                    diagram.along: found.value,
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
    return jax.tree.map(lambda leaf: leaf[number], cycles)
