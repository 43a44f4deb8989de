"""Limit cycles by shooting: periods, extrema, Floquet multipliers, and how cycles change with a quantity.

A cycle is a root: its states come back after one period, and they are told where y1 - y2 is largest. Cycles that begin
at a Hopf point are followed by pseudo-arclength (Keller 1977; Doedel 1981), so that they may turn round at folds.
"""

from collections.abc import Callable

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jaxtyping import Array, Bool, Complex, Float

from .._checks import as_float, check_count, check_positive
from ..column.equations import jansen_rit_vector_field
from ..column.inputs import ConstantInput
from ..column.parameters import JansenRitParameters, batch_size
from ..column.simulate import simulate
from ..column.states import eeg
from .changing import ChangingColumn
from .equilibria import Equilibria, hopf_points

_DT = 1e-3  # s, of the simulation that a guess is read from
_LEFT, _BACK = 0.3, 0.15  # shares of the largest distance, at which states have left a point and come back to it
_LEAST_SWING = 1e-3  # of y1 - y2, in 1/r; below it there is no cycle
_SAMPLES = 257  # of a cycle, to look for its extrema
_FIRST_STEP, _LONGEST_STEP, _GROWTH = 1e-3, 0.1, 1.4  # along a family
_FEW = 5  # steps of Newton's method, after which the next step along the family may be longer
_RELIABLE = 0.1  # by so much the multiplier along the orbit may differ from 1
_STRAIGHT = 0.9  # cosine between directions before and after a step


class LimitCycle(eqx.Module):
    """Periodic orbits; NaN where none was found."""

    p: Float[Array, "*batch"]
    """External input, 1/s."""
    period: Float[Array, "*batch"]
    """s"""
    states: Float[Array, "*batch 6"]
    """Where y1 - y2 is at a maximum, mV and mV/s."""
    multipliers: Complex[Array, "*batch 6"]
    """Floquet multipliers, by falling size; one of them is 1."""
    extrema: Float[Array, "*batch 2"]
    """Least and largest y1 - y2 on the orbit, mV."""
    value: Float[Array, "*batch"]
    """Of the quantity that changes, in its own unit."""
    along: str = eqx.field(static=True, default="p")
    """The quantity that changes."""

    @property
    def exists(self) -> Bool[Array, "*batch"]:
        """Whether there is one."""
        return jnp.isfinite(self.period)

    @property
    def stable(self) -> Bool[Array, "*batch"]:
        """Whether small deviations die away, but for those along the orbit."""
        along = jax.nn.one_hot(jnp.argmin(jnp.abs(self.multipliers - 1), axis=-1), 6, dtype=bool)
        return self.exists & jnp.all(along | (jnp.abs(self.multipliers) < 1), axis=-1)

    @property
    def frequency(self) -> Float[Array, "*batch"]:
        """Hz"""
        return 1 / self.period


def limit_cycle(
    parameters: JansenRitParameters,
    p: Float[Array, "*batch"] | float,
    states: Float[Array, "*batch 6"] | None = None,
    *,
    settle: float = 20.0,
    longest: float = 1.0,
) -> LimitCycle:
    """The cycle that a column comes to at constant input, by simulation and then by Newton's method.

    In double precision periods are right to some nine digits, in single precision to some four.

    **Arguments:**

    - `parameters`, `p` (1/s): of one column, or of a batch of them.
    - `states`: where it starts, mV and mV/s; zero if `None`. Where several cycles are stable, this decides.
    - `settle`: seconds that it is simulated before the cycle is looked at.
    - `longest`: the longest period that is looked for, s.

    **Returns:** NaN for columns that come to rest, or whose period is longer.

    **Raises:** `ValueError` for lengths that differ, or times that are not positive.
    """
    check_positive(settle=settle, longest=longest)
    settle, longest = (round(seconds / _DT) * _DT for seconds in (settle, longest))
    found = simulate(
        parameters, ConstantInput(as_float(p)), t1=settle + 2 * longest, dt=_DT, y0=states, burn_in=settle, throw=False
    ).ys
    column = ChangingColumn(parameters, as_float(p), "p")
    if found.ndim == 2:
        return _near(column, found)
    columns = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, found.shape[:1]), column)
    return jax.vmap(_near)(columns, found)


def cycle_families(
    parameters: JansenRitParameters,
    hopf: Equilibria | None = None,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    points: int = 200,
    longest: float = 1.0,
) -> LimitCycle:
    """The cycles, stable or not, that begin at the Hopf points of one column, followed as p or a parameter changes.

    A family ends at another Hopf point, where its period grows beyond bounds as it runs into a saddle, or after as many
    points as were asked for. A family that runs from one Hopf point to another is found from both.

    **Arguments:**

    - `parameters`: of one column.
    - `hopf`: where families begin, of shape `(point,)`, and what changes along them, as `bifurcation_diagram` finds
        them along any quantity; those of `hopf_points`, along p, if `None`.
    - `low`, `high`: bounds of what changes, in its unit; a family ends with the first cycle beyond them.
    - `points`: steps along each family, at most.
    - `longest`: period at which a family is left, s.

    **Returns:** cycles of shape `(family, point)`; families in the order of `hopf`, NaN behind their ends. A column
        without Hopf points has no family.

    **Raises:** `ValueError` for a batch of columns, or numbers out of range.
    """
    check_count(1, points=points)
    check_positive(longest=longest)
    if batch_size(parameters=parameters) is not None:
        raise ValueError("`parameters` must be of one column, got a batch")
    hopf = hopf_points(parameters) if hopf is None else hopf
    limits = as_float([low, high, longest])
    families = [
        _family(parameters, jax.tree.map(lambda leaf, i=i: leaf[i], hopf), points, limits)
        for i in np.flatnonzero(hopf.exists)
    ]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *families) if families else _no_cycles(points, hopf.along)


def cycle_folds(parameters: JansenRitParameters, families: LimitCycle) -> LimitCycle:
    """Where two cycles of a family meet: the extrema along it of what changes.

    **Arguments:**

    - `parameters`: of one column.
    - `families`: from `cycle_families`.

    **Returns:** the folds, of shape `(fold,)`; there may be none.
    """
    least = 10 * _tolerance(families.value.dtype) * jnp.abs(families.value[:, :-1])
    changes = jnp.diff(families.value, axis=-1)
    way = jnp.where(jnp.abs(changes) > least, jnp.sign(changes), 0)
    turns = way[:, 1:] * way[:, :-1] < 0
    before, after = (
        jax.tree.map(lambda leaf, shift=shift: leaf[:, shift : shift + turns.shape[1]][turns], families)
        for shift in (0, 2)
    )
    if not len(before.p):
        return before
    found = _folds(parameters, before, after)
    return jax.tree.map(lambda leaf: leaf[found.exists], found)


@eqx.filter_jit
def _near(column: ChangingColumn, ys: Float[Array, "time 6"]) -> LimitCycle:
    """The cycle that a trajectory winds along."""
    start = jnp.argmax(eeg(ys[: len(ys) // 2]))
    scale = _scale(column)
    distance = jax.vmap(lambda y: jnp.linalg.norm((y - ys[start]) / scale[:6]))(ys)
    after = jnp.arange(len(ys)) > start
    left = after & (jnp.cumsum(after & (distance > _LEFT * jnp.max(distance))) > 0)
    back = left & (distance < _BACK * jnp.max(distance))
    nearest = jnp.pad((distance[1:-1] <= distance[:-2]) & (distance[1:-1] <= distance[2:]), 1)
    returned = back & nearest
    period = _DT * (jnp.argmax(returned) - start).astype(ys.dtype)
    guess = jnp.concatenate([ys[start], period[None], column.p[None]]) / scale
    root, converged, _ = _root(lambda unknown: _unclosed(jnp.append(unknown, guess[7]), column), guess[:7])
    return _described(jnp.append(root, guess[7]), converged & jnp.any(returned), column)


@eqx.filter_jit
def _family(parameters: JansenRitParameters, hopf: Equilibria, points: int, limits: Float[Array, "3"]) -> LimitCycle:
    """That which begins at a Hopf point, between two values of what changes, up to some period."""
    column = ChangingColumn(parameters, hopf.p, hopf.along).from_value(hopf.value)
    scale = _scale(column)
    low, high, longest = limits
    start = jnp.concatenate([hopf.states, 1 / hopf.frequency[None], hopf.value[None]]) / scale
    direction = _oscillation(hopf, column) / scale[:6]
    direction = jnp.pad(direction / jnp.linalg.norm(direction), (0, 2))

    def advance(carry):
        place, direction, step, _ = carry
        ahead, converged, easy = _followed(place, direction, step, column)
        turned = _direction(ahead, direction, column)
        good = converged & (direction @ turned > _STRAIGHT) & jnp.all(jnp.isfinite(turned))
        period, value = (ahead * scale)[6:]
        end = (period > longest) | ~_at_a_maximum(ahead, column)
        beyond = (value < low) | (value > high)
        accepted = good & ~end
        longer = jnp.where(easy, jnp.minimum(_GROWTH * step, _LONGEST_STEP), step)
        place, direction = (jnp.where(accepted, new, old) for new, old in ((ahead, place), (turned, direction)))
        return (place, direction, jnp.where(good, longer, step / 2), ~(good & (end | beyond))), accepted

    def unless_ended(carry, _):
        carry, accepted = jax.lax.cond(carry[3], advance, lambda carry: (carry, jnp.bool_(False)), carry)
        return carry, (carry[0], accepted)

    carry = start, direction, jnp.asarray(_FIRST_STEP, start.dtype), jnp.bool_(True)
    _, (places, accepted) = jax.lax.scan(unless_ended, carry, None, length=points)
    order = jnp.argsort(~accepted, stable=True)
    return jax.vmap(lambda place, there: _described(place, there, column))(places[order], accepted[order])


@eqx.filter_jit
def _folds(parameters: JansenRitParameters, before: LimitCycle, after: LimitCycle) -> LimitCycle:
    def fold(*ends):
        column = ChangingColumn(parameters, ends[0].p, ends[0].along).from_value(ends[0].value)
        scale = _scale(column)
        first, last = (jnp.concatenate([end.states, end.period[None], end.value[None]]) / scale for end in ends)
        length = jnp.linalg.norm(last - first)
        forth = (last - first) / length

        def at(step):
            place, converged, _ = _followed(first, forth, step, column)
            return place, converged

        def rise(step, args):
            return _direction(at(step)[0], forth, column)[7]

        there = (rise(jnp.zeros_like(length), None) > 0) != (rise(length, None) > 0)

        def looked_at(step, args):
            return jnp.where(there, rise(step, args), step - length / 2)

        bounds = {"lower": jnp.zeros_like(length), "upper": length}
        solver = optimistix.Bisection(rtol=0.0, atol=float(jnp.finfo(length.dtype).eps) ** 0.75)
        found = optimistix.root_find(looked_at, solver, length / 2, options=bounds, max_steps=64, throw=False)
        place, converged = at(found.value)
        return _described(place, converged & there, column)

    return jax.vmap(fold)(before, after)


def _no_cycles(points: int, along: str) -> LimitCycle:
    shape = (0, points)
    none = as_float(np.zeros(shape))
    states, extrema = (jnp.zeros((*shape, width), none.dtype) for width in (6, 2))
    return LimitCycle(none, none, states, jax.lax.complex(states, states), extrema, none, along)


def _followed(
    place: Float[Array, "8"], direction: Float[Array, "8"], step: Float[Array, ""], column: ChangingColumn
) -> tuple[Float[Array, "8"], Bool[Array, ""], Bool[Array, ""]]:
    """The cycle a step ahead, whether it was found, and whether that was easy."""
    ahead = place + step * direction

    def away(unknown):
        return jnp.append(_unclosed(unknown, column), direction @ (unknown - ahead))

    return _root(away, ahead)


def _root(
    function: Callable[[Float[Array, " unknown"]], Float[Array, " unknown"]], guess: Float[Array, " unknown"]
) -> tuple[Float[Array, " unknown"], Bool[Array, ""], Bool[Array, ""]]:
    tolerance = _tolerance(guess.dtype) * 10
    solver = optimistix.Newton(rtol=tolerance, atol=tolerance)
    found = optimistix.root_find(lambda unknown, args: function(unknown), solver, guess, max_steps=16, throw=False)
    converged = found.result == optimistix.RESULTS.successful
    return found.value, converged, found.stats["num_steps"] <= _FEW


def _direction(place: Float[Array, "8"], previous: Float[Array, "8"], column: ChangingColumn) -> Float[Array, "8"]:
    """Along the family, onwards."""
    slope = jnp.concatenate([jax.jacfwd(_unclosed)(place, column), previous[None]])
    found = jnp.linalg.solve(slope, jnp.zeros_like(place).at[7].set(1.0))
    return found / jnp.linalg.norm(found)


def _oscillation(hopf: Equilibria, column: ChangingColumn) -> Float[Array, "6"]:
    """How states deviate from an equilibrium that begins to oscillate, as y1 - y2 is largest."""
    rate = 2 * jnp.pi * hopf.frequency
    slope = jax.jacfwd(lambda y: jansen_rit_vector_field(0.0, y, column.at(hopf.value)))(hopf.states)
    whole = jnp.block([[slope, rate * jnp.eye(6)], [-rate * jnp.eye(6), slope]])  # of real and imaginary parts
    real, imaginary = jnp.split(jnp.linalg.svd(whole)[2][-1], 2)
    return eeg(real) * real + eeg(imaginary) * imaginary


def _described(place: Float[Array, "8"], there: Bool[Array, ""], column: ChangingColumn) -> LimitCycle:
    """What is told of a cycle, or NaN where it is none."""
    scale = _scale(column)
    place = jnp.where(there, place, jnp.ones_like(place))
    slope = jax.jacfwd(_unclosed)(place, column)[:6, :6] + jnp.eye(6)
    multipliers = jnp.linalg.eigvals(jnp.where(jnp.isfinite(slope), slope, 0))
    multipliers = multipliers[jnp.argsort(-jnp.abs(multipliers))]
    extrema, found = _extrema(place, column), place * scale
    parameters, p = column.at(found[7])
    there &= jnp.min(jnp.abs(multipliers - 1)) < _RELIABLE
    there &= (place[6] > 0) & (extrema[1] - extrema[0] > _LEAST_SWING / parameters.r)
    return jax.tree.map(
        lambda leaf: jnp.where(there, leaf, jnp.nan),
        LimitCycle(p, found[6], found[:6], multipliers, extrema, found[7], column.along),
    )


def _extrema(place: Float[Array, "8"], column: ChangingColumn) -> Float[Array, "2"]:
    """Of y1 - y2: those of samples, moved to where a parabola has its own."""
    times = jnp.linspace(0.0, 1.0, _SAMPLES, dtype=place.dtype)
    ys, args = _flow(place, column, times), column.at((place * _scale(column))[7])

    def of(y):
        rate = jansen_rit_vector_field(0.0, y, args)
        _, curvature = jax.jvp(lambda y: eeg(jansen_rit_vector_field(0.0, y, args)), (y,), (rate,))
        return eeg(y) - eeg(rate) ** 2 / (2 * curvature)

    v = eeg(ys)
    return jnp.stack([of(ys[jnp.argmin(v)]), of(ys[jnp.argmax(v)])])


def _at_a_maximum(place: Float[Array, "8"], column: ChangingColumn) -> Bool[Array, ""]:
    found = place * _scale(column)

    def rate(y):
        return jansen_rit_vector_field(0.0, y, column.at(found[7]))

    return jax.jvp(lambda y: eeg(rate(y)), (found[:6],), (rate(found[:6]),))[1] < 0


def _unclosed(place: Float[Array, "8"], column: ChangingColumn) -> Float[Array, "7"]:
    """How far states are from where they started one period ago, and how fast y1 - y2 changes there."""
    scale = _scale(column)
    found = place * scale
    end = _flow(place, column, jnp.ones(1, place.dtype))[0]
    slope = eeg(jansen_rit_vector_field(0.0, found[:6], column.at(found[7])))
    return jnp.append((end - found[:6]) / scale[:6], slope / scale[4])


def _flow(place: Float[Array, "8"], column: ChangingColumn, times: Float[Array, " time"]) -> Float[Array, "time 6"]:
    """States at some shares of a period."""
    found = place * _scale(column)

    def vector_field(t, y, args):
        return found[6] * jansen_rit_vector_field(t, y, column.at(found[7]))

    tolerance = _tolerance(place.dtype)
    controller = diffrax.PIDController(rtol=tolerance, atol=tolerance)
    ys = diffrax.diffeqsolve(
        diffrax.ODETerm(vector_field),
        diffrax.Dopri8(),
        0.0,
        1.0,
        None,
        found[:6],
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.ClipStepSizeController(controller, step_ts=times),
        adjoint=diffrax.ForwardMode(),
        throw=False,
    ).ys
    assert ys is not None
    return ys


def _tolerance(dtype: jnp.dtype) -> float:
    return 1e-10 if dtype == jnp.float64 else 1e-5


def _scale(column: ChangingColumn) -> Float[Array, "8"]:
    """What is a large change: of six states, of the period, of what changes."""
    parameters = column.parameters
    potential = 5 / parameters.r
    potentials = jnp.stack([2 * potential / parameters.C1, potential, potential])
    rates = jnp.stack([parameters.a, parameters.a, parameters.b])
    special = {"p": 2 * potential * parameters.a / (5 * parameters.A), "v0": potential}  # they may be 0
    change = special[column.along] if column.along in special else jnp.abs(getattr(parameters, column.along)) / 4
    return jnp.concatenate([potentials, potentials * rates, jnp.stack([10 / parameters.a, change])])
