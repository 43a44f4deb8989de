"""A column of which one quantity changes: what diagrams and families of cycles go along."""

import equinox as eqx
from jaxtyping import Array, Float

from ..column.parameters import PARAMETER_UNITS, JansenRitParameters

QUANTITIES = ("p", *PARAMETER_UNITS)
"""What can change: the constant input, or any of the parameters."""


class ChangingColumn(eqx.Module):
    """A column at constant input; what it has of the quantity that changes is where it begins."""

    parameters: JansenRitParameters
    p: Float[Array, "*batch"]
    """External input, 1/s."""
    along: str = eqx.field(static=True)
    """One of `QUANTITIES`."""

    def at(self, value: Float[Array, ""]) -> tuple[JansenRitParameters, Float[Array, ""]]:
        """The parameters and p at another value of the quantity."""
        if self.along == "p":
            return self.parameters, value
        return eqx.tree_at(lambda parameters: getattr(parameters, self.along), self.parameters, value), self.p

    def from_value(self, value: Float[Array, ""]) -> "ChangingColumn":
        """The column that begins at another value."""
        return ChangingColumn(*self.at(value), self.along)
