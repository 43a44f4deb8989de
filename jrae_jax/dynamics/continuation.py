"""Curves of equilibria and of bifurcations, as p or a parameter changes.

Over the plane of the potential v = y1 - y2 and of the quantity that changes, equilibria at constant input, saddle-nodes
and Hopf points each lie where a function in closed form vanishes. Its sign on a grid tells how the curves run, branches
apart; each of their points is then found by bisection, on the edge of the grid that the curve crosses.
"""

from collections.abc import Callable
from typing import cast

import contourpy
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jaxtyping import Array, Float

from .._checks import as_float, check_choice, check_count, check_finite, check_positive
from ..column.parameters import PARAMETER_UNITS, JansenRitParameters, batch_size
from .changing import ChangingColumn
from .equilibria import Equilibria, equilibrium_curve, on_the_curve, opposite, slope

_REACH, _GRID = 40.0, 1024  # v is looked at so far to either side of v0, in 1/r; beyond it the sigmoid is flat

Place = Float[Array, "2"]
"""r (v - v0), and the quantity that changes."""
Function = Callable[[Place, ChangingColumn], Float[Array, ""]]


class BifurcationCurves(eqx.Module):
    """Where equilibria bifurcate in the plane of a quantity and p; points in order, NaN between separate curves."""

    saddle_nodes: Equilibria
    hopf_points: Equilibria


def bifurcation_curves(
    parameters: JansenRitParameters, along: str, low: float, high: float, *, points: int = 400
) -> BifurcationCurves:
    """Saddle-nodes and Hopf points of a column as both p and a parameter change.

    **Arguments:**

    - `parameters`: of one column.
    - `along`: the parameter, as `"C"`.
    - `low`, `high`: its bounds, in its unit.
    - `points`: values of it, evenly spaced, between which curves are told apart.

    **Returns:** of shape `(point,)`, right to rounding; `value` is that of the parameter, `p` that of the input.

    **Raises:** `ValueError` for a batch of columns, no such parameter, bounds that are not in order, or values that a
        column cannot have.
    """
    check_choice(tuple(PARAMETER_UNITS), along=along)
    column = ChangingColumn(parameters, as_float(0.0), along)
    values = checked_values(column, low, high, points)
    saddle_nodes, hopf_points = (
        _apart(_described(places, column), gaps)
        for places, gaps in (_lines(function, column, values) for function in (_slope, _opposite))
    )
    apart = ~hopf_points.on_the_axis
    return BifurcationCurves(saddle_nodes, jax.tree.map(lambda leaf: leaf.at[apart].set(jnp.nan), hopf_points))


def equilibria_along(column: ChangingColumn, values: Float[Array, " value"]) -> tuple[Equilibria, ...]:
    """Equilibria at constant input, in order along their curve, NaN between separate curves; and the saddle-nodes and
    Hopf points among them; all of shape `(point,)`."""
    places, gaps = _lines(_excess, column, values)
    rest = _apart(_described(places, column), gaps)
    saddle_nodes, hopf_points = (
        _described(_meeting(function, places, gaps, column), column) for function in (_slope, _opposite)
    )
    hopf_points = jax.tree.map(lambda leaf, on_the_axis=hopf_points.on_the_axis: leaf[on_the_axis], hopf_points)
    return tuple(
        eqx.tree_at(lambda found: found.p, found, jnp.where(found.exists, column.p, jnp.nan))
        for found in (rest, saddle_nodes, hopf_points)
    )


def checked_values(column: ChangingColumn, low: float, high: float, points: int) -> Float[Array, " value"]:
    """Evenly spaced values that what changes can have.

    **Raises:** `ValueError` for a batch of columns, bounds that are not in order, or values that no column can have.
    """
    check_count(2, points=points)
    if batch_size(parameters=column.parameters, p=column.p) is not None:
        raise ValueError("`parameters` must be of one column, got a batch")
    check_finite(low=low, high=high)
    if not low < high:
        raise ValueError(f"`low` must be below `high`, got {low} and {high}")
    for bound in (low, high):
        parameters, _ = column.at(as_float(bound))
        check_positive(**{name: getattr(parameters, name) for name in ("A", "B", "a", "b", "r")})
    return jnp.linspace(as_float(low), as_float(high), points)


def _excess(place: Place, column: ChangingColumn) -> Float[Array, ""]:
    v, parameters, p = _seen(place, column)
    return on_the_curve(v, parameters)[0] - p


def _slope(place: Place, column: ChangingColumn) -> Float[Array, ""]:
    v, parameters, _ = _seen(place, column)
    return slope(v, parameters)


def _opposite(place: Place, column: ChangingColumn) -> Float[Array, ""]:
    v, parameters, _ = _seen(place, column)
    return opposite(v, parameters)


def _seen(place: Place, column: ChangingColumn) -> tuple[Float[Array, ""], JansenRitParameters, Float[Array, ""]]:
    """v, the parameters and p."""
    parameters, p = column.at(place[1])
    return parameters.v0 + place[0] / parameters.r, parameters, p


def _lines(
    function: Function, column: ChangingColumn, values: Float[Array, " value"]
) -> tuple[Float[Array, "point 2"], np.ndarray]:
    """Places where a function vanishes, line by line, and where in them other lines begin."""
    grid = _potentials(column, values)
    signs = np.where(_on_grid(function, grid, values, column) > 0, 1.0, -1.0)
    contours = contourpy.contour_generator(z=signs)
    lines = cast(list[np.ndarray], contours.lines(0.0))  # through the middle of edges, counted in steps of the grid
    edges = np.concatenate([np.zeros((0, 2)), *lines])
    lower, upper = (
        as_float(np.stack([np.asarray(grid)[ends[:, 0]], np.asarray(values)[ends[:, 1]]], axis=1))
        for ends in (np.floor(edges).astype(int), np.ceil(edges).astype(int))
    )
    return _crossings(function, lower, upper, column), np.cumsum([len(line) for line in lines], dtype=int)[:-1]


def _potentials(column: ChangingColumn, values: Float[Array, " value"]) -> Float[Array, " potential"]:
    """r (v - v0): evenly spaced, and one value to either side beyond which there is no equilibrium."""
    reach = _REACH
    for value in (values[0], values[-1]):
        parameters, p = column.at(value)
        excited, inhibited = (2 * parameters.e0 * jnp.abs(synapses) for synapses in (parameters.C2, parameters.C4))
        most = parameters.A / parameters.a * (jnp.abs(p) + excited) + parameters.B / parameters.b * inhibited
        reach = max(reach, float(parameters.r * (most + jnp.abs(parameters.v0))))
    return as_float(np.concatenate([[-reach - 1], np.linspace(-_REACH, _REACH, _GRID), [reach + 1]]))


@eqx.filter_jit
def _on_grid(
    function: Function, grid: Float[Array, " potential"], values: Float[Array, " value"], column: ChangingColumn
) -> Float[Array, "value potential"]:
    return jax.vmap(lambda value: jax.vmap(lambda v: function(jnp.stack([v, value]), column))(grid))(values)


@eqx.filter_jit
def _crossings(
    function: Function, lower: Float[Array, "point 2"], upper: Float[Array, "point 2"], column: ChangingColumn
) -> Float[Array, "point 2"]:
    """Where a function vanishes between places at which its signs differ."""
    solver = optimistix.Bisection(rtol=0.0, atol=0.0)
    bounds, steps = {"lower": jnp.zeros(()), "upper": jnp.ones(())}, jnp.finfo(lower.dtype).nmant + 12

    def of(lower, upper):
        def at(share, args):
            return function(lower + share * (upper - lower), column)

        found = optimistix.root_find(at, solver, jnp.asarray(0.5), options=bounds, max_steps=steps, throw=False)
        return lower + found.value * (upper - lower)

    return jax.vmap(of)(lower, upper)


def _meeting(
    function: Function, places: Float[Array, "point 2"], gaps: np.ndarray, column: ChangingColumn
) -> Float[Array, "meeting 2"]:
    """Where another function vanishes on the curve of equilibria, by Newton's method from where its sign changes."""
    found, points = np.asarray(_at_each(function, places, column)), np.asarray(places)
    above = found > 0
    changes = np.setdiff1d(np.flatnonzero(above[1:] != above[:-1]), gaps - 1)
    change = np.abs(found[changes + 1] - found[changes])
    return _roots(function, as_float((points[changes] + points[changes + 1]) / 2), as_float(change), column)


@eqx.filter_jit
def _roots(
    function: Function, guesses: Float[Array, "meeting 2"], change: Float[Array, " meeting"], column: ChangingColumn
) -> Float[Array, "meeting 2"]:
    tolerance = float(jnp.finfo(guesses.dtype).eps) ** 0.5
    solver = optimistix.Newton(rtol=tolerance, atol=tolerance)

    def of(guess_and_change):
        guess, change = guess_and_change

        def both(place, args):
            return jnp.stack([_excess(place, column), function(place, column) / change])

        return optimistix.root_find(both, solver, guess, max_steps=32).value

    return jax.lax.map(of, (guesses, change))  # unlike `vmap`, of none as well


@eqx.filter_jit
def _at_each(function: Function, places: Float[Array, "point 2"], column: ChangingColumn) -> Float[Array, " point"]:
    return jax.vmap(lambda place: function(place, column))(places)


@eqx.filter_jit
def _described(places: Float[Array, "point 2"], column: ChangingColumn) -> Equilibria:
    def of(place):
        v, parameters, _ = _seen(place, column)
        found = jax.tree.map(lambda leaf: leaf[0], equilibrium_curve(parameters, v[None]))
        return Equilibria(found.p, found.states, found.eigenvalues, place[1], column.along)

    return jax.vmap(of)(places)


def _apart(found: Equilibria, gaps: np.ndarray) -> Equilibria:
    return jax.tree.map(lambda leaf: jnp.asarray(np.insert(leaf, gaps, np.nan, axis=0)), found)
