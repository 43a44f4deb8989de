"""Work that threads do side by side, one for each core."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import jax

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def cores() -> int:
    """How many cores this process may use; not known on macOS, where it may use all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(work: Callable[[_Item], _Result], items: Sequence[_Item], threads: int) -> list[_Result]:
    """`work` of each item, in order, with the settings of JAX that the caller has."""
    threads = min(threads, len(items))
    if threads <= 1:
        return [work(item) for item in items]
    x64, nans, device = (getattr(jax.config, f"jax_{name}") for name in ("enable_x64", "debug_nans", "default_device"))

    def with_settings(item):
        # What `with` has set is so for one thread alone.
        with jax.enable_x64(x64), jax.debug_nans(nans), jax.default_device(device):
            return work(item)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(with_settings, items))
