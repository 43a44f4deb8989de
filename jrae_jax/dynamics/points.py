"""Points on curves of equilibria and cycles as rows of a table."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

if TYPE_CHECKING:
    import pandas as pd


@runtime_checkable
class Points(Protocol):
    """Equilibria or cycles as a quantity changes; NaN stands for none."""

    @property
    def p(self) -> Float[Array, "*batch"]:
        """External input, 1/s."""
        ...

    @property
    def value(self) -> Float[Array, "*batch"]:
        """Of the quantity that changes, in its own unit."""
        ...

    @property
    def parameter(self) -> str:
        """The quantity that changes."""
        ...

    @property
    def exists(self) -> Bool[Array, "*batch"]:
        """Whether there is one."""
        ...

    @property
    def stable(self) -> Bool[Array, "*batch"]:
        """Whether small deviations decay."""
        ...

    @property
    def extrema(self) -> Float[Array, "*batch 2"]:
        """Least and largest y1 - y2, mV."""
        ...

    @property
    def frequency(self) -> Float[Array, "*batch"]:
        """Hz"""
        ...


def table_of_points(found: Points) -> "pd.DataFrame":
    """A row for each point that exists, by its place along each axis; the last is that of points of one column."""
    import pandas as pd  # here, as importing it is slow

    with jax.enable_x64(found.p.dtype == jnp.float64):  # it may be disabled by now
        least, largest = jnp.moveaxis(found.extrema, -1, 0)
        columns = {found.parameter: found.value, "p": found.p, "v_min": least, "v_max": largest}
        columns |= {"frequency": found.frequency, "stable": found.stable}
        there = np.atleast_1d(np.asarray(found.exists))
    names = ("column", "point")[-there.ndim :]
    index = pd.MultiIndex.from_arrays(np.nonzero(there), names=names)
    numbers = {name: np.atleast_1d(np.asarray(values))[there] for name, values in columns.items()}
    return pd.DataFrame(numbers, index=index if len(names) > 1 else index.get_level_values(0))
