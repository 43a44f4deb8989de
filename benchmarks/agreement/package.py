"""Another package that has the Jansen-Rit column: what is known of it, and how it is called."""

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

Quantities = Mapping[str, Any]
"""Parameters by our names and p, in seconds and mV: numbers, or arrays of shape `(columns,)`."""


class Package(NamedTuple):
    """Another package, behind functions that take and give our names, units and order of states."""

    name: str
    """What it is called."""
    distribution: str
    """What pip calls it."""
    preset: str
    """The preset of `JansenRitParameters` that its own default parameters are."""
    defaults: Callable[[], dict[str, float]]
    """Its default parameters, by our names, in seconds and mV."""
    derivatives: Callable[[Quantities, np.ndarray], np.ndarray]
    """dy/dt of columns, from states of shape `(columns, 6)`."""
    trajectory: Callable[[Quantities, float, int], np.ndarray]
    """What it shows of one column after each step: from zero, by its own integrator; `dt` in seconds, steps."""
    scheme: Literal["Heun", "Strang splitting"]
    """Of that integrator."""
    shows: tuple[str, ...]
    """What the last axis of a trajectory is: some of `CHANNELS`, all in mV."""
    conventions: tuple[str, ...]
    """Every difference of convention, a sentence each."""
    fixed: tuple[str, ...] = ()
    """Parameters that it has built in."""
    moved: Mapping[str, float] = MappingProxyType({})
    """Where the standard column does not suit a comparison step by step: what is changed."""


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Another package at work: double precision, JAX as lenient as by default, nothing printed.

    Afterwards settings of JAX, environment variables, search path and log are as before, whatever the package did.
    """
    settings, variables, path = dict(jax.config.values), dict(os.environ), list(sys.path)
    log = logging.getLogger()
    handlers, level = list(log.handlers), log.level
    try:
        with (
            jax.enable_x64(True),
            jax.numpy_rank_promotion("allow"),
            jax.numpy_dtype_promotion("standard"),
            np.errstate(all="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
            warnings.catch_warnings(action="ignore"),
        ):
            yield
    finally:
        for name, value in dict(jax.config.values).items():
            if name in settings and settings[name] != value:
                jax.config.update(name, settings[name])
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)
        sys.path[:] = path
        log.handlers[:] = handlers
        log.setLevel(level)
