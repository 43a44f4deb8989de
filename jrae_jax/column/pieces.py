"""A long simulation piece by piece, so that it can be said how far it is."""

from collections.abc import Callable

import diffrax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import Progress
from .trajectories import Trajectories

_PIECE_WORK = 2e7  # column-steps, about a second, from one report to the next

Piece = Callable[[int, int, Float[Array, "*batch 6"] | None], Trajectories]
"""From one step to another, and from states there, or as the simulation itself begins if `None`."""


def in_pieces(
    simulated: Piece, *, every: int, first: int, last: int, t0: float, dt: float, columns: int, progress: Progress
) -> Trajectories:
    """What one call saves, as a run that is carried on is the run in one go.

    **Arguments:**

    - `simulated`: simulates a piece, and saves after every so many of its steps.
    - `every`: that number of steps.
    - `first`, `last`: the first and the last step after which something is saved, multiples of `every`.
    - `t0`, `dt`: the time of the first of them, and the step, s.
    - `columns`: how many are simulated at once.
    - `progress`: called before each of several pieces, and at the end, with how many steps are done.
    """
    length = max(1, round(_PIECE_WORK / columns / every)) * every
    message = "steps" if columns == 1 else f"steps of {columns} columns"
    y0, result, parts = None, diffrax.RESULTS.successful, []
    for start in range(0, last, length):
        if length < last:
            progress(start, last, message)
        end = min(start + length, last)
        piece = simulated(start, end, y0)
        y0, result = piece.ys[..., -1, :], piece.result
        if end >= first:
            parts.append(piece.ys[..., max((first - start) // every - 1, 0) :, :])
    if length < last:
        progress(last, last, message)
    ys = parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-2)
    return Trajectories(ys, result, dt=dt, every=every, t0=t0)
