"""Lyapunov exponents of a column, driven by noise or not, from the variational equation along its trajectories.

What the Jacobian depends on, the three potentials, is smooth even where the input is white noise. So trajectories are
simulated as usual, and small deviations are propagated by a Magnus step of fourth order between two samples
(Blanes et al. 2009, doi 10.1016/j.physrep.2008.11.001) and made orthogonal again (Benettin et al. 1980,
doi 10.1007/BF02128236). The trace of the Jacobian is -(4 a + 2 b), whatever the states, and so is the sum here.
"""

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray

from .._checks import as_float, as_positive, check_count, check_memory, check_type, nan_is_an_answer, of_numbers
from ..column.arguments import resolved_batch
from ..column.column import Column
from ..column.equations import jansen_rit_vector_field
from ..column.parameters import JansenRitParameters
from ..column.quantities import batch_axes
from ..column.simulate import simulate
from ..column.states import STATES, States

if TYPE_CHECKING:
    import pandas as pd

_TOGETHER = (
    5  # steps between two orthogonalisations, over which no direction outgrows another by more than rounding allows
)
_GAUSS = (0.5 - 3**0.5 / 6, 0.5 + 3**0.5 / 6)  # nodes of the quadrature of fourth order, in parts of a step
_MOST_LINES = 8  # of columns one by one in a printed record


class LyapunovExponents(eqx.Module):
    """How fast deviations grow or decay, 1/s, and how sure that is."""

    blocks: Float[np.ndarray, "*batch block 6"]
    """Mean growth rates in blocks of time one after the other, 1/s, largest first."""

    @property
    def values(self) -> Float[np.ndarray, "*batch 6"]:
        """Means over the blocks."""
        return self.blocks.mean(axis=-2)

    @property
    def standard_error(self) -> Float[np.ndarray, "*batch 6"]:
        """Of the means, from the scatter of the blocks."""
        return self.blocks.std(axis=-2, ddof=1) / self.blocks.shape[-2] ** 0.5

    @nan_is_an_answer
    def to_dataframe(self) -> "pd.DataFrame":
        """A row for each column and exponent: `value` and `standard_error`, 1/s."""
        import pandas as pd  # here, as importing it is slow

        values = np.asarray(self.values)
        columns = {"value": values.ravel(), "standard_error": np.asarray(self.standard_error).ravel()}
        names = ("column", "exponent")[-values.ndim :]
        return pd.DataFrame(columns, index=pd.MultiIndex.from_product([range(n) for n in values.shape], names=names))

    @of_numbers
    def __repr__(self) -> str:
        values, errors = (np.reshape(numbers, (-1, len(STATES))) for numbers in (self.values, self.standard_error))
        lines = [
            ", ".join(f"{value:.4g} +- {error:.2g}" for value, error in zip(*row, strict=True)) + " 1/s"
            for row in zip(values[:_MOST_LINES], errors, strict=False)
        ]
        more = len(values) - len(lines)
        lines += [f"and {more} more columns"] if more else []
        return (
            f"LyapunovExponents({lines[0]})" if len(lines) == 1 else "LyapunovExponents(\n  " + "\n  ".join(lines) + ")"
        )


@nan_is_an_answer
def lyapunov_exponents(
    column: Column,
    *,
    blocks: int = 10,
    block: float = 10.0,
    burn_in: float = 10.0,
    dt: float = 1e-3,
    y0: ArrayLike | None = None,
    batch: int | None = None,
    key: PRNGKeyArray | None = None,
) -> LyapunovExponents:
    """All six Lyapunov exponents of a column, or of each column of a batch.

    With a random input they are those of the random dynamical system: how columns that get the same noise diverge or
    converge.

    **Arguments:**

    - `column`, `y0`, `batch`, `key`: as in `simulate`.
    - `blocks`, `block`: how many means are taken, and over how many seconds each.
    - `burn_in`: seconds before the first.
    - `dt`: seconds between samples of the trajectory.

    **Returns:** `LyapunovExponents`; look at `standard_error` before `values`.

    **Raises:** `ValueError` for arguments out of range; `RuntimeError` if a trajectory fails.
    """
    check_type(Column, column=column)
    check_count(2, blocks=blocks)
    block, burn_in, dt = (
        as_positive(name, value) for name, value in {"block": block, "burn_in": burn_in, "dt": dt}.items()
    )
    block_steps, burn_in_steps = (max(1, round(seconds / (_TOGETHER * dt))) * _TOGETHER for seconds in (block, burn_in))
    size = resolved_batch(column, y0, batch)
    if size is not None:
        check_memory("deviations of their states", 8 * len(STATES) ** 2 * size, batch=size)
    check_memory("their exponents", 64 * (size or 1) * blocks, blocks=blocks)
    states = as_float(np.zeros(len(STATES)) if y0 is None else y0, "y0")
    states = states if size is None else jnp.broadcast_to(states, (size, len(STATES)))
    basis = jnp.broadcast_to(jnp.eye(len(STATES), dtype=states.dtype), (*states.shape, len(STATES)))
    done, rates = 0, []
    for steps in (burn_in_steps, *blocks * (block_steps,)):
        t0, t1 = (round(count * dt, 12) for count in (done, done + steps))
        ys = simulate(column, t0=t0, t1=t1, dt=dt, y0=states, key=key, batch=batch).ys
        ys = jnp.concatenate([jnp.expand_dims(states, -2), ys], axis=-2)
        basis, growth = _propagated(column.parameters, ys, basis, dt)
        states, done = ys[..., -1, :], done + steps
        rates.append(np.asarray(growth) / (steps * dt))
    return LyapunovExponents(np.stack(rates[1:], axis=-2))


@eqx.filter_jit
def _propagated(
    parameters: JansenRitParameters, ys: Float[Array, "*batch time 6"], basis: Float[Array, "*batch 6 6"], dt: float
) -> tuple[Float[Array, "*batch 6 6"], Float[Array, "*batch 6"]]:
    """An orthonormal basis of deviations along trajectories, and the logarithms of how much they grew."""

    def along_one(parameters, ys, basis):
        maps = jax.vmap(lambda before, after: propagator(parameters, before, after, dt))(ys[:-1], ys[1:])

        def orthogonalised(basis, maps):
            for number in range(_TOGETHER):
                basis = maps[number] @ basis
            basis, triangle = jnp.linalg.qr(basis)
            return basis, jnp.log(jnp.abs(jnp.diag(triangle)))

        basis, growth = jax.lax.scan(orthogonalised, basis, maps.reshape(-1, _TOGETHER, *maps.shape[1:]))
        return basis, jnp.sum(growth, axis=0)

    if ys.ndim == 2:
        return along_one(parameters, ys, basis)
    return jax.vmap(along_one, in_axes=(batch_axes(parameters), 0, 0))(parameters, ys, basis)


def propagator(
    parameters: JansenRitParameters, before: Float[Array, "6"], after: Float[Array, "6"], dt: float
) -> Float[Array, "6 6"]:
    """What small deviations become from one sample to the next, with derivatives counted in units of a and b."""
    own = units(parameters)

    def jacobian_at(fraction):
        potentials = _potentials_between(before, after, fraction, dt)
        states = jnp.concatenate([potentials, jnp.zeros_like(potentials)])  # the derivatives enter linearly
        jacobian = jax.jacfwd(lambda y: jansen_rit_vector_field(0.0, y, (parameters, jnp.zeros(()))))(states)
        return jacobian * own[None] / own[:, None]

    first, second = map(jacobian_at, _GAUSS)
    # A step is short beside the time constants; under `vmap` JAX would work through all 16 squarings of the default.
    return jax.scipy.linalg.expm(
        dt / 2 * (first + second) + 3**0.5 / 12 * dt**2 * (second @ first - first @ second), max_squarings=4
    )


def units(parameters: JansenRitParameters) -> Float[Array, "6"]:
    """The units in which deviations are counted: 1 for potentials, a and b for their derivatives."""
    one = jnp.ones_like(parameters.a)
    return jnp.stack(list(States(one, one, one, parameters.a, parameters.a, parameters.b)))


def _potentials_between(
    before: Float[Array, "6"], after: Float[Array, "6"], fraction: float, dt: float
) -> Float[Array, "3"]:
    """Potentials part of the way, by the cubic that has their values and derivatives at either end."""
    (start, start_slope), (end, end_slope) = jnp.split(before, 2), jnp.split(after, 2)
    rest = 1 - fraction
    return rest**2 * ((1 + 2 * fraction) * start + fraction * dt * start_slope) + fraction**2 * (
        (1 + 2 * rest) * end - rest * dt * end_slope
    )
