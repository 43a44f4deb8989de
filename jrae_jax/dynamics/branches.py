"""Branches of limit cycles that begin at Hopf points, and the folds at which two of their cycles meet.

Branches are followed by pseudo-arclength (Keller 1977; Doedel 1981), so that they may turn round at folds.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jaxtyping import Array, Bool, Float

from .._checks import as_float, check_count, check_positive
from ..column.column import Column, check_constant, check_single
from ..column.states import eeg
from .cycles import CycleEquations, CyclePoint, LimitCycle, Root, find_root, no_cycles, tolerance_of
from .equilibria import Equilibria, hopf_points

# Lengths of steps along a branch, in units of `CycleEquations.scale`: the first one is as short as cycles near a Hopf
# point are small, the longest one resolves a fold.
_FIRST_STEP, _LONGEST_STEP, _GROWTH = 1e-3, 0.1, 1.4
_STRAIGHT = 0.9  # least cosine between directions before and after a step; a step that turns more is halved


def limit_cycle_branches(
    column: Column,
    hopf: Equilibria | None = None,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    points: int = 200,
    longest: float = 1.0,
) -> LimitCycle:
    """The cycles, stable or not, that begin at the Hopf points of one column, followed as p or a parameter changes.

    A branch ends at another Hopf point, where its period grows beyond bounds as it runs into a saddle, or after as many
    points as were asked for. A branch that runs from one Hopf point to another is found from both.

    **Arguments:**

    - `column`: one column with a `ConstantInput`.
    - `hopf`: where branches begin, of shape `(point,)`, and which quantity changes along them, as `bifurcation_diagram`
        finds them for any quantity; those of `hopf_points`, where p changes, if `None`.
    - `low`, `high`: bounds of what changes, in its unit; a branch ends with the first cycle beyond them.
    - `points`: steps along each branch, at most.
    - `longest`: period at which a branch ends, s.

    **Returns:** cycles of shape `(branch, point)`; branches in the order of `hopf`, NaN behind their last cycles. A
        column without Hopf points has no branch.

    **Raises:** `ValueError` for a batch of columns, another input, or numbers out of range.
    """
    check_constant("column", column)
    check_single("column", column, "call `limit_cycle_branches` for each, column[i]")
    check_count(1, points=points)
    check_positive(longest=longest)
    hopf = hopf_points(column) if hopf is None else hopf
    limits = _Limits(*as_float([low, high, longest]))
    branches = [
        _branch(column, jax.tree.map(lambda leaf, i=i: leaf[i], hopf), points, limits)
        for i in np.flatnonzero(hopf.exists)
    ]
    if not branches:
        return no_cycles((0, points), hopf.parameter)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *branches)


def cycle_folds(column: Column, branches: LimitCycle) -> LimitCycle:
    """Where two cycles of a branch meet: the extrema along it of what changes.

    **Arguments:**

    - `column`: one column with a `ConstantInput`.
    - `branches`: from `limit_cycle_branches`.

    **Returns:** the folds, of shape `(fold,)`; there may be none.

    **Raises:** `ValueError` for a batch of columns, or another input.
    """
    check_constant("column", column)
    check_single("column", column, "call `cycle_folds` for each, column[i]")
    # Changes within the error of a root are no turns.
    least = 10 * tolerance_of(branches.value.dtype) * jnp.abs(branches.value[:, :-1])
    changes = jnp.diff(branches.value, axis=-1)
    way = jnp.where(jnp.abs(changes) > least, jnp.sign(changes), 0)
    turns = way[:, 1:] * way[:, :-1] < 0
    before, after = (
        jax.tree.map(lambda leaf, shift=shift: leaf[:, shift : shift + turns.shape[1]][turns], branches)
        for shift in (0, 2)
    )
    if not len(before.p):
        return before
    found = _folds(column, before, after)
    return jax.tree.map(lambda leaf: leaf[found.exists], found)


class _Limits(NamedTuple):
    """Where a branch ends."""

    low: Float[Array, ""]
    high: Float[Array, ""]
    """Of what changes."""
    longest: Float[Array, ""]
    """Period, s."""


class _Front(NamedTuple):
    """How far a branch has been followed."""

    place: Float[Array, "8"]
    direction: Float[Array, "8"]
    step: Float[Array, ""]
    unfinished: Bool[Array, ""]


@eqx.filter_jit
def _branch(column: Column, hopf: Equilibria, points: int, limits: _Limits) -> LimitCycle:
    """That which begins at a Hopf point."""
    equations = _equations(column, hopf)
    start = equations.pack(CyclePoint(hopf.states, 1 / hopf.frequency, hopf.value))
    direction = _oscillation(hopf, equations)

    def advance(at: _Front) -> tuple[_Front, Bool[Array, ""]]:
        ahead = _followed(at.place, at.direction, at.step, equations)
        turned = _direction(ahead.value, at.direction, equations)
        good = ahead.converged & (at.direction @ turned > _STRAIGHT) & jnp.all(jnp.isfinite(turned))
        point = equations.unpack(ahead.value)
        # Past another Hopf point a branch would go back through the same cycles, half a period later.
        over = (point.period > limits.longest) | ~equations.at_maximum(ahead.value)
        beyond = (point.value < limits.low) | (point.value > limits.high)
        accepted = good & ~over
        longer = jnp.where(ahead.easy, jnp.minimum(_GROWTH * at.step, _LONGEST_STEP), at.step)
        place = jnp.where(accepted, ahead.value, at.place)
        direction = jnp.where(accepted, turned, at.direction)
        step = jnp.where(good, longer, at.step / 2)
        return _Front(place, direction, step, ~(good & (over | beyond))), accepted

    def unless_finished(at: _Front, _):
        at, accepted = jax.lax.cond(at.unfinished, advance, lambda at: (at, jnp.bool_(False)), at)
        return at, (at.place, accepted)

    begin = _Front(start, direction, jnp.asarray(_FIRST_STEP, start.dtype), jnp.bool_(True))
    _, (places, accepted) = jax.lax.scan(unless_finished, begin, None, length=points)
    order = jnp.argsort(~accepted, stable=True)
    return jax.vmap(equations.cycle)(places[order], accepted[order])


@eqx.filter_jit
def _folds(column: Column, before: LimitCycle, after: LimitCycle) -> LimitCycle:
    """Between two cycles each, by bisection of the step from the first."""

    def fold(before: LimitCycle, after: LimitCycle) -> LimitCycle:
        equations = _equations(column, before)
        first, last = (equations.pack(CyclePoint(end.states, end.period, end.value)) for end in (before, after))
        length = jnp.linalg.norm(last - first)
        forward = (last - first) / length

        def rise(step):  # of what changes, which is last in a packed point
            return _direction(_followed(first, forward, step, equations).value, forward, equations)[-1]

        there = (rise(jnp.zeros_like(length)) > 0) != (rise(length) > 0)

        def with_root(step, args):  # bisection refuses a bracket without a change of sign
            return jnp.where(there, rise(step), step - length / 2)

        options = {"lower": jnp.zeros_like(length), "upper": length}
        # Near a fold the rise is as uncertain as the root of the cycle: a narrower bracket would hold noise.
        solver = optimistix.Bisection(rtol=0.0, atol=float(jnp.finfo(length.dtype).eps) ** 0.75)
        found = optimistix.root_find(with_root, solver, length / 2, options=options, max_steps=64, throw=False)
        ahead = _followed(first, forward, found.value, equations)
        return equations.cycle(ahead.value, ahead.converged & there)

    return jax.vmap(fold)(before, after)


def _equations(column: Column, begin: Equilibria | LimitCycle) -> CycleEquations:
    """Of cycles along a branch that begins there."""
    return CycleEquations(column.replace(p=begin.p).replace(**{begin.parameter: begin.value}), begin.parameter)


def _oscillation(hopf: Equilibria, equations: CycleEquations) -> Float[Array, "8"]:
    """The direction of the branch at a Hopf point: how states deviate from rest as y1 - y2 is largest."""
    size = hopf.states.shape[-1]
    rate = 2 * jnp.pi * hopf.frequency * jnp.eye(size)
    jacobian = jax.jacfwd(equations.vector_field(hopf.value))(hopf.states)
    whole = jnp.block([[jacobian, rate], [-rate, jacobian]])  # of the real and the imaginary part of the eigenvector
    real, imaginary = jnp.split(jnp.linalg.svd(whole)[2][-1], 2)
    deviation = eeg(real) * real + eeg(imaginary) * imaginary
    direction = equations.pack(CyclePoint(deviation, jnp.zeros_like(hopf.p), jnp.zeros_like(hopf.p)))
    return direction / jnp.linalg.norm(direction)


def _followed(
    place: Float[Array, "8"], direction: Float[Array, "8"], step: Float[Array, ""], equations: CycleEquations
) -> Root:
    """The cycle a step ahead."""
    ahead = place + step * direction

    def on_the_plane_ahead(unknown):
        return jnp.append(equations.residual(unknown), direction @ (unknown - ahead))

    return find_root(on_the_plane_ahead, ahead)


def _direction(place: Float[Array, "8"], previous: Float[Array, "8"], equations: CycleEquations) -> Float[Array, "8"]:
    """The tangent of the branch, onwards."""
    slope = jnp.concatenate([jax.jacfwd(equations.residual)(place), previous[None]])
    onwards = jnp.zeros_like(place).at[-1].set(1.0)  # nothing of the residual, all of the previous direction
    tangent = jnp.linalg.solve(slope, onwards)
    return tangent / jnp.linalg.norm(tangent)
