"""Recordings without end, simulated as training goes."""

import math
from collections.abc import Mapping
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from .._checks import check_count, check_positive
from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters
from ..column.simulate import simulate
from ..column.solvers import RK4
from ..scan.axes import check_quantities, with_quantities
from ..scan.engine import Columns, InitialState
from .dataset import Standardizer
from .mask import ObservationMask, as_mask, to_channels

_LONGEST_GAP = 0.2  # s
_STANDARDIZED_COLUMNS = 64
_STANDARDIZED_SECONDS = 4.0


class Draw(eqx.Module):
    """Standardized recordings of some columns, and what is true of them."""

    channels: Float[Array, "column time 7"]
    """As sensors would give them, with their noise."""
    seen: Bool[Array, "column time 7"]
    """What of it was measured."""
    truth: Float[Array, "column time 7"]


class EndlessRecordings(eqx.Module):
    """Where recordings of ever new columns come from; make one with `endless_recordings`."""

    columns: Columns
    ranges: tuple[tuple[str, float, float], ...] = eqx.field(static=True)
    """Quantities drawn anew for each column, with their least and largest value."""
    masks: Bool[np.ndarray, "masks 7"]
    """One of them is drawn for each column."""
    noise: tuple[float, float] = eqx.field(static=True)
    """Least and largest sensor noise."""
    gaps: float = eqx.field(static=True)
    solver: diffrax.AbstractSolver
    dt: float = eqx.field(static=True)
    burn_in: float = eqx.field(static=True)
    standardizer: Standardizer

    def draw(self, columns: int, samples: int, *, key: PRNGKeyArray) -> Draw:
        """Recordings of new columns. The same key gives the same ones; a column that blew up is replaced by another."""
        value_key, noise_key, mask_key, gap_key = jax.random.split(key, 4)
        ys = self._simulated(columns, samples, value_key)
        truth = self.standardizer.standardize(to_channels(ys))
        level_key, sample_key = jax.random.split(noise_key)
        level = _log_uniform(level_key, self.noise, columns)[:, None, None]
        noise = jax.random.normal(sample_key, truth.shape, truth.dtype)
        mask = jnp.asarray(self.masks)[jax.random.randint(mask_key, (columns,), 0, len(self.masks))]
        seen = mask[:, None] & self._measured(columns, samples, gap_key)[..., None]
        return Draw(truth + level * noise, seen, truth)

    def _simulated(self, columns: int, samples: int, key: PRNGKeyArray) -> Float[Array, "column time 6"]:
        range_key, simulation_key = jax.random.split(key)
        drawn = jax.random.uniform(range_key, (len(self.ranges), columns))
        values = {name: low + (high - low) * share for (name, low, high), share in zip(self.ranges, drawn, strict=True)}
        drawn_columns = with_quantities(self.columns, values)
        ys = simulate(
            drawn_columns.parameters,
            drawn_columns.input,
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

    def _measured(self, columns: int, samples: int, key: PRNGKeyArray) -> Bool[Array, "column time"]:
        """False in gaps: time is cut into pieces, of another length in each column, some of which are missing."""
        if not self.gaps:
            return jnp.ones((columns, samples), bool)
        length_key, start_key, missing_key = jax.random.split(key, 3)
        length = _log_uniform(length_key, (1.0, _LONGEST_GAP / self.dt), columns)[:, None]
        start = jax.random.uniform(start_key, (columns, 1))
        piece = jnp.floor(jnp.arange(samples, dtype=length.dtype)[None] / length + start).astype(jnp.int32)
        missing = jax.random.uniform(missing_key, (columns, samples + 1)) < self.gaps
        return ~jnp.take_along_axis(missing, piece, axis=1)


def endless_recordings(
    parameters: JansenRitParameters,
    input: AbstractExternalInput,
    *,
    observed: Any,
    noise: float | tuple[float, float] = 0.0,
    gaps: float = 0.0,
    ranges: Mapping[str, Any] | None = None,
    solver: diffrax.AbstractSolver | None = None,
    dt: float = 1e-3,
    burn_in: float = 2.0,
    key: PRNGKeyArray,
) -> EndlessRecordings:
    """A source of recordings for `fit_endless`, so that data never run out.

    **Arguments:**

    - `parameters`, `input`: the column, where `ranges` say nothing else; leaves of shape `()`.
    - `observed`: kinds of recordings, each as for `make_dataset`; every column is recorded in one of them.
    - `noise`: standard deviation of the sensor noise, as a fraction of each channel's own; or the least and the
        largest, between which each column's is drawn, its logarithm uniformly.
    - `gaps`: share of the samples that are missing, in runs of up to 0.2 s.
    - `ranges`: quantities of `parameters` and `input`, drawn uniformly between two values for each column.
    - `solver`: `RK4()` if `None`.
    - `dt`, `burn_in`: seconds between samples, and before the first.
    - `key`: for the recordings that the standardizer is fitted to.

    **Raises:** `ValueError` for arguments out of range.
    """
    levels = _noise_levels(noise)
    if not 0 <= gaps < 1:
        raise ValueError(f"`gaps` must be a share from 0 to below 1, got {gaps}")
    check_positive(dt=dt)
    if isinstance(observed, str | ObservationMask):
        raise ValueError(f"`observed` must be a list of kinds of recordings, got one: [{observed!r}]")
    check_count(1, **{"len(observed)": len(observed)})
    masks = np.stack([np.asarray(as_mask(kind).channels) for kind in observed])
    columns = Columns(parameters, input, InitialState(), jnp.zeros((), jnp.uint32))
    check_quantities(columns, ranges=ranges or {})
    limits = tuple((name, *_limits(name, values)) for name, values in (ranges or {}).items())
    for values in ({name: low for name, low, _ in limits}, {name: high for name, _, high in limits}):
        with_quantities(columns, values)  # raises here, where values can be looked at
    solver = RK4() if solver is None else solver
    blank = Standardizer(jnp.zeros(7), jnp.ones(7))
    source = EndlessRecordings(columns, limits, masks, levels, float(gaps), solver, float(dt), float(burn_in), blank)
    samples = round(_STANDARDIZED_SECONDS / dt)
    truth = eqx.filter_jit(lambda source, key: source.draw(_STANDARDIZED_COLUMNS, samples, key=key).truth)(source, key)
    return eqx.tree_at(lambda source: source.standardizer, source, Standardizer.fitted_to(truth))


def _noise_levels(noise: float | tuple[float, float]) -> tuple[float, float]:
    low, high = np.broadcast_to(np.asarray(noise, dtype=float), (2,)) if np.size(noise) in (1, 2) else (np.nan, np.nan)
    if not 0 <= low <= high < math.inf or low == 0 < high:
        raise ValueError(
            "`noise` must be a fraction of the signal's standard deviation, or the least and the largest, both "
            f"positive, got {noise}"
        )
    return float(low), float(high)


def _limits(name: str, values: Any) -> tuple[float, float]:
    low, high = np.asarray(values, dtype=float) if np.shape(values) == (2,) else (np.nan, np.nan)
    if not -math.inf < low <= high < math.inf:
        raise ValueError(f"`ranges` must give the least and the largest value of {name}, got {values}")
    return float(low), float(high)


def _log_uniform(key: PRNGKeyArray, limits: tuple[float, float], columns: int) -> Float[Array, " columns"]:
    low, high = limits
    if low == high:
        return jnp.full(columns, low)
    return jnp.exp(jax.random.uniform(key, (columns,), minval=math.log(low), maxval=math.log(high)))
