"""A loop of elementwise operations as one function of machine code, and stages within it.

On a CPU, XLA runs a program operation by operation, each over whole arrays; only a loop that touches less than a
kilobyte it compiles into one function. An attribute says the same of a call: the loop within may then be of any size,
and the columns of a tile stay in the nearest cache from the first step to the last.

Within such a function XLA computes a value anew wherever it is used; `stage` says what is to be stored instead
(`lax.optimization_barrier` does not do that on a CPU). What a stage computes it computes in one pass.

No matrix products: they cannot be in such a function.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

Stage = Callable[[Callable[..., Any]], Callable[..., Any]]
"""How the parts of a step are put together: by `stage` in one function, by `together` anywhere else."""

WIDEST_VECTORS = {"xla_cpu_prefer_vector_width": 512}
"""Options of the compiler for a CPU: it takes vectors of 256 bits if there are longer ones, as mixed code may become
slower by them; this is not mixed. They can be given to an outermost `jax.jit` only."""


def one_function(function: Callable[..., Any], **elsewhere: Callable[..., Any]) -> Callable[..., Any]:
    """`function(stage, *arguments)` as a function of the arguments: compiled into one of machine code on a CPU, and
    together with everything around it anywhere else, but for platforms of JAX with a function of their own."""

    def call(*arguments):
        cpu = _called(partial(function, stage), inlineable="false", xla_cpu_small_call="true")
        return lax.platform_dependent(*arguments, cpu=cpu, default=partial(function, together), **elsewhere)

    return call


def stage(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose results are stored once and not computed anew where they are used."""
    return _called(function, inlineable="false")


def together(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it is: no stage."""
    return function


def _called(function: Callable[..., Any], **attributes: str) -> Callable[..., Any]:
    def inner(*arguments):
        with set_xla_metadata(**dict.fromkeys(attributes)):  # what is called within has none of them
            return function(*arguments)

    def call(*arguments):
        with set_xla_metadata(**attributes):
            return jax.jit(inner)(*arguments)

    return call
