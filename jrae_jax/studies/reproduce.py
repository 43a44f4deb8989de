"""The study end to end, as it was published and as it should be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import diffrax
import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_count, check_positive
from .._progress import Progress
from ..autoencoder.autoencoder import Autoencoder
from ..autoencoder.reconstructor import Reconstructor
from ..autoencoder.train import Fit, fit_ensemble
from ..column.inputs import UniformNoiseInput
from ..column.parameters import JansenRitParameters
from ..column.simulate import simulate
from ..column.solvers import RK4, Euler
from ..column.states import STATES
from ..column.trajectories import Trajectories
from ..recording.dataset import Dataset, make_dataset
from ..recording.mask import FULL, POTENTIALS, PYRAMIDAL
from .evaluate import Scores, evaluate
from .latent_dynamics import Motion, measure_motion
from .latent_sizes import LatentSizes, compare_latent_sizes

CONDITIONS = MappingProxyType({"full": FULL, "potentials": POTENTIALS, "pyramidal": PYRAMIDAL})
"""The study's observability conditions: all six states, the three potentials, the pyramidal potential alone."""

_DT = 1e-3  # s
_STEPS_AN_EPOCH = 20  # of networks that are trained on endless recordings


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
    solver=Euler(),
    trajectories=1,
    held_out=0,
    burn_in=0.0,
    train_every=1,
    own_inputs=True,
    losses=("observed",),
)
"""Forward Euler, one trajectory from rest, loss on observed states, scored on the training data."""

AS_IT_SHOULD_BE = Protocol(
    name="as_it_should_be",
    title="As it should be",
    solver=RK4(),
    trajectories=16,
    held_out=4,
    burn_in=1.0,
    train_every=10,
    own_inputs=False,
    losses=("observed", "all"),
)
"""Accurate solver, transient dropped, twelve trajectories to train on and four others to score, both losses."""

PROTOCOLS = (AS_PUBLISHED, AS_IT_SHOULD_BE)


@dataclass(frozen=True)
class StudySettings:
    """What of the study can be chosen.

    **Raises:** `ValueError` for numbers out of range.
    """

    seeds: int = 10
    """Repetitions; each has its own simulated noise, initial weights and order of samples."""
    epochs: int = 50
    latent_size: int = 3
    seed: int = 0
    """Where all randomness comes from."""
    duration: float = 10.0
    """Seconds of each trajectory, after burn-in."""
    latent_sizes: tuple[int, ...] = tuple(range(1, 9))
    """Latent sizes of the networks that see a window of the recording."""

    def __post_init__(self):
        check_count(1, seeds=self.seeds, epochs=self.epochs, latent_size=self.latent_size)
        check_count(0, seed=self.seed)
        check_count(1, latent_sizes=min(self.latent_sizes, default=0))
        check_positive(duration=self.duration)

    @property
    def conclusive(self) -> bool:
        """Whether there are seeds and epochs enough to take the verdicts for more than a look."""
        return self.seeds >= 5 and self.epochs >= 20

    @classmethod
    def quick(cls, **chosen: Any) -> "StudySettings":
        """A look in seconds, not a result: few seeds, few epochs, short trajectories."""
        return cls(**{"seeds": 3, "epochs": 3, "duration": 2.0, "latent_sizes": (1, 3, 6)} | chosen)


class Case(eqx.Module):
    """One protocol, condition and loss: everything that came of it, a list entry for each seed."""

    protocol: Protocol = eqx.field(static=True)
    condition: str = eqx.field(static=True)
    loss: str = eqx.field(static=True)
    fits: list[Fit]
    scores: list[Scores]
    chance: list[Scores]
    """Scores of the same networks before training."""
    latents: list[Float[np.ndarray, "time latent"]]
    """Latent trajectory of the first scored recording."""

    @property
    def name(self) -> str:
        """Protocol, condition and loss in one word."""
        return f"{self.protocol.name}-{self.condition}-{self.loss}"

    @property
    def r(self) -> Float[np.ndarray, "seed 6"]:
        """Pearson's r of each seed and state, with its sign."""
        return np.stack([scores.r for scores in self.scores])

    @property
    def chance_r(self) -> Float[np.ndarray, "seed 6"]:
        """The same of untrained networks."""
        return np.stack([scores.r for scores in self.chance])


class Study(eqx.Module):
    """A finished study."""

    settings: StudySettings = eqx.field(static=True)
    cases: list[Case]
    examples: dict[str, Trajectories]
    """By protocol, the first scored recording of the first seed."""
    motion: dict[str, list[Motion]]
    """Measures of the latents by the name of the case, and of the recordings that they were made of, every channel in
    units of its standard deviation, by protocol and condition, such as `as_published-full`; an entry for each seed."""
    latent_sizes: LatentSizes
    """What networks that see a window of the recording make of latents of different sizes."""

    def case(self, protocol: Protocol, condition: str, loss: str) -> Case:
        """The case of that protocol, condition and loss; where all is observed the losses are one and the same."""
        cases = [case for case in self.cases if (case.protocol.name, case.condition) == (protocol.name, condition)]
        return cases[0] if len(cases) == 1 else next(case for case in cases if case.loss == loss)


def reproduce(settings: StudySettings | None = None, *, progress: Progress | None = None) -> Study:
    """Run both protocols: simulate, hide states, train, score, and measure chance with untrained networks.

    **Arguments:**

    - `settings`: `StudySettings()` if `None`; `StudySettings.quick()` for a look.
    - `progress`: called with what is being done and the share of the whole that is done.

    **Returns:** a `Study`.

    **Raises:** `ValueError` for settings out of range.
    """
    settings = StudySettings() if settings is None else settings
    report = progress or (lambda doing, done: None)
    cases, examples, motion = [], {}, {}
    parts = len(PROTOCOLS) + 1
    for number, protocol in enumerate(PROTOCOLS):
        key = jax.random.fold_in(jax.random.key(settings.seed), number)
        simulation_key, network_key, shuffle_key = jax.random.split(key, 3)
        report(f"{protocol.title}: simulate", number / parts)
        recordings = _simulate(protocol, settings, simulation_key)
        examples[protocol.name] = _example(protocol, recordings[0])
        groups = list(_groups(protocol))
        for index, group in enumerate(groups):
            within = _Share(report, protocol, group, number / parts, index, len(groups) * parts)
            cases += _train_and_score(protocol, settings, group, recordings, network_key, shuffle_key, within)
        report(f"{protocol.title}: measure latents", (number + 1) / parts)
        own = [case for case in cases if case.protocol is protocol]
        motion |= _motion(protocol, own, recordings, jax.random.fold_in(key, 3))
    latent_sizes = compare_latent_sizes(
        settings.latent_sizes,
        steps=_STEPS_AN_EPOCH * settings.epochs,
        key=jax.random.fold_in(jax.random.key(settings.seed), len(PROTOCOLS)),
        progress=lambda doing, done: report(doing, (len(PROTOCOLS) + done) / parts),
    )
    report("done", 1.0)
    return Study(settings, cases, examples, motion, latent_sizes)


def _motion(
    protocol: Protocol, cases: Sequence[Case], recordings: Sequence[Trajectories], key: PRNGKeyArray
) -> dict[str, list[Motion]]:
    """Measures of latents and of recordings."""
    spaces: dict[str, Sequence[np.ndarray]] = {case.name: case.latents for case in cases}
    states = [np.asarray(_example(protocol, each).ys, dtype=float) for each in recordings]
    for condition, mask in CONDITIONS.items():
        seen = [STATES.index(name) for name in mask.names]
        spaces[f"{protocol.name}-{condition}"] = [(ys[:, seen] / ys[:, seen].std(axis=0)) for ys in states]
    return {
        name: [measure_motion(points, _DT, key=jax.random.fold_in(key, seed)) for seed, points in enumerate(each)]
        for name, each in spaces.items()
    }


def _groups(protocol: Protocol) -> Iterator[list[tuple[str, str]]]:
    """Conditions and losses that can be trained in one ensemble, having networks of one shape."""
    pairs = [(condition, loss) for condition in CONDITIONS for loss in losses_of(protocol, condition)]
    return ([pair] for pair in pairs) if protocol.own_inputs else iter([pairs])


def losses_of(protocol: Protocol, condition: str) -> tuple[str, ...]:
    """The losses to train with; where all states are observed they are one and the same."""
    return protocol.losses if CONDITIONS[condition].hidden_states else protocol.losses[-1:]


@dataclass(frozen=True)
class _Share:
    """Turns the epochs of one ensemble into the share of the whole study that is done."""

    report: Progress
    protocol: Protocol
    group: Sequence[tuple[str, str]]
    start: float
    index: int
    parts: int

    def __call__(self, epochs_done: int, epochs: int) -> None:
        conditions = ", ".join(dict(self.group))
        done = self.start + (self.index + epochs_done / epochs) / self.parts
        self.report(f"{self.protocol.title}: train {conditions}, epoch {epochs_done} of {epochs}", done)


def _simulate(protocol: Protocol, settings: StudySettings, key: PRNGKeyArray) -> list[Trajectories]:
    """Recordings of each seed; all seeds are one batch."""
    batch = settings.seeds * protocol.trajectories
    recordings = simulate(
        JansenRitParameters.preset("jansen_rit_1995"),
        UniformNoiseInput(120.0, 320.0, hold=_DT),
        t1=protocol.burn_in + settings.duration,
        dt=_DT,
        solver=protocol.solver,
        burn_in=protocol.burn_in,
        batch=batch,
        key=key,
    )
    by_seed = np.asarray(recordings.ys).reshape(settings.seeds, protocol.trajectories, -1, 6)
    return [Trajectories(recordings.ts, jax.numpy.asarray(ys)) for ys in by_seed]


def _example(protocol: Protocol, recordings: Trajectories) -> Trajectories:
    return Trajectories(recordings.ts, recordings.ys[-max(protocol.held_out, 1)])


def _train_and_score(
    protocol: Protocol,
    settings: StudySettings,
    group: Sequence[tuple[str, str]],
    recordings: Sequence[Trajectories],
    network_key: PRNGKeyArray,
    shuffle_key: PRNGKeyArray,
    progress: _Share,
) -> list[Case]:
    """One ensemble: every condition and loss of `group` times every seed."""
    members = [(condition, loss, seed) for condition, loss in group for seed in range(settings.seeds)]
    datasets = {condition: _datasets(protocol, condition, recordings) for condition, _ in group}
    of_member = [datasets[condition][seed] for condition, _, seed in members]
    networks = [
        Autoencoder(
            latent_size=settings.latent_size,
            inputs=CONDITIONS[condition] if protocol.own_inputs else None,
            key=jax.random.fold_in(network_key, seed),
        )
        for condition, _, seed in members
    ]
    fits = fit_ensemble(
        networks,
        of_member,
        keys=jax.numpy.stack([jax.random.fold_in(shuffle_key, seed) for *_, seed in members]),
        loss=[loss for _, loss, _ in members],
        epochs=settings.epochs,
        progress=lambda epoch, losses: progress(epoch, settings.epochs),
    )
    untrained = [
        Reconstructor(network, dataset.mask, dataset.standardizer)
        for network, dataset in zip(networks, of_member, strict=True)
    ]
    rows = list(zip(members, of_member, fits, untrained, strict=True))
    return [_case(protocol, pair, [row[1:] for row in rows if row[0][:2] == pair]) for pair in group]


def _datasets(protocol: Protocol, condition: str, recordings: Sequence[Trajectories]) -> list[Dataset]:
    return [
        make_dataset(
            seed_recordings,
            observed=CONDITIONS[condition],
            held_out=protocol.held_out,
            train_every=protocol.train_every,
        )
        for seed_recordings in recordings
    ]


def _case(protocol: Protocol, pair: tuple[str, str], seeds: Sequence[tuple[Dataset, Fit, Reconstructor]]) -> Case:
    on = protocol.scored_on
    return Case(
        protocol,
        *pair,
        fits=[fitted for _, fitted, _ in seeds],
        scores=[evaluate(fitted.model, dataset, on=on) for dataset, fitted, _ in seeds],
        chance=[evaluate(untrained, dataset, on=on) for dataset, _, untrained in seeds],
        latents=[np.asarray(fitted.model.latents(_first_recording(dataset))) for dataset, fitted, _ in seeds],
    )


def _first_recording(dataset: Dataset) -> Float[Array, "time 7"]:
    return (dataset.held_out or dataset.train).recording[0]
