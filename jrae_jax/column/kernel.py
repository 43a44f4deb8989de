"""The kernel: a tile of columns over many steps, the loop over time as one function on a CPU.

It takes the steps of `simulate` for the solvers of `schemes.SCHEMES` and the inputs of this package, and gives the same
numbers but for rounding; everything else is left to Diffrax.
"""

import math
from collections.abc import Callable
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
from .one_function import Stage, one_function, stage
from .schemes import SCHEMES, AbstractScheme, Forcing, WhiteNoise
from .states import POTENTIAL_STATES, STATES, States
from .step_size import steps_per_hold

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
    held: Float[Array, " tile"]
    """The value of the current hold, of an input with memory."""


class Kernel(eqx.Module):
    """Steps of one length of a tile of columns; every leaf has shape `()` or `(tile,)`."""

    scheme: AbstractScheme[Any]
    input: AbstractExternalInput
    stream: NoiseStream
    dt: Float[Array, ""]
    steps_per_hold: int = eqx.field(static=True)

    def __init__(self, column: Column, solver: diffrax.AbstractSolver, stream: NoiseStream, dt: float):
        """For steps of `dt` seconds, with the noise of each column's stream."""
        self.dt = as_float(dt)
        self.scheme = SCHEMES[type(solver)](Coefficients.from_parameters(column.parameters), self.dt)
        self.input, self.stream, self.steps_per_hold = column.input, stream, steps_per_hold(column.input, dt)

    def start(self, y0: Float[Array, "6 tile"]) -> KernelState:
        """At t = 0."""
        carry = self.scheme.start(States.unstack(y0))
        return KernelState(carry, jnp.zeros_like(y0[0]))

    def channel(self, state: KernelState, name: str) -> Float[Array, " tile"]:
        """One of `CHANNELS`."""
        y0, y1, y2 = state.carry[: len(POTENTIAL_STATES)]
        if name == "eeg":
            return y1 - y2
        known = dict(zip(STATES, (y0, y1, y2), strict=False))
        return known[name] if name in known else self.scheme.states(state.carry)[STATES.index(name)]

    def advance(
        self,
        state: KernelState,
        first_step: Int[Array, ""],
        running: _Running,
        *,
        steps: int,
        every: int,
        channels: tuple[str, ...],
        add: Callable[[_Running, Callable[[str], Float[Array, " tile"]]], _Running],
    ) -> tuple[KernelState, _Running, Float[Array, "time channels tile"]]:
        """The next steps: the state after them, what `add` made of all samples, and some of the samples.

        **Arguments:**

        - `first_step`: counted from t = 0.
        - `running`, `add`: what is made of the samples so far, and with one more, by elementwise operations; `add` gets
            each channel of the sample by its name.
        - `every`, `channels`: these channels of every n-th sample are returned.
        """

        def added(kernel, running, state):
            return add(running, partial(kernel.channel, state))

        def loop(kernel, state, first_step, running, samples):
            def step(i, carry):
                state, running, samples = carry
                state = kernel.step(state, first_step + i, stage)
                running = stage(added)(kernel, running, state)
                # Each is overwritten until the one that is wanted: a loop within the loop would copy what it carries.
                row = i // every
                samples = [
                    jax.lax.dynamic_update_slice_in_dim(rows, kernel.channel(state, name)[None], row, axis=0)
                    for rows, name in zip(samples, channels, strict=True)
                ]
                return state, running, samples

            return jax.lax.fori_loop(0, steps, step, (state, running, samples))

        rows = jnp.zeros((math.ceil(steps / every), *state.held.shape), state.held.dtype)
        state, running, samples = one_function(loop)(self, state, first_step, running, [rows] * len(channels))
        wanted = steps // every
        if len(samples) == 1:
            return state, running, samples[0][:wanted, None]  # a view, where stacking makes a copy
        return state, running, jnp.stack(samples, axis=1)[:wanted] if samples else rows[:wanted, None][:, :0]

    def step(self, state: KernelState, step: Int[Array, ""], stage: Stage) -> KernelState:
        """The next step, number `step` from t = 0."""
        input, held, white = self.input, state.held, None
        if input.hold is not None:
            index = step // self.steps_per_hold
            value = stage(lambda input, stream, index: input.held(index, stream))(input, self.stream, index)
            held = value if input.memory is None else stage(Kernel._carried_over)(self, held, value, step)
        if input.white is not None:
            # An input may hold values as well, which are not to be made of the same bits.
            normals = NoiseStream(self.stream.second, self.stream.first).normal_pair(step, stage)
            white = WhiteNoise(input.white, normals)

        def rate(fraction):
            smooth = input.rate(self.dt * (as_float(step) + fraction))
            return smooth if input.hold is None else smooth + held

        return KernelState(self.scheme.step(state.carry, Forcing(rate, white), stage), held)

    def _carried_over(
        self, before: Float[Array, " tile"], value: Float[Array, " tile"], step: Int[Array, ""]
    ) -> Float[Array, " tile"]:
        begins = jnp.broadcast_to(step % self.steps_per_hold == 0, before.shape)
        memory = self.input.memory
        assert memory is not None
        return jax.lax.select(begins, memory * before + value, before)
