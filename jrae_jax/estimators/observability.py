"""What a recording can tell of the states while the input is known: ranks, Gramians and Cramer-Rao bounds.

The local view is that of Hermann and Krener (1977), doi 10.1109/TAC.1977.1101601: derivatives of the recording as
functions of the states, of which they are Lie derivatives. The view along a trajectory is the observability Gramian,
which is the Fisher information of the states at its start in Gaussian sensor noise.
"""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_float, check_choice, check_count, check_positive
from ..column.equations import jansen_rit_vector_field
from ..column.parameters import JansenRitParameters
from ..column.states import CHANNELS
from ..dynamics.lyapunov import propagator, units


def lie_singular_values(
    parameters: JansenRitParameters,
    p: Float[Array, ""] | float,
    states: Float[Array, "*batch 6"],
    observed: Sequence[str],
    *,
    scale: Float[Array, "6"],
    derivatives: int = 5,
) -> Float[Array, "*batch 6"]:
    """Singular values of the map from states to a recording and its first derivatives, the largest first.

    Six that are not zero: near these states, no two columns record alike. The smaller the last, the less sensor noise
    is needed to hide a direction. Derivatives are counted in units of `1 / sqrt(a b)` over the factorial, states and
    channels in those of `scale`.

    **Arguments:**

    - `parameters`: of one column.
    - `p`: its input, constant and known, 1/s.
    - `states`: where the map is looked at, mV and mV/s.
    - `observed`: some of `CHANNELS`.
    - `scale`: what is a large change of each state, such as their standard deviations, mV and mV/s.
    - `derivatives`: up to which.

    **Raises:** `ValueError` for channels that do not exist, or numbers out of range.
    """
    channels = _channels(observed)
    check_count(0, derivatives=derivatives)
    check_positive(scale=scale)
    return _lie_singular_values(parameters, as_float(p), as_float(states), channels, as_float(scale), derivatives)


def gramian(
    parameters: JansenRitParameters,
    ys: Float[Array, "*batch time 6"],
    observed: Sequence[str],
    *,
    noise_std: Float[Array, "7"] | float,
    dt: float,
) -> Float[Array, "*batch 6 6"]:
    """What a recording tells of the states at its first sample: the Fisher information, in mV and mV/s.

    The input may be anything, but is known; with one that is not, `kalman_smoother` tells what is possible.

    **Arguments:**

    - `parameters`: of one column.
    - `ys`: its states at each sample.
    - `observed`: some of `CHANNELS`.
    - `noise_std`: of the sensors, mV and mV/s, one for all or one for each of `CHANNELS`.
    - `dt`: seconds between samples.

    **Raises:** `ValueError` for channels that do not exist, or numbers that are not positive.
    """
    channels = _channels(observed)
    check_positive(noise_std=noise_std, dt=dt)
    noise = jnp.broadcast_to(as_float(noise_std), (len(CHANNELS),))
    ys = as_float(ys)
    found = _gramians(parameters, ys.reshape(-1, *ys.shape[-2:]), channels, noise, dt)
    return found.reshape(*ys.shape[:-2], 6, 6)


def cramer_rao(information: Float[Array | np.ndarray, "*batch n n"]) -> Float[Array, "*batch n"]:
    """The least standard deviation of any unbiased estimate, from Fisher information; infinite for what it lacks.

    The information is scaled to a unit diagonal first, so that states in different units can be told apart.
    """
    values = np.asarray(information, float)
    size = np.sqrt(np.einsum("...ii->...i", values))
    safe = np.where(size > 0, size, 1)
    shares, directions = np.linalg.eigh(values / safe[..., None] / safe[..., None, :])
    known = shares > values.shape[-1] * np.finfo(np.asarray(information).dtype).eps
    variance = np.sum(directions**2 / np.where(known, shares, np.inf)[..., None, :], axis=-1)
    lacking = np.any((directions**2 > 1e-6) & ~known[..., None, :], axis=-1) | (size == 0)
    return as_float(np.where(lacking, np.inf, np.sqrt(variance) / safe))


def _channels(observed: Sequence[str]) -> tuple[int, ...]:
    for name in observed:
        check_choice(CHANNELS, observed=name)
    check_count(1, **{"len(observed)": len(observed)})
    return tuple(CHANNELS.index(name) for name in observed)


@eqx.filter_jit
def _lie_singular_values(
    parameters: JansenRitParameters,
    p: Float[Array, ""],
    states: Float[Array, "*batch 6"],
    channels: tuple[int, ...],
    scale: Float[Array, "6"],
    derivatives: int,
) -> Float[Array, "*batch 6"]:
    wide = _with_eeg(scale, jnp.hypot)
    time = (parameters.a * parameters.b) ** -0.5

    def field(x):
        return jansen_rit_vector_field(0.0, x * scale, (parameters, p)) / scale * time

    def recorded(x):
        return (_with_eeg(x * scale, jnp.subtract) / wide)[jnp.asarray(channels)]

    def stacked(x):
        functions = [recorded]
        for order in range(1, derivatives + 1):
            functions.append(lambda x, before=functions[-1], order=order: jax.jvp(before, (x,), (field(x),))[1] / order)
        return jnp.concatenate([function(x) for function in functions])

    found = jax.vmap(lambda x: jnp.linalg.svd(jax.jacfwd(stacked)(x), compute_uv=False))
    flat = found(states.reshape(-1, 6) / scale[None])
    return jnp.pad(flat, ((0, 0), (0, 6 - flat.shape[-1]))).reshape(*states.shape[:-1], 6)


@eqx.filter_jit
def _gramians(
    parameters: JansenRitParameters,
    ys: Float[Array, "trajectory time 6"],
    channels: tuple[int, ...],
    noise: Float[Array, "7"],
    dt: float,
) -> Float[Array, "trajectory 6 6"]:
    chosen = jnp.asarray(channels)
    own = units(parameters)
    shown = jax.vmap(lambda y: _with_eeg(y, jnp.subtract))(jnp.diag(own)).T[chosen] / noise[chosen][:, None]

    def of(ys):
        def step(carry, pair):
            carried, found = carry
            row = shown @ carried
            found = found + row.T @ row
            return (propagator(parameters, pair[0], pair[1], dt) @ carried, found), None

        start = jnp.eye(6, dtype=ys.dtype), jnp.zeros((6, 6), ys.dtype)
        (carried, found), _ = jax.lax.scan(step, start, (ys[:-1], ys[1:]))
        row = shown @ carried
        return (found + row.T @ row) / own[:, None] / own[None]

    return jax.vmap(of)(ys)


def _with_eeg(states: Float[Array, "6"], combine: Callable[[Array, Array], Array]) -> Float[Array, "7"]:
    return jnp.append(states, combine(states[1], states[2]))
