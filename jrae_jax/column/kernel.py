"""The kernel: a tile of columns over many steps, the loop over time as one function on a CPU, one kernel on a GPU.

It takes the steps of `simulate` for the solvers of `schemes.SCHEMES` and the inputs of this package, and gives the same
numbers but for rounding; everything else is left to Diffrax.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._checks import as_float
from .column import Column
from .equations import Coefficients
from .inputs import (
    AbstractExternalInput,
    ConstantInput,
    EvokedPulseInput,
    OrnsteinUhlenbeckInput,
    UniformNoiseInput,
    WhiteNoiseInput,
)
from .noise import NoiseStream
from .one_function import Stage, one_function, together
from .pallas import has_blocks, in_blocks
from .schemes import SCHEMES, AbstractScheme, Forcing, WhiteNoise
from .states import POTENTIAL_STATES, STATES, States

_INPUTS = (ConstantInput, UniformNoiseInput, WhiteNoiseInput, OrnsteinUhlenbeckInput)

_Running = TypeVar("_Running")


def takes(input: AbstractExternalInput, solver: diffrax.AbstractSolver) -> bool:
    """Whether the kernel has this input and this solver; subclasses may do anything."""
    background = input.background if type(input) is EvokedPulseInput else input
    return type(solver) in SCHEMES and type(background) in _INPUTS


class KernelState(NamedTuple):
    """Where a tile is."""

    carry: Any
    """What the scheme carries from step to step."""
    held: Float[Array, " *tile"]
    """The value of the current hold, of an input with memory."""


class Kept(eqx.Module):
    """Some channels of every n-th sample, each trajectory by itself in memory."""

    samples: Float[Array, "*tile rows channels"]
    """One row more where the last steps make no whole sample."""
    row: Int[Array, ""]
    """Of the first sample of the next steps."""
    every: int = eqx.field(static=True)
    channels: tuple[str, ...] = eqx.field(static=True)

    def put(self, stage: Stage, kernel: "Kernel", state: KernelState, i: Int[Array, ""]) -> "Kept":
        """With the sample after step `i` of these."""
        # Numbers that stand side by side are one write, and faster than several.
        sample = stage(lambda *values: jnp.stack(values, axis=-1))(*kernel.channels(state, self.channels, stage))
        at = (*[0] * (sample.ndim - 1), self.row.astype(i.dtype) + i // self.every, 0)
        samples = jax.lax.dynamic_update_slice(self.samples, sample[..., None, :], at)
        return Kept(samples, self.row, self.every, self.channels)


class Kernel(eqx.Module):
    """Steps of one length of a tile of columns; every leaf has shape `()` or `(tile,)`."""

    scheme: AbstractScheme[Any]
    input: AbstractExternalInput
    stream: NoiseStream
    dt: Float[Array, ""]
    t0: Float[Array, ""]
    """When step number 0 begins, s."""
    steps_per_hold: int = eqx.field(static=True)

    def __init__(
        self,
        column: Column,
        solver: type[diffrax.AbstractSolver],
        stream: NoiseStream,
        dt: Float[Array, ""],
        t0: Float[Array, ""],
        steps_per_hold: int,
    ):
        """For steps of `dt` seconds, of which number 0 begins at `t0`, with the noise of each column's stream."""
        self.scheme = SCHEMES[solver](Coefficients.from_parameters(column.parameters), dt)
        self.input, self.stream, self.dt, self.t0 = column.input, stream, dt, t0
        self.steps_per_hold = steps_per_hold

    def start(self, y0: Float[Array, "6 *tile"], first_step: Int[Array, ""] | int = 0) -> KernelState:
        """Before a step, counted as random values are from t = 0."""
        held, y = jnp.zeros_like(y0[0]), States.unstack(y0)
        if self.input.memory is not None:
            begun = (first_step + self.steps_per_hold - 1) // self.steps_per_hold
            held = jax.lax.fori_loop(
                0, begun, lambda i, held: self._next_held(held, self.input.held(i, self.stream)), held
            )
        return KernelState(self.scheme.start(y), held)

    def channels(self, state: KernelState, names: Sequence[str], stage: Stage = together) -> list[Array]:
        """Some of `CHANNELS`, each of shape `tile`."""
        y0, y1, y2 = state.carry[: len(POTENTIAL_STATES)]
        known = {"y0": y0, "y1": y1, "y2": y2, "eeg": y1 - y2}
        if not known.keys() >= {*names}:
            known |= self.scheme.states(state.carry, stage)._asdict()
        return [known[name] for name in names]

    def advance(
        self,
        state: KernelState,
        first_step: Int[Array, ""],
        running: _Running,
        *,
        steps: int,
        every: int,
        channels: tuple[str, ...],
        add: Callable[[_Running, Callable[[str], Float[Array, " *tile"]]], _Running],
        kept: Sequence[Kept] = (),
    ) -> tuple[KernelState, _Running, Float[Array, "time channels *tile"], list[Float[Array, "*tile rows kept"]]]:
        """The next steps: the state after them, what `add` made of all samples, some of the samples, and `kept`.

        **Arguments:**

        - `first_step`: counted from t = 0.
        - `running`, `add`: what is made of the samples so far, and with one more, by elementwise operations; `add` gets
            each channel of the sample by its name.
        - `every`, `channels`: these channels of every n-th sample are returned.
        - `kept`: what further samples are put into; not on a GPU.
        """

        def added(kernel, running, state):
            return add(running, lambda name: kernel.channels(state, [name])[0])

        def step(stage, kernel, carry, number):
            state, running = carry
            state = kernel.step(state, number, stage)
            return state, stage(added)(kernel, running, state)

        def sampled(stage, kernel, carry):
            return kernel.channels(carry[0], channels, stage)

        def put(stage, kernel, carry, samples, i):
            block, whole = samples
            for at, value in enumerate(sampled(stage, kernel, carry)):
                block = jax.lax.dynamic_update_slice(block, value[None, None], (i // every, at, *[0] * value.ndim))
            return block, [each.put(stage, kernel, carry[0], i) for each in whole]

        def blocks(kernel, carry, first_step, samples, **how):
            block, whole = samples
            carry, block = in_blocks(step, sampled, kernel, carry, first_step, block, steps=steps, every=every, **how)
            return carry, (block, whole)

        tile = state.held.shape
        block = jnp.zeros((math.ceil(steps / every), len(channels), *tile), state.held.dtype)
        advanced = one_function(
            partial(_loop, step, put, steps=steps), **({"cuda": blocks} if has_blocks(tile) else {})
        )
        (state, running), (block, whole) = advanced(self, (state, running), first_step, (block, list(kept)))
        return state, running, block[: steps // every], [each.samples for each in whole]

    def trajectories(
        self, state: KernelState, first_step: Int[Array, ""], *, steps: int, every: int
    ) -> Float[Array, "*tile time 6"]:
        """All states after every n-th of the next steps, each trajectory by itself in memory."""

        def step(stage, kernel, state, number):
            return kernel.step(state, number, stage)

        def sampled(stage, kernel, state):
            return kernel.channels(state, STATES, stage)

        def put(stage, kernel, state, kept, i):
            return kept.put(stage, kernel, state, i)

        def blocks(kernel, state, first_step, kept):
            samples = jnp.moveaxis(kept.samples, 0, -1)
            state, samples = in_blocks(step, sampled, kernel, state, first_step, samples, steps=steps, every=every)
            return state, Kept(jnp.moveaxis(samples, -1, 0), kept.row, every, STATES)

        tile = state.held.shape
        samples = jnp.zeros((*tile, math.ceil(steps / every), len(STATES)), state.held.dtype)
        advanced = one_function(
            partial(_loop, step, put, steps=steps), **({"cuda": blocks} if has_blocks(tile) else {})
        )
        kept = Kept(samples, jnp.zeros((), jnp.int32), every, STATES)
        return advanced(self, state, first_step, kept)[1].samples[..., : steps // every, :]

    def states(self, state: KernelState, first_step: Int[Array, ""], *, steps: int) -> Float[Array, "time 6 *tile"]:
        """All states of the next steps, by an ordinary loop: in a branch of a conditional XLA fails on one function."""

        def step(state, number):
            state = self.step(state, number, together)
            return state, jnp.stack(self.channels(state, STATES))

        return jax.lax.scan(step, state, first_step + jnp.arange(steps, dtype=jnp.int32))[1]

    def step(self, state: KernelState, step: Int[Array, ""], stage: Stage) -> KernelState:
        """The next step, number `step` from t = 0."""
        input, held, white = self.input, state.held, None
        if input.hold is not None:
            index = step // self.steps_per_hold
            value = stage(lambda input, stream, index: input.held(index, stream))(input, self.stream, index)
            held = value if input.memory is None else stage(Kernel._held)(self, held, value, step)
        if input.white is not None:
            # An input may hold values as well, which are not to be made of the same bits.
            normals = NoiseStream(self.stream.second, self.stream.first).normal_pair(step, stage)
            white = WhiteNoise(input.white, normals)

        def rate(fraction):
            smooth = input.rate(self.t0 + self.dt * (as_float(step) + fraction))
            return smooth if input.hold is None else smooth + held

        return KernelState(self.scheme.step(state.carry, Forcing(rate, white), stage), held)

    def _held(self, before: Float[Array, "*tile"], value: Float[Array, "*tile"], step: Int[Array, ""]) -> Array:
        begins = jnp.broadcast_to(step % self.steps_per_hold == 0, before.shape)
        return jax.lax.select(begins, self._next_held(before, value), before)

    def _next_held(self, before: Float[Array, "*tile"], value: Float[Array, "*tile"]) -> Float[Array, "*tile"]:
        memory = self.input.memory
        return value if memory is None else memory * before + value


def _loop(
    step: Callable[[Stage, Kernel, Any, Int[Array, ""]], Any],
    put: Callable[[Stage, Kernel, Any, Any, Int[Array, ""]], Any],
    stage: Stage,
    kernel: Kernel,
    carry: Any,
    first_step: Int[Array, ""],
    samples: Any,
    *,
    steps: int,
) -> tuple[Any, Any]:
    """What is carried after these steps, and the samples where they are put."""

    def stepped(i, carry_and_samples):
        carry, samples = carry_and_samples
        carry = step(stage, kernel, carry, first_step + i)
        # Overwritten until the one that is wanted: a loop within the loop would copy all that it carries.
        return carry, put(stage, kernel, carry, samples, i)

    return jax.lax.fori_loop(0, steps, stepped, (carry, samples))
