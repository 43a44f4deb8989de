"""Curves of equilibria and of their bifurcations, as p or a parameter changes.

Over the plane of the potential v = y1 - y2 and of the quantity that changes, equilibria at constant input, saddle-nodes
and Hopf points each lie where a function in closed form vanishes. Contours of its sign on a grid are the curves, one
line for each branch; each of their points is then found by bisection, on the edge of the grid that the curve crosses.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import contourpy
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jaxtyping import Array, Float

from .._checks import (
    as_float,
    check_choice,
    check_count,
    check_finite,
    check_order,
    check_positive,
    nan_is_an_answer,
)
from ..column.column import Column, check_constant, check_single
from ..column.quantities import quantities
from .curve import GRID, REACH, at_potential, bisected, hurwitz_determinant, input_slope
from .equilibria import Equilibria, equilibria_at

if TYPE_CHECKING:
    import pandas as pd

Place = Float[Array, "2"]
"""r (v - v0), and the quantity that changes."""
Condition = Callable[[Place, Column, str], Float[Array, ""]]
"""What vanishes on a curve: of a place, the column, and the name of the quantity that changes."""


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
    - `points`: how many values of it, evenly spaced; two curves closer than the grid are not separated.

    **Returns:** of shape `(point,)`, right to rounding; `value` is that of the parameter, `p` that of the input.

    **Raises:** `ValueError` for a batch of columns, another input, no such parameter, bounds that are not in order, or
        values that a column cannot have.
    """
    check_constant("column", column)
    check_choice(tuple(quantities(column.parameters)), parameter=parameter)
    values = checked_values(column, parameter, low, high, points)
    column = column.replace(p=0.0)  # so that nothing depends on it
    saddle_nodes, hopf_points = (
        _separated(_equilibria_at(places, column, parameter), gaps)
        for places, gaps in (_curves(condition, column, parameter, values) for condition in (_saddle_node, _hopf))
    )
    real = ~hopf_points.on_imaginary_axis  # opposite eigenvalues, but no oscillation
    return BifurcationCurves(saddle_nodes, jax.tree.map(lambda leaf: leaf.at[real].set(jnp.nan), hopf_points))


def continued_equilibria(
    column: Column, parameter: str, values: Float[Array, " value"]
) -> tuple[Equilibria, Equilibria, Equilibria]:
    """Equilibria at constant input as a parameter changes, in order along their curve, NaN between separate curves; and
    the saddle-nodes and Hopf points among them; all of shape `(point,)`."""
    places, gaps = _curves(_at_rest, column, parameter, values)
    rest = _separated(_equilibria_at(places, column, parameter), gaps)
    saddle_nodes, hopf_points = (
        _equilibria_at(_crossings_with(condition, places, gaps, column, parameter), column, parameter)
        for condition in (_saddle_node, _hopf)
    )
    imaginary = hopf_points.on_imaginary_axis
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
    check_finite(low=low, high=high)
    check_order(low, high)
    for bound in (low, high):
        parameters = column.replace(**{parameter: bound}).parameters
        check_positive(**{name: getattr(parameters, name) for name in ("A", "B", "a", "b", "r")})
    return jnp.linspace(as_float(low), as_float(high), points)


def _at(place: Place, column: Column, parameter: str) -> tuple[Float[Array, ""], Column]:
    """v in mV, and the column, at a place."""
    potential, value = place
    column = column.replace(**{parameter: value})
    return column.parameters.v0 + potential / column.parameters.r, column


def _at_rest(place: Place, column: Column, parameter: str) -> Float[Array, ""]:
    v, column = _at(place, column, parameter)
    return at_potential(v, column.parameters)[0] - column.value("p")


def _saddle_node(place: Place, column: Column, parameter: str) -> Float[Array, ""]:
    v, column = _at(place, column, parameter)
    return input_slope(v, column.parameters)


def _hopf(place: Place, column: Column, parameter: str) -> Float[Array, ""]:
    v, column = _at(place, column, parameter)
    return hurwitz_determinant(v, column.parameters)


def _curves(
    condition: Condition, column: Column, parameter: str, values: Float[Array, " value"]
) -> tuple[Float[Array, "point 2"], np.ndarray]:
    """Places where a condition holds, curve by curve, and the indices at which a new curve begins."""
    grid = _potentials(column, parameter, values)
    signs = np.where(_on_grid(condition, grid, values, column, parameter) > 0, 1.0, -1.0)
    contours = contourpy.contour_generator(z=signs)
    lines = cast(list[np.ndarray], contours.lines(0.0))  # through the middle of edges, counted in steps of the grid
    edges = np.concatenate([np.zeros((0, 2)), *lines])
    lower, upper = (
        as_float(np.stack([np.asarray(grid)[corner[:, 0]], np.asarray(values)[corner[:, 1]]], axis=1))
        for corner in (np.floor(edges).astype(int), np.ceil(edges).astype(int))
    )
    places = _on_edges(condition, lower, upper, column, parameter)
    return places, np.cumsum([len(line) for line in lines], dtype=int)[:-1]


def _potentials(column: Column, parameter: str, values: Float[Array, " value"]) -> Float[Array, " potential"]:
    """r (v - v0): evenly spaced, and one value to either side beyond which there is no equilibrium."""
    reach = REACH
    for value in (values[0], values[-1]):
        there = column.replace(**{parameter: value})
        parameters, p = there.parameters, there.value("p")
        excitatory, inhibitory = (2 * parameters.e0 * jnp.abs(count) for count in (parameters.C2, parameters.C4))
        most = parameters.A / parameters.a * (jnp.abs(p) + excitatory) + parameters.B / parameters.b * inhibitory
        reach = max(reach, float(parameters.r * (most + jnp.abs(parameters.v0))))
    return as_float(np.concatenate([[-reach - 1], np.linspace(-REACH, REACH, GRID), [reach + 1]]))


@eqx.filter_jit
def _on_grid(
    condition: Condition,
    grid: Float[Array, " potential"],
    values: Float[Array, " value"],
    column: Column,
    parameter: str,
) -> Float[Array, "value potential"]:
    def at_value(value):
        return jax.vmap(lambda potential: condition(jnp.stack([potential, value]), column, parameter))(grid)

    return jax.vmap(at_value)(values)


@eqx.filter_jit
def _on_edges(
    condition: Condition, lower: Float[Array, "point 2"], upper: Float[Array, "point 2"], column: Column, parameter: str
) -> Float[Array, "point 2"]:
    """Where a condition holds between places at which its signs differ."""

    def on_edge(lower, upper):
        def part_way(fraction):
            return condition(lower + fraction * (upper - lower), column, parameter)

        whole = jnp.ones((), lower.dtype)
        fraction = bisected(part_way, jnp.zeros_like(whole), whole, part_way(whole) > 0)
        return lower + fraction * (upper - lower)

    return jax.vmap(on_edge)(lower, upper)


def _crossings_with(
    condition: Condition, places: Float[Array, "point 2"], gaps: np.ndarray, column: Column, parameter: str
) -> Float[Array, "crossing 2"]:
    """Where another condition holds on the curve of equilibria, by Newton's method from where its sign changes."""
    along = np.asarray(_at_places(condition, places, column, parameter))
    positive = along > 0
    changes = np.setdiff1d(np.flatnonzero(positive[1:] != positive[:-1]), gaps - 1)
    change = np.abs(along[changes + 1] - along[changes])
    points = np.asarray(places)
    guesses = (points[changes] + points[changes + 1]) / 2
    return _newton(condition, as_float(guesses), as_float(change), column, parameter)


@eqx.filter_jit
def _at_places(
    condition: Condition, places: Float[Array, "point 2"], column: Column, parameter: str
) -> Float[Array, " point"]:
    return jax.vmap(lambda place: condition(place, column, parameter))(places)


@eqx.filter_jit
def _newton(
    condition: Condition,
    guesses: Float[Array, "crossing 2"],
    change: Float[Array, " crossing"],
    column: Column,
    parameter: str,
) -> Float[Array, "crossing 2"]:
    tolerance = float(jnp.finfo(guesses.dtype).eps) ** 0.5  # Newton's last step squares the error
    solver = optimistix.Newton(rtol=tolerance, atol=tolerance)

    def one_crossing(guess_and_change):
        guess, change = guess_and_change

        def both(place, args):
            return jnp.stack([_at_rest(place, column, parameter), condition(place, column, parameter) / change])

        return optimistix.root_find(both, solver, guess, max_steps=32).value

    return jax.lax.map(one_crossing, (guesses, change))  # unlike `vmap`, it takes no crossing at all as well


@eqx.filter_jit
def _equilibria_at(places: Float[Array, "point 2"], column: Column, parameter: str) -> Equilibria:
    def at_one(place):
        v, there = _at(place, column, parameter)
        found = jax.tree.map(lambda leaf: leaf[0], equilibria_at(v[None], there.parameters))
        _, value = place
        return Equilibria(found.p, found.states, found.eigenvalues, value, parameter)

    return jax.vmap(at_one)(places)


def _separated(found: Equilibria, gaps: np.ndarray) -> Equilibria:
    """With NaN between separate curves."""
    return jax.tree.map(lambda leaf: jnp.asarray(np.insert(leaf, gaps, np.nan, axis=0)), found)
