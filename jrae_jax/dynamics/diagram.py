"""A bifurcation diagram: equilibria, limit cycles and their bifurcations as p or a parameter changes."""

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import Progress, check_choice, check_progress, nan_is_an_answer, of_numbers
from ..column.column import Column, check_constant
from .branches import folds_of, followed_branches, stacked_branches
from .continuation import checked_values, continued_equilibria
from .cycles import LimitCycle
from .equilibria import Equilibria, equilibria_between
from .precision import in_double

if TYPE_CHECKING:
    import pandas as pd

_STEPS, _LONGEST = 200, 1.0  # of branches of cycles, at most, and their longest period, s


class BifurcationDiagram(eqx.Module):
    """Equilibria and cycles as a quantity changes, and where they bifurcate; NaN stands for none."""

    equilibria: Equilibria
    """Along their curve; where a parameter changes, NaN between separate curves."""
    saddle_nodes: Equilibria
    hopf_points: Equilibria
    cycles: LimitCycle
    """Of shape `(branch, point)`."""
    cycle_folds: LimitCycle
    bounds: Float[Array, "2"]
    """Least and largest value of what changes."""
    column: Column
    """All that does not change."""

    @property
    def parameter(self) -> str:
        """The quantity that changes."""
        return self.equilibria.parameter

    @property
    def unit(self) -> str:
        """Its unit."""
        return self.column.quantities[self.parameter]

    @nan_is_an_answer
    def to_dataframe(self) -> "pd.DataFrame":
        """All points, one a row: its kind, the value of what changes, p (1/s), least and largest y1 - y2 (mV), the
        frequency (Hz), and whether it is stable."""
        import pandas as pd  # here, as importing it is slow

        kinds: dict[str, Equilibria | LimitCycle] = {
            "equilibrium": self.equilibria,
            "saddle-node": self.saddle_nodes,
            "Hopf point": self.hopf_points,
        }
        for branch in range(len(self.cycles.p)):
            kinds[f"cycle {branch}"] = jax.tree.map(lambda leaf, branch=branch: leaf[branch], self.cycles)
        kinds["fold of cycles"] = self.cycle_folds
        parts = []
        for kind, found in kinds.items():
            part = found.to_dataframe()
            part.insert(0, "kind", kind)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    @nan_is_an_answer
    @of_numbers
    def __repr__(self) -> str:
        unit = "" if self.unit == "1" else f" {self.unit}"
        low, high = np.asarray(self.bounds)
        lines = [f"BifurcationDiagram({self.parameter} from {low:g} to {high:g}{unit}"]
        kinds = {"saddle-nodes": self.saddle_nodes, "Hopf points": self.hopf_points, "cycle folds": self.cycle_folds}
        for kind, found in kinds.items():
            with jax.enable_x64(self.bounds.dtype == jnp.float64):  # it may be disabled by now
                values, frequencies = (leaf[np.asarray(found.exists)] for leaf in (found.value, found.frequency))
            points = [f"{value:.6g}{unit}" for value in np.asarray(values)]
            if found is not self.saddle_nodes:  # where nothing oscillates
                points = [f"{point} ({f:.5g} Hz)" for point, f in zip(points, np.asarray(frequencies), strict=True)]
            lines.append(f"  {kind}: {', '.join(points) or 'none'}")
        lines.append(f"  branches of limit cycles: {len(self.cycles.p)}")
        return "\n".join(lines) + ")"


@nan_is_an_answer
def bifurcation_diagram(
    column: Column,
    *,
    parameter: str = "p",
    low: float,
    high: float,
    points: int = 1000,
    progress: Progress | None = None,
) -> BifurcationDiagram:
    """Equilibria, cycles and their bifurcations as the constant input or a parameter changes.

    Cycles are those of branches that begin at Hopf points.

    **Arguments:**

    - `column`: one column with a `ConstantInput`; its own value of what changes does not matter.
    - `parameter`: the name of what changes: `"p"`, or a parameter, as `"C"`.
    - `low`, `high`: its bounds, in its unit. Where p changes, the curve of equilibria reaches to them, and bifurcations
        and cycles are reported wherever they are. Where a parameter changes nothing is looked for beyond them; a branch
        of cycles ends with the first one there.
    - `points`: on the curve of equilibria; where a parameter changes, values of it, between which equilibria are
        separated.
    - `progress`: called with the stages done, how many there are, and which is next.

    **Returns:** `value` of each point is that of what changes, in its unit.

    **Raises:** `ValueError` for a batch of columns, another input, no such quantity, bounds that are not in order or
        values that no column can have.
    """
    check_constant("column", column)
    check_progress(progress)
    check_choice(tuple(column.quantities), parameter=parameter)
    values = checked_values(column, parameter, low, high, points)

    def report(done: int, message: str) -> None:
        if progress is not None:
            progress(done, 3, message)

    def diagram(column: Column, values: Float[Array, " value"]) -> BifurcationDiagram:
        report(0, "equilibria")
        if parameter == "p":
            rest, meeting, hopf = equilibria_between(column, values[0], values[-1], points)
            bounds = (-np.inf, np.inf)
        else:
            rest, meeting, hopf = continued_equilibria(column, parameter, values)
            bounds = (low, high)
        report(1, "branches of limit cycles")
        branches = followed_branches(column, hopf, _STEPS, bounds, _LONGEST)
        report(2, "folds of cycles")
        cycles, folds = stacked_branches(branches, _STEPS, parameter), folds_of(branches, parameter)
        report(3, "done")
        return BifurcationDiagram(rest, meeting, hopf, cycles, folds, values[jnp.array([0, -1])], column)

    return in_double(diagram, column, values)
