"""Points on curves of equilibria and cycles as rows of a table."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Array, Bool, Shaped

if TYPE_CHECKING:
    import pandas as pd


def table_of_points(exists: Bool[Array, "*batch"], columns: Mapping[str, Shaped[Array, "*batch"]]) -> "pd.DataFrame":
    """A row for each point that exists, by its place along each axis; the last is that of points of one column."""
    import pandas as pd  # here, as importing it is slow

    there = np.atleast_1d(np.asarray(exists))
    names = ("column", "point")[-there.ndim :]
    index = pd.MultiIndex.from_arrays(np.nonzero(there), names=names)
    numbers = {name: np.atleast_1d(np.asarray(values))[there] for name, values in columns.items()}
    return pd.DataFrame(numbers, index=index if len(names) > 1 else index.get_level_values(0))
