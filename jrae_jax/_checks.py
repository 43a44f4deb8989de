"""Checks of arguments on entry, the type of the `progress` argument, and when records print their numbers.

Every message is one line that names the argument as the user wrote it, what was expected and what came.
"""

import functools
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

Record = TypeVar("Record", bound=eqx.Module)

Progress = Callable[[float, float, str], None]
"""Called with how much is done, how much there is to do in the same unit, and a message."""


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def nan_is_an_answer(verb: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """A verb in whose results NaN stands for what there is none of, so that `jax_debug_nans` is not to stop at it."""

    @functools.wraps(verb)
    def without_debugging(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with jax.debug_nans(False):
            return verb(*args, **kwargs)

    return without_debugging


# Of what lies between a user and a warning: Equinox wraps methods, and so does a checker of types where there is one.
_BETWEEN = {"jrae_jax", "equinox", "jax", "jaxtyping", "beartype", "contextlib", ""}


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn, and point at who called the package."""
    level, frame = 1, sys._getframe()
    while frame.f_back and str(frame.f_globals.get("__name__") or "").partition(".")[0] in _BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def as_float(value: Any, name: str | None = None) -> jax.Array:
    """`value` as an array of the default float type: float32, or float64 where x64 is enabled.

    **Raises:** `ValueError`, for the argument of this name, for what is no number and no array of numbers.
    """
    dtype = jnp.result_type(float)
    # Converted by NumPy: JAX would compile a program for each shape.
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in "biuf":
        with np.errstate(over="ignore"):
            return jax.device_put(value.astype(dtype))  # a copy, which no change of `value` reaches
    try:
        return jnp.asarray(value, dtype=dtype)
    except (OverflowError, TypeError, ValueError) as error:
        what = "a quantity" if name is None else f"`{name}`"
        raise ValueError(f"{what} must be a number or an array of numbers, got {_short(value)}") from error


def as_array(value: Any, name: str) -> Any:
    """An array of numbers as it is, of NumPy or JAX; anything else as `as_float`."""
    known = isinstance(value, jax.Array) or (isinstance(value, np.ndarray) and value.dtype.kind in "biuf")
    return value if known else as_float(value, name)


def as_quantity(value: Any) -> Any:
    """The same as the converter of a field; what is no number stays what it is, for the check of the record to name."""
    try:
        return as_float(value)
    except ValueError:
        return value


def as_number(name: str, value: Any) -> float:
    """A named argument that a compiled program is made for, as a Python number.

    **Raises:** `ValueError` for a traced value, an array, or what is no number.
    """
    _check_static(name, value)
    try:
        if isinstance(value, str | bytes | None) or np.ndim(value):
            raise ValueError
        return float(value)
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"`{name}` must be a number, got {_short(value)}") from error


def as_positive(name: str, value: Any) -> float:
    """The same of a number that is finite and greater than zero."""
    number = as_number(name, value)
    check_positive(**{name: number})
    return number


def _check_static(name: str, value: Any) -> None:
    if not is_concrete(value):
        raise ValueError(
            f"`{name}` must be known before tracing, as it decides on the program, got a traced value: make it "
            "a static argument of jax.jit"
        )


def _short(value: Any) -> str:
    return f"{' '.join(repr(value).split()):.60}"


def is_concrete(value: Any) -> bool:
    """Whether the numbers in `value` are known now, outside any JAX transformation."""
    if isinstance(value, list | tuple):
        return all(map(is_concrete, value))
    return not isinstance(value, Tracer)


def of_numbers(describe: Callable[[Record], str]) -> Callable[[Record], str]:
    """A `__repr__` that describes a record of numbers; one of something else, such as tracers or axes, is a tree."""

    @functools.wraps(describe)
    def described_or_tree(record: Record) -> str:
        leaves = jax.tree.leaves(record)
        known = all(map(is_concrete, leaves)) and any(
            isinstance(leaf, jax.Array | np.ndarray | float) for leaf in leaves
        )
        return describe(record) if known else eqx.tree_pformat(record)

    return described_or_tree


def is_whole(value: float) -> bool:
    """Whether `value` is a whole number, apart from rounding."""
    return abs(value - round(value)) <= 1e-6 * max(abs(value), 1)


def check_finite(**arguments: Any) -> None:
    """Raise if a named argument holds NaN or an infinity."""
    _check_each("finite", np.isfinite, arguments)


def check_positive(**arguments: Any) -> None:
    """Raise if a named argument is not finite and greater than zero."""
    _check_each("positive", lambda values: np.isfinite(values) & (values > 0), arguments)


def check_not_negative(**arguments: Any) -> None:
    """Raise if a named argument is not finite, or below zero."""
    _check_each("finite and not negative", lambda values: np.isfinite(values) & (values >= 0), arguments)


def _check_each(expected: str, holds: Callable[[np.ndarray], np.ndarray], arguments: dict[str, Any]) -> None:
    for name, value in arguments.items():
        if is_concrete(value):
            values = as_numbers(name, value)
            wrong = values[~holds(values)]
            if wrong.size:
                where = f" in an array of shape {values.shape}" if values.ndim else ""
                raise ValueError(f"`{name}` must be {expected}, got {wrong.flat[0].item()}{where}")


def as_numbers(name: str, value: Any) -> np.ndarray:
    """A named argument as an array of numbers.

    **Raises:** `ValueError` for text, records, lists of different lengths, or a traced value.
    """
    if not is_concrete(value):
        raise ValueError(f"`{name}` must be known before tracing, got a traced value: call this outside jax.jit")
    try:
        values = np.asarray(value)
    except (TypeError, ValueError):  # keys; lists of different lengths, or of traced values
        values = np.asarray(None)
    if values.dtype.kind in "OSUcmM":
        raise ValueError(f"`{name}` must be a number or an array of numbers, got {_short(value)}")
    return values


def check_count(minimum: int, **arguments: Any) -> None:
    """Raise if a named argument is not a whole number of at least `minimum`."""
    for name, value in arguments.items():
        _check_static(name, value)
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < minimum:
            raise ValueError(f"`{name}` must be a whole number of at least {minimum}, got {_short(value)}")


def check_memory(what: str, size: int | np.integer, **arguments: Any) -> None:
    """Raise if what a named argument asks for does not fit into main memory.

    **Arguments:**

    - `what`: what it asks for, a plural.
    - `size`: the bytes that this takes.
    """
    if size <= _ALWAYS_FREE:
        return
    free = free_memory()
    for name, value in arguments.items():
        if free is not None and size > free:
            raise ValueError(
                f"`{name}` must be such that {what} fit into memory, got {_short(value)}: they take "
                f"{min(size, 10**300) / 1e9:.3g} GB, and there are {free / 1e9:.3g} GB"
            )


_ALWAYS_FREE = 1 << 26  # bytes, for which it is not worth asking how much memory there is


def free_memory() -> int | None:
    """Bytes of main memory that can be had, where the system says so."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def check_flag(**arguments: Any) -> None:
    """Raise if a named argument is neither true nor false."""
    for name, value in arguments.items():
        _check_static(name, value)
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"`{name}` must be True or False, got {_short(value)}")


def check_order(low: Any, high: Any) -> None:
    """Raise unless `low` is a number below the number `high`."""
    if not as_number("low", low) < as_number("high", high):
        raise ValueError(f"`low` must be below `high`, got {low} and {high}")


def check_choice(choices: tuple[str, ...], **arguments: Any) -> None:
    """Raise if a named argument is not one of `choices`."""
    for name, value in arguments.items():
        if not (isinstance(value, str) and value in choices):
            raise ValueError(f"`{name}` must be one of {', '.join(map(repr, choices))}, got {_short(value)}")


def check_names(known: Iterable[str], **arguments: Any) -> None:
    """Raise if a named argument is no list of names that are among `known`, each once."""
    known = tuple(known)
    for argument, names in arguments.items():
        if isinstance(names, str):
            raise ValueError(f"`{argument}` must be a list of names, got {names!r}: [{names!r}]")
        each = tuple(names) if isinstance(names, Iterable) else (names,)
        if not all(isinstance(name, str) for name in each):
            raise ValueError(f"`{argument}` must be a list of names, got {_short(names)}")
        for name in each:
            if name not in known:
                raise ValueError(f"`{argument}` must name some of {', '.join(known)}; got {name}")
            if each.count(name) > 1:
                raise ValueError(f"`{argument}` must name each quantity once, got {name} {each.count(name)} times")


def check_progress(progress: Any) -> None:
    """Raise if `progress` is given and cannot be called."""
    if not (progress is None or callable(progress)):
        raise ValueError(f"`progress` must be a function of done, total and message, got {_short(progress)}")


def check_key(**arguments: Any) -> None:
    """Raise if a named argument is not one typed key of `jax.random`."""
    for name, value in arguments.items():
        typed = isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
        if not typed or value.shape != ():
            what = f"{value.shape} keys" if typed else _short(value)
            raise ValueError(f"`{name}` must be one key of jax.random.key, as in jax.random.key(0), got {what:.60}")


def check_keys(count: int, **arguments: Any) -> None:
    """Raise if a named argument is not so many typed keys of `jax.random`."""
    for name, value in arguments.items():
        typed = isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
        if not typed or value.shape != (count,):
            what = f"an array of shape {value.shape}" if typed else _short(value)
            raise ValueError(f"`{name}` must be {count} keys, as jax.random.split(key, {count}) gives, got {what:.60}")


def check_type(expected: type, **arguments: Any) -> None:
    """Raise if a named argument is not an instance of `expected`."""
    for name, value in arguments.items():
        if not isinstance(value, expected):
            raise ValueError(f"`{name}` must be an instance of {expected.__name__}, got {_short(value)}")
