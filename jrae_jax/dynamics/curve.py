"""The curve of equilibria of a column in closed form, the functions that vanish where it bifurcates, and their roots.

At rest all follows from v = y1 - y2, the potential of the pyramidal cells (Grimbert and Faugeras 2006,
doi 10.1162/neco.2006.18.12.3052):

    y0 = A/a S(v)    y2 = B/b C4 S(C3 y0)    y1 = v + y2    p = a/A y1 - C2 S(C1 y0)
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optimistix
from jaxtyping import Array, Float

from ..column.equations import sigmoid
from ..column.parameters import JansenRitParameters
from ..column.states import States

REACH, GRID = 40.0, 1024
"""How far to either side of `v0`, in 1/r, roots are looked for, and at how many potentials: beyond it the sigmoid is
flat, to rounding."""

MOST_ROOTS = 6
"""How many roots are kept; the standard column has two saddle-nodes and three Hopf points."""


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
    """0 where two eigenvalues are opposite: the fifth Hurwitz determinant, in time units of 1/sqrt(a b)."""
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
    excitatory_square, inhibitory_square = (jnp.stack([jnp.ones_like(k), 2 * k, k**2]) for k in (a, b))
    feedback = pyramidal * (excitatory * inhibitory_square - inhibitory * excitatory_square)
    polynomial = polynomial_product(polynomial_product(excitatory_square, excitatory_square), inhibitory_square)
    polynomial = polynomial.at[4:].add(-feedback)
    padded = jnp.pad(polynomial, (5, 5))
    rows = [jnp.stack([padded[5 + 2 * (column + 1) - (row + 1)] for column in range(5)]) for row in range(5)]
    return jnp.linalg.det(jnp.stack(rows))


def polynomial_product(first: Float[Array, " n"], second: Float[Array, " m"]) -> Float[Array, " product"]:
    """Of two polynomials; `jnp.convolve` over a batch takes memory for the square of its size."""
    padded = jnp.pad(first, (0, len(second) - 1))
    return sum((jnp.roll(padded, power) * second[power] for power in range(len(second))), jnp.zeros_like(padded))


def roots(
    function: Callable[[Float[Array, ""]], Float[Array, ""]], parameters: JansenRitParameters
) -> Float[Array, " point"]:
    """Of a function of v, where it changes its sign between neighbours on a fine grid; NaN for the remainder."""
    grid = parameters.v0 + jnp.linspace(-REACH, REACH, GRID) / parameters.r
    rising = jax.vmap(function)(grid) > 0
    (changes,) = jnp.nonzero(rising[1:] != rising[:-1], size=MOST_ROOTS, fill_value=GRID - 1)
    return bracketed_roots(function, grid[changes], grid.at[changes + 1].get(mode="clip"))


def bracketed_roots(
    function: Callable[[Float[Array, ""]], Float[Array, ""]],
    lower: Float[Array, " bracket"],
    upper: Float[Array, " bracket"],
) -> Float[Array, " bracket"]:
    """One in each bracket at whose ends the signs differ, NaN in the others."""
    solver = optimistix.Bisection(rtol=0.0, atol=0.0)

    def one_root(lower, upper):
        there = (function(lower) > 0) != (function(upper) > 0)
        # Bisection refuses a bracket without a change of sign, so that such a one gets a function that has a root.
        upper = jnp.where(there, upper, lower + 1)
        middle = (lower + upper) / 2

        def with_root(v, args):
            return jnp.where(there, function(v), v - middle)

        steps = jnp.finfo(lower.dtype).nmant + 12  # halvings until the bracket is as narrow as rounding
        options = {"lower": lower, "upper": upper}
        found = optimistix.root_find(with_root, solver, middle, options=options, max_steps=steps, throw=False)
        return jnp.where(there, found.value, jnp.nan)

    return jax.vmap(one_root)(lower, upper)
