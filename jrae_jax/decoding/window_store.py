"""Windows of recordings as they are decoded, on disk: a call that was interrupted resumes after the last of them.

The store is that of a parameter scan, in which each window is a point.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from .._version import __version__
from ..column.states import STATES
from ..recording.recording import Recording
from ..scan import store as stores
from ..scan.comparison import comparable, digest
from ..scan.contents import Coordinate, StoreContents, StoredVariable
from ..scan.layout import Layout
from ..scan.summaries import Variable
from .check import BANDS, QUANTILES, Comparison
from .decoded import MEASURES, QUANTITIES
from .decoder import Decoder
from .features import FREQUENCIES
from .posterior import DRAWS
from .prepare import Prepared
from .rows import Rows
from .states import States


class Window(NamedTuple):
    """What is found of a window."""

    draws: dict[str, Float[np.ndarray, "*row draw"]]
    """Of columns, backgrounds and gains, in their units."""
    comparison: Comparison
    states: States


def settings_of(
    recordings: Mapping[str, Recording], key: PRNGKeyArray, share: str | None, decoder: Decoder
) -> dict[str, Any]:
    """All that makes windows what they are, by the names of the arguments."""
    return {
        **{
            name: {
                **comparable(recording),
                "info": None if recording.info is None else comparable(recording.info._asdict()),
            }
            for name, recording in recordings.items()
        },
        "key": [str(jax.random.key_impl(key)), *np.asarray(jax.random.key_data(key)).tolist()],
        "share": share,
        "decoder": digest([decoder.posterior.prior.quantities, jax.tree.leaves(eqx.filter(decoder, eqx.is_array))]),
        "jrae_jax": __version__,
        "dtype": str(jnp.result_type(float)),
        "compiled_for": jax.default_backend(),
    }


class WindowStore:
    """A store that is new, or has windows of this very call.

    **Arguments:**

    - `settings`: from `settings_of`.

    **Raises:** `ValueError` if it was made with other settings, or is damaged; `OSError` if it cannot be written.
    """

    def __init__(self, path: Path, prepared: Sequence[Prepared], rows: Sequence[Rows], settings: dict[str, Any]):
        """See the class."""
        self.longest = max(each.values.shape[-1] for each in rows)
        if path.exists():
            self.store = stores.resume(path, settings)
        else:
            self.store = stores.create(path, _contents(self.longest, prepared, rows, settings))

    def holds(self, number: int) -> bool:
        """Whether a window is there."""
        return self.store.holds(number)

    def write(self, number: int, window: Window) -> None:
        """One window.

        **Raises:** `OSError` if it cannot be written.
        """
        behind = ((0, self.longest - len(window.states.mean)), (0, 0))
        states = {name: np.pad(x, behind, constant_values=np.nan) for name, x in window.states._asdict().items()}
        values = window.draws | window.comparison._asdict() | states
        self.store.write(number, {name: x[None] for name, x in values.items()})

    def read(self, number: int, samples: int) -> Window:
        """One window of so many samples."""
        values = {name: x[0] for name, x in self.store.read(number).items()}
        return Window(
            {name: values[name] for name in QUANTITIES},
            Comparison(*(values[name] for name in Comparison._fields)),
            States(*(values[name][:samples] for name in States._fields)),
        )


def _contents(
    longest: int, prepared: Sequence[Prepared], rows: Sequence[Rows], settings: dict[str, Any]
) -> StoreContents:
    number = np.dtype(jnp.result_type(float))
    along = {"quantile": np.array(QUANTILES), "frequency": FREQUENCIES, "band": np.array(list(BANDS))}
    lengths = {name: len(values) for name, values in along.items()} | {"draw": DRAWS}
    lengths |= {"sample": longest, "state": len(STATES)}

    def stored(unit: str, long_name: str, *dims: str, dtype: np.dtype = number) -> StoredVariable:
        coordinates = {dim: along[dim] for dim in dims if dim in along}
        shape = tuple(lengths[dim] for dim in dims)
        return StoredVariable(Variable(unit, long_name, dims, coordinates), shape, dtype)

    truth = np.dtype(bool)
    variables = {name: stored(*about, "draw") for name, about in QUANTITIES.items()}
    variables |= {
        "statistic": stored("1", "distance from what is predicted for the window"),
        "familiar": stored("1", "whether it is like anything that the decoder was made for", dtype=truth),
        "log_density": stored("1", "logarithm of power densities predicted for it", "quantile", "frequency"),
        "left_over": stored("1", "power over the median of that predicted", "band"),
        "beyond": stored("1", "whether that is outside of where 99 % of that predicted are", "band", dtype=truth),
    }
    variables |= {name: stored(*about, "sample", "state") for name, about in MEASURES.items()}
    which = [np.full(len(each.channel), i) for i, each in enumerate(rows)]
    names = [np.asarray(one.names)[each.channel] for one, each in zip(prepared, rows, strict=True)]
    starts = [one.windows.start[each.window] for one, each in zip(prepared, rows, strict=True)]
    coordinates = (
        Coordinate("recording", "window", np.concatenate(which), {"long_name": "number of the recording"}),
        Coordinate("channel", "window", np.concatenate(names), {}),
        Coordinate("start", "window", np.concatenate(starts), {"units": "s"}),
    )
    layout = Layout((len(coordinates[0].values),), (1,))
    return StoreContents(("window",), coordinates, layout, variables, settings)
