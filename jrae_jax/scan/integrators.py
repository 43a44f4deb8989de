"""How a tile of columns is integrated block by block: by the kernel, or by Diffrax."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeGuard, TypeVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._checks import as_float
from ..column.column import Column
from ..column.integrate import Holds, next_held, solve_fixed
from ..column.kernel import Kept, Kernel, KernelState, takes
from ..column.noise import NoiseStream
from ..column.states import STATES, eeg
from ..column.step_size import steps_per_hold
from ..column.terms import Clock, ColumnTerm, RandomInput
from .summaries import AbstractRunningSummary, AbstractSummary, Samples

_State = TypeVar("_State")
Channel = Callable[[str], Float[Array, " tile"]]
"""Each channel of one sample, by its name."""


class ScanTime(NamedTuple):
    """What is the same in every scan with one step, as data.

    Where a loop has one turn, what it begins with is a constant to XLA if it is one of the program; and for some calls
    with constants within one function XLA ends the process.
    """

    first_step: Int[Array, ""]
    """0"""
    dt: Float[Array, ""]
    """s"""
    t0: Float[Array, ""]
    """0"""


class AbstractIntegrator(eqx.Module, Generic[_State]):
    """Many columns, each leaf of shape `()` or `(tile,)`, in steps of one length."""

    @abstractmethod
    def start(self, y0: Float[Array, "6 tile"]) -> _State:
        """At t = 0."""

    @abstractmethod
    def channel(self, state: _State, name: str) -> Float[Array, " tile"]:
        """One of `CHANNELS`."""

    @abstractmethod
    def finite(self, state: _State) -> Bool[Array, " tile"]:
        """Whether all numbers of a column are; in these equations one that is not never is so again."""

    @abstractmethod
    def makes(self, summary: AbstractSummary) -> TypeGuard[AbstractRunningSummary]:
        """Whether `advance` makes it as it goes; the others are made of the samples that it returns."""

    @abstractmethod
    def keeps(self, summary: AbstractSummary) -> TypeGuard[Samples]:
        """Whether `advance` puts its samples where they will be kept."""

    @abstractmethod
    def advance(
        self,
        state: _State,
        first_step: Int[Array, ""],
        running: Any,
        *,
        steps: int,
        every: int,
        channels: tuple[str, ...],
        add: Callable[[Any, Channel], Any],
        kept: Sequence[Kept],
    ) -> tuple[_State, Any, Float[Array, "time channels tile"], list[Float[Array, "tile rows kept"]]]:
        """See `Kernel.advance`."""

    @abstractmethod
    def states(self, state: _State, first_step: Int[Array, ""], *, steps: int) -> Float[Array, "time 6 tile"]:
        """All states of the next steps; in a branch of a conditional too."""


class KernelIntegrator(AbstractIntegrator[KernelState]):
    """By the kernel."""

    kernel: Kernel
    on_cpu: bool = eqx.field(static=True)

    def start(self, y0):
        """At t = 0."""
        return self.kernel.start(y0)

    def channel(self, state, name):
        """One of `CHANNELS`."""
        return self.kernel.channels(state, [name])[0]

    def finite(self, state):
        """Whether all that is carried is."""
        return jnp.all(jnp.isfinite(jnp.stack(jax.tree.leaves(state.carry))), axis=0)

    def makes(self, summary) -> TypeGuard[AbstractRunningSummary]:
        """If it can be made of one sample after the other."""
        return isinstance(summary, AbstractRunningSummary)

    def keeps(self, summary) -> TypeGuard[Samples]:
        """On a CPU; a subclass may do anything."""
        return self.on_cpu and type(summary) is Samples

    def advance(self, state, first_step, running, *, steps, every, channels, add, kept):
        """In one function."""
        settings = {"steps": steps, "every": every, "channels": channels}
        return self.kernel.advance(state, first_step, running, add=add, kept=kept, **settings)

    def states(self, state, first_step, *, steps):
        """By an ordinary loop."""
        return self.kernel.states(state, first_step, steps=steps)


class DiffraxState(NamedTuple):
    """Where a tile is."""

    y: Float[Array, "6 tile"]
    held: Float[Array, " tile"]
    """The value of the last hold that is over, for an input with memory."""


class DiffraxIntegrator(AbstractIntegrator[DiffraxState]):
    """By Diffrax, as one system: with any explicit solver and any external input."""

    column: Column
    solver: diffrax.AbstractSolver
    stream: NoiseStream
    dt: float = eqx.field(static=True)

    def start(self, y0):
        """At t = 0."""
        return DiffraxState(y0, jnp.zeros_like(y0[0]))

    def channel(self, state, name):
        """One of `CHANNELS`."""
        return _channels((name,), state.y)[0]

    def finite(self, state):
        """Whether all states are."""
        return jnp.all(jnp.isfinite(state.y), axis=0)

    def makes(self, summary) -> TypeGuard[AbstractRunningSummary]:
        """None."""
        return False

    def keeps(self, summary) -> TypeGuard[Samples]:
        """None."""
        return False

    def advance(self, state, first_step, running, *, steps, every, channels, add, kept):
        """A solve for each block."""
        batch = state.held.size
        random, held = self._random_input(state.held, first_step, steps)
        clock = Clock(as_float(first_step) * self.dt, as_float(self.dt), steps)
        every = diffrax.SubSaveAt(steps=every, fn=lambda t, y, args: _channels(channels, y))
        terms = ColumnTerm(self.column, random, clock, batch)
        saveat = diffrax.SaveAt(subs=[every, diffrax.SubSaveAt(t1=True)])
        (samples, (y,)), _ = solve_fixed(terms, self.solver, state.y, saveat)
        return DiffraxState(y, held), running, samples, []

    def states(self, state, first_step, *, steps):
        """As `advance`."""
        settings = {"steps": steps, "every": 1, "channels": STATES, "kept": ()}
        return self.advance(state, first_step, (), add=lambda running, channel: running, **settings)[2]

    def _random_input(
        self, held: Float[Array, " tile"], first_step: Int[Array, ""], steps: int
    ) -> tuple[RandomInput | None, Float[Array, " tile"]]:
        """The random input over a block, and the value of the last hold that is over at its end."""
        input = self.column.input
        if not input.random:
            return None, held
        per_hold = 1 if input.hold is None else round(input.hold / self.dt)
        first = first_step // per_hold
        touched = (steps + 2 * per_hold - 2) // per_hold
        holds = Holds(first_step, first, as_float(first_step - first * per_hold), float(per_hold), touched)
        if input.memory is None:
            return holds.random_input(self.stream, steps, None), held
        table = next_held(input, self.stream, holds, held.size, held)
        over = (first_step + steps) // per_hold - first
        return holds.random_input(self.stream, steps, table), jnp.concatenate([held[None], table])[over]


def integrator_for(
    column: Column, solver: diffrax.AbstractSolver, stream: NoiseStream, dt: float, time: ScanTime, on_cpu: bool
) -> AbstractIntegrator[Any]:
    """The kernel, if it takes this input and this solver; `on_cpu`: whether the program is for a CPU."""
    if takes(column.input, solver):
        per_hold = steps_per_hold(column.input, dt)
        return KernelIntegrator(Kernel(column, type(solver), stream, time.dt, time.t0, per_hold), on_cpu)
    return DiffraxIntegrator(column, solver, stream, dt)


def _channels(channels: tuple[str, ...], y: Float[Array, "6 tile"]) -> Float[Array, "channels tile"]:
    values = [eeg(y.T) if channel == "eeg" else y[STATES.index(channel)] for channel in channels]
    return jnp.stack(values) if values else jnp.zeros((0, y.shape[1]), y.dtype)
