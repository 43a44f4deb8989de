"""Branches of limit cycles that begin at Hopf points, and the folds at which two of their cycles meet.

Branches are followed by pseudo-arclength (Keller 1977; Doedel 1981), so that they may turn round at folds.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._checks import as_positive, check_count, check_memory, check_order, check_type, nan_is_an_answer
from ..column.column import Column, check_constant, check_single
from ..column.simulate import simulate
from .collocation import CycleEquations, Orbit, Root, tolerance_of
from .cycles import LimitCycle, cycle_at, no_cycles
from .equilibria import Equilibria, hopf_points
from .precision import in_double

# Lengths of steps along a branch, in units of `CycleEquations.scale`: the first one is as short as cycles near a Hopf
# point are small, the longest one resolves a fold.
_FIRST_STEP, _LONGEST_STEP, _GROWTH = 1e-3, 0.1, 1.4
_STRAIGHT = 0.9  # least cosine between directions before and after a step; a step that turns more is halved
_SAME = 1e-5  # parts of value, period and extrema, by which two cycles that are one may differ
_FOLD_STEPS = 40  # of the search for a fold, which takes some eight
_SIMULATED = 4096  # steps of a period whose cycle is not known on its mesh


@nan_is_an_answer
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
        column without Hopf points has no branch. A branch that has not ended after `points` gives a warning.

    **Raises:** `ValueError` for a batch of columns, another input, or numbers out of range.
    """
    check_constant("column", column)
    check_single("column", column, "call `limit_cycle_branches` for each, column[i]")
    check_count(1, points=points)
    check_memory("cycles of a branch", 1000 * points, points=points)
    longest = as_positive("longest", longest)
    check_order(low, high)
    if hopf is not None:
        check_type(Equilibria, hopf=hopf)

    def branches(column: Column, hopf: Equilibria | None) -> LimitCycle:
        hopf = hopf_points(column) if hopf is None else hopf
        return stacked_branches(followed_branches(column, hopf, points, (low, high), longest), points, hopf.parameter)

    return in_double(branches, column, hopf)


@nan_is_an_answer
def cycle_folds(column: Column, branches: LimitCycle) -> LimitCycle:
    """Where two cycles of a branch meet: the extrema along it of what changes.

    **Arguments:**

    - `column`: one column with a `ConstantInput`.
    - `branches`: from `limit_cycle_branches`, or one of them.

    **Returns:** the folds, of shape `(fold,)`, each once; there may be none.

    **Raises:** `ValueError` for a batch of columns, another input, or what are no branches.
    """
    check_constant("column", column)
    check_single("column", column, "call `cycle_folds` for each, column[i]")
    check_type(LimitCycle, branches=branches)
    if branches.value.ndim not in (1, 2):
        raise ValueError(f"`branches` must have shape (branch, point) or (point,), got {branches.value.shape}")
    return in_double(_folds_along, column, branches)


def _folds_along(column: Column, branches: LimitCycle) -> LimitCycle:
    branches = jax.tree.map(np.asarray, branches)
    if branches.value.ndim == 1:
        branches = jax.tree.map(lambda leaf: leaf[None], branches)
    found = []
    for row, turn in ((row, turn) for row, values in enumerate(branches.value) for turn in turns(values)):
        ends = ((row, turn - 1), (row, turn + 1))
        before, after = (jax.tree.map(lambda leaf, at=at: jax.device_put(leaf[at]), branches) for at in ends)
        equations = _equations(column, before)
        found += fold_between(equations, *(orbit_of(equations, cycle) for cycle in (before, after)))
    return stacked(distinct([fold.cycle for fold in found]), branches.parameter)


class Branch(NamedTuple):
    """Cycles one after the other."""

    equations: CycleEquations
    cycles: Sequence[LimitCycle]
    orbits: Sequence[Orbit]


def followed_branches(
    column: Column, hopf: Equilibria, points: int, bounds: tuple[float, float], longest: float
) -> list[Branch]:
    """Those that begin at Hopf points."""
    hopf = jax.tree.map(np.asarray, hopf)
    there = [jax.tree.map(lambda leaf, i=i: leaf[i], hopf) for i in np.flatnonzero(np.isfinite(hopf.p))]
    return [_followed(column, begin, points, bounds, longest) for begin in there]


def folds_of(branches: Sequence[Branch], parameter: str) -> LimitCycle:
    """Their folds, of shape `(fold,)`."""
    found = []
    for equations, cycles, orbits in branches:
        for turn in turns(np.array([cycle.value for cycle in cycles])):
            found += fold_between(equations, orbits[turn - 1], orbits[turn + 1])
    return stacked(distinct([fold.cycle for fold in found]), parameter)


def distinct(cycles: Sequence[LimitCycle]) -> list[LimitCycle]:
    """Each once, as a branch that runs from one Hopf point to another is followed from both."""
    kept: list[LimitCycle] = []
    for cycle in cycles:
        place = np.array([cycle.value, cycle.period, *cycle.extrema])
        others = [np.array([other.value, other.period, *other.extrema]) for other in kept]
        if not any(np.allclose(place, other, rtol=_SAME, atol=_SAME) for other in others):
            kept.append(cycle)
    return kept


def stacked_branches(branches: Sequence[Branch], points: int, parameter: str) -> LimitCycle:
    """Their cycles, of shape `(branch, point)`, NaN behind the last of each."""
    if not branches:
        return no_cycles((0, points), parameter)

    def filled(leaf):
        behind = np.full((points - len(leaf), *leaf.shape[1:]), np.nan, leaf.dtype)
        return np.concatenate([leaf, behind])

    rows = [jax.tree.map(filled, stacked(branch.cycles, parameter)) for branch in branches]
    return jax.tree.map(lambda *leaves: jax.device_put(np.stack(leaves)), *rows)


def stacked(cycles: Sequence[LimitCycle], parameter: str) -> LimitCycle:
    """One record of them all."""
    if not cycles:
        return no_cycles((0,), parameter)
    return jax.tree.map(lambda *leaves: jax.device_put(np.stack(leaves)), *cycles)


def _equations(column: Column, begin: Equilibria | LimitCycle) -> CycleEquations:
    """Of cycles along a branch that begins there."""
    return CycleEquations(column.replace(p=begin.p).replace(**{begin.parameter: begin.value}), begin.parameter)


def _followed(column: Column, hopf: Equilibria, points: int, bounds: tuple[float, float], longest: float) -> Branch:
    """The branch that begins at a Hopf point."""
    equations = _equations(column, hopf)
    rest, tangent = jax.device_get(_oscillation(equations, hopf))
    return followed(equations, rest, tangent, points, bounds, longest)


def followed(
    equations: CycleEquations,
    orbit: Orbit,
    tangent: Orbit,
    points: int,
    bounds: tuple[float, float],
    longest: float,
) -> Branch:
    """The branch that leaves an orbit in the direction of a tangent."""
    low, high = bounds
    first, left = orbit.place, False
    step, cycles, orbits = _FIRST_STEP, [], []
    while len(cycles) < points and step > tolerance_of(orbit.v.dtype):
        guess = jax.tree.map(lambda at, along, step=step: at + step * along, orbit, tangent)
        near = cycle_near(equations, guess, tangent)
        if not (near.root.converged and np.isfinite(near.cycle.period) and near.cosine > _STRAIGHT):
            step /= 2
            continue
        # Past another Hopf point a branch would go back through the same cycles, half a period later.
        if near.cycle.period > longest or not near.at_maximum:
            return Branch(equations, cycles, orbits)
        cycles.append(near.cycle)
        orbits.append(near.root.orbit)
        away = np.linalg.norm(near.root.orbit.place - first)
        if not low <= near.cycle.value <= high or (left and away < _LONGEST_STEP):
            return Branch(equations, cycles, orbits)
        left |= bool(away > 3 * _LONGEST_STEP)  # to come back to where it began is to be closed
        step = min(_GROWTH * step, _LONGEST_STEP) if near.root.easy else step
        orbit, tangent, *_ = near.root
    where = f"{equations.parameter} = {orbit.value * float(equations.scale.value):g}"
    if len(cycles) == points:
        message = f"`points`: a branch of cycles is cut off after {points} steps, at {where}"
    else:
        message = f"a branch of cycles cannot be followed beyond {where}, after {len(cycles)} cycles"
    warnings.warn(message, stacklevel=2)
    return Branch(equations, cycles, orbits)


def fold_between(equations: CycleEquations, before: Orbit, after: Orbit) -> "list[Near]":
    """The fold between two orbits, or none, in a list: by the Illinois method (Dowell and Jarratt 1971, doi
    10.1007/BF01934364)."""
    way = jax.tree.map(np.subtract, after, before)
    least = 100 * tolerance_of(before.v.dtype)  # next to a fold the rise is as uncertain as the cycle is

    def part_way(fraction):
        guess = jax.tree.map(lambda at, along: at + fraction * along, before, way)
        near = cycle_near(equations, guess, way)
        return near, float(near.root.tangent.value) if near.root.converged else np.nan

    first, last = 0.0, 1.0
    (_, first_rise), (_, last_rise) = part_way(first), part_way(last)
    for _ in range(_FOLD_STEPS):
        if not first_rise * last_rise < 0:
            break
        middle = (first * last_rise - last * first_rise) / (last_rise - first_rise)
        near, rise = part_way(middle)
        if abs(rise) < least:
            return [near] if np.isfinite(near.cycle.period) else []
        if rise * last_rise < 0:
            first, first_rise = last, last_rise
        else:
            first_rise /= 2
        last, last_rise = middle, rise
    return []


def turns(values: Float[np.ndarray, " point"]) -> list[int]:
    """The points whose value is larger or smaller than those of both neighbours."""
    changes = np.diff(values)
    # Changes within the error of a root are no turns.
    ways = np.where(np.abs(changes) > 10 * tolerance_of(values.dtype) * np.abs(values[:-1]), np.sign(changes), 0)
    return (1 + np.flatnonzero(ways[1:] * ways[:-1] < 0)).tolist()


class Near(NamedTuple):
    """The cycle nearest to a guess."""

    root: Root
    cycle: LimitCycle
    at_maximum: Bool[Array, ""]
    cosine: Float[Array, ""]
    """Of the angle between the direction of the branch and the way to the guess."""


def cycle_near(equations: CycleEquations, guess: Orbit, way: Orbit) -> Near:
    """At right angles to a way along the branch; by one program, whatever is looked for."""
    return jax.device_get(_found_near(equations, guess, way))


@eqx.filter_jit
def _found_near(equations: CycleEquations, guess: Orbit, way: Orbit) -> Near:
    root = equations.closest(guess, way.place)
    cosine = way.place @ root.tangent.place / jnp.linalg.norm(way.place)
    return Near(root, cycle_at(equations, root), equations.at_maximum(root.orbit), cosine)


@eqx.filter_jit
def _oscillation(equations: CycleEquations, hopf: Equilibria) -> tuple[Orbit, Orbit]:
    """The orbit at a Hopf point, which is at rest, and the direction of its branch."""
    orbit, tangent = equations.oscillation(hopf.states, hopf.frequency, hopf.value)
    length = jnp.linalg.norm(tangent.place)
    return orbit, jax.tree.map(lambda leaf: leaf / length, tangent)


def orbit_of(equations: CycleEquations, cycle: LimitCycle) -> Orbit:
    """The orbit of a cycle, as good as a guess."""
    column, dt = equations.at(cycle.value), float(cycle.period) / _SIMULATED
    ys = simulate(column, t1=_SIMULATED * dt, dt=dt, y0=cycle.states).ys
    return jax.device_get(_along(equations, cycle, ys))


@eqx.filter_jit
def _along(equations: CycleEquations, cycle: LimitCycle, ys: Float[Array, "time 6"]) -> Orbit:
    whole = jnp.concatenate([cycle.states[None], ys])
    first, last = (jnp.full_like(cycle.period, number) for number in (0, len(ys)))
    return equations.orbit_along(whole, first, last, cycle.period, cycle.value)
