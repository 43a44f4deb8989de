"""What is to be found, and within which bounds: from numbers that may be anything to columns, and back."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import as_float, check_choice, check_type
from ..column.inputs import AbstractExternalInput
from ..column.parameters import JansenRitParameters, batch_size
from ..scan.axes import check_range, quantities, with_quantities
from ..scan.engine import Columns, InitialState
from .identifiability import unidentifiable

GAIN = "gain"
"""Of a recording: the factor from `y1 - y2` to what was measured."""


class Unknowns(eqx.Module):
    """A column, and the bounds of those of its quantities that are not known.

    The logistic function leads from the whole line into the bounds, so that an optimiser cannot leave them.
    """

    parameters: JansenRitParameters
    input: AbstractExternalInput
    low: Float[Array, " free"]
    high: Float[Array, " free"]
    names: tuple[str, ...] = eqx.field(static=True)

    @classmethod
    def of(
        cls, parameters: JansenRitParameters, input: AbstractExternalInput, free: Mapping[str, tuple[float, float]]
    ) -> "Unknowns":
        """After all checks.

        **Raises:** `ValueError` for names that do not exist, bounds that do not rise, a batch of columns, or quantities
            that no EEG can tell apart.
        """
        check_type(JansenRitParameters, parameters=parameters)
        check_type(AbstractExternalInput, input=input)
        if batch_size(parameters=parameters, input=input) is not None:
            raise ValueError("`parameters` and `input` must be of one column, got a batch of them")
        if not free:
            raise ValueError("`free` must name at least one quantity and its bounds, got none")
        for name, (low, high) in free.items():
            check_choice((*quantities(parameters), *quantities(input), GAIN), free=name)
            check_range(f"free[{name!r}]", low, high, log=False)
        together = unidentifiable(free, input)
        if together:
            raise ValueError(f"`free` must hold what an EEG can tell, got {'; '.join(together)}; fix one of these")
        low, high = (as_float(np.array([bounds[end] for bounds in free.values()])) for end in (0, 1))
        return cls(parameters, input, low, high, tuple(free))

    def values(self, x: Float[Array, " free"]) -> Float[Array, " free"]:
        """Values within the bounds."""
        return self.low + (self.high - self.low) * jax.nn.sigmoid(x)

    def spread(self, count: int, key: PRNGKeyArray) -> Float[Array, "count free"]:
        """Points evenly spread over the bounds: a Latin hypercube."""
        along, within = jax.random.split(key)
        orders = jax.vmap(lambda key: jax.random.permutation(key, count), out_axes=1)(
            jax.random.split(along, len(self.names))
        )
        share = (orders.astype(self.low.dtype) + jax.random.uniform(within, orders.shape)) / count
        return jax.scipy.special.logit(jnp.clip(share, 1e-3, 1 - 1e-3))

    def column(self, x: Float[Array, " free"]) -> tuple[JansenRitParameters, AbstractExternalInput, Float[Array, ""]]:
        """Parameters, input and gain."""
        values = dict(zip(self.names, self.values(x), strict=True))
        gain = values.pop(GAIN, as_float(1.0))
        base = Columns(self.parameters, self.input, InitialState(), jnp.zeros((), jnp.uint32))
        found = with_quantities(base, values)
        return found.parameters, found.input, gain
