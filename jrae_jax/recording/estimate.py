"""Estimates of hidden states, and what makes them: anything that turns a recording into an estimate."""

import dataclasses
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._checks import as_positive, check_type, is_concrete
from ..column.labelled import UNIT_OF_QUANTITY, Signal, by_channel, over_time
from ..column.quantities import described
from ..column.states import STATE_UNITS, STATES, states_first
from .consistency import Consistency
from .mask import ObservationMask
from .recording import Recording

if TYPE_CHECKING:
    import xarray as xr


_NAMED = 3  # recordings of a batch whose parameters are printed


class QuantityEstimate(eqx.Module):
    """An unknown parameter over time, in its unit."""

    mean: Float[Array, "*batch time"]
    std: Float[Array, "*batch time"]

    def in_words(self, unit: str) -> str:
        """The value after the last sample, of the first recordings."""
        if not is_concrete(self.mean):
            return unit
        mean, std = (np.asarray(x)[..., -1].ravel() for x in (self.mean, self.std))
        each = [f"{mean[i]:.4g} +- {std[i]:.2g}" for i in range(min(len(mean), _NAMED))]
        return f"{', '.join(each)}{', ...' if len(mean) > _NAMED else ''}{'' if unit == '1' else f' {unit}'}"

    def __repr__(self) -> str:
        return described(self, "")


class Estimate(eqx.Module):
    """The states of a column at each sample of a recording, as an estimator gives them."""

    mean: Float[Array, "*batch time 6"]
    """mV and mV/s."""
    std: Float[Array, "*batch time 6"] | None = None
    """Standard deviation of the error, as the estimator expects it, mV and mV/s; `None` where it expects none."""
    parameters: dict[str, QuantityEstimate] = eqx.field(default_factory=dict)
    """The unknown parameters that were estimated along, by name."""
    input: Float[Array, "*batch time"] | None = None
    """The external input from each sample to the next, 1/s."""
    result: diffrax.RESULTS = eqx.field(default_factory=lambda: diffrax.RESULTS.successful)
    """How the estimation of each recording ended; shape `()` or `(batch,)`."""
    stats: dict[str, Array] = eqx.field(default_factory=dict)
    """Further numbers of an estimator, each of shape `()` or `(batch,)`."""
    consistency: Consistency | None = None
    """Whether the estimate agrees with the recording; `None` of an estimator that does not check."""
    dt: float = eqx.field(static=True, kw_only=True, converter=partial(as_positive, "dt"))
    """Seconds between samples."""
    start: float = eqx.field(static=True, default=0.0, kw_only=True)
    """Time of the first sample, s."""

    def __check_init__(self):
        shape = np.shape(self.mean)
        if len(shape) not in (2, 3) or shape[-1] != len(STATES):
            raise ValueError(f"`mean` must have shape (time, 6) or (batch, time, 6), got {shape}{states_first(shape)}")
        if self.std is not None and np.shape(self.std) != shape:
            raise ValueError(f"`std` must have the shape of `mean`, {shape}, got {np.shape(self.std)}")

    @property
    def batch(self) -> int | None:
        """How many recordings there are; `None` without a batch axis."""
        return len(self.mean) if self.mean.ndim == 3 else None

    def starting(self, start: float) -> "Estimate":
        """This estimate with another time of its first sample, s."""
        return dataclasses.replace(self, start=start)

    def warned(self, argument: str = "recording") -> "Estimate":
        """This estimate, after a warning if it does not agree with the recording, an argument of this name."""
        if self.consistency is not None:
            self.consistency.warn(argument)
        return self

    def __len__(self) -> int:
        if self.batch is None:
            raise TypeError("the estimate of a single recording has no length")
        return self.batch

    def __getitem__(self, index: int | slice) -> "Estimate":
        """That of one recording of a batch, or of some of them."""
        positions = range(len(self))  # a single one has none, and its time is not to be sliced
        chosen = index if isinstance(index, slice) else positions[index]
        return jax.tree.map(lambda leaf: leaf[chosen] if np.ndim(leaf) else leaf, self)

    def to_dataset(self) -> "xr.Dataset":
        """With names and units, over `recording` and `time`: `y0..y5` and, where there are any, their standard
        deviations `y0_std..y5_std`, the unknown parameters, as `C` and `C_std`, and the `input`."""
        signals = by_channel(self.mean)
        if self.std is not None:
            signals |= by_channel(self.std, "_std", "standard deviation of the ")
        for name, unknown in self.parameters.items():
            unit = UNIT_OF_QUANTITY[name]
            signals[name] = Signal(unknown.mean, unit, name)
            signals[f"{name}_std"] = Signal(unknown.std, unit, f"standard deviation of {name}")
        if self.input is not None:
            signals["input"] = Signal(self.input, "1/s", "external input")
        return over_time(signals, self.start + self.dt * np.arange(self.mean.shape[-2]), batch="recording")

    def __repr__(self) -> str:
        if not eqx.is_array_like(self.mean) or np.ndim(self.mean) < 2:  # a tree of something else, such as axes
            return eqx.tree_pformat(self)
        *batch, time, _ = self.mean.shape
        of = f"{batch[0]} x {time}" if batch else f"{time}"
        lines = [f"Estimate({of} samples"]
        if is_concrete(self.mean):
            mean = np.asarray(self.mean).reshape(-1, len(STATES)).mean(axis=0)
            std = None if self.std is None else np.asarray(self.std).reshape(-1, len(STATES)).mean(axis=0)
            for i, (name, unit) in enumerate(zip(STATES, STATE_UNITS, strict=True)):
                lines.append(f"  {name}: {mean[i]:.4g}{'' if std is None else f' +- {std[i]:.2g}'} {unit}")
        lines += [
            f"  unknown {name}: {known.in_words(UNIT_OF_QUANTITY[name])}" for name, known in self.parameters.items()
        ]
        lines += [] if self.consistency is None else [f"  {self.consistency!r}"]
        return "\n".join(lines) + ")"


class AbstractEstimator(eqx.Module):
    """Anything that turns a recording into an estimate of the states: `estimator(recording)`."""

    @abstractmethod
    def __call__(self, recording: Recording) -> Estimate:
        """The states at each sample.

        **Arguments:**

        - `recording`: one, or a batch of them; a batch of columns goes with as many recordings, or with one.

        **Returns:** an `Estimate` of the same batch.

        **Raises:** `ValueError` for a recording whose channels, `dt` or missing `noise_std` the estimator cannot take.
        """


def noise_std_of(recording: Recording, estimator: str) -> Float[Array, "*batch 7"]:
    """The recording's `noise_std`, which an estimator needs.

    **Raises:** `ValueError` if it is unknown.
    """
    if recording.noise_std is None:
        raise ValueError(
            f"`recording` must have a noise_std for {estimator}, got None: Recording.of(..., noise_std=0.1), in mV"
        )
    return recording.noise_std


def check_dt(recording: Recording, dt: float, estimator: str) -> None:
    """Raise if a recording is not sampled as an estimator takes it."""
    if abs(recording.dt - dt) > 1e-4 * dt:
        raise ValueError(f"`recording` must have dt = {dt:g} s for {estimator}, got {recording.dt:g} s")


def check_concrete(recording: Recording, estimator: str) -> None:
    """Raise if a recording is traced by JAX, which an estimator in NumPy and SciPy cannot be."""
    check_type(Recording, recording=recording)
    if not is_concrete(recording.values):
        raise ValueError(
            f"`recording` must hold numbers for {estimator}, which is computed by NumPy, got traced values: call it "
            "outside jax.jit, jax.vmap and jax.grad"
        )


def check_observed(recording: Recording, observed: ObservationMask, estimator: str) -> None:
    """Raise if a recording does not observe the channels that an estimator was fitted to."""
    if recording.observed.names != observed.names:
        raise ValueError(
            f"`recording` must observe {', '.join(observed.names)} for {estimator}, got "
            f"{', '.join(recording.observed.names)}"
        )


def result_of(mean: Float[Array, "*batch time 6"], converged: Bool[Array, "*batch"] | None = None) -> diffrax.RESULTS:
    """`successful`, `nonfinite` where a state is not finite, or `max_steps_reached` where a search did not converge."""
    successful, nonfinite, unfinished = (
        diffrax.RESULTS.successful,
        diffrax.RESULTS.nonfinite,
        diffrax.RESULTS.max_steps_reached,
    )

    def each(finite: Bool[Array, ""], done: Bool[Array, ""]) -> Any:
        result = diffrax.RESULTS.where(done, successful, unfinished)  # pyright: ignore[reportArgumentType]
        return diffrax.RESULTS.where(finite, result, nonfinite)  # pyright: ignore[reportArgumentType]

    finite = jnp.all(jnp.isfinite(mean), axis=(-2, -1))
    done = jnp.ones_like(finite) if converged is None else converged
    return each(finite, done) if finite.ndim == 0 else jax.vmap(each)(finite, done)
