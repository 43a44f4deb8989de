"""Curves in the plane of the potential v = y1 - y2 and of a quantity that changes, on which a function vanishes.

All their points at each of the quantity's values, the rows, are found along v, however near each other. From each of
them the curve is followed to the next row, or back to the same, so that no point is left out.
"""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._checks import as_float
from ..column.column import Column
from .curve import GRID, NEAR, REACH

Function = Callable[[Float[Array, ""], Column], Float[Array, ""]]
"""Of v, mV, and the column."""
Places = Float[np.ndarray, "_ 2"]
"""r (v - v0), and the quantity that changes."""

_AT_ONCE = 1024  # places are worked on in multiples of it, by one program
_PARTS = np.linspace(0, 1, 5)  # at which a segment is looked at for roots
# Steps along a curve: the longest passes over a row, and not right before it; the shortest comes where a curve crosses
# itself, and nowhere else.
_LONGEST, _SHORTEST = 1.05, 1e-8
_STRAIGHT = 0.9  # least cosine between directions before and after a step; a step that turns more is halved
_CAREFUL = 0.25  # longest step in which a curve turns back in the quantity that changes
_TO_ROUNDING = {"xatol": 1e-15, "xrtol": 0.0}  # of parts of the way
# Of Newton's method, from a tenth of a step off at most; and after what correction, in steps, there is no other, as it
# squares the error.
_CORRECTIONS, _TOLERANCE = 5, 1e-8
_LOOP_CORRECTIONS, _LOOP_STEP = 8, 1e-3  # of Newton's method to an extremum, by differences of slopes over a step


class Plane(eqx.Module):
    """Columns alike but for one quantity."""

    column: Column
    changes: Column
    """Which of its leaves is that quantity."""
    potentials: Float[np.ndarray, " potential"]
    """r (v - v0): evenly spaced, and one to either side beyond which there is no equilibrium."""
    rows: Float[np.ndarray, " row"]
    """Values of the quantity, evenly spaced."""

    def __init__(self, column: Column, parameter: str, values: Float[Array, " value"]):
        ends = [column.replace(**{parameter: value}) for value in (values[0], values[-1])]
        self.column, self.rows = column, np.asarray(values)
        self.changes = jax.tree.map(lambda low, high: low != high, *ends)
        reach = REACH
        for end in ends:
            parameters, p = end.parameters, end.value("p")
            excitatory, inhibitory = (2 * parameters.e0 * jnp.abs(count) for count in (parameters.C2, parameters.C4))
            most = parameters.A / parameters.a * (jnp.abs(p) + excitatory) + parameters.B / parameters.b * inhibitory
            reach = max(reach, float(parameters.r * (most + jnp.abs(parameters.v0))))
        self.potentials = np.concatenate([[-reach - 1], np.linspace(-REACH, REACH, GRID), [reach + 1]])

    @property
    def steps(self) -> Float[np.ndarray, "2"]:
        """Between neighbours on the grid."""
        return np.array([2 * REACH / (GRID - 1), self.rows[1] - self.rows[0]])

    def values(
        self, function: Function, places: Float[np.ndarray, "*batch 2"]
    ) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch 2"]]:
        """Of a function at places, and its slopes, by steps of the grid."""
        flat = places.reshape(-1, 2)
        padded = np.full((-(-len(flat) // _AT_ONCE) * _AT_ONCE, 2), np.nan)
        padded[: len(flat)] = flat
        values, slopes = np.empty(len(padded)), np.empty(padded.shape)
        for first in range(0, len(padded), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            values[part], slopes[part] = _values(function, self.column, self.changes, as_float(padded[part]))
        shape = places.shape[:-1]
        return values[: len(flat)].reshape(shape), slopes[: len(flat)].reshape(*shape, 2) * self.steps

    def on_rows(self, function: Function, rows: Float[np.ndarray, " row"]) -> Float[np.ndarray, "row potential"]:
        """Values of a function at all potentials."""
        return np.asarray(_on_grid(function, self.column, self.changes, as_float(self.potentials), as_float(rows)))

    @np.errstate(divide="ignore", invalid="ignore")  # a guess may be where nothing changes: it is not taken
    def nearest(self, function: Function, places: Places) -> tuple[Places, Places, Float[np.ndarray, " place"]]:
        """The places on a curve near guesses, its directions there in steps of the grid, the function rising to the
        left, and how far the last corrections were."""
        slopes, distances = np.ones_like(places), np.zeros(len(places))
        for _ in range(_CORRECTIONS):
            values, slopes = self.values(function, places)
            change = (values / np.sum(slopes**2, axis=-1))[:, None] * slopes
            places, distances = places - change * self.steps, np.linalg.norm(change, axis=-1)
            if not np.any(distances > _TOLERANCE):
                break
        return places, directions(slopes), distances


def directions(slopes: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 2"]:
    """Of length 1, along which a function does not change, and rises to the left."""
    along = np.stack([slopes[..., 1], -slopes[..., 0]], axis=-1)
    return along / np.linalg.norm(along, axis=-1, keepdims=True)


@eqx.filter_jit
def _values(
    function: Function, column: Column, changes: Column, places: Float[Array, "place 2"]
) -> tuple[Float[Array, " place"], Float[Array, "place 2"]]:
    def value(place):
        potential, value = place
        there = at_value(column, changes, value)
        return function(there.parameters.v0 + potential / there.parameters.r, there)

    return jax.vmap(jax.value_and_grad(value))(places)


@eqx.filter_jit
def _on_grid(
    function: Function,
    column: Column,
    changes: Column,
    potentials: Float[Array, " potential"],
    rows: Float[Array, " row"],
) -> Float[Array, "row potential"]:
    def on_row(value):
        there = at_value(column, changes, value)
        return jax.vmap(lambda potential: function(there.parameters.v0 + potential / there.parameters.r, there))(
            potentials
        )

    return jax.vmap(on_row)(rows)


def at_value(column: Column, changes: Column, value: Float[Array, ""]) -> Column:
    """The column with another value of what changes."""
    return jax.tree.map(lambda leaf, changed: jnp.where(changed, value, leaf), column, changes)


def curves(function: Function, plane: Plane) -> list[Places]:
    """The places of each curve, in order along it; of one that closes the first is also the last."""
    rows, values = _with_rows_through_loops(function, plane, plane.on_rows(function, plane.rows))
    row, places = _roots_on_rows(function, plane, rows, values)
    following, passed, between = _followed(function, plane, rows, row, places)
    order = np.argsort(passed, kind="stable")
    stretches = np.split(between[order], np.searchsorted(passed[order], np.arange(1, len(places))))
    begins = np.setdiff1d(np.arange(len(places)), following)
    left = np.ones(len(places), bool)
    found = []
    for root in (*begins, *range(len(places))):
        line = []
        while root >= 0 and left[root]:
            left[root] = False
            line += [places[root][None], stretches[root]]
            root = following[root]
        if line:
            closed = line[0] if root >= 0 and np.array_equal(places[root], line[0][0]) else line[0][:0]
            found.append(np.concatenate([*line, closed]))
    return found


def _roots_on_rows(
    function: Function, plane: Plane, rows: Float[np.ndarray, " row"], values: Float[np.ndarray, "row potential"]
) -> tuple[Int[np.ndarray, " root"], Places]:
    """The rows and the places at which a function vanishes, in order: it is looked for in cells in which it changes its
    sign or turns round near zero, and beside them."""
    crossed = np.pad((values[:, 1:] > 0) != (values[:, :-1] > 0), ((0, 0), (1, 1)))
    turning = np.pad(_nearest_to_zero(values[:, 1:-1], [values[:, :-2], values[:, 2:]]), ((0, 0), (1, 1)))
    row, cell = np.nonzero(crossed[:, :-2] | crossed[:, 1:-1] | crossed[:, 2:] | turning[:, :-1] | turning[:, 1:])
    first, last = plane.potentials[cell], plane.potentials[cell + 1]

    def places(segment, part):
        potentials = first[segment] + part * (last - first)[segment]
        return np.stack([potentials, rows[row[segment]]], axis=-1)

    def along(segment, part):
        values, slopes = plane.values(function, places(segment, part))
        return values, slopes[:, 0]

    segment, part = roots_on_segments(along, len(cell))
    return row[segment], places(segment, part)


def roots_on_segments(
    along: Callable[[Int[np.ndarray, " place"], Float[np.ndarray, " place"]], tuple[np.ndarray, np.ndarray]], count: int
) -> tuple[Int[np.ndarray, " root"], Float[np.ndarray, " root"]]:
    """Where a function vanishes on segments, in order: on which, and at which part of the way.

    It does between places at which its sign differs, and on either side of an extremum at which it differs from that at
    both, so that two roots however near each other are not missed. Two of three within a quarter of a segment may be.

    **Arguments:**

    - `along`: the value and the slope, of segments by their numbers, at parts of the way.
    - `count`: how many segments there are.
    """
    segment, part = np.repeat(np.arange(count), len(_PARTS)), np.tile(_PARTS, count)
    values, slopes = (each.reshape(count, len(_PARTS)) for each in along(segment, part))
    crossed, turning = _crossed_and_turning(values, slopes)
    turns, number = np.nonzero(turning)
    lower, upper = _PARTS[number], _PARTS[number + 1]
    middle = _root_between(lambda part, segment: along(segment, part)[1], lower, upper, turns)
    changed = (along(turns, middle)[0] > 0) != (values[turns, number] > 0)
    turns, lower, middle, upper = (each[changed] for each in (turns, lower, middle, upper))
    segment, number = np.nonzero(crossed)
    segment = np.concatenate([segment, turns, turns])
    lower = np.concatenate([_PARTS[number], lower, middle])
    upper = np.concatenate([_PARTS[number + 1], middle, upper])
    part = _root_between(lambda part, segment: along(segment, part)[0], lower, upper, segment)
    order = np.lexsort([part, segment])
    return segment[order], part[order]


def _crossed_and_turning(
    values: Float[np.ndarray, "*batch place"], slopes: Float[np.ndarray, "*batch place"]
) -> tuple[Bool[np.ndarray, "*batch part"], Bool[np.ndarray, "*batch part"]]:
    """Between which neighbours a function changes its sign, and between which it turns round without."""
    positive, away = values > 0, values * slopes > 0
    crossed = positive[..., 1:] != positive[..., :-1]
    return crossed, ~crossed & ~away[..., :-1] & away[..., 1:]


def _root_between(
    function: Callable[[Float[np.ndarray, " root"], Int[np.ndarray, " root"]], Float[np.ndarray, " root"]],
    lower: Float[np.ndarray, " root"],
    upper: Float[np.ndarray, " root"],
    segment: Int[np.ndarray, " root"],
) -> Float[np.ndarray, " root"]:
    """To rounding, between parts of the way at which the signs differ."""
    from scipy.optimize import elementwise  # here, as importing it is slow

    if not len(segment):
        return lower
    return elementwise.find_root(function, (lower, upper), args=(segment,), tolerances=_TO_ROUNDING).x


def _followed(
    function: Function,
    plane: Plane,
    rows: Float[np.ndarray, " row"],
    row: Int[np.ndarray, " root"],
    roots: Places,
) -> tuple[Int[np.ndarray, " root"], Int[np.ndarray, " place"], Places]:
    """Curves followed from each root to the next, all at once: the number of that, -1 for none; and the places in
    between, behind the numbers of the roots from which they were come to, in order."""
    way = directions(plane.values(function, roots)[1])
    rises = way[:, 1] > 0
    ends = np.stack([row, np.where(rises, row + 1, row - 1)])
    lower, upper = np.min(ends, axis=0), np.max(ends, axis=0)
    on_row = np.full((len(rows), np.max(np.bincount(row), initial=0)), -1)
    on_row[row, np.arange(len(row)) - np.searchsorted(row, row)] = np.arange(len(row))
    following, passed, between = np.full(len(row), -1), [row[:0]], [roots[:0]]
    place, step = roots.copy(), np.full(len(row), _LONGEST)
    active = np.flatnonzero((lower >= 0) & (upper < len(rows)))
    while len(active):
        guess = place[active] + step[active, None] * way[active] * plane.steps
        new, new_way, correction = plane.nearest(function, guess)
        good = (correction < _TOLERANCE) & (np.sum(new_way * way[active], axis=1) > _STRAIGHT)
        good &= ((new_way[:, 1] > 0) == (way[active, 1] > 0)) | (step[active] < _CAREFUL)
        above, below = new[:, 1] > rows[upper[active]], new[:, 1] < rows[lower[active]]
        arrived, inside = good & (above | below), good & ~(above | below)
        at = np.where(above, upper[active], lower[active])[arrived]
        begin, end = place[active[arrived]], new[arrived]
        crossing = begin[:, 0] + (end - begin)[:, 0] * (rows[at] - begin[:, 1]) / (end - begin)[:, 1]
        candidates = on_row[at]
        away = np.abs(roots[candidates, 0] - crossing[:, None]) / plane.steps[0]
        away[(candidates < 0) | (rises[candidates] != above[arrived, None])] = np.inf
        nearest = np.argmin(away, axis=1)[:, None]
        near = np.take_along_axis(away, nearest, axis=1)[:, 0] < _LONGEST
        following[active[arrived]] = np.where(near, np.take_along_axis(candidates, nearest, axis=1)[:, 0], -1)
        passed.append(active[inside])
        between.append(new[inside])
        place[active[inside]], way[active[inside]] = new[inside], new_way[inside]
        step[active] = np.where(good, np.minimum(2 * step[active], _LONGEST), step[active] / 2)
        active = active[~arrived & (step[active] > _SHORTEST)]
    return following, np.concatenate(passed), np.concatenate(between)


def _nearest_to_zero(
    values: Float[np.ndarray, "*batch"],
    beside: list[Float[np.ndarray, "*batch"]],
    corners: Sequence[Float[np.ndarray, "*batch"]] = (),
) -> Bool[np.ndarray, "*batch"]:
    """Whether a function has one sign and is nearer to zero than at all neighbours, and so near that the parabola
    through it and those beside it comes to zero within a step."""
    side = np.sign(values)
    bend = side * (sum(beside) - len(beside) * values)
    near = side * values < (NEAR + len(beside) / 16) * bend
    for other in (*beside, *corners):
        near &= side * other >= side * values
    return near


@np.errstate(divide="ignore", invalid="ignore")
def _with_rows_through_loops(
    function: Function, plane: Plane, values: Float[np.ndarray, "row potential"]
) -> tuple[Float[np.ndarray, " more"], Float[np.ndarray, "more potential"]]:
    """The rows, and values there, with others where a curve closes between two of them: around an extremum at which the
    sign of the function is another one than all around."""
    rows, height, width = plane.rows, *values.shape
    padded = np.pad(values, 1, "edge")
    around = [padded[i : height + i, j : width + j] for i in range(3) for j in range(3)]
    row, column = np.nonzero(_nearest_to_zero(values, around[1:8:2], around[:9:2]))
    first = extremum = np.stack([plane.potentials[column], rows[row]], axis=1)
    reach, offsets = 1.5 * plane.steps, _LOOP_STEP * np.eye(2) * plane.steps
    for _ in range(_LOOP_CORRECTIONS if len(first) else 0):
        stencil = np.stack([extremum, *(extremum + sign * offset for offset in offsets for sign in (1, -1))], axis=1)
        here, *beside = np.moveaxis(plane.values(function, stencil)[1], 1, 0)
        (xx, xy), (yx, yy) = (((after - before) / (2 * _LOOP_STEP)).T for after, before in (beside[:2], beside[2:]))
        x, y = here.T
        change = np.stack([x * yy - y * xy, y * xx - x * yx], axis=1) / (xx * yy - xy * yx)[:, None]
        extremum = np.clip(extremum - change * plane.steps, first - reach, first + reach)
    inside = (extremum[:, 1] > rows[0]) & (extremum[:, 1] < rows[-1])
    changed = plane.values(function, extremum)[0] * values[row, column] < 0
    more = np.setdiff1d(extremum[inside & changed, 1], rows)  # several for one loop do no harm
    if len(more):
        rows, values = np.concatenate([rows, more]), np.concatenate([values, plane.on_rows(function, more)])
        order = np.argsort(rows)
        rows, values = rows[order], values[order]
    return rows, values
