"""A map of the attractors of columns at constant input over a grid of parameters, and where several coexist."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import ArrayLike, Float

from .._checks import Progress, check_names
from ..column.column import Column, check_constant, check_single
from ..column.solvers import RK4
from ..column.states import States
from ..scan.axes import INITIAL_STATES, Axis, Grid, zipped
from ..scan.engine import ScanPoints
from ..scan.parameter_scan import parameter_scan
from ..scan.regime import REGIMES, Regime
from ..scan.summaries import Moments
from .equilibria import Equilibria, equilibria

ATTRACTORS = (*REGIMES, "bistable")
"""What a point of a regime map can be, in the order of its codes."""

# s: with RK4 the period is right to one part in ten thousand; all but points next to a bifurcation settle in that time.
_DT, _BURN_IN, _WATCHED = 2e-3, 6.0, 3.0
_ANOTHER = 0.5  # 1/r: by so much the swings of two cycles differ
# Factors of y0 at the start: small near a stable equilibrium, so that it is not left, and larger near an unstable one.
_NEAR_STABLE, _NEAR_UNSTABLE = 1.001, 1.1
_AT_ONCE = 8192  # points whose equilibria are looked for together, each on a grid of 1024 potentials: 34 MB an array


def regime_map(
    column: Column, axes: Mapping[str, ArrayLike] | Sequence[Axis], *, progress: Progress | None = None
) -> xr.Dataset:
    """At every point of a grid, whether a column rests, oscillates or spikes without noise, or which of them depends.

    Equilibria and their stability are exact; cycles are found by simulating for six seconds, and observing three more,
    from near the highest and the lowest equilibrium and from zero, by the rule of `Regime`. A cycle that no such start
    leads to is missed.

    **Arguments:**

    - `column`: one column with a `ConstantInput`, for what no axis changes.
    - `axes`: as in `parameter_scan`, over quantities of the column.
    - `progress`: called after each chunk of points, with how many simulations are done and how many there are.

    **Returns:** over the axes, `regime`, a code into rest, alpha, spike and bistable (more than one attractor), -1
        where a simulation failed; and `stable_equilibria` and `cycles`, how many of each there are. Cycles are two if
        they swing by amounts that differ by more than `0.5 / r` (0.9 mV).

    **Raises:** `ValueError` for another input, a batch of columns, or arguments that do not fit together.
    """
    check_constant("column", column)
    check_single("column", column, "give what changes as `axes`")
    grid = Grid(ScanPoints(column), axes)
    check_names(column.quantities, axes=[name for axis in grid.axes for name in axis.values])
    columns = grid.points(np.arange(grid.size, dtype=np.uint32)).column
    columns = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (grid.size,)), columns)
    rest = equilibria_in_parts(columns)
    stable = np.asarray(jnp.sum(rest.stable, axis=-1))
    starts = _starts(rest)
    ends = xr.concat([_simulated(columns, starts, number, progress) for number in range(len(starts))], "start")
    kind = ends.regime.values
    moving = (kind != REGIMES.index("rest")) | (stable == 0)
    swings = np.where(moving, np.asarray(columns.parameters.r) * (ends.eeg_max - ends.eeg_min).values, -1)
    swings = np.sort(swings, axis=0)
    cycles = np.sum((swings >= 0) & (np.diff(swings, axis=0, prepend=-2) > _ANOTHER), axis=0)
    spike = np.any(kind == REGIMES.index("spike"), axis=0)
    failed = np.any(ends.failed.values, axis=0)
    codes = [-1, *(ATTRACTORS.index(name) for name in ("bistable", "spike", "alpha"))]
    code = np.select([failed, stable + cycles > 1, spike, cycles > 0], codes, ATTRACTORS.index("rest"))
    found = {"regime": code.astype(np.int8), "stable_equilibria": stable, "cycles": cycles}
    meanings = {"flag_values": list(range(len(ATTRACTORS))), "flag_meanings": " ".join(ATTRACTORS)}
    dataset = xr.Dataset({name: (grid.dims, values.reshape(grid.shape)) for name, values in found.items()})
    coordinates = {found.name: (found.dim, found.values, found.attributes) for found in grid.coordinates}
    return dataset.assign(regime=dataset.regime.assign_attrs(meanings)).assign_coords(coordinates)


def equilibria_in_parts(columns: Column, at_once: int = _AT_ONCE) -> Equilibria:
    """The equilibria of a batch of columns, so many at once, by one compiled program."""
    count, parts = len(columns), []
    for first in range(0, count, at_once):
        chosen = np.minimum(np.arange(first, first + at_once), count - 1)
        parts.append(equilibria(jax.tree.map(lambda leaf, chosen=chosen: leaf[chosen], columns)))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[:count], *parts)


def _starts(rest: Equilibria) -> Sequence[Float[np.ndarray, "point 6"]]:
    """Near the highest and the lowest equilibrium, and zero."""
    last = jnp.sum(rest.exists, axis=-1) - 1
    rows = jnp.arange(len(last))
    near = []
    for chosen in (last, jnp.zeros_like(last)):
        states = States.unstack_last(rest.states[rows, chosen])
        factor = jnp.where(rest.stable[rows, chosen], _NEAR_STABLE, _NEAR_UNSTABLE)
        near.append(np.stack(states._replace(y0=states.y0 * factor), axis=-1))
    return (*near, np.zeros_like(near[0]))


def _simulated(
    columns: Column, starts: Sequence[Float[np.ndarray, "point 6"]], number: int, progress: Progress | None
) -> xr.Dataset:
    """What the columns come to from one of the starts."""

    def over_all_starts(done, total, message):
        assert progress is not None
        progress(float(done + number * total), float(len(starts) * total), message)

    quantities = {name: np.asarray(columns.value(name)) for name in columns.quantities}
    initial = dict(zip(INITIAL_STATES, starts[number].T, strict=True))
    return parameter_scan(
        columns[0],
        [zipped(**quantities, **initial)],
        t1=_BURN_IN + _WATCHED,
        dt=_DT,
        burn_in=_BURN_IN,
        solver=RK4(),
        summaries=(Regime(), Moments()),
        progress=None if progress is None else over_all_starts,
    )
