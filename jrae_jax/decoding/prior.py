"""Which columns, backgrounds and sensors are thought possible before a recording is looked at."""

from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_count, check_key, check_type
from ..column.column import Column
from ..column.inputs import WhiteNoiseInput

# Beyond these quantiles of its range a quantity is at its bound; float32 has no logarithm of less.
_LEAST_TAIL = 1e-4


class Quantity(NamedTuple):
    """A quantity, uniform between two values, or its logarithm."""

    low: float
    high: float
    unit: str
    long_name: str
    logarithmic: bool = False


STANDARD: Mapping[str, Quantity] = {
    # Jansen and Rit (1995) went from 68 to 270; HNPE (Rodrigues et al. 2021, arXiv:2102.06477) from 10 to 250. Below 60
    # a column rests at whatever input.
    "C": Quantity(60.0, 300.0, "", "number of synapses"),
    # Wendling et al. (2002), doi 10.1046/j.1460-9568.2002.01985.x, lower inhibition towards seizures; 22 is standard.
    "B": Quantity(14.0, 40.0, "mV", "inhibitory gain"),
    # The alpha rhythm of adults lies between 7 and 14 Hz, that of the standard column at 10.
    "time_scale": Quantity(0.7, 1.4, "", "rate of all synapses, of the standard one"),
    "p": Quantity(0.0, 400.0, "1/s", "mean input"),
    # The study's uniform input, 120 to 320 /s held for 1 ms, has an intensity of 1.8 s^-1/2; HNPE's prior ends at 15.
    "sigma": Quantity(0.3, 25.0, "s^-1/2", "intensity of the white input", logarithmic=True),
    # Of its standard deviation from 4.5 to 24 Hz, over that of the column, which at 30 is a thousandth of the power.
    "background": Quantity(0.03, 30.0, "", "background over column", logarithmic=True),
    # Resting EEG: 0.5 to 2 (Donoghue et al. 2020, doi 10.1038/s41593-020-00744-x); 0 is white noise.
    "exponent": Quantity(0.0, 2.0, "", "exponent of the background"),
    "white": Quantity(0.01, 1.0, "", "white noise over background", logarithmic=True),
}
"""The prior of the posterior that comes with the package."""

SENSORS = ("background", "exponent", "white")
"""Those of `STANDARD` that are no quantities of a column."""


class Prior(eqx.Module):
    """Independent quantities of a column and of what records it, each uniform, or its logarithm.

    Draws are kept as standard normal numbers, of which each quantity is a function: `values` and `normal` translate.

    **Arguments:**

    - `quantities`: by name, those of `STANDARD`.
    - `column`: whose other parameters all columns have; its input is replaced by white noise.
    """

    quantities: tuple[tuple[str, Quantity], ...] = eqx.field(static=True)
    column: Column

    def __init__(self, quantities: Mapping[str, Quantity] = STANDARD, column: Column | None = None):
        """See the class."""
        check_type(Mapping, quantities=quantities)
        if column is not None:
            check_type(Column, column=column)
        if set(quantities) != set(STANDARD):
            raise ValueError(f"`quantities` must be {', '.join(STANDARD)}, got {', '.join(quantities) or 'none'}")
        for name, quantity in quantities.items():
            if not isinstance(quantity, Quantity):
                raise ValueError(f"`quantities` must be of `Quantity`, got {quantity!r} for {name}")
            if not quantity.low < quantity.high or (quantity.logarithmic and quantity.low <= 0):
                raise ValueError(f"`quantities` must rise, {name} goes from {quantity.low} to {quantity.high}")
        self.quantities = tuple((name, quantities[name]) for name in STANDARD)
        self.column = Column.preset("jansen_rit_1995", WhiteNoiseInput(220.0, 1.8)) if column is None else column

    @property
    def names(self) -> tuple[str, ...]:
        """Of the quantities, in the order of draws."""
        return tuple(name for name, _ in self.quantities)

    def draw(self, number: int, *, key: PRNGKeyArray) -> Float[Array, "draw quantity"]:
        """Standard normal numbers."""
        check_count(1, number=number)
        check_key(key=key)
        return jax.random.normal(key, (number, len(self.quantities)))

    def draw_sensors(
        self, normal: Float[Array, "draw quantity"], *, key: PRNGKeyArray
    ) -> Float[Array, "draw quantity"]:
        """The same columns behind other backgrounds and sensors."""
        check_key(key=key)
        of_column = np.asarray([name not in SENSORS for name in self.names])
        return jnp.where(of_column[None], normal, jax.random.normal(key, normal.shape, normal.dtype))

    def values(self, normal: Float[Array, "*draw quantity"]) -> dict[str, Float[Array, "*draw"]]:
        """The quantities, in their units."""
        uniform = ndtr(normal)
        found = {}
        for i, (name, quantity) in enumerate(self.quantities):
            low, high, logarithmic = quantity.low, quantity.high, quantity.logarithmic
            if logarithmic:
                low, high = np.log(low), np.log(high)
            value = low + (high - low) * uniform[..., i]
            found[name] = jnp.exp(value) if logarithmic else value
        return found

    def normal(self, values: Mapping[str, Float[Array, "*draw"]]) -> Float[Array, "*draw quantity"]:
        """The standard normal numbers of quantities in their units; at a bound, those of a quantile of 1e-4."""
        found = []
        for name, (low, high, _, _, logarithmic) in self.quantities:
            value = values[name]
            if logarithmic:
                low, high, value = np.log(low), np.log(high), jnp.log(value)
            found.append(ndtri(jnp.clip((value - low) / (high - low), _LEAST_TAIL, 1 - _LEAST_TAIL)))
        return jnp.stack(found, axis=-1)

    def columns(self, values: Mapping[str, Float[Array, " draw"]]) -> Column:
        """The columns with these quantities."""
        known, scale = self.column.parameters, values["time_scale"]
        column = self.column.replace(input=WhiteNoiseInput(values["p"], values["sigma"]))
        return column.replace(C=values["C"], B=values["B"], a=known.a * scale, b=known.b * scale)

    def __repr__(self) -> str:
        return f"Prior({', '.join(f'{name} {low:g} to {high:g}' for name, (low, high, *_) in self.quantities)})"
