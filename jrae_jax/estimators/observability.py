"""What a recording says of the states while the input is known: ranks and Gramians.

The local view is that of Hermann and Krener (1977), doi 10.1109/TAC.1977.1101601: derivatives of the recording as
functions of the states, of which they are Lie derivatives. The view along a trajectory is the observability Gramian,
which is the Fisher information of the states at its start in Gaussian sensor noise.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from .._checks import as_float, check_count, check_positive, check_type
from ..column.column import Column, check_constant, check_single
from ..column.equations import jansen_rit_vector_field
from ..column.parameters import JansenRitParameters
from ..column.states import CHANNELS, STATES, States, to_channels
from ..column.trajectories import Trajectories
from ..dynamics.lyapunov import propagator, units
from ..recording.mask import Observed, as_mask
from ..recording.observe import sampling_interval


def lie_singular_values(
    column: Column, states: ArrayLike, *, observed: Observed, scale: ArrayLike, derivatives: int = 5
) -> Float[Array, "*batch 6"]:
    """Singular values of the map from states to a recording and its first derivatives, the largest first.

    Six that are not zero: near these states, no two columns record alike. The smaller the last, the less sensor noise
    is needed to hide a direction. Derivatives are counted in units of `1 / sqrt(a b)` over the factorial, states and
    channels in those of `scale`.

    **Arguments:**

    - `column`: one column with a `ConstantInput`, which is known.
    - `states`: where the map is linearised, mV and mV/s, shape `(*batch, 6)`.
    - `observed`: which channels are observed.
    - `scale`: what is a large change of each state, such as their standard deviations, mV and mV/s; six numbers, or one
        for all.
    - `derivatives`: the highest.

    **Raises:** `ValueError` for channels that do not exist, an input that is not constant, or numbers out of range.
    """
    check_single("column", column, "one call for each column")
    check_constant("column", column)
    check_count(0, derivatives=derivatives)
    check_positive(scale=scale)
    if np.shape(scale) not in ((), (len(STATES),)):
        raise ValueError(f"`scale` must be one number or {len(STATES)}, one a state, got shape {np.shape(scale)}")
    states = as_float(states, "states")
    if states.shape[-1:] != (len(STATES),):
        raise ValueError(f"`states` must end in an axis of the {len(STATES)} states, got shape {states.shape}")
    mask = jnp.asarray(as_mask(observed).channels)
    each = jnp.broadcast_to(as_float(scale, "scale"), (len(STATES),))
    return _lie_singular_values(column, states, mask, each, int(derivatives))


def observability_gramian(
    column: Column, trajectories: Trajectories, *, observed: Observed, noise_std: ArrayLike
) -> Float[Array, "*batch 6 6"]:
    """What a recording says of the states at its first sample: the Fisher information, in mV and mV/s.

    The input may be anything, but is known; with one that is not, `posterior_cramer_rao` says what is possible.

    **Arguments:**

    - `column`: one column.
    - `trajectories`: its states, evenly sampled.
    - `observed`: which channels are observed.
    - `noise_std`: of the sensors, mV and mV/s, one for all or one for each of `CHANNELS`.

    **Raises:** `ValueError` for channels that do not exist, or numbers that are not positive.
    """
    check_single("column", column, "one call for each column")
    check_type(Trajectories, trajectories=trajectories)
    check_positive(noise_std=noise_std)
    if np.shape(noise_std) not in ((), (len(CHANNELS),)):
        raise ValueError(
            f"`noise_std` must be one number or {len(CHANNELS)}, one a channel, got shape {np.shape(noise_std)}"
        )
    dt, mask = sampling_interval(trajectories), jnp.asarray(as_mask(observed).channels)
    noise, ys = jnp.broadcast_to(as_float(noise_std), (len(CHANNELS),)), as_float(trajectories.ys)
    found = _gramians(column.parameters, ys.reshape(-1, *ys.shape[-2:]), mask, noise, dt)
    return found.reshape(*ys.shape[:-2], len(STATES), len(STATES))


@eqx.filter_jit
def _lie_singular_values(
    column: Column,
    states: Float[Array, "*batch 6"],
    mask: Bool[Array, "7"],
    scale: Float[Array, "6"],
    derivatives: int,
) -> Float[Array, "*batch 6"]:
    parameters, p = column.parameters, column.input.rate(jnp.zeros(()))
    each = States.unstack_last(scale)
    channel_scale = jnp.append(scale, jnp.hypot(each.y1, each.y2))
    time = (parameters.a * parameters.b) ** -0.5

    def field(x):
        return jansen_rit_vector_field(0.0, x * scale, (parameters, p)) / scale * time

    def recorded(x):
        return jnp.where(mask, to_channels(x * scale) / channel_scale, 0)

    def with_derivatives(x):
        functions = [recorded]
        for order in range(1, derivatives + 1):
            functions.append(lambda x, before=functions[-1], order=order: jax.jvp(before, (x,), (field(x),))[1] / order)
        return jnp.concatenate([function(x) for function in functions])

    singular_values = jax.vmap(lambda x: jnp.linalg.svd(jax.jacfwd(with_derivatives)(x), compute_uv=False))
    return singular_values(states.reshape(-1, len(STATES)) / scale[None]).reshape(states.shape)


@eqx.filter_jit
def _gramians(
    parameters: JansenRitParameters,
    ys: Float[Array, "trajectory time 6"],
    mask: Bool[Array, "7"],
    noise: Float[Array, "7"],
    dt: float,
) -> Float[Array, "trajectory 6 6"]:
    own = units(parameters)
    sensors = jnp.where(mask[:, None], to_channels(jnp.diag(own)).T / noise[:, None], 0)

    def along(ys):
        def step(carry, now):
            (carried, information), (before, after) = carry, now
            rows = sensors @ carried
            return (propagator(parameters, before, after, dt) @ carried, information + rows.T @ rows), None

        start = jnp.eye(len(STATES), dtype=ys.dtype), jnp.zeros((len(STATES), len(STATES)), ys.dtype)
        (carried, information), _ = jax.lax.scan(step, start, (ys[:-1], ys[1:]))
        rows = sensors @ carried
        return (information + rows.T @ rows) / own[:, None] / own[None]

    return jax.vmap(along)(ys)
