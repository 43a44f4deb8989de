"""What columns come to at constant input, over a grid of parameters, and where several ends coexist."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import ArrayLike, Float

from .._checks import check_type
from ..column.inputs import AbstractExternalInput, ConstantInput
from ..column.parameters import JansenRitParameters
from ..column.solvers import RK4
from ..column.states import STATES
from ..scan.axes import Axis, Grid, zipped
from ..scan.engine import Columns, InitialState
from ..scan.parameter_scan import Progress, parameter_scan
from ..scan.regime import REGIMES, Regime
from ..scan.summaries import Moments
from .equilibria import Equilibria, equilibria

ENDS = (*REGIMES, "bistable")
"""What a point of a regime map can be, in the order of its codes."""

_DT, _SETTLE, _WATCH = 2e-3, 6.0, 3.0  # s; with RK4 the period is right to one part in ten thousand
_ANOTHER = 0.5  # 1/r: by so much swings of two cycles differ
_LITTLE, _MUCH = 1.001, 1.1  # by what y0 is off at the start, near stable and unstable equilibria
_AT_ONCE = 8192  # points whose equilibria are looked for together


def regime_map(
    parameters: JansenRitParameters,
    input: AbstractExternalInput,
    axes: Mapping[str, ArrayLike] | Sequence[Axis],
    *,
    progress: Progress | None = None,
) -> xr.Dataset:
    """At every point of a grid, whether a column rests, oscillates or spikes without noise, or which of them depends.

    Equilibria and their stability are exact; cycles are told by simulating for six seconds, and looking for three more,
    from near the highest and the lowest equilibrium and from zero, by the rule of `Regime`. A cycle that no such start
    leads to is missed.

    **Arguments:**

    - `parameters`, `axes`, `progress`: as in `parameter_scan`.
    - `input`: a `ConstantInput`.

    **Returns:** over the axes, `regime`, a code into rest, alpha, spike and bistable (more than one stable end), -1
        where a simulation blew up;
        and `stable_equilibria` and `cycles`, how many of each there are. Cycles are two if they swing by amounts that
        differ by more than `0.5 / r` (0.9 mV).

    **Raises:** `ValueError` for arguments that do not fit together.
    """
    check_type(ConstantInput, input=input)
    grid = Grid(axes, None)
    base = Columns(parameters, input, InitialState(), jnp.zeros((), jnp.uint32))
    columns = grid.columns(base, np.arange(grid.size, dtype=np.uint32))
    size = (grid.size,)
    many = JansenRitParameters(**{name: np.broadcast_to(leaf, size) for name, leaf in vars(columns.parameters).items()})
    assert isinstance(columns.input, ConstantInput)
    p = np.broadcast_to(columns.input.p, size)
    rest = _equilibria(many, p)
    stable = np.asarray(jnp.sum(rest.stable, axis=-1))
    ends = xr.concat([_ends(many, p, start, progress) for start in _starts(rest)], "start")
    kind = ends.regime.values
    moving = (kind != REGIMES.index("rest")) | (stable == 0)
    swings = np.where(moving, np.asarray(many.r)[None] * (ends.eeg_max - ends.eeg_min).values, -1)
    swings = np.sort(swings, axis=0)
    cycles = np.sum((swings >= 0) & (np.diff(swings, axis=0, prepend=-2) > _ANOTHER), axis=0)
    spike = np.any(kind == REGIMES.index("spike"), axis=0)
    failed = np.any(ends.failed.values, axis=0)
    codes = [-1, *(ENDS.index(name) for name in ("bistable", "spike", "alpha"))]
    code = np.select([failed, stable + cycles > 1, spike, cycles > 0], codes, 0)
    found = {"regime": code.astype(np.int8), "stable_equilibria": stable, "cycles": cycles}
    told = {"flag_values": list(range(len(ENDS))), "flag_meanings": " ".join(ENDS)}
    dataset = xr.Dataset({name: (grid.dims, values.reshape(grid.shape)) for name, values in found.items()})
    coordinates = {name: (dim, values, about) for name, dim, values, about in grid.coordinates()}
    return dataset.assign(regime=dataset.regime.assign_attrs(told)).assign_coords(coordinates)


def _equilibria(parameters: JansenRitParameters, p: Float[np.ndarray, " point"]) -> Equilibria:
    parts = []
    for first in range(0, len(p), _AT_ONCE):
        chosen = np.minimum(np.arange(first, first + _AT_ONCE), len(p) - 1)
        some = JansenRitParameters(**{name: leaf[chosen] for name, leaf in vars(parameters).items()})
        parts.append(equilibria(some, jnp.asarray(p[chosen])))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[: len(p)], *parts)


def _starts(rest: Equilibria) -> Sequence[Float[np.ndarray, "point 6"]]:
    """Near the highest and the lowest equilibrium, and zero."""
    last = np.sum(rest.exists, axis=-1) - 1
    rows = np.arange(len(last))
    near = []
    for chosen in (last, np.zeros_like(last)):
        states = np.array(rest.states[rows, chosen])
        states[:, 0] *= np.where(rest.stable[rows, chosen], _LITTLE, _MUCH)
        near.append(states)
    return (*near, np.zeros_like(near[0]))


def _ends(
    parameters: JansenRitParameters,
    p: Float[np.ndarray, " point"],
    start: Float[np.ndarray, "point 6"],
    progress: Progress | None,
) -> xr.Dataset:
    initial = {f"initial_{name}": start[:, index] for index, name in enumerate(STATES)}
    axis = zipped(p=p, **{name: np.asarray(leaf) for name, leaf in vars(parameters).items()}, **initial)
    return parameter_scan(
        JansenRitParameters(),
        ConstantInput(0.0),
        [axis],
        t1=_SETTLE + _WATCH,
        dt=_DT,
        burn_in=_SETTLE,
        solver=RK4(),
        summaries=(Regime(), Moments()),
        progress=progress,
    )
