"""All limit cycles of a column at its input, read off the branches that pass there."""

import dataclasses
import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_positive, nan_is_an_answer
from ..column.column import Column, check_constant, check_single
from ..column.states import STATES
from .branches import (
    Branch,
    Near,
    cycle_near,
    distinct,
    fold_between,
    followed,
    followed_branches,
    orbit_of,
    stacked,
    turns,
)
from .collocation import CycleEquations, Orbit
from .cycles import LimitCycle, limit_cycle
from .equilibria import equilibria, hopf_points
from .precision import in_double

_STEPS = 400  # of a branch, at most
_BESIDE = 1.1  # factor of y0 at the start of a simulation: as near an equilibrium as is left in time


@nan_is_an_answer
def limit_cycles(column: Column, *, longest: float = 1.0) -> LimitCycle:
    """All limit cycles of a column at its constant input, stable or not.

    They are read off branches of cycles along p: those that begin at Hopf points, at whatever p, and those of cycles
    that simulations come to from zero and from beside equilibria, followed both ways. Cycles are missed whose branch
    has no Hopf point and no such cycle on it.

    **Arguments:**

    - `column`: one column with a `ConstantInput`.
    - `longest`: the longest period that is looked for, s.

    **Returns:** cycles of shape `(cycle,)`, by rising frequency; there may be none. A branch that is not followed to
        its end gives a warning, as cycles on the remainder are missing.

    **Raises:** `ValueError` for a batch of columns, another input, or a `longest` that is not positive.
    """
    check_constant("column", column)
    check_single("column", column, "call `limit_cycles` for each, column[i]")
    longest = as_positive("longest", longest)

    def found(column: Column) -> LimitCycle:
        branches = followed_branches(column, hopf_points(column), _STEPS, (-np.inf, np.inf), longest)
        p = float(column.value("p"))
        cycles = [cycle for branch in branches for cycle in _passing(branch, p)]
        for start in _starts(column):
            seed = limit_cycle(column, y0=start, longest=longest)
            if bool(seed.exists) and len(distinct([*cycles, seed])) > len(distinct(cycles)):
                cycles += [seed]
                cycles += [cycle for branch in _both_ways(column, seed, longest) for cycle in _passing(branch, p)]
        cycles = distinct([jax.device_get(cycle) for cycle in cycles])
        cycles = stacked(sorted(cycles, key=lambda cycle: -cycle.period), "p")
        own = jnp.full_like(cycles.p, p)  # exactly; Newton's method knows it in other units
        return dataclasses.replace(cycles, p=own, value=own)

    return in_double(found, column)


def _starts(column: Column) -> list[Float[Array, "6"]]:
    rest = equilibria(column)
    beside = jnp.ones(len(STATES)).at[STATES.index("y0")].set(_BESIDE)
    return [jnp.zeros(len(STATES)), *(beside * rest.states[i] for i in np.flatnonzero(rest.exists & ~rest.stable))]


def _both_ways(column: Column, cycle: LimitCycle, longest: float) -> Iterator[Branch]:
    """The branch through a cycle, from it on and back."""
    equations = CycleEquations(column, "p")
    near = _at(equations, orbit_of(equations, cycle), float(cycle.value))
    for way in (1, -1):
        tangent = jax.tree.map(lambda leaf, way=way: way * leaf, near.root.tangent)
        branch = followed(equations, near.root.orbit, tangent, _STEPS, (-np.inf, np.inf), longest)
        yield Branch(equations, [near.cycle, *branch.cycles], [near.root.orbit, *branch.orbits])


def _passing(branch: Branch, p: float) -> Iterator[LimitCycle]:
    """The cycles of a branch at p."""
    equations, cycles, orbits = branch
    values = np.array([cycle.value for cycle in cycles])
    for before, after in itertools.pairwise(range(len(values))):
        if (values[before] < p) != (values[after] < p):
            part = (p - values[before]) / (values[after] - values[before])
            guess = jax.tree.map(lambda a, b, part=part: a + part * (b - a), orbits[before], orbits[after])
            yield _at(equations, guess, p).cycle
    # A branch may reach p between two cycles only, and turn round there.
    for turn in turns(values):
        nearest, others = values[turn], values[[turn - 1, turn + 1]]
        if (nearest < p) == (others[0] < p) and abs(nearest - p) < np.abs(nearest - others).max():
            for fold in fold_between(equations, orbits[turn - 1], orbits[turn + 1]):
                if (fold.cycle.value < p) != (nearest < p):
                    yield from _beside(equations, fold, orbits[turn - 1], p)


def _beside(equations: CycleEquations, fold: Near, other: Orbit, p: float) -> Iterator[LimitCycle]:
    """The two cycles at p next to a fold, as p changes along the branch with the square of the distance from it."""
    orbit, tangent, *_ = fold.root
    scale = float(equations.scale.value)
    distance = np.linalg.norm(other.place - orbit.place)
    distance *= np.sqrt((p - fold.cycle.value) / (scale * other.value - fold.cycle.value))
    for way in (distance, -distance):
        guess = jax.tree.map(lambda at, along, way=way: at + way * along, orbit, tangent)
        yield _at(equations, guess, p).cycle


def _at(equations: CycleEquations, guess: Orbit, p: float) -> Near:
    """The cycle near a guess where p has a value."""
    along_p = jax.tree.map(np.zeros_like, guess)._replace(value=np.ones_like(guess.value))
    return cycle_near(equations, guess._replace(value=np.asarray(p / float(equations.scale.value))), along_p)
