"""Checks that `simulate` and `parameter_scan` have in common."""

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from .._checks import check_finite, check_positive
from .inputs import AbstractExternalInput

_MOST_STEPS = 2**23  # beyond it a float32 no longer tells the middle of a step from its ends


def count_steps(t0: float, t1: float, dt: float, burn_in: float) -> int:
    """How many steps there are from `t0` to `t1`, if they are a whole number and fit one call."""
    check_finite(t0=t0, t1=t1)
    check_positive(dt=dt, **{"t1 - t0": t1 - t0})
    steps = round((t1 - t0) / dt)
    if abs(steps * dt - (t1 - t0)) > 1e-6 * dt * max(steps, 1):
        raise ValueError(f"`t1 - t0` must be a whole number of steps of `dt` = {dt} s, got {t1 - t0} s")
    if steps > _MOST_STEPS:
        raise ValueError(
            f"`dt` = {dt} s makes {steps} steps, at most {_MOST_STEPS} fit one call: go on with `t0` and `y0`"
        )
    if not 0 <= burn_in < t1 - t0:
        raise ValueError(f"`burn_in` must be from 0 to less than the {t1 - t0} s simulated, got {burn_in} s")
    return steps


def steps_per_hold(input: AbstractExternalInput, dt: float) -> int:
    """How many fixed steps a random value is held for; 1 if none is."""
    ratio = (input.hold or dt) / dt
    if round(ratio) < 1 or not is_whole(ratio):
        raise ValueError(f"`dt` must divide the input's `hold` = {input.hold} s, got {dt} s")
    return round(ratio)


def checked_key(input: AbstractExternalInput, key: PRNGKeyArray | None) -> PRNGKeyArray:
    """`key`, if it is one key, which a random input needs."""
    if key is None or (jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim):
        raise ValueError(f"`key` must be one PRNG key for a {type(input).__name__}, got {key}")
    return key


def is_whole(value: float) -> bool:
    """Whether `value` is a whole number but for rounding."""
    return abs(value - round(value)) <= 1e-6 * max(abs(value), 1)
