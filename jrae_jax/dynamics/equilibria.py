"""Equilibria of a column at constant input, their stability, and where they bifurcate as the input changes.

Equilibria at all p lie on one curve, and bifurcations on it are roots of functions of v = y1 - y2 alone: see `curve`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from .._checks import as_array, check_positive, nan_is_an_answer, of_numbers
from ..column.column import Column, check_constant, check_single
from ..column.equations import jansen_rit_vector_field
from ..column.parameters import JansenRitParameters
from ..column.states import eeg
from .curve import MOST_ROOTS, at_potential, bracketed_roots, hurwitz_determinant, input_slope, roots
from .points import table_of_points

if TYPE_CHECKING:
    import pandas as pd

# A pair of eigenvalues is on the imaginary axis if its real part is below this fraction of the imaginary one. Roots of
# the Hurwitz determinant are pairs exactly on it, or real pairs far from it, so that only rounding must be allowed for:
# in single precision near a double zero it is large.
_IMAGINARY = 0.02
_MOST_LINES = 8  # of points one by one; more are described by their ranges


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
    parameter: str = eqx.field(static=True, default="p")
    """The quantity that changes."""

    @property
    def exists(self) -> Bool[Array, "*batch"]:
        """Whether there is one."""
        return jnp.isfinite(self.p)

    @property
    @nan_is_an_answer
    def stable(self) -> Bool[Array, "*batch"]:
        """Whether small deviations decay."""
        return self.exists & jnp.all(self.eigenvalues.real < 0, axis=-1)

    @property
    @nan_is_an_answer
    def extrema(self) -> Float[Array, "*batch 2"]:
        """Least and largest y1 - y2, mV: at rest the same, twice."""
        return jnp.repeat(eeg(self.states)[..., None], 2, axis=-1)

    @property
    @nan_is_an_answer
    def on_imaginary_axis(self) -> Bool[Array, "*batch"]:
        """Whether a pair of complex eigenvalues is on the imaginary axis, but for rounding."""
        imaginary = self.eigenvalues.imag
        return jnp.any((imaginary > 0) & (jnp.abs(self.eigenvalues.real) < _IMAGINARY * imaginary), axis=-1)

    @property
    @nan_is_an_answer
    def frequency(self) -> Float[Array, "*batch"]:
        """Hz: of the pair of complex eigenvalues that is nearest to the imaginary axis; NaN if none is complex."""
        distance = jnp.where(self.eigenvalues.imag > 0, jnp.abs(self.eigenvalues.real), jnp.inf)
        nearest = jnp.argmin(distance, axis=-1, keepdims=True)
        imaginary = jnp.take_along_axis(self.eigenvalues.imag, nearest, axis=-1)[..., 0]
        return jnp.where(jnp.isfinite(jnp.min(distance, axis=-1)), imaginary, jnp.nan) / (2 * np.pi)

    @nan_is_an_answer
    def to_dataframe(self) -> "pd.DataFrame":
        """Those that exist, one a row: the value of what changes, p (1/s), least and largest y1 - y2 (mV), frequency
        (Hz) and whether it is stable; numbered by their place along each axis."""
        return table_of_points(self)

    @nan_is_an_answer
    @of_numbers
    def __repr__(self) -> str:
        with jax.enable_x64(self.p.dtype == jnp.float64):  # so that it prints after double precision is disabled, too
            quantities = {self.parameter: (self.value, ""), "p": (self.p, "1/s"), "y1 - y2": (eeg(self.states), "mV")}
            quantities |= {"frequency": (self.frequency, "Hz")}
            return described_points("Equilibria", self.exists, self.stable, quantities)


@nan_is_an_answer
def equilibria(column: Column) -> Equilibria:
    """All equilibria of a column at constant input, and their eigenvalues.

    Between two saddle-nodes there is one at most, found by bisection to rounding. Differentiable with respect to all
    quantities of the column. Six are kept, and six saddle-nodes and Hopf points: the standard column has three at most.

    **Arguments:**

    - `column`: one column, or a batch, with a `ConstantInput`; A and B positive.

    **Returns:** `Equilibria` of shape `(6,)`, or `(batch, 6)`.

    **Raises:** `ValueError` for another input, or if A or B is not positive.
    """
    return _each_column(_equilibria, _checked(column))


@nan_is_an_answer
def saddle_nodes(column: Column) -> Equilibria:
    """Where two equilibria meet as p changes: the extrema of p along the curve.

    **Arguments:**

    - `column`: as in `equilibria`; the value of its p does not matter.

    **Returns:** `Equilibria` of shape `(6,)`, or `(batch, 6)`.

    **Raises:** `ValueError` for another input, or if A or B is not positive.
    """
    return _each_column(_saddle_nodes, _checked(column))


@nan_is_an_answer
def hopf_points(column: Column) -> Equilibria:
    """Where equilibria begin to oscillate as p changes: a pair of eigenvalues crosses the imaginary axis.

    By the last Hurwitz determinant but one of the characteristic polynomial, which vanishes where two eigenvalues are
    opposite; real pairs are left out.

    **Arguments:**

    - `column`: as in `equilibria`; the value of its p does not matter.

    **Returns:** `Equilibria` of shape `(6,)`, or `(batch, 6)`; `frequency` is the one that the oscillation begins with.

    **Raises:** `ValueError` for another input, or if A or B is not positive.
    """
    return _each_column(_hopf_points, _checked(column))


@nan_is_an_answer
def equilibrium_curve(column: Column, v: Float[Array, " point"]) -> Equilibria:
    """The equilibria whose y1 - y2 is `v` (mV), at whatever input holds them.

    **Arguments:**

    - `column`: one column with a `ConstantInput`, the value of whose p does not matter; A and B positive.
    - `v`: shape `(point,)`; NaN gives NaN.

    **Raises:** `ValueError` for another input, a batch of columns, potentials of another shape, or if A or B is not
        positive.
    """
    check_single("column", _checked(column), "call `equilibrium_curve` for each")
    v = as_array(v, "v")
    if v.ndim != 1:
        raise ValueError(f"`v` must be a row of potentials, got shape {v.shape}")
    return _curve(column.parameters, v)


def _checked(column: Column) -> Column:
    check_constant("column", column)
    check_positive(A=column.parameters.A, B=column.parameters.B)
    return column


def equilibria_at(v: Float[Array, " point"], parameters: JansenRitParameters) -> Equilibria:
    """The equilibria at given potentials, mV; NaN stays NaN."""

    def at_one(v):
        p, states = at_potential(v, parameters)
        jacobian = jax.jacfwd(lambda y: jansen_rit_vector_field(0.0, y, (parameters, p)))(states)
        return p, states, jnp.linalg.eigvals(jacobian)

    there = jnp.isfinite(v)
    p, states, eigenvalues = jax.vmap(at_one)(jnp.where(there, v, 0))  # a NaN would spoil the gradients of the others
    wide = jnp.broadcast_to(there[:, None], states.shape)
    p, states, eigenvalues = (
        jnp.where(where, values, jnp.nan) for where, values in ((there, p), (wide, states), (wide, eigenvalues))
    )
    return Equilibria(p, states, eigenvalues, p)


@eqx.filter_jit
def equilibria_between(
    column: Column, low: Float[Array, ""], high: Float[Array, ""], points: int
) -> tuple[Equilibria, Equilibria, Equilibria]:
    """So many on the curve of equilibria of one column, from one p to another, and all saddle-nodes and Hopf points, by
    one program."""
    parameters = column.parameters
    folds, hopf = _saddle_node_potentials(parameters), _opposite_potentials(parameters)
    ends = jax.vmap(lambda p: _potentials(parameters, p, folds))(jnp.stack([low, high]))
    v = jnp.linspace(jnp.nanmin(ends), jnp.nanmax(ends), points)
    found = equilibria_at(jnp.concatenate([v, folds, hopf]), parameters)
    rest, meeting, opposite = (
        jax.tree.map(lambda leaf, first=first, last=last: leaf[first:last], found)
        for first, last in ((0, points), (points, points + len(folds)), (points + len(folds), None))
    )
    return rest, meeting, _oscillating(opposite)


def _equilibria(column: Column) -> Equilibria:
    parameters = column.parameters
    v = _potentials(parameters, column.value("p"), _saddle_node_potentials(parameters))
    return equilibria_at(v[:MOST_ROOTS], parameters)


def _potentials(
    parameters: JansenRitParameters, p: Float[Array, ""], folds: Float[Array, " fold"]
) -> Float[Array, " point"]:
    """Of the equilibria, between the saddle-nodes, in order, NaN last."""

    def excess(v):
        return at_potential(v, parameters)[0] - p

    # All equilibria lie between the potentials at which no synapse, or every synapse, is as active as it can be.
    gain = parameters.A / parameters.a
    excitatory, inhibitory = (
        2 * parameters.e0 * strength for strength in (gain * parameters.C2, parameters.B / parameters.b * parameters.C4)
    )
    least = gain * p + jnp.minimum(excitatory, 0) - jnp.maximum(inhibitory, 0)
    most = gain * p + jnp.maximum(excitatory, 0) - jnp.minimum(inhibitory, 0)
    margin = 1e-3 * (most - least) + 1 / parameters.r
    # Brackets end at saddle-nodes; where these are does not matter for the derivative of a root between them.
    folds = jnp.clip(jax.lax.stop_gradient(folds), least - margin, most + margin)
    edges = jnp.sort(jnp.where(jnp.isnan(folds), most + margin, folds))
    edges = jnp.concatenate([(least - margin)[None], edges, (most + margin)[None]])
    return jnp.sort(bracketed_roots(excess, edges[:-1], edges[1:]))


def _saddle_nodes(column: Column) -> Equilibria:
    return equilibria_at(_saddle_node_potentials(column.parameters), column.parameters)


def _saddle_node_potentials(parameters: JansenRitParameters) -> Float[Array, " point"]:
    return roots(lambda v: input_slope(v, parameters), parameters)


def _hopf_points(column: Column) -> Equilibria:
    return _oscillating(equilibria_at(_opposite_potentials(column.parameters), column.parameters))


def _opposite_potentials(parameters: JansenRitParameters) -> Float[Array, " point"]:
    return roots(lambda v: hurwitz_determinant(v, parameters), parameters)


def _oscillating(candidates: Equilibria) -> Equilibria:
    """Those with a pair of eigenvalues on the imaginary axis, in order."""
    order = jnp.argsort(~candidates.on_imaginary_axis, stable=True)
    there = candidates.on_imaginary_axis[order]
    chosen = jax.tree.map(lambda leaf: leaf[order], candidates)
    return jax.tree.map(lambda leaf: jnp.where(there.reshape(-1, *(leaf.ndim - 1) * [1]), leaf, jnp.nan), chosen)


@eqx.filter_jit
def _curve(parameters: JansenRitParameters, v: Float[Array, " point"]) -> Equilibria:
    return equilibria_at(v, parameters)


@eqx.filter_jit
def _each_column(function: Callable[[Column], Equilibria], column: Column) -> Equilibria:
    """For each column of a batch, or for the one there is."""
    return function(column) if column.batch is None else jax.vmap(function, in_axes=(column.axes,))(column)


def described_points(
    record: str,
    exists: Bool[Array, "*batch"],
    stable: Bool[Array, "*batch"],
    quantities: Mapping[str, tuple[Float[Array, "*batch"], str]],
) -> str:
    """A record of points in a few lines: each of a few points, or the ranges of many.

    **Arguments:**

    - `record`: its name.
    - `exists`, `stable`: of each point.
    - `quantities`: by name, the value at each point and its unit.
    """
    there = np.asarray(exists)
    stability = np.where(np.asarray(stable)[there], "stable", "unstable")
    shape = " x ".join(map(str, there.shape)) or "1"
    header = f"{record}({len(stability)} of {shape} exist"
    # Rounded, as a zero with an error of 1e-14 would print as such; adding 0 makes -0 a 0.
    values = {name: (np.round(np.asarray(v)[there], 9) + 0.0, unit) for name, (v, unit) in quantities.items()}
    if len(stability) > _MOST_LINES:
        lines = [f"{np.sum(stability == 'stable')} of them stable"]
        for name, (numbers, unit) in values.items():
            if np.isfinite(numbers).any():
                lines.append(f"{name} = {np.nanmin(numbers):.6g} to {np.nanmax(numbers):.6g} {unit}".rstrip())
    else:
        lines = []
        for i, kind in enumerate(stability):
            known = {name: (numbers[i], unit) for name, (numbers, unit) in values.items() if np.isfinite(numbers[i])}
            parts = [f"{name} = {number:.6g} {unit}".rstrip() for name, (number, unit) in known.items()]
            lines.append(", ".join([*parts, kind]))
    return "\n  ".join([header, *lines]) + ")"
