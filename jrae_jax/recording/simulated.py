"""Recordings that are simulated as training runs, so that they never run out."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, PRNGKeyArray

from .._checks import (
    as_number,
    as_numbers,
    as_positive,
    check_count,
    check_key,
    check_memory,
    check_names,
    check_not_negative,
    check_type,
    of_numbers,
)
from ..column.column import Column, check_single
from ..column.simulate import simulate
from ..column.solvers import RK4
from ..column.states import CHANNELS, to_channels
from .mask import ObservationMask, Observed, as_masks, in_words
from .recording import broadcast_noise_std
from .standardizer import Standardizer

_LONGEST_GAP = 0.2  # s, two alpha cycles: a blink or a saturated amplifier
# Sizes of the sample that the standardizer is fitted to: its standard deviations are then known to about 1 %.
_STANDARDIZED_COLUMNS = 64
_STANDARDIZED_SECONDS = 4.0


class Draw(eqx.Module):
    """Standardized recordings of some columns, with their true states."""

    values: Float[Array, "column time 7"]
    """As sensors would give them, with their noise."""
    measured: Bool[Array, "column time 7"]
    truth: Float[Array, "column time 7"]


class SimulatedRecordings(eqx.Module):
    """Recordings of ever new columns, to train on.

    **Arguments:**

    - `column`: one column.
    - `kinds`: kinds of recordings, each a mask, names of channels, or truth values; every column is recorded in one of
        them, drawn at random.
    - `noise`: standard deviation of the sensor noise, as a fraction of each channel's own; or the least and the
        largest fraction, between which each recording's is drawn, its logarithm uniformly. A channel's own is that over
        all columns; with `ranges`, where columns differ in size, that of each recording.
    - `noise_std`: the same in mV and mV/s instead, one number for all channels or one for each of `CHANNELS`.
    - `gaps`: fraction of the samples that are missing, in runs of up to 0.2 s.
    - `ranges`: quantities of the column, each drawn uniformly between two values for each recording.
    - `solver`: `RK4()` if `None`.
    - `dt`, `burn_in`: seconds between samples, and before the first.
    - `columns`, `samples`: how many recordings are drawn at a time, and how many instants of each can be trained on.
    - `key`: for the recordings that the standardizer is fitted to.

    **Raises:** `ValueError` for arguments out of range.
    """

    column: Column
    masks: Bool[np.ndarray, "kind 7"]
    """The channels that each kind of recording has."""
    noise: tuple[float, float] = eqx.field(static=True)
    """Least and largest sensor noise, as a fraction of each channel's standard deviation."""
    noise_std: Float[Array, "7"] | None
    """Sensor noise of each channel, mV and mV/s, where it is given so."""
    gaps: float = eqx.field(static=True)
    ranges: tuple[tuple[str, float, float], ...] = eqx.field(static=True)
    """Quantities drawn anew for each column, with their least and largest value."""
    solver: diffrax.AbstractSolver
    dt: float = eqx.field(static=True)
    burn_in: float = eqx.field(static=True)
    columns: int = eqx.field(static=True)
    samples: int = eqx.field(static=True)
    standardizer: Standardizer

    def __init__(
        self,
        column: Column,
        *,
        kinds: Sequence[Observed],
        noise: float | tuple[float, float] = 0.0,
        noise_std: ArrayLike | None = None,
        gaps: float = 0.0,
        ranges: Mapping[str, Any] | None = None,
        solver: diffrax.AbstractSolver | None = None,
        dt: float = 1e-3,
        burn_in: float = 2.0,
        columns: int = 128,
        samples: int = 2048,
        key: PRNGKeyArray,
    ):
        """See the class."""
        check_single("column", column, "give what differs from column to column as `ranges`")
        dt, burn_in, gaps = as_positive("dt", dt), as_number("burn_in", burn_in), as_number("gaps", gaps)
        check_not_negative(burn_in=burn_in)
        check_key(key=key)
        check_count(1, columns=columns, samples=samples)
        _check_fits(columns, samples)
        if not 0 <= gaps < 1:
            raise ValueError(f"`gaps` must be a fraction from 0 to below 1, got {gaps}")
        self.column, self.masks, self.noise, self.gaps = column, as_masks(kinds), _noise_levels(noise), gaps
        if noise_std is not None and self.noise != (0, 0):
            raise ValueError(f"`noise` and `noise_std` exclude each other, got {noise} and {noise_std}")
        self.noise_std = None if noise_std is None else broadcast_noise_std(noise_std, (samples, len(CHANNELS)))
        ranges = {} if ranges is None else ranges
        check_type(Mapping, ranges=ranges)
        check_names(column.quantities, ranges=ranges)
        self.ranges = tuple((name, *_limits(name, values)) for name, values in ranges.items())
        for values in ({name: low for name, low, _ in self.ranges}, {name: high for name, _, high in self.ranges}):
            column.replace(**values)  # raises for values that the column cannot take
        self.solver = RK4() if solver is None else solver
        check_type(diffrax.AbstractSolver, solver=self.solver)
        self.dt, self.burn_in, self.columns, self.samples = dt, burn_in, int(columns), int(samples)
        self.standardizer = Standardizer(jnp.zeros(7), jnp.ones(7))
        self.standardizer = Standardizer.fit(_standardizing_sample(self, key), "column")

    def draw(self, columns: int, samples: int, *, key: PRNGKeyArray) -> Draw:
        """Recordings of new columns. The same key gives the same ones; a column that blew up is replaced by another."""
        check_count(1, columns=columns, samples=samples)
        _check_fits(columns, samples)
        check_key(key=key)
        value_key, noise_key, mask_key, gap_key = jax.random.split(key, 4)
        ys = self._simulated(columns, samples, value_key)
        truth = self.standardizer.standardize(to_channels(ys))
        level_key, sample_key = jax.random.split(noise_key)
        if self.noise_std is None:
            own = jnp.std(truth, axis=1, keepdims=True) if self.ranges else jnp.ones((), truth.dtype)
            std = own * _log_uniform(level_key, self.noise, columns)[:, None, None]
        else:
            std = (self.noise_std / self.standardizer.std)[None, None]
        noise = jax.random.normal(sample_key, truth.shape, truth.dtype)
        mask = jnp.asarray(self.masks)[jax.random.randint(mask_key, (columns,), 0, len(self.masks))]
        measured = mask[:, None] & self._outside_gaps(columns, samples, gap_key)[..., None]
        return Draw(truth + std * noise, measured, truth)

    @property
    def observed(self) -> ObservationMask:
        """All channels that some kind of recording has."""
        return ObservationMask(np.any(np.asarray(self.masks), axis=0))

    @of_numbers
    def __repr__(self) -> str:
        units, (low, high) = self.column.quantities, self.noise
        noise = f"{low:g} to {high:g} of the standard deviation"
        if self.noise_std is not None:
            noise = "of " + ", ".join(f"{std:g}" for std in np.asarray(self.noise_std)) + " mV, derivatives mV/s"
        ranges = [f"{name} {least:g} to {most:g} {units[name]}".removesuffix(" 1") for name, least, most in self.ranges]
        return "\n  ".join(
            [
                f"SimulatedRecordings({in_words(self.masks)}",
                f"{self.columns} x {self.samples} samples a draw, every {self.dt:g} s after {self.burn_in:g} s",
                f"noise {noise}, {self.gaps:.1%} missing",
                *([f"ranges: {', '.join(ranges)}"] if ranges else []),
                f"{self.column!r})",
            ]
        )

    def _simulated(self, columns: int, samples: int, key: PRNGKeyArray) -> Float[Array, "column time 6"]:
        range_key, simulation_key = jax.random.split(key)
        drawn = jax.random.uniform(range_key, (len(self.ranges), columns))
        values = {name: low + (high - low) * unit for (name, low, high), unit in zip(self.ranges, drawn, strict=True)}
        ys = simulate(
            self.column.replace(**values),
            t1=self.burn_in + samples * self.dt,
            dt=self.dt,
            solver=self.solver,
            burn_in=self.burn_in,
            batch=columns,
            key=simulation_key,
            throw=False,
        ).ys
        failed = ~jnp.all(jnp.isfinite(ys), axis=(1, 2))
        whole = jnp.argmin(failed)
        return ys[jnp.where(failed, whole, jnp.arange(columns))]

    def _outside_gaps(self, columns: int, samples: int, key: PRNGKeyArray) -> Bool[Array, "column time"]:
        """False in gaps: time is cut into pieces, of another length in each column, some of which are missing."""
        if not self.gaps:
            return jnp.ones((columns, samples), bool)
        length_key, start_key, missing_key = jax.random.split(key, 3)
        length = _log_uniform(length_key, (1.0, _LONGEST_GAP / self.dt), columns)[:, None]
        start = jax.random.uniform(start_key, (columns, 1))
        piece = jnp.floor(jnp.arange(samples, dtype=length.dtype)[None] / length + start).astype(jnp.int32)
        missing = jax.random.uniform(missing_key, (columns, samples + 1)) < self.gaps
        return ~jnp.take_along_axis(missing, piece, axis=1)


def _check_fits(columns: int, samples: int) -> None:
    """Raise if a draw does not fit into memory."""
    size = 3 * 4 * len(CHANNELS) * columns * samples  # states, channels, and these with noise
    if columns > samples:
        check_memory(f"recordings of {samples:,} samples", size, columns=columns)
    check_memory(f"{columns:,} recordings", size, samples=samples)


@eqx.filter_jit
def _standardizing_sample(source: SimulatedRecordings, key: PRNGKeyArray) -> Float[Array, "column time 7"]:
    return source.draw(_STANDARDIZED_COLUMNS, round(_STANDARDIZED_SECONDS / source.dt), key=key).truth


def _noise_levels(noise: float | tuple[float, float]) -> tuple[float, float]:
    given = as_numbers("noise", noise).astype(float)
    low, high = np.broadcast_to(given, (2,)) if given.shape in ((), (2,)) else (np.nan, np.nan)
    if not 0 <= low <= high < math.inf or low == 0 < high:
        raise ValueError(
            "`noise` must be a fraction of the signal's standard deviation, or the least and the largest, both "
            f"positive, got {noise!r:.60}"
        )
    return float(low), float(high)


def _limits(name: str, values: Any) -> tuple[float, float]:
    given = as_numbers(f"ranges[{name!r}]", values).astype(float)
    low, high = given if given.shape == (2,) else (np.nan, np.nan)
    if not -math.inf < low <= high < math.inf:
        raise ValueError(f"`ranges` must give the least and the largest value of {name}, got {values}")
    return float(low), float(high)


def _log_uniform(key: PRNGKeyArray, limits: tuple[float, float], columns: int) -> Float[Array, " columns"]:
    low, high = limits
    if low == high:
        return jnp.full(columns, low)
    return jnp.exp(jax.random.uniform(key, (columns,), minval=math.log(low), maxval=math.log(high)))
