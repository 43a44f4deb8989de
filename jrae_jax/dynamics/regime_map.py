"""A map of the attractors of columns at constant input over a grid of parameters, and where several coexist."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Bool, Float, Shaped

from .._checks import Progress, check_memory, check_names, check_progress, nan_is_an_answer
from ..column.column import Column, check_constant, check_single
from ..column.solvers import RK4
from ..column.states import STATES
from ..column.step_size import check_rates
from ..scan.axes import INITIAL_STATES, Axis, Grid, zipped
from ..scan.engine import ScanPoints
from ..scan.parameter_scan import parameter_scan
from ..scan.regime import REGIMES, Regime
from ..scan.summaries import Moments
from .equilibria import Equilibria, equilibria

if TYPE_CHECKING:
    import xarray as xr

ATTRACTORS = (*REGIMES, "bistable")
"""What a point of a regime map can be, in the order of its codes."""

# s: with RK4 the period is right to one part in ten thousand; all but points next to a bifurcation settle in that time.
_DT, _BURN_IN, _WATCHED = 2e-3, 6.0, 3.0
_ANOTHER = 0.5  # 1/r: by so much the swings of two cycles differ
_BESIDE = 1.1  # factor of y0 at the start: as near an equilibrium as is left in time
_AT_ONCE = 8192  # points whose equilibria are looked for together, each on a grid of 1024 potentials: 34 MB an array


@nan_is_an_answer
def regime_map(
    column: Column, axes: Mapping[str, ArrayLike] | Sequence[Axis], *, progress: Progress | None = None
) -> "xr.Dataset":
    """At every point of a grid, whether a column rests, oscillates or spikes without noise, or which of them depends.

    Equilibria and their stability are exact; cycles are found by simulating for six seconds, and observing three more,
    from zero, and from near the highest and the lowest equilibrium where these are not stable, by the rule of `Regime`.
    A cycle that no such start leads to is missed.

    **Arguments:**

    - `column`: one column with a `ConstantInput`, for what no axis changes.
    - `axes`: as in `parameter_scan`, over quantities of the column.
    - `progress`: called after each chunk of points, with how many simulations are done and how many there are.

    **Returns:** over the axes, `regime`, a code into rest, alpha, spike and bistable (more than one attractor), -1
        where a simulation failed; and `stable_equilibria` and `cycles`, how many of each there are. Cycles are two if
        they swing by amounts that differ by more than `0.5 / r` (0.9 mV).

    **Raises:** `ValueError` for another input, a batch of columns, or arguments that do not fit together.
    """
    import xarray as xr  # here, as importing it is slow

    check_constant("column", column)
    check_single("column", column, "give what changes as `axes`")
    check_progress(progress)
    grid = Grid(ScanPoints(column), axes)
    check_memory("regimes of all points", 1000 * grid.size, axes=grid.size)  # equilibria of a point are 500 bytes
    check_names(column.quantities, axes=[name for axis in grid.axes for name in axis.values])
    columns = grid.points(np.arange(grid.size, dtype=np.uint32)).column
    check_rates("axes", columns, _DT, RK4())
    columns = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (grid.size,)), columns)
    rest = jax.tree.map(np.asarray, equilibria_in_parts(columns))
    stable = np.sum(_stable(rest), axis=-1)
    starts = _starts(rest)
    simulated = np.stack([np.isfinite(start[:, 0]) for start in starts])
    ends = _simulated(columns, starts, simulated, progress)
    kind = ends["regime"]
    moving = simulated & ((kind != REGIMES.index("rest")) | (stable == 0))
    swings = np.where(moving, np.asarray(columns.parameters.r) * (ends["eeg_max"] - ends["eeg_min"]), -1)
    swings = np.sort(swings, axis=0)
    cycles = np.sum((swings >= 0) & (np.diff(swings, axis=0, prepend=-2) > _ANOTHER), axis=0)
    spike = np.any(simulated & (kind == REGIMES.index("spike")), axis=0)
    failed = np.any(simulated & ends["failed"], axis=0)
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
    at_once = min(at_once, count)
    for first in range(0, count, at_once):
        chosen = np.minimum(np.arange(first, first + at_once), count - 1)
        parts.append(equilibria(jax.tree.map(lambda leaf, chosen=chosen: leaf[chosen], columns)))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[:count], *parts)


def _stable(rest: Equilibria) -> Bool[np.ndarray, "point equilibrium"]:
    return np.isfinite(rest.p) & np.all(rest.eigenvalues.real < 0, axis=-1)


def _starts(rest: Equilibria) -> list[Float[np.ndarray, "point 6"]]:
    """Zero, and near the highest and the lowest equilibrium where it is not stable, once if they are one; else NaN.

    What starts near a stable equilibrium comes back to it, and is not simulated.
    """
    rows, last = np.arange(len(rest.p)), np.sum(np.isfinite(rest.p), axis=-1) - 1
    lowest = np.zeros_like(last)
    starts = [np.zeros_like(rest.states[:, 0])]
    for chosen, wanted in ((last, np.ones(len(last), bool)), (lowest, last > 0)):
        near = rest.states[rows, chosen]
        near[:, STATES.index("y0")] *= _BESIDE
        left = wanted & ~_stable(rest)[rows, chosen]
        starts.append(np.where(left[:, None], near, np.nan))
    return starts


def _simulated(
    columns: Column,
    starts: list[Float[np.ndarray, "point 6"]],
    simulated: Bool[np.ndarray, "start point"],
    progress: Progress | None,
) -> dict[str, Shaped[np.ndarray, "start point"]]:
    """What the columns come to from those of the starts that are simulated."""
    number, point = np.nonzero(simulated)
    quantities = {name: np.asarray(columns.value(name))[point] for name in columns.quantities}
    initial = dict(zip(INITIAL_STATES, np.stack(starts)[number, point].T, strict=True))
    ends = parameter_scan(
        columns[0],
        [zipped(**quantities, **initial)],
        t1=_BURN_IN + _WATCHED,
        dt=_DT,
        burn_in=_BURN_IN,
        solver=RK4(),
        summaries=(Regime(), Moments()),
        progress=progress,
    )
    found = {}
    for name in ("regime", "failed", "eeg_min", "eeg_max"):
        found[name] = np.zeros(simulated.shape, ends[name].dtype)
        found[name][simulated] = ends[name].values
    return found
