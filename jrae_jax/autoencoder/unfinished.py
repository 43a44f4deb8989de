"""A training that is not at its end, on disk: written every now and then, and resumed from there."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from .._files import check_output
from .._version import __version__
from ..scan.comparison import comparable, differences, digest
from .base import AbstractAutoencoder, float_type
from .container import read_container, write_container
from .loss import AbstractLoss
from .program import Program, compiler_options, mesh_of
from .sources import AbstractTrainingData
from .train_step import State

_FORMAT = "jrae_jax unfinished training"
_VERSION = 1
_EVERY = 30.0  # s from one writing to the next: what a crash can cost
_COST = 200  # so many times as long as the writing itself takes, at least: half a percent
_ADVANCE = 5.0  # s, about, that training continues without a look at the clock, or at an interrupt


class Reached(NamedTuple):
    """How far a training has come."""

    epochs: int
    state: State
    """Of all members."""
    losses: Float[np.ndarray, "member epoch 2"]


def training_settings(
    autoencoders: Sequence[AbstractAutoencoder],
    data: AbstractTrainingData,
    losses: Sequence[AbstractLoss],
    keys: Key[Array, " member"],
    optimiser: optax.GradientTransformation | None,
    learning_rate: float | None,
) -> dict[str, Any]:
    """All that makes a training what it is, to the last bit, by the names of the arguments."""
    mesh = mesh_of(len(autoencoders))
    scalars = vars(data.settings("; ".join(sorted({repr(loss) for loss in losses}))))
    return {
        **scalars,
        "len(autoencoders)": len(autoencoders),
        "autoencoders": digest([[type(one).__name__, one.settings, jax.tree.leaves(one)] for one in autoencoders]),
        "data": digest({name: value for name, value in vars(data).items() if name not in scalars}),
        "losses": digest(list(losses)),
        "keys": digest(keys),
        "optimiser": comparable(optimiser),
        "learning_rate": learning_rate,
        "jrae_jax": __version__,
        "jax": jax.__version__,
        "device": f"{mesh.size} {mesh.devices[0].device_kind}",
        "dtype": str(float_type(autoencoders[0])),
        "compiler_options": comparable(compiler_options(mesh)),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
    }


class UnfinishedTraining:
    """The file of a training that is not at its end.

    **Arguments:**

    - `path`: a file that is not there yet, or of this very training.
    - `settings`: from `training_settings`.

    **Raises:** `ValueError` if `path` cannot be written.
    """

    def __init__(self, path: str | os.PathLike, settings: dict[str, Any]):
        """See the class."""
        check_output("checkpoint", path)
        self.path, self.settings = Path(path), settings
        self.written, self.next_write = 0, time.monotonic() + _EVERY
        self.epochs, self.time = 0, time.monotonic()
        self.advance = 1
        """Epochs until this is to be asked again whether it is time to write."""

    def restored(self, start: Reached, program: Program) -> Reached:
        """What the file holds; `start` if there is none.

        **Raises:** `ValueError` if it holds another training, or is damaged.
        """
        if not self.path.exists():
            return start
        header, whole, content = read_container(self.path)
        if header is None or header.get("format") != _FORMAT:
            raise ValueError(f"`checkpoint` must be a file of an unfinished training, got {self.path}")
        damaged = f"`checkpoint` {self.path} is damaged: delete it to train anew"
        if not whole:
            raise ValueError(damaged)
        made_with = header.get("settings") if header.get("version") == _VERSION else {"version": header.get("version")}
        found = differences(made_with, self.settings)
        if found:
            raise ValueError(f"`checkpoint` {self.path} is of another training: {found}; delete it to train anew")
        try:
            like = jax.device_get(start.state), np.zeros((len(start.losses), header["epochs"], 2), header["losses"])
            state, losses = eqx.tree_deserialise_leaves(content, like)
        except Exception as error:  # whatever arrays and a header can lead to that do not belong together
            raise ValueError(damaged) from error
        self.epochs = self.written = header["epochs"]
        return Reached(header["epochs"], program.place(state), losses)

    def keep(self, reached: Reached) -> None:
        """Write it if it is time."""
        now = time.monotonic()
        pace = (now - self.time) / (reached.epochs - self.epochs)
        self.epochs, self.time, self.advance = reached.epochs, now, max(1, int(_ADVANCE / pace))
        if now >= self.next_write:
            self.write(reached)

    def write(self, reached: Reached) -> None:
        """Write it, unless that was done.

        **Raises:** `OSError` if that cannot be done.
        """
        if reached.epochs <= self.written:
            return
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            "epochs": reached.epochs,
            "losses": str(reached.losses.dtype),
            "settings": self.settings,
        }
        start = time.monotonic()
        write_container(self.path, header, (jax.device_get(reached.state), reached.losses), "checkpoint")
        end = self.time = time.monotonic()
        self.written, self.next_write = reached.epochs, end + max(_EVERY, _COST * (end - start))
