"""Curves of equilibria and of their bifurcations, as p or a parameter changes.

Over the plane of the potential v = y1 - y2 and of the quantity that changes, equilibria at constant input, saddle-nodes
and Hopf points each lie where a function in closed form vanishes: see `plane`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import (
    as_float,
    check_choice,
    check_count,
    check_finite,
    check_memory,
    check_order,
    check_positive,
    nan_is_an_answer,
)
from ..column.column import Column, check_constant, check_single
from ..column.quantities import quantities
from .curve import GRID, at_potential, hurwitz_determinant, input_slope
from .equilibria import Equilibria, equilibria_at
from .plane import Function, Places, Plane, at_value, curves, roots_on_segments
from .precision import in_double

if TYPE_CHECKING:
    import pandas as pd

_AT_ONCE = 512  # places whose equilibria are found together, by one program


def _at_rest(v: Float[Array, ""], column: Column) -> Float[Array, ""]:
    return at_potential(v, column.parameters)[0] - column.value("p")


def _saddle_node(v: Float[Array, ""], column: Column) -> Float[Array, ""]:
    return input_slope(v, column.parameters)


def _hopf(v: Float[Array, ""], column: Column) -> Float[Array, ""]:
    return hurwitz_determinant(v, column.parameters)


class BifurcationCurves(eqx.Module):
    """Where equilibria bifurcate in the plane of a quantity and p; points in order, NaN between separate curves."""

    saddle_nodes: Equilibria
    hopf_points: Equilibria

    @property
    def parameter(self) -> str:
        """The quantity that changes beside p."""
        return self.saddle_nodes.parameter

    def to_dataframe(self) -> "pd.DataFrame":
        """All points, one a row: its kind, and as `Equilibria.to_dataframe`."""
        import pandas as pd  # here, as importing it is slow

        kinds = {"saddle-node": self.saddle_nodes, "Hopf point": self.hopf_points}
        tables = {kind: found.to_dataframe() for kind, found in kinds.items()}
        return pd.concat(tables, names=["kind"]).reset_index("kind")

    def __repr__(self) -> str:
        return f"BifurcationCurves(\n saddle-nodes: {self.saddle_nodes!r}\n Hopf points: {self.hopf_points!r})"


@nan_is_an_answer
def bifurcation_curves(
    column: Column, parameter: str, *, low: float, high: float, points: int = 400
) -> BifurcationCurves:
    """Saddle-nodes and Hopf points of a column as both p and a parameter change.

    **Arguments:**

    - `column`: one column with a `ConstantInput`; its own p and its own value of `parameter` do not matter.
    - `parameter`: the name of the parameter, as `"C"`.
    - `low`, `high`: its bounds, in its unit.
    - `points`: how many values of it, evenly spaced. All points there are found, and of curves that none of them
        crosses those around an extremum; between the values points are as dense as their curve needs.

    **Returns:** of shape `(point,)`, right to rounding; `value` is that of the parameter, `p` that of the input.

    **Raises:** `ValueError` for a batch of columns, another input, no such parameter, bounds that are not in order, or
        values that a column cannot have.
    """
    check_constant("column", column)
    check_choice(tuple(quantities(column.parameters)), parameter=parameter)
    values = checked_values(column, parameter, low, high, points)

    def found(column: Column, values: Float[Array, " value"]) -> BifurcationCurves:
        plane = Plane(column, parameter, values)
        saddle_nodes, hopf_points = (
            _equilibria_along(curves(condition, plane), plane, parameter) for condition in (_saddle_node, _hopf)
        )
        real = ~hopf_points.on_imaginary_axis  # opposite eigenvalues, but no oscillation
        return BifurcationCurves(saddle_nodes, jax.tree.map(lambda leaf: leaf.at[real].set(jnp.nan), hopf_points))

    return in_double(found, column.replace(p=0.0), values)  # so that nothing depends on it


def continued_equilibria(
    column: Column, parameter: str, values: Float[Array, " value"]
) -> tuple[Equilibria, Equilibria, Equilibria]:
    """Equilibria at constant input as a parameter changes, in order along their curve, NaN between separate curves; and
    the saddle-nodes and Hopf points among them; all of shape `(point,)`."""
    plane = Plane(column, parameter, values)
    lines = curves(_at_rest, plane)
    rest = _equilibria_along(lines, plane, parameter)
    saddle_nodes, hopf_points = (
        _equilibria_along([_roots_along(lines, condition, plane)], plane, parameter)
        for condition in (_saddle_node, _hopf)
    )
    imaginary = np.asarray(hopf_points.on_imaginary_axis)
    hopf_points = jax.tree.map(lambda leaf: leaf[imaginary], hopf_points)
    # At given potentials p is right to rounding; it is the column's own, exactly.
    own = column.value("p")
    rest, saddle_nodes, hopf_points = (
        eqx.tree_at(lambda found: found.p, found, jnp.where(found.exists, own, jnp.nan))
        for found in (rest, saddle_nodes, hopf_points)
    )
    return rest, saddle_nodes, hopf_points


def checked_values(column: Column, parameter: str, low: float, high: float, points: int) -> Float[Array, " value"]:
    """Evenly spaced values that a quantity of one column can have.

    **Raises:** `ValueError` for a batch of columns, bounds that are not in order, or values that no column can have.
    """
    check_single("column", column, "call it for each column of the batch, column[i]")
    check_count(2, points=points)
    check_memory("functions on a grid of potentials", 4 * 8 * GRID * points, points=points)
    check_finite(low=low, high=high)
    check_order(low, high)
    for bound in (low, high):
        parameters = column.replace(**{parameter: bound}).parameters
        check_positive(**{name: getattr(parameters, name) for name in ("A", "B", "a", "b", "r")})
    return jnp.linspace(as_float(low), as_float(high), points)


def _equilibria_along(lines: Sequence[Places], plane: Plane, parameter: str) -> Equilibria:
    """The equilibria at the places of lines, with NaN between these."""
    gap = np.full((1, 2), np.nan)
    places = np.concatenate([np.zeros((0, 2)), *[part for line in lines for part in (line, gap)][:-1]])
    parts = [places[first : first + _AT_ONCE] for first in range(0, max(len(places), 1), _AT_ONCE)]
    padded = (np.concatenate([part, np.full((_AT_ONCE - len(part), 2), np.nan)]) for part in parts)
    found = [jax.device_get(_equilibria_at(as_float(part), plane.column, plane.changes)) for part in padded]
    whole = jax.tree.map(lambda *leaves: jax.device_put(np.concatenate(leaves)[: len(places)]), *found)
    return Equilibria(whole.p, whole.states, whole.eigenvalues, whole.value, parameter)


@eqx.filter_jit
def _equilibria_at(places: Float[Array, "place 2"], column: Column, changes: Column) -> Equilibria:
    def at_one(place):
        potential, value = place
        parameters = at_value(column, changes, value).parameters
        found = jax.tree.map(
            lambda leaf: leaf[0], equilibria_at((parameters.v0 + potential / parameters.r)[None], parameters)
        )
        return eqx.tree_at(lambda found: found.value, found, value)

    return jax.vmap(at_one)(places)


def _roots_along(lines: Sequence[Places], condition: Function, plane: Plane) -> Places:
    """The places on curves of equilibria where a condition holds."""
    first, last = (
        np.concatenate([np.zeros((0, 2)), *(line[part] for line in lines)]) for part in (np.s_[:-1], np.s_[1:])
    )

    def nearest(segment, part):
        return plane.nearest(_at_rest, first[segment] + part[:, None] * (last - first)[segment])

    def along(segment, part):
        places, directions, _ = nearest(segment, part)
        values, slopes = plane.values(condition, places)
        return values, np.sum(slopes * directions, axis=1)

    return nearest(*roots_on_segments(along, len(first)))[0]
