"""Checks at the door: one line that names the argument, what was expected and what came."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def as_float(value: Any) -> jax.Array:
    """`value` as an array of the default float type: float32, or float64 where x64 is enabled."""
    return jnp.asarray(value, dtype=jnp.result_type(float))


def is_concrete(value: Any) -> bool:
    """Whether the numbers in `value` can be looked at now, outside any JAX transformation."""
    return not isinstance(value, Tracer)


def check_finite(**arguments: Any) -> None:
    """Raise if a named argument holds NaN or an infinity."""
    for name, value in arguments.items():
        if is_concrete(value) and not np.all(np.isfinite(np.asarray(value))):
            raise ValueError(f"`{name}` must be finite, got {_shown(value)}")


def check_positive(**arguments: Any) -> None:
    """Raise if a named argument is not finite and greater than zero."""
    for name, value in arguments.items():
        if is_concrete(value):
            numbers = np.asarray(value)
            if not (np.all(np.isfinite(numbers)) and np.all(numbers > 0)):
                raise ValueError(f"`{name}` must be positive, got {_shown(value)}")


def check_count(minimum: int, **arguments: Any) -> None:
    """Raise if a named argument is not a whole number of at least `minimum`."""
    for name, value in arguments.items():
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < minimum:
            raise ValueError(f"`{name}` must be a whole number of at least {minimum}, got {value!r}")


def check_choice(choices: tuple[str, ...], **arguments: Any) -> None:
    """Raise if a named argument is not one of `choices`."""
    for name, value in arguments.items():
        if value not in choices:
            raise ValueError(f"`{name}` must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_type(expected: type, **arguments: Any) -> None:
    """Raise if a named argument is not an instance of `expected`."""
    for name, value in arguments.items():
        if not isinstance(value, expected):
            came = " ".join(repr(value).split())
            raise ValueError(f"`{name}` must be an instance of {expected.__name__}, got {came:.60}")


def _shown(value: Any) -> str:
    numbers = np.asarray(value)
    return f"{numbers.item()!r}" if numbers.ndim == 0 else f"an array of shape {numbers.shape} with {numbers.min()}"
