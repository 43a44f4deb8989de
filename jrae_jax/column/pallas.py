"""A loop over time as a Pallas kernel for GPUs: blocks of columns side by side, what they carry in registers.

As an ordinary program every operation of a step would be read from and written to the memory of the GPU.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from .one_function import Stage, together

COLUMNS_PER_BLOCK = 128
"""One for each thread of four warps, so that what a column carries stays with its thread."""

_Carry = TypeVar("_Carry")


def has_blocks(tile: tuple[int, ...]) -> bool:
    """Whether there is a GPU, and columns in whole blocks for it; tracing for one where none is takes time."""
    return jax.default_backend() == "gpu" and len(tile) == 1 and tile[0] % COLUMNS_PER_BLOCK == 0


def in_blocks(
    step: Callable[[Stage, Any, _Carry, Int[Array, ""]], _Carry],
    sampled: Callable[[Stage, Any, _Carry], list[Array]],
    model: Any,
    carry: _Carry,
    first_step: Int[Array, ""],
    kept: Float[Array, "time channels tile"],
    *,
    steps: int,
    every: int,
    stage: Stage = together,
    interpret: bool = False,
) -> tuple[_Carry, Float[Array, "time channels tile"]]:
    """What is carried after these steps, and every n-th sample.

    **Arguments:**

    - `step(stage, model, carry, number)`, `sampled(stage, model, carry)`: one step on, and the channels of the sample
        after it, by elementwise operations.
    - `model`, `carry`: PyTrees of arrays of shape `(tile,)`, of which the model's may also be scalars; `tile` is a
        multiple of `COLUMNS_PER_BLOCK`.
    - `kept`: of the shape of the samples; they are not put into it. What is after the last n-th sample is undefined.
    - `stage`, `interpret`: for a test without a GPU, by XLA; without the stages of a CPU it would round elsewhere.
    """
    from jax.experimental import pallas as pl  # a tenth of a second that only a GPU needs
    from jax.experimental.pallas import triton

    # A kernel may not close over arrays: they are its inputs, block by block.
    given = jax.tree.map(jnp.atleast_1d, (model, carry, first_step))
    wanted = carry, [kept] if kept.shape[1] else []

    def program(model, carry, first_step, after, samples):
        model, carry, first_step = jax.tree.map(
            lambda ref: ref[0] if ref.shape == (1,) else ref[...], (model, carry, first_step)
        )

        def store(row, carry):
            for channel, value in enumerate(sampled(stage, model, carry)):
                samples[0][row, channel] = value

        carry = _loop(partial(step, stage, model), store, carry, first_step, steps, every)
        for ref, value in zip(jax.tree.leaves(after), jax.tree.leaves(carry), strict=True):
            ref[...] = value

    def block(array):
        if array.size == 1:
            return pl.BlockSpec((1,), lambda i: (0,))
        return pl.BlockSpec((*array.shape[:-1], COLUMNS_PER_BLOCK), lambda i: (*[0] * (array.ndim - 1), i))

    carry, samples = pl.pallas_call(
        program,
        grid=(kept.shape[-1] // COLUMNS_PER_BLOCK,),
        in_specs=jax.tree.map(block, given),
        out_specs=jax.tree.map(block, wanted),
        out_shape=jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), wanted),
        compiler_params=triton.CompilerParams(num_warps=COLUMNS_PER_BLOCK // 32, num_stages=1),
        interpret=interpret,
    )(*given)
    return carry, samples[0] if samples else kept


def _loop(
    step: Callable[[_Carry, Int[Array, ""]], _Carry],
    store: Callable[[Int[Array, ""], _Carry], None],
    carry: _Carry,
    first_step: Int[Array, ""],
    steps: int,
    every: int,
) -> _Carry:
    """The loop over time, as a loop within a loop, so that nothing is made of the steps in between."""

    def stepped(begin, number, carry):
        begin = first_step + begin
        return lax.fori_loop(0, number, lambda i, carry: step(carry, begin + i), carry)

    def row(at, carry):
        carry = stepped(at * every, every, carry)
        store(at, carry)
        return carry

    rows, rest = divmod(steps, every)
    carry = lax.fori_loop(0, rows, row, carry) if rows else carry
    return stepped(rows * every, rest, carry) if rest else carry
