"""Where a column can rest, and where its equilibria meet, vanish or begin to oscillate.

At rest all follows from v = y1 - y2, the potential of the pyramidal cells (Grimbert and Faugeras 2006,
doi 10.1162/neco.2006.18.12.3052):

    y0 = A/a S(v)    y2 = B/b C4 S(C3 y0)    y1 = v + y2    p = a/A y1 - C2 S(C1 y0)

so that equilibria at all p lie on one curve, and what is looked for on it are roots of functions of v alone.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jaxtyping import Array, Bool, Complex, Float

from .._checks import as_float, check_positive
from ..column.equations import jansen_rit_vector_field, sigmoid
from ..column.parameters import JansenRitParameters, batch_size

_REACH = 40.0  # v is looked at so far to either side of v0, in 1/r: beyond it the sigmoid is flat
_GRID = 1024
_MOST = 6  # roots that are kept; the standard column has two saddle-nodes and three Hopf points
_IMAGINARY = 0.02  # a pair of eigenvalues whose real part is below this share of the imaginary one is on the axis


class Equilibria(eqx.Module):
    """Points on a column's curve of equilibria, along p by rising y1 - y2; NaN stands for none."""

    p: Float[Array, "*batch"]
    """External input, 1/s."""
    states: Float[Array, "*batch 6"]
    """mV and mV/s."""
    eigenvalues: Complex[Array, "*batch 6"]
    """Of the linearised equations, 1/s."""
    value: Float[Array, "*batch"]
    """Of the quantity that changes, in its own unit."""
    along: str = eqx.field(static=True, default="p")
    """The quantity that changes."""

    @property
    def exists(self) -> Bool[Array, "*batch"]:
        """Whether there is one."""
        return jnp.isfinite(self.p)

    @property
    def stable(self) -> Bool[Array, "*batch"]:
        """Whether small deviations die away."""
        return self.exists & jnp.all(self.eigenvalues.real < 0, axis=-1)

    @property
    def on_the_axis(self) -> Bool[Array, "*batch"]:
        """Whether a pair of complex eigenvalues is on the imaginary axis, but for rounding."""
        imaginary = self.eigenvalues.imag
        return jnp.any((imaginary > 0) & (jnp.abs(self.eigenvalues.real) < _IMAGINARY * imaginary), axis=-1)

    @property
    def frequency(self) -> Float[Array, "*batch"]:
        """Hz: of the pair of complex eigenvalues that is nearest to the imaginary axis; NaN if none is complex."""
        distance = jnp.where(self.eigenvalues.imag > 0, jnp.abs(self.eigenvalues.real), jnp.inf)
        nearest = jnp.argmin(distance, axis=-1, keepdims=True)
        found = jnp.take_along_axis(self.eigenvalues.imag, nearest, axis=-1)[..., 0]
        return jnp.where(jnp.isfinite(jnp.min(distance, axis=-1)), found, jnp.nan) / (2 * np.pi)


def equilibria(parameters: JansenRitParameters, p: Float[Array, "*batch"] | float) -> Equilibria:
    """All equilibria of a column at constant input, and their eigenvalues.

    Between two saddle-nodes there is one at most, found by bisection to rounding. Differentiable with respect to the
    parameters and p. Six are kept, and six saddle-nodes and Hopf points: the standard column has three at most.

    **Arguments:**

    - `parameters`: of one column, or of a batch of them; A and B positive.
    - `p`: external input, 1/s; a scalar, or a value for each column.

    **Raises:** `ValueError` if A or B is not positive, or lengths differ.
    """
    check_positive(A=parameters.A, B=parameters.B)
    return _each(_equilibria, parameters, p=p)


def saddle_nodes(parameters: JansenRitParameters) -> Equilibria:
    """Where two equilibria meet as p changes: the extrema of p along the curve.

    **Arguments:**

    - `parameters`: of one column, or of a batch of them; A and B positive.

    **Raises:** `ValueError` if A or B is not positive.
    """
    check_positive(A=parameters.A, B=parameters.B)
    return _each(_saddle_nodes, parameters)


def hopf_points(parameters: JansenRitParameters) -> Equilibria:
    """Where equilibria begin to oscillate as p changes: a pair of eigenvalues crosses the imaginary axis.

    By the last Hurwitz determinant but one of the characteristic polynomial, which vanishes where two eigenvalues are
    opposite; real pairs are left out.

    **Arguments:**

    - `parameters`: of one column, or of a batch of them; A and B positive.

    **Returns:** `frequency` is the one that the oscillation begins with.

    **Raises:** `ValueError` if A or B is not positive.
    """
    check_positive(A=parameters.A, B=parameters.B)
    return _each(_hopf_points, parameters)


def equilibrium_curve(parameters: JansenRitParameters, v: Float[Array, " point"]) -> Equilibria:
    """The equilibria whose y1 - y2 is `v` (mV), at whatever input holds them; of one column.

    **Raises:** `ValueError` if A or B is not positive.
    """
    check_positive(A=parameters.A, B=parameters.B)
    return _curve(v, parameters)


def on_the_curve(v: Float[Array, ""], parameters: JansenRitParameters) -> tuple[Float[Array, ""], Float[Array, "6"]]:
    """The input p that holds the pyramidal cells at v, and the states there."""
    y0 = parameters.A / parameters.a * sigmoid(v, parameters)
    y2 = parameters.B / parameters.b * parameters.C4 * sigmoid(parameters.C3 * y0, parameters)
    y1 = v + y2
    p = parameters.a / parameters.A * y1 - parameters.C2 * sigmoid(parameters.C1 * y0, parameters)
    return p, jnp.stack([y0, y1, y2, *3 * [jnp.zeros_like(v)]])


def slope(v: Float[Array, ""], parameters: JansenRitParameters) -> Float[Array, ""]:
    """How p changes with v along the curve: 0 at a saddle-node."""
    return jax.grad(lambda v: on_the_curve(v, parameters)[0])(v)


def opposite(v: Float[Array, ""], parameters: JansenRitParameters) -> Float[Array, ""]:
    """0 where two eigenvalues are opposite: the fifth Hurwitz determinant, in time units of 1/sqrt(a b)."""
    _, states = on_the_curve(v, parameters)
    gain = jax.grad(lambda v: sigmoid(v, parameters))
    unit = (parameters.a * parameters.b) ** 0.5
    a, b = parameters.a / unit, parameters.b / unit
    excitation, inhibition = parameters.A / unit * a, parameters.B / unit * b
    forth = excitation * gain(v)
    excited = excitation * parameters.C2 * parameters.C1 * gain(parameters.C1 * states[0])
    inhibited = inhibition * parameters.C4 * parameters.C3 * gain(parameters.C3 * states[0])
    squares = [jnp.stack([jnp.ones_like(rate), 2 * rate, rate**2]) for rate in (a, b)]
    polynomial = _product(_product(squares[0], squares[0]), squares[1])
    polynomial = polynomial.at[4:].add(-forth * (excited * squares[1] - inhibited * squares[0]))
    padded = jnp.pad(polynomial, (5, 5))
    rows = [jnp.stack([padded[5 + 2 * (column + 1) - (row + 1)] for column in range(5)]) for row in range(5)]
    return jnp.linalg.det(jnp.stack(rows))


def _product(first: Float[Array, " n"], second: Float[Array, " m"]) -> Float[Array, " product"]:
    """Of two polynomials; `jnp.convolve` over a batch takes memory for the square of its size."""
    padded = jnp.pad(first, (0, len(second) - 1))
    return sum((jnp.roll(padded, power) * second[power] for power in range(len(second))), jnp.zeros_like(padded))


def _equilibria(parameters: JansenRitParameters, p: Float[Array, ""]) -> Equilibria:
    def excess(v):
        return on_the_curve(v, parameters)[0] - p

    gain = parameters.A / parameters.a
    excited, inhibited = (
        2 * parameters.e0 * strength for strength in (gain * parameters.C2, parameters.B / parameters.b * parameters.C4)
    )
    least = gain * p + jnp.minimum(excited, 0) - jnp.maximum(inhibited, 0)
    most = gain * p + jnp.maximum(excited, 0) - jnp.minimum(inhibited, 0)
    margin = 1e-3 * (most - least) + 1 / parameters.r
    folds = jnp.clip(jax.lax.stop_gradient(_folds(parameters)), least - margin, most + margin)
    edges = jnp.sort(jnp.where(jnp.isnan(folds), most + margin, folds))
    edges = jnp.concatenate([(least - margin)[None], edges, (most + margin)[None]])
    lower, upper = edges[:-1], edges[1:]
    roots = _roots(excess, lower, upper)
    order = jnp.argsort(roots)[:_MOST]  # NaN last
    return _at(roots[order], parameters)


def _saddle_nodes(parameters: JansenRitParameters) -> Equilibria:
    return _at(_folds(parameters), parameters)


def _folds(parameters: JansenRitParameters) -> Float[Array, " point"]:
    """Where p has an extremum along the curve: v."""
    return _all_roots(lambda v: slope(v, parameters), parameters)


def _hopf_points(parameters: JansenRitParameters) -> Equilibria:
    found = _at(_all_roots(lambda v: opposite(v, parameters), parameters), parameters)
    v = jnp.where(found.on_the_axis, found.states[:, 1] - found.states[:, 2], jnp.nan)
    return _at(jnp.sort(v), parameters)


@eqx.filter_jit
def _curve(v: Float[Array, " point"], parameters: JansenRitParameters) -> Equilibria:
    return _at(v, parameters)


def _at(v: Float[Array, " point"], parameters: JansenRitParameters) -> Equilibria:
    def of(v):
        p, states = on_the_curve(v, parameters)
        jacobian = jax.jacfwd(lambda y: jansen_rit_vector_field(0.0, y, (parameters, p)))(states)
        return p, states, jnp.linalg.eigvals(jacobian)

    there = jnp.isfinite(v)
    p, states, eigenvalues = jax.vmap(of)(jnp.where(there, v, 0))  # a NaN would spoil the gradients of the others
    wide = jnp.broadcast_to(there[:, None], states.shape)
    p, states, eigenvalues = (
        jnp.where(where, values, jnp.nan) for where, values in ((there, p), (wide, states), (wide, eigenvalues))
    )
    return Equilibria(p, states, eigenvalues, p)


def _all_roots(
    function: Callable[[Float[Array, ""]], Float[Array, ""]], parameters: JansenRitParameters
) -> Float[Array, " point"]:
    """Of a function of v, where it changes its sign between neighbours on a fine grid; NaN for the remainder."""
    grid = parameters.v0 + jnp.linspace(-_REACH, _REACH, _GRID) / parameters.r
    rising = jax.vmap(function)(grid) > 0
    (changes,) = jnp.nonzero(rising[1:] != rising[:-1], size=_MOST, fill_value=_GRID - 1)
    return _roots(function, grid[changes], grid.at[changes + 1].get(mode="clip"))


def _roots(
    function: Callable[[Float[Array, ""]], Float[Array, ""]],
    lower: Float[Array, " bracket"],
    upper: Float[Array, " bracket"],
) -> Float[Array, " bracket"]:
    """One in each bracket whose ends differ in sign, NaN in the others."""
    solver = optimistix.Bisection(rtol=0.0, atol=0.0)

    def of(lower, upper):
        there = (function(lower) > 0) != (function(upper) > 0)
        upper = jnp.where(there, upper, lower + 1)
        middle = (lower + upper) / 2

        def looked_at(v, args):
            return jnp.where(there, function(v), v - middle)

        steps, bounds = jnp.finfo(lower.dtype).nmant + 12, {"lower": lower, "upper": upper}
        found = optimistix.root_find(looked_at, solver, middle, options=bounds, max_steps=steps, throw=False)
        return jnp.where(there, found.value, jnp.nan)

    return jax.vmap(of)(lower, upper)


@eqx.filter_jit
def _each(function: Callable[..., Equilibria], parameters: JansenRitParameters, **values: Array | float) -> Equilibria:
    """For each column of a batch, or for the one there is."""
    arrays = {name: as_float(value) for name, value in values.items()}
    size = batch_size(parameters=parameters, **arrays)
    if size is None:
        return function(parameters, **arrays)
    columns = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (size,)), (parameters, arrays))
    return jax.vmap(lambda parameters, arrays: function(parameters, **arrays))(*columns)
