"""A Jansen-Rit column, or a batch of them: parameters and an external input."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
from jaxtyping import ArrayLike

from .._checks import as_numbers, check_names, check_type, is_concrete
from .inputs import AbstractExternalInput, ConstantInput
from .parameters import JansenRitParameters
from .quantities import batch_axes, batch_size, described, quantities, replaced


class Column(eqx.Module):
    """A Jansen-Rit column, or a batch of columns: what is simulated, scanned, fitted and analysed.

    Every array leaf has shape `()`, or `(batch,)` to give each column of a batch its own value.

    ```python
    column = jrae.Column.preset("jansen_rit_1995", jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3))
    columns = column.replace(C=jnp.linspace(68.0, 270.0, 200))  # a batch of 200
    quiet = column.replace(input=jrae.ConstantInput(220.0))
    ```

    **Raises:** `ValueError` for records of another type, or batches of different lengths.
    """

    parameters: JansenRitParameters
    input: AbstractExternalInput

    def __check_init__(self):
        check_type(JansenRitParameters, parameters=self.parameters)
        check_type(AbstractExternalInput, input=self.input)
        batch_size(column=self)

    @classmethod
    def preset(cls, name: str, input: AbstractExternalInput) -> "Column":
        """A column with a published set of parameters; see `JansenRitParameters.preset`.

        **Raises:** `ValueError` for a name that does not exist.
        """
        return cls(JansenRitParameters.preset(name), input)

    def replace(
        self, **values: ArrayLike | Sequence[int | float] | JansenRitParameters | AbstractExternalInput
    ) -> "Column":
        """The column with other values of some quantities, another input, or other parameters.

        **Arguments:**

        - `values`: by the name of the quantity: `C=200.0`, `low=100.0`, `**{"background.p": 90.0}`; a scalar, or one
            value for each column of a batch. Works on traced values. Also `input=` and `parameters=`, whose quantities
            may be replaced in the same call.

        **Raises:** `ValueError` for a quantity that the column does not have, or a value that it cannot take.
        """
        given: dict[str, Any] = {"parameters": self.parameters, "input": self.input, **values}
        column = Column(given.pop("parameters"), given.pop("input"))
        check_names(column.quantities, replace=given)
        for name, value in given.items():
            if is_concrete(value):
                as_numbers(name, value)
        own = quantities(column.parameters)
        return Column(
            replaced(column.parameters, {name: value for name, value in given.items() if name in own}),
            replaced(column.input, {name: value for name, value in given.items() if name not in own}),
        )

    @property
    def quantities(self) -> dict[str, str]:
        """Name and unit of every quantity: the parameters, then those of the input."""
        return quantities(self.parameters) | quantities(self.input)

    def value(self, name: str) -> jax.Array:
        """The value of a quantity.

        **Raises:** `ValueError` for a quantity that the column does not have.
        """
        check_names(self.quantities, name=[name])
        record = self.parameters if name in quantities(self.parameters) else self.input
        for part in name.split("."):
            record = getattr(record, part)
        return record  # pyright: ignore[reportReturnType]

    @property
    def batch(self) -> int | None:
        """How many columns there are; `None` for one without a batch axis."""
        return batch_size(column=self)

    @property
    def axes(self) -> "Column":
        """The `in_axes` of `jax.vmap` for this column: 0 for leaves with a batch axis, `None` for the others."""
        return batch_axes(self)

    def __len__(self) -> int:
        if self.batch is None:
            raise TypeError("a single Column has no length")
        return self.batch

    def __getitem__(self, index: int | slice) -> "Column":
        """One column of a batch, or some of them."""
        positions = range(len(self))  # a single one has none, and its time is not to be sliced
        chosen = index if isinstance(index, slice) else positions[index]
        return jax.tree.map(lambda leaf: leaf[chosen] if leaf.ndim else leaf, self)

    def __repr__(self) -> str:
        return described(self)


def check_single(argument: str, column: Column, remedy: str) -> None:
    """Raise if `column` is a batch, where a verb takes one column only."""
    check_type(Column, **{argument: column})
    if column.batch is not None:
        raise ValueError(f"`{argument}` must be one column, got a batch of {column.batch}: {remedy}")


def check_constant(argument: str, column: Column) -> None:
    """Raise if the input of `column` is not constant."""
    check_type(Column, **{argument: column})
    if not isinstance(column.input, ConstantInput):
        raise ValueError(
            f"`{argument}` must have a ConstantInput, got a {type(column.input).__name__}: "
            f"{argument}.replace(input=ConstantInput(220.0))"
        )
