"""The free parameters of a fit and their bounds: from numbers without bounds to columns."""

import itertools
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import (
    as_array,
    as_float,
    as_numbers,
    check_count,
    check_finite,
    check_key,
    check_memory,
    check_names,
    of_numbers,
)
from ..column.column import Column, check_single
from .identifiability import GAIN, scaling_symmetries

# A Latin hypercube's outermost points lie at least so far inside the bounds, as a fraction of their distance: at a
# bound itself the logistic function is flat, and an optimiser would not leave.
_MARGIN = 1e-3

_MOST_CORNERS = 8  # quantities whose bounds are tried together: 256 corners, a second


class FreeParameters(eqx.Module):
    """A column, and the bounds of those of its quantities that are to be found.

    The logistic function leads from the whole line into the bounds, so that an optimiser cannot leave them.
    """

    known: Column
    """The column whose other quantities are known."""
    low: Float[Array, " free"]
    high: Float[Array, " free"]
    names: tuple[str, ...] = eqx.field(static=True)

    @of_numbers
    def __repr__(self) -> str:
        units = self.known.quantities
        pairs = zip(self.names, np.asarray(self.low), np.asarray(self.high), strict=True)
        parts = (f"{name} {low:g} to {high:g} {units.get(name, '1')}".removesuffix(" 1") for name, low, high in pairs)
        return f"FreeParameters({', '.join(parts)}, of {self.known!r})"

    @classmethod
    def from_bounds(cls, column: Column, bounds: Mapping[str, tuple[float, float]]) -> "FreeParameters":
        """From the lower and upper bound of each quantity, by name.

        **Raises:** `ValueError` for a batch of columns, names that do not exist, bounds that do not rise, or quantities
            that no EEG can distinguish.
        """
        check_single("column", column, "fit one at a time, column[0]")
        if not isinstance(bounds, Mapping) or not bounds:
            raise ValueError(
                f"`bounds` must name at least one quantity and give its bounds, got {bounds!r:.60}: "
                'bounds={"C": (95.0, 175.0)}'
            )
        check_names((*column.quantities, GAIN), bounds=bounds)
        for name, pair in bounds.items():
            label = f"bounds[{name!r}]"
            ends = as_numbers(label, pair)
            if ends.shape != (2,):
                raise ValueError(f"`{label}` must be a lower and an upper bound, got shape {ends.shape}")
            check_finite(**{label: ends})
            low, high = ends
            if not low < high:
                raise ValueError(f"`{label}` must rise, got {low:g} to {high:g}")
        symmetries = scaling_symmetries(bounds, column)
        if symmetries:
            raise ValueError(
                f"`bounds` must name quantities that an EEG can distinguish, got {'; '.join(symmetries)}: leave one out"
            )
        _check_corners(column, bounds)
        low, high = (as_float(np.array(side)) for side in zip(*bounds.values(), strict=True))
        return cls(column, low, high, tuple(bounds))

    @property
    def slowest(self) -> Column:
        """The column whose free rate constants are at their lower bounds."""
        low = dict(zip(self.names, self.low, strict=True))
        return self.known.replace(**{name: low[name] for name in ("a", "b") if name in low})

    def values(self, x: Float[Array, " free"]) -> Float[Array, " free"]:
        """Values within the bounds.

        **Raises:** `ValueError` for other than one number for each free parameter.
        """
        x = as_array(x, "x")
        if x.shape != self.low.shape:
            raise ValueError(f"`x` must be one number for each of {', '.join(self.names)}, got shape {x.shape}")
        return self.low + (self.high - self.low) * jax.nn.sigmoid(x)

    def latin_hypercube(self, count: int, key: PRNGKeyArray) -> Float[Array, "count free"]:
        """Points evenly spread over the bounds (McKay et al. 1979, doi 10.1080/00401706.1979.10489755)."""
        check_count(1, count=count)
        check_memory("their values", 16 * len(self.names) * count, count=count)
        check_key(key=key)
        order_key, cell_key = jax.random.split(key)
        orders = jax.vmap(lambda key: jax.random.permutation(key, count), out_axes=1)(
            jax.random.split(order_key, len(self.names))
        )
        fraction = (orders.astype(self.low.dtype) + jax.random.uniform(cell_key, orders.shape)) / count
        return jax.scipy.special.logit(jnp.clip(fraction, _MARGIN, 1 - _MARGIN))

    def column(self, x: Float[Array, " free"]) -> tuple[Column, Float[Array, ""]]:
        """The column with the values at `x`, and the gain: 1 where it is not free."""
        values = dict(zip(self.names, self.values(x), strict=True))
        gain = values.pop(GAIN, as_float(1.0))
        return self.known.replace(**values), gain


def _check_corners(column: Column, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Raise for bounds within which there is no column: quantities may restrict each other, as `low` and `high` do."""
    names = [name for name in bounds if name != GAIN]
    ends = itertools.product(*(bounds[name] for name in names)) if len(names) <= _MOST_CORNERS else ()
    for corner in ends:
        try:
            column.replace(**dict(zip(names, corner, strict=True)))
        except ValueError as error:
            raise ValueError(f"`bounds` must hold values that a column can have, got some where {error}") from error
