"""The curve of equilibria of a column in closed form, the functions that vanish where it bifurcates, and their roots.

At rest all follows from v = y1 - y2, the potential of the pyramidal cells (Grimbert and Faugeras 2006,
doi 10.1162/neco.2006.18.12.3052):

    y0 = A/a S(v)    y2 = B/b C4 S(C3 y0)    y1 = v + y2    p = a/A y1 - C2 S(C1 y0)
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

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
    excitatory_square, inhibitory_square = (jnp.stack([jnp.ones_like(k), 2 * k, k**2]) for k in (a, b))
    feedback = pyramidal * (excitatory * inhibitory_square - inhibitory * excitatory_square)
    polynomial = polynomial_product(polynomial_product(excitatory_square, excitatory_square), inhibitory_square)
    polynomial = polynomial.at[4:].add(-feedback)
    # Where s and -s are eigenvalues, x = s^2 is a root of the even powers and of the odd ones, which are
    # first (x^2 + third x + fifth). By this, x^3 + second x^2 + fourth x + sixth is slope x + rest; its resultant with
    # the odd ones is the determinant (Gantmacher 1959), at a fraction of the price.
    _, first, second, third, fourth, fifth, sixth = polynomial
    third, fifth = third / first, fifth / first  # first is 4 a + 2 b
    slope = third * (third - second) - fifth + fourth
    rest = fifth * (third - second) + sixth
    return -(rest**2 - third * rest * slope + fifth * slope**2)


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
    before = jnp.arange(GRID - 1)
    changes = jnp.sort(jnp.where(rising[1:] != rising[:-1], before, GRID - 2))[:MOST_ROOTS]
    # The last two are no bracket, as a root that far is that of rounding.
    return bracketed_roots(function, grid[changes], jnp.where(changes < GRID - 2, grid[changes + 1], grid[changes]))


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
