"""What rivals that simulate many noisy columns have to do, and what they share; nothing to run here.

The work: columns that differ in C are driven by the mean rate `P` and by white noise of strength `SIGMA` on y4, start
from zero, and take steps of `DT`. `summaries` gives the mean, standard deviation, minimum and maximum of y1 - y2 over
all steps, and whether a column failed, in an array of shape (columns, 5); `trajectories` gives all six states of all
columns after every step, in one array or six, with axes in the order and time in the unit that the rival prefers.

As a check, at C = 135 y1 - y2 has a mean of 7.56 mV and a standard deviation of 2.16 mV once the start is forgotten.
Heun's method at `DT` gives both; Euler and Maruyama's gives 7.33 mV and 2.86 mV.
"""

import contextlib
import importlib
import importlib.metadata
import io
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..rivals import Column

LOW_C, HIGH_C = 100.0, 170.0
P, SIGMA, DT = 220.0, 2000.0, 1e-3  # 1/s, mV s^-3/2, s
HELD = SIGMA / (Column().A * Column().a * math.sqrt(DT))  # 1/s; as strong a noise, for a rate that is held over a step
SEED = 1
Y4 = 4  # where the noise enters
MS = 1e-3  # s; vbjax, tvboptim and TVB count in milliseconds
IN_MS = {"a": 100 * MS, "b": 50 * MS, "nu_max": 2.5 * MS, "v0": 6.0, "mu": P * MS}  # their names
SIGMA_IN_MS = SIGMA * MS**1.5


@dataclass(frozen=True)
class ScanRival:
    """One way to do the work, of a size at which it is fast, and slow rivals take a second or so."""

    labels: dict[str, Any]
    """What distinguishes it from the others, as in the results."""
    columns: int
    steps: int
    summaries: Callable[[], Any] | None
    """Does all of the work once; `None` where the rival does not offer it."""
    trajectories: Callable[[], Any] | None
    compiled: bool
    """Whether the first call traces and compiles."""


def strengths(columns: int) -> Any:
    """C of each column."""
    return np.linspace(LOW_C, HIGH_C, columns, dtype=np.float32)


def summaries_of(v: Any, xp: Any = jnp) -> Any:
    """Of a stored y1 - y2, time first."""
    return xp.stack([v.mean(0), v.std(0), v.min(0), v.max(0), ~xp.isfinite(v).all(0)], -1)


def no_sums(C: Any) -> Any:
    """Sums over no steps, to be carried through a loop."""
    return jnp.zeros_like(C), jnp.zeros_like(C), jnp.full_like(C, jnp.inf), jnp.full_like(C, -jnp.inf)


def more_sums(sums: Any, v: Any) -> Any:
    """Sums with one more step."""
    total, squares, low, high = sums
    return total + v, squares + v * v, jnp.minimum(low, v), jnp.maximum(high, v)


def summaries_of_sums(sums: Any, steps: int) -> Any:
    """The same as of a stored y1 - y2."""
    total, squares, low, high = sums
    mean = total / steps
    return jnp.stack([mean, jnp.sqrt(squares / steps - mean**2), low, high, ~jnp.isfinite(squares)], -1)


def on_all_devices(work: Callable[[Any, Any], Any], columns: int, axis: int = 0) -> Callable[[], Any]:
    """Compile `work(C, key)`, the columns along `axis` of what it gives, and share the columns among the devices."""
    devices = jax.devices()
    keys = jax.random.split(jax.random.key(SEED), len(devices))
    if len(devices) == 1:
        alone, C = jax.jit(work), jnp.asarray(strengths(columns))
        return lambda: alone(C, keys[0])
    mesh, shares = Mesh(np.array(devices), ("columns",)), PartitionSpec("columns")
    given = PartitionSpec(*[None] * axis, "columns")

    @jax.jit
    @partial(jax.shard_map, mesh=mesh, in_specs=shares, out_specs=given, check_vma=False)
    def shared(C, keys):
        return work(C, keys[0])

    C, keys = jax.device_put((strengths(columns), keys), NamedSharding(mesh, shares))
    return lambda: shared(C, keys)


@cache
def imported(name: str) -> Any:
    """A package with none of its changes to the settings of JAX; `None`, and a line, where it is not installed."""
    x64, flags = jax.config.jax_enable_x64, os.environ.get("XLA_FLAGS")  # pyright: ignore[reportAttributeAccessIssue]
    os.environ["XLA_FLAGS"] = flags or ""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            return importlib.import_module(name)
    except ImportError:
        print(f"{name.partition('.')[0]} is not installed: going on without it")
        return None
    finally:
        jax.config.update("jax_enable_x64", x64)
        if flags is None:
            del os.environ["XLA_FLAGS"]


def labels(package: str, scheme: str, route: str, dtype: str = "float32") -> dict[str, Any]:
    """What a rival is called in the results."""
    version = importlib.metadata.version(package)
    return {"package": package, "version": version, "scheme": scheme, "route": route, "dtype": dtype}
