"""Lyapunov exponents of a column, driven by noise or not, from the variational equation along its trajectories.

What the Jacobian depends on, the three potentials, is smooth even where the input is white noise. So trajectories are
simulated as ever, and small deviations are carried along by a Magnus step of fourth order between two samples
(Blanes et al. 2009, doi 10.1016/j.physrep.2008.11.001) and made orthogonal again (Benettin et al. 1980,
doi 10.1007/BF02128236). The trace of the Jacobian is -(4 a + 2 b), whatever the states, and so is the sum here.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import as_float, check_count, check_positive
from ..column.equations import jansen_rit_vector_field
from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters, batch_size
from ..column.simulate import simulate

_TOGETHER = 5  # steps between two orthogonalisations
_GAUSS = (0.5 - 3**0.5 / 6, 0.5 + 3**0.5 / 6)


class LyapunovExponents(eqx.Module):
    """How fast deviations grow or die away, 1/s, and how sure that is."""

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


def lyapunov_exponents(
    parameters: JansenRitParameters,
    input: AbstractExternalInput,
    *,
    blocks: int = 10,
    block: float = 10.0,
    settle: float = 10.0,
    dt: float = 1e-3,
    y0: Float[Array, "*batch 6"] | None = None,
    batch: int | None = None,
    key: PRNGKeyArray | None = None,
) -> LyapunovExponents:
    """All six Lyapunov exponents of a column, or of each column of a batch.

    With a random input they are those of the random dynamical system: how columns that get the same noise part or meet.

    **Arguments:**

    - `parameters`, `input`, `y0`, `batch`, `key`: as in `simulate`.
    - `blocks`, `block`: how many means are taken, and over how many seconds each.
    - `settle`: seconds before the first.
    - `dt`: seconds between samples of the trajectory.

    **Returns:** `LyapunovExponents`; look at `standard_error` before `values`.

    **Raises:** `ValueError` for arguments out of range; `RuntimeError` if a trajectory fails.
    """
    check_count(2, blocks=blocks)
    check_positive(block=block, settle=settle, dt=dt)
    each, ahead = (max(1, round(seconds / (_TOGETHER * dt))) * _TOGETHER for seconds in (block, settle))
    size = batch_size(parameters=parameters, input=input)
    size = (None if y0 is None or np.ndim(y0) == 1 else len(y0)) if size is None else size
    size = batch if size is None else size
    states = as_float(np.zeros(6) if y0 is None else y0)
    states = states if size is None else jnp.broadcast_to(states, (size, 6))
    basis = jnp.broadcast_to(jnp.eye(6, dtype=states.dtype), (*states.shape, 6))
    done, found = 0, []
    for steps in (ahead, *blocks * (each,)):
        t0, t1 = (round(count * dt, 12) for count in (done, done + steps))
        ys = simulate(parameters, input, t0=t0, t1=t1, dt=dt, y0=states, key=key, batch=batch).ys
        ys = jnp.concatenate([jnp.expand_dims(states, -2), ys], axis=-2)
        basis, growth = _carried(parameters, ys, basis, dt)
        states, done = ys[..., -1, :], done + steps
        found.append(np.asarray(growth) / (steps * dt))
    return LyapunovExponents(np.stack(found[1:], axis=-2))


@eqx.filter_jit
def _carried(
    parameters: JansenRitParameters, ys: Float[Array, "*batch time 6"], basis: Float[Array, "*batch 6 6"], dt: float
) -> tuple[Float[Array, "*batch 6 6"], Float[Array, "*batch 6"]]:
    """An orthonormal basis of deviations along trajectories, and the logarithms of how much they grew."""
    if ys.ndim == 2:
        return _along(parameters, ys, basis, dt)
    columns = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, ys.shape[:1]), parameters)
    return jax.vmap(_along, in_axes=(0, 0, 0, None))(columns, ys, basis, dt)


def _along(
    parameters: JansenRitParameters, ys: Float[Array, "time 6"], basis: Float[Array, "6 6"], dt: float
) -> tuple[Float[Array, "6 6"], Float[Array, "6"]]:
    maps = jax.vmap(lambda before, after: propagator(parameters, before, after, dt))(ys[:-1], ys[1:])

    def step(basis, maps):
        for number in range(_TOGETHER):
            basis = maps[number] @ basis
        basis, triangle = jnp.linalg.qr(basis)
        return basis, jnp.log(jnp.abs(jnp.diag(triangle)))

    basis, growth = jax.lax.scan(step, basis, maps.reshape(-1, _TOGETHER, 6, 6))
    return basis, jnp.sum(growth, axis=0)


def propagator(
    parameters: JansenRitParameters, before: Float[Array, "6"], after: Float[Array, "6"], dt: float
) -> Float[Array, "6 6"]:
    """What small deviations become from one sample to the next, with derivatives counted in units of a and b."""
    own = units(parameters)

    def slope(share):
        potentials = _between(before, after, share, dt)
        states = jnp.concatenate([potentials, jnp.zeros(3)])
        found = jax.jacfwd(lambda y: jansen_rit_vector_field(0.0, y, (parameters, jnp.zeros(()))))(states)
        return found * own[None] / own[:, None]

    first, second = map(slope, _GAUSS)
    return jax.scipy.linalg.expm(
        dt / 2 * (first + second) + 3**0.5 / 12 * dt**2 * (second @ first - first @ second), max_squarings=4
    )


def units(parameters: JansenRitParameters) -> Float[Array, "6"]:
    """In which deviations are counted: 1 for potentials, a and b for their derivatives."""
    return jnp.concatenate([jnp.ones(3), jnp.stack([parameters.a, parameters.a, parameters.b])])


def _between(before: Float[Array, "6"], after: Float[Array, "6"], share: float, dt: float) -> Float[Array, "3"]:
    """Potentials at some share of the way, by the cubic that has their values and derivatives at either end."""
    rest = 1 - share
    return rest**2 * ((1 + 2 * share) * before[:3] + share * dt * before[3:]) + share**2 * (
        (1 + 2 * rest) * after[:3] - rest * dt * after[3:]
    )
