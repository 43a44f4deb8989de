"""The study's observability conditions, losses and protocols."""

from dataclasses import dataclass
from types import MappingProxyType

import diffrax

from ..autoencoder.loss import ReconstructionLoss
from ..column.solvers import RK4
from ..recording.mask import FULL, POTENTIALS, PYRAMIDAL

CONDITIONS = MappingProxyType({"full": FULL, "potentials": POTENTIALS, "pyramidal": PYRAMIDAL})
"""The study's observability conditions: all six states, the three potentials, the pyramidal potential alone."""

LOSSES = MappingProxyType({"observed": ReconstructionLoss.observed(), "all": ReconstructionLoss.all()})
"""The study's loss, on the observed states only, and that on all six."""


@dataclass(frozen=True)
class Protocol:
    """How recordings are made, what is trained on them, and what is scored."""

    name: str
    title: str
    solver: diffrax.AbstractSolver
    trajectories: int
    """Trajectories simulated for each seed."""
    held_out: int
    """How many of them are scored and never trained on; 0: scores are on the training data."""
    burn_in: float
    """Seconds simulated and dropped."""
    train_every: int
    own_inputs: bool
    """Whether the first layer has weights for the observed states only; else hidden inputs are zero."""
    losses: tuple[str, ...]

    @property
    def scored_on(self) -> str:
        """Which part of the dataset the scores are computed on."""
        return "held_out" if self.held_out else "train"


AS_PUBLISHED = Protocol(
    name="as_published",
    title="As published",
    solver=diffrax.Euler(),
    trajectories=1,
    held_out=0,
    burn_in=0.0,
    train_every=1,
    own_inputs=True,
    losses=("observed",),
)
"""Forward Euler, one trajectory from rest, loss on observed states, scored on the training data."""

CORRECTED = Protocol(
    name="corrected",
    title="Corrected",
    solver=RK4(),
    trajectories=16,
    held_out=4,
    burn_in=1.0,
    train_every=10,
    own_inputs=False,
    losses=("observed", "all"),
)
"""Accurate solver, transient dropped, twelve trajectories to train on and four others to score, both losses."""

PROTOCOLS = (AS_PUBLISHED, CORRECTED)


def losses_of(protocol: Protocol, condition: str) -> tuple[str, ...]:
    """The losses to train with; where all states are observed they are one and the same."""
    return protocol.losses if CONDITIONS[condition].hidden_states else protocol.losses[-1:]
