"""The curve of equilibria of a column in closed form, the functions that vanish where it bifurcates, and their roots.

At rest all follows from v = y1 - y2, the potential of the pyramidal cells (Grimbert and Faugeras 2006,
doi 10.1162/neco.2006.18.12.3052):

    y0 = A/a S(v)    y2 = B/b C4 S(C3 y0)    y1 = v + y2    p = a/A y1 - C2 S(C1 y0)
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..column.equations import sigmoid
from ..column.parameters import JansenRitParameters
from ..column.states import States

REACH, GRID = 20.0, 512
"""How far to either side of `v0`, in 1/r, roots are looked for, and at how many potentials: beyond it the sigmoid's
slope is less than 1e-8 of what it is at `v0`."""

MOST_ROOTS = 6
"""How many roots are kept; the standard column has two saddle-nodes and three Hopf points."""

_MOST_CELLS, _FINER = 20, 4  # of the grid that are looked at more closely, and how many times finer
_MOST_BRACKETS = 8  # of roots: changes of sign on the finer grid and near misses
# How near to zero a function must turn round for a closer look, in parts of how far it bends over a step of the grid.
# The parabola is wrong by some hundredths of this.
NEAR = 0.25
_EXTREMUM_STEPS = 4  # of Newton's method, which begins a hundredth of the grid's step from the extremum


def at_potential(v: Float[Array, ""], parameters: JansenRitParameters) -> tuple[Float[Array, ""], Float[Array, "6"]]:
    """The input p (1/s) that holds the pyramidal cells at `v` (mV), and the states there."""
    y0 = parameters.A / parameters.a * sigmoid(v, parameters)
    y2 = parameters.B / parameters.b * parameters.C4 * sigmoid(parameters.C3 * y0, parameters)
    y1 = v + y2
    p = parameters.a / parameters.A * y1 - parameters.C2 * sigmoid(parameters.C1 * y0, parameters)
    return p, jnp.stack([y0, y1, y2, *3 * [jnp.zeros_like(v)]])


def input_slope(v: Float[Array, ""], parameters: JansenRitParameters) -> Float[Array, ""]:
    """How p changes with v along the curve of equilibria: 0 at a saddle-node."""
    return jax.grad(lambda v: at_potential(v, parameters)[0])(v)


def hurwitz_determinant(v: Float[Array, ""], parameters: JansenRitParameters) -> Float[Array, ""]:
    """0 where two eigenvalues are opposite: the fifth Hurwitz determinant but for a positive factor, in time units of
    1/sqrt(a b)."""
    y0 = States.unstack(at_potential(v, parameters)[1]).y0
    gain = jax.grad(lambda v: sigmoid(v, parameters))
    unit = (parameters.a * parameters.b) ** 0.5
    a, b = parameters.a / unit, parameters.b / unit
    excitation, inhibition = parameters.A / unit * a, parameters.B / unit * b
    pyramidal = excitation * gain(v)
    excitatory = excitation * parameters.C2 * parameters.C1 * gain(parameters.C1 * y0)
    inhibitory = inhibition * parameters.C4 * parameters.C3 * gain(parameters.C3 * y0)
    # The characteristic polynomial, highest power first:
    # (s + a)^4 (s + b)^2 - pyramidal (excitatory (s + b)^2 - inhibitory (s + a)^2)
    # Of scalars, not of arrays of coefficients, as XLA makes one loop over a batch of all of it.
    excitatory_square, inhibitory_square = ([jnp.ones_like(k), 2 * k, k**2] for k in (a, b))
    polynomial = polynomial_product(polynomial_product(excitatory_square, excitatory_square), inhibitory_square)
    for power in range(3):
        feedback = excitatory * inhibitory_square[power] - inhibitory * excitatory_square[power]
        polynomial[4 + power] -= pyramidal * feedback
    # Where s and -s are eigenvalues, x = s^2 is a root of the even powers and of the odd ones, which are
    # first (x^2 + third x + fifth). By this, x^3 + second x^2 + fourth x + sixth is slope x + rest; its resultant with
    # the odd ones is the determinant (Gantmacher 1959), at a fraction of the price.
    _, first, second, third, fourth, fifth, sixth = polynomial
    third, fifth = third / first, fifth / first  # first is 4 a + 2 b
    slope = third * (third - second) - fifth + fourth
    rest = fifth * (third - second) + sixth
    return -(rest**2 - third * rest * slope + fifth * slope**2)


def polynomial_product(
    first: Sequence[Float[Array, "*batch"]], second: Sequence[Float[Array, "*batch"]]
) -> list[Float[Array, "*batch"]]:
    """The coefficients of the product of two polynomials, in the order of theirs."""
    product = [jnp.zeros_like(first[0]) for _ in range(len(first) + len(second) - 1)]
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            product[i + j] += one * other
    return product


def roots(
    function: Callable[[Float[Array, ""]], Float[Array, ""]], parameters: JansenRitParameters
) -> Float[Array, " point"]:
    """Of a function of v, in order; NaN for the remainder.

    They are looked for around places at which the function changes its sign between neighbours on a fine grid, or turns
    round near zero; there once more on a finer grid; and at last on either side of an extremum, so that two roots
    however near each other are not missed. Two of three within a quarter of a cell may be.
    """
    grid = jax.lax.stop_gradient(parameters.v0 + jnp.linspace(-REACH, REACH, GRID) / parameters.r)
    crossed, turning, _ = _near_roots(jax.vmap(function)(grid))
    # A cell is left and right of a point where the function turns round, and beside one where its sign changes.
    left, right = (jnp.roll(there, -1) for there in (crossed, turning)), (jnp.roll(crossed, 1),)
    cells = _first_true(functools.reduce(jnp.logical_or, (crossed, turning, *left, *right)), _MOST_CELLS)
    # Of a cell, with one point more at either end, as an extremum may lie on an edge.
    parts, step = jnp.arange(-1, _FINER + 2, dtype=grid.dtype), (grid[1] - grid[0]) / _FINER
    fine = grid[cells][:, None] + step * parts[None]
    crossed, turning, shift = jax.vmap(lambda row: _near_roots(jax.vmap(function)(row)))(fine)
    own = ((parts >= 0) & (parts < _FINER))[None] & (cells < GRID - 1)[:, None]
    at = _first_true((own & (crossed | turning)).ravel(), _MOST_BRACKETS)
    here, turning = fine.ravel()[at], turning.ravel()[at]
    lower, extremum, upper = here - jnp.where(turning, step, 0), here + shift.ravel()[at] * step, here + step

    def nearer(_, extremum):
        slope, curvature = jax.vmap(lambda v: _with_slope(lambda v: _with_slope(function, v)[1], v))(extremum)
        return jnp.clip(extremum - slope / curvature, lower, upper)

    extremum = jax.lax.fori_loop(0, _EXTREMUM_STEPS, nearer, extremum)
    edges = jnp.stack([lower, jnp.where(turning, extremum, lower), upper], axis=1)
    positive = jax.vmap(jax.vmap(function))(edges) > 0
    crossed = (positive[:, 1:] != positive[:, :-1]) & (at < fine.size)[:, None]
    chosen = _first_true(crossed.ravel(), MOST_ROOTS)
    lower, upper = (
        ends.ravel().at[chosen].get(mode="fill", fill_value=jnp.nan) for ends in (edges[:, :-1], edges[:, 1:])
    )
    return bracketed_roots(function, lower, upper)


def _first_true(values: Bool[Array, " value"], count: int) -> Int[Array, " index"]:
    """The indices of the first that are true; for the remainder one beyond the last."""
    beyond = len(values)
    indices = jnp.where(values, jnp.arange(beyond), beyond)

    def next(indices, _):  # by as many minima, which XLA computes much faster than it sorts
        least = jnp.min(indices)
        return jnp.where(indices == least, beyond, indices), least

    return jax.lax.scan(next, indices, length=count)[1]


def _near_roots(
    values: Float[Array, " point"],
) -> tuple[Bool[Array, " point"], Bool[Array, " point"], Float[Array, " point"]]:
    """Of a function at evenly spaced points: at which its sign changes before the next; at which it turns round without
    a change of sign, near or beyond zero, by the parabola through a value and its neighbours; and how many steps away
    the extremum of this is."""
    positive = values > 0
    crossed = jnp.append(positive[1:] != positive[:-1], False)
    side = jnp.sign(values[1:-1])
    before, at, after = (side * each for each in (values[:-2], values[1:-1], values[2:]))
    bend = before - 2 * at + after
    shift = (before - after) / (2 * bend)
    turning = (at > 0) & (at <= before) & (at <= after) & (at - bend * shift**2 / 2 < NEAR * bend)
    return crossed, jnp.pad(turning, 1), jnp.pad(jnp.where(turning, shift, 0), 1)


def _with_slope(
    function: Callable[[Float[Array, ""]], Float[Array, ""]], v: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    return jax.jvp(function, (v,), (jnp.ones_like(v),))


def bracketed_roots(
    function: Callable[[Float[Array, ""]], Float[Array, ""]],
    lower: Float[Array, " bracket"],
    upper: Float[Array, " bracket"],
) -> Float[Array, " bracket"]:
    """One in each bracket at whose ends the signs differ, NaN in the others."""

    def one_root(lower, upper):
        falling, rising = jax.vmap(function)(jnp.stack([lower, upper])) > 0
        # So that derivatives are those of the root, by the implicit function theorem.
        root = jax.lax.custom_root(
            function,
            lower,
            lambda function, lower: bisected(function, lower, upper, rising),
            lambda slope, y: y / slope(jnp.ones_like(y)),
        )
        return jnp.where(rising != falling, root, jnp.nan)

    return jax.vmap(one_root)(lower, upper)


def bisected(
    function: Callable[[Float[Array, ""]], Float[Array, ""]],
    lower: Float[Array, ""],
    upper: Float[Array, ""],
    positive: Bool[Array, ""],
) -> Float[Array, ""]:
    """The place where a function changes its sign, `positive` at the upper end, by halving to rounding."""

    def halved(_, bracket):
        lower, upper = bracket
        middle = (lower + upper) / 2
        beyond = (function(middle) > 0) == positive
        return jnp.where(beyond, lower, middle), jnp.where(beyond, middle, upper)

    steps = jnp.finfo(lower.dtype).nmant + 12
    lower, upper = jax.lax.fori_loop(0, steps, halved, (lower, upper))
    return (lower + upper) / 2
