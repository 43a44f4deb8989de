"""What training is compiled for: an architecture, an optimiser, and the devices that members are shared out over."""

from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import PyTree

from .._threads import cores
from ..column.one_function import WIDEST_VECTORS
from .base import AbstractAutoencoder, float_type

# Without a rate, which is data: optax.adam(1e-3) anew for each training would compile each of them anew.
ADAM = optax.scale_by_adam()
# Numbers on one device. In one function the update is one task of a thread instead of some dozens that are handed
# around; of more numbers than these, several threads together are faster.
_IN_ONE_FUNCTION = 1 << 16

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Program(eqx.Module):
    """What a compiled training program is made for."""

    skeleton: AbstractAutoencoder
    """The autoencoder without its arrays."""
    optimiser: optax.GradientTransformation = eqx.field(static=True)
    update_in_one_function: bool = eqx.field(static=True)
    """Whether its update is compiled into one function, for which it must be elementwise."""
    batch_size: int = eqx.field(static=True)
    patience: int | None = eqx.field(static=True)
    mesh: jax.sharding.Mesh = eqx.field(static=True)
    """The devices that the members are shared out over."""
    dtype: np.dtype = eqx.field(static=True)
    """The float type of the autoencoder."""

    def over_members(self, function: Callable, shared: int) -> Callable:
        """`function` of records with a member axis, but for the last `shared` arguments, which all members have."""
        own, all_members = jax.sharding.PartitionSpec("member"), jax.sharding.PartitionSpec()

        def each_device(*arguments):
            axes = [0] * (len(arguments) - shared) + [None] * shared
            return jax.vmap(function, in_axes=axes)(*arguments)

        def over_devices(*arguments):
            specs = (own,) * (len(arguments) - shared) + (all_members,) * shared
            return jax.shard_map(each_device, mesh=self.mesh, in_specs=specs, out_specs=own, check_vma=False)(
                *arguments
            )

        return over_devices

    def spread(self, records: Sequence[PyTree]) -> PyTree:
        """The records of all members as one, with a leading member axis that is shared out over devices."""
        # Stacked on the host, which compiles nothing.
        return self.place(jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *records))

    def place(self, stacked: PyTree) -> PyTree:
        """Records with a leading member axis on their devices.

        Where members and devices do not come out even, the last member is repeated.
        """
        by_member = jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec("member"))

        def placed(leaf):
            even = len(leaf) + -len(leaf) % self.mesh.size
            return jax.device_put(
                leaf if len(leaf) == even else leaf[np.minimum(np.arange(even), len(leaf) - 1)], by_member
            )

        return jax.tree.map(placed, stacked)


def program_of(
    autoencoders: Sequence[AbstractAutoencoder],
    optimiser: optax.GradientTransformation,
    *,
    batch_size: int,
    patience: int | None,
) -> tuple[Program, Sequence[PyTree]]:
    """The program that trains an ensemble, and the parameters of each member.

    **Raises:** `ValueError` if the autoencoders have several architectures.
    """
    parameters, skeletons = zip(*(eqx.partition(one, eqx.is_array) for one in autoencoders), strict=True)
    if any(not eqx.tree_equal(skeleton, skeletons[0]) for skeleton in skeletons):
        raise ValueError("`autoencoders` must have one architecture, got members that differ in size or activation")
    mesh = mesh_of(len(autoencoders))
    numbers = -(-len(autoencoders) // mesh.size) * sum(leaf.size for leaf in jax.tree.leaves(parameters[0]))
    # Of Adam it is known that its update has no sums or products of matrices, which one function cannot have.
    in_one_function = optimiser is ADAM and numbers <= _IN_ONE_FUNCTION
    dtype = float_type(autoencoders[0])
    return Program(skeletons[0], optimiser, in_one_function, batch_size, patience, mesh, dtype), parameters


def compiled(
    function: Callable[Concatenate[Program, _Arguments], _Result],
) -> Callable[Concatenate[Program, _Arguments], _Result]:
    """`function` of a program and of arrays, compiled with the options for the devices of the program."""

    @cache
    def jitted(**options: Any) -> Callable[..., _Result]:
        return eqx.filter_jit(function, compiler_options=options)  # pyright: ignore[reportCallIssue]

    @wraps(function)
    def call(program: Program, *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        return jitted(**compiler_options(program.mesh))(program, *arguments, **named)

    return call


def mesh_of(members: int) -> jax.sharding.Mesh:
    """The devices that so many members are shared out over."""
    return jax.sharding.Mesh(np.asarray(jax.devices()[:members]), ("member",))


def compiler_options(mesh: jax.sharding.Mesh) -> dict[str, Any]:
    """Of XLA, for programs on these devices; they change results by rounding."""
    if mesh.devices[0].platform != "cpu":
        return {}
    # Where each core has a device of its own, to divide products of matrices among threads gains nothing. Both take a
    # seventh from the CPU time of an epoch of the ensembles of `reproduce`. Longer vectors alone take a twentieth, and
    # nothing where the time is that of long windows.
    alone = {"xla_cpu_multi_thread_eigen": False} if mesh.size >= cores() else {}
    return WIDEST_VECTORS | alone
