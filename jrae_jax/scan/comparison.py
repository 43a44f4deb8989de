"""Settings that are written down, so that they can be compared when work is resumed."""

import dataclasses
import hashlib
import json
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

_MOST_NAMED = 5  # settings that differ, in an error


def comparable(value: Any) -> Any:
    """A setting in a form that JSON can hold: a record as a dictionary, an array as its first and last value and a
    digest of all, a function by its name."""
    match value:
        case eqx.Module():
            fields = {field.name: comparable(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return {"type": type(value).__name__, **fields}
        case jax.Array() if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            return [str(jax.random.key_impl(value)), comparable(jax.random.key_data(value))]
        case jax.Array() | np.ndarray():
            array = np.asarray(value)
            if not array.ndim:
                return array.item()
            digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]
            return f"{array.flat[0]:.6g} to {array.flat[-1]:.6g}, {array.size} values, sha256 {digest}"
        case tuple() | list():
            return [comparable(item) for item in value]
        case dict():
            return {str(name): comparable(item) for name, item in value.items()}
        case int() | float() | str() | None:
            return value
    if callable(value) and hasattr(value, "__qualname__"):  # whose repr would say where it lies in memory
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


def digest(value: Any) -> str:
    """A setting that is too long to be written down: the same for the same, in twelve characters."""
    return hashlib.sha256(json.dumps(comparable(value)).encode()).hexdigest()[:12]


def differences(made: Any, wanted: dict[str, Any]) -> str:
    """What differs between settings on disk and those of now, as one line; empty if nothing does."""
    if not isinstance(made, dict):
        return f"the settings were {made}"
    made, wanted = _flat(made), _flat(json.loads(json.dumps(wanted)))
    differ = [name for name in {**made, **wanted} if made.get(name) != wanted.get(name)]
    changes = "; ".join(f"{name} was {made.get(name)}, now {wanted.get(name)}" for name in differ[:_MOST_NAMED])
    return changes + (f"; and {len(differ) - _MOST_NAMED} more" if len(differ) > _MOST_NAMED else "")


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
