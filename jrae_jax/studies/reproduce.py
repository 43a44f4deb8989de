"""The study end to end: as it was published, and by the corrected protocol."""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from .._checks import (
    Progress,
    as_positive,
    check_choice,
    check_count,
    check_memory,
    check_progress,
    check_type,
    of_numbers,
)
from .._files import as_path
from ..autoencoder.autoencoder import Autoencoder
from ..autoencoder.base import zero_padded
from ..autoencoder.reconstructor import Reconstructor
from ..autoencoder.train import train_ensemble
from ..autoencoder.training import Training
from ..column.column import Column
from ..column.inputs import UniformNoiseInput
from ..column.simulate import simulate
from ..column.states import STATES
from ..column.trajectories import Trajectories
from ..recording.dataset import Dataset, Split, make_dataset
from ..recording.evaluate import Scores, evaluate
from .latent_dynamics import LatentDynamics, measure_latent_dynamics
from .protocols import CONDITIONS, LOSSES, PROTOCOLS, Protocol, losses_of

if TYPE_CHECKING:
    import pandas as pd

_DT = 1e-3  # s, of the integration and between samples
_TRAINING = 0.85  # of the time of a protocol; the remainder measures latents

# What a verdict needs. With fewer seeds Student's intervals are so wide that hardly anything is decided; with fewer
# epochs training stops long before its loss is level; 5 s are some fifty turns of the alpha cycle, of which measures of
# latent dynamics need many.
SEEDS_TO_JUDGE, EPOCHS_TO_JUDGE, SECONDS_TO_JUDGE = 5, 20, 5.0


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
    """Of all randomness."""
    duration: float = 10.0
    """Seconds of each trajectory, after burn-in."""

    def __post_init__(self):
        check_count(1, seeds=self.seeds, epochs=self.epochs, latent_size=self.latent_size)
        check_count(0, seed=self.seed)
        as_positive("duration", self.duration)
        trajectories = sum(protocol.trajectories for protocol in PROTOCOLS)
        samples = trajectories * math.ceil(self.duration / _DT)
        check_memory("trajectories of all repetitions", 4 * len(STATES) * samples * self.seeds, seeds=self.seeds)
        # One layer before the latent and one behind it, and two moments of each weight, in each condition.
        weights = 2 * 3 * 64 * len(CONDITIONS) * self.seeds * self.latent_size
        check_memory("autoencoders of all repetitions", 4 * weights, latent_size=self.latent_size)

    @property
    def conclusive(self) -> bool:
        """Whether seeds, epochs and trajectories are enough for verdicts."""
        enough = self.seeds >= SEEDS_TO_JUDGE and self.epochs >= EPOCHS_TO_JUDGE
        return enough and self.duration >= SECONDS_TO_JUDGE

    @classmethod
    def quick(cls, **chosen: Any) -> "StudySettings":
        """A look in seconds, without verdicts: few seeds, few epochs, short trajectories."""
        return cls(**{"seeds": 3, "epochs": 3, "duration": 2.0} | chosen)


class Case(eqx.Module):
    """One protocol, condition and loss: its results, a list entry for each seed."""

    protocol: Protocol = eqx.field(static=True)
    condition: str = eqx.field(static=True)
    loss: str = eqx.field(static=True)
    trainings: list[Training]
    scores: list[Scores]
    chance: list[Scores]
    """Scores of the same autoencoders before training."""
    latents: list[Float[np.ndarray, "time latent"]]
    """Latent trajectory of the first scored recording."""
    reconstruction: Float[np.ndarray, "time 6"]
    """Of that recording by the first seed, mV and mV/s."""

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
        """The same of untrained autoencoders."""
        return np.stack([scores.r for scores in self.chance])

    @of_numbers
    def __repr__(self) -> str:
        scores = ", ".join(f"{state} {r:.3f}" for state, r in zip(STATES, self.r.mean(axis=0), strict=True))
        return f"Case({self.name}, {len(self.scores)} seeds, mean r: {scores})"


class Study(eqx.Module):
    """A finished study."""

    settings: StudySettings = eqx.field(static=True)
    cases: list[Case]
    examples: dict[str, Trajectories]
    """By protocol, the first scored recording of the first seed."""
    latent_dynamics: dict[str, list[LatentDynamics]]
    """Measures of the latents by the name of the case, and of the recordings that they were made of, every channel in
    units of its standard deviation, by protocol and condition, such as `as_published-full`; an entry for each seed."""

    def case(self, protocol: Protocol, condition: str, loss: str) -> Case:
        """The case of that protocol, condition and loss; where all is observed the losses are one and the same.

        **Raises:** `ValueError` for a condition or a loss that the study does not have.
        """
        check_choice(tuple(CONDITIONS), condition=condition)
        check_choice(tuple(LOSSES), loss=loss)
        cases = [case for case in self.cases if (case.protocol.name, case.condition) == (protocol.name, condition)]
        return cases[0] if len(cases) == 1 else next(case for case in cases if case.loss == loss)

    def to_dataframe(self) -> "pd.DataFrame":
        """A row for each case, seed and state: `protocol`, `condition`, `loss`, `seed`, `state`, whether it was
        `observed`, the scores `r`, `r2` and `nrmse`, and `chance_r`, the r of the untrained autoencoder."""
        import pandas as pd  # here, as importing it is slow

        parts = []
        for case in self.cases:
            where = {"protocol": case.protocol.name, "condition": case.condition, "loss": case.loss}
            for seed, (scores, chance) in enumerate(zip(case.scores, case.chance, strict=True)):
                table = scores.to_dataframe().reset_index().assign(seed=seed, chance_r=chance.r, **where)
                parts.append(table[[*where, "seed", "state", "observed", "r", "r2", "nrmse", "chance_r"]])
        return pd.concat(parts, ignore_index=True)

    @of_numbers
    def __repr__(self) -> str:
        chosen = ", ".join(f"{name}={value}" for name, value in vars(self.settings).items())
        width = max(len(case.name) for case in self.cases)
        lines = [f"Study({chosen}", f"  {'Pearson r, mean over seeds':<{width}}" + "".join(f"{s:>7}" for s in STATES)]
        for case in self.cases:
            lines.append(f"  {case.name:<{width}}" + "".join(f"{r:7.3f}" for r in case.r.mean(axis=0)))
        return "\n".join(lines) + ")"


def _pairs(protocol: Protocol) -> list[tuple[str, str]]:
    """The conditions and losses of a protocol."""
    return [(condition, loss) for condition in CONDITIONS for loss in losses_of(protocol, condition)]


def reproduce(
    settings: StudySettings | None = None, *, checkpoints: Path | None = None, progress: Progress | None = None
) -> Study:
    """Run both protocols: simulate, hide states, train, score, and measure chance with untrained autoencoders.

    **Arguments:**

    - `settings`: `StudySettings()` if `None`; `StudySettings.quick()` for a look.
    - `checkpoints`: a folder for a file of each protocol's trainings, by which the same call resumes where it was
        interrupted.
    - `progress`: called with the epochs done, over all autoencoders, how many there are, and what is being done.

    **Returns:** a `Study`.

    **Raises:** `ValueError` for settings out of range.
    """
    settings = StudySettings() if settings is None else settings
    check_type(StudySettings, settings=settings)
    check_progress(progress)
    checkpoints = None if checkpoints is None else as_path("checkpoints", checkpoints)
    cases, examples, dynamics = [], {}, {}
    work = [len(_pairs(protocol)) * settings.seeds * settings.epochs for protocol in PROTOCOLS]
    for number, protocol in enumerate(PROTOCOLS):

        def report(fraction: float, message: str, number: int = number, protocol: Protocol = protocol) -> None:
            if progress is not None:
                progress(sum(work[:number]) + fraction * work[number], sum(work), f"{protocol.title}: {message}")

        key = jax.random.fold_in(jax.random.key(settings.seed), number)
        simulation_key, autoencoder_key, shuffle_key = jax.random.split(key, 3)
        report(0.0, "simulating")
        trajectories = _simulate(protocol, settings, simulation_key)
        examples[protocol.name] = _scored(protocol, trajectories[0])
        report(0.0, "compiling")
        cases += _train_and_score(
            protocol,
            settings,
            trajectories,
            autoencoder_key,
            shuffle_key,
            None if checkpoints is None else checkpoints / protocol.name,
            lambda done, total, message, report=report: report(_TRAINING * done / total, message),
        )
        report(_TRAINING, "measuring latents")
        own = [case for case in cases if case.protocol is protocol]
        dynamics |= _latent_dynamics(protocol, own, trajectories, jax.random.fold_in(key, 3))
        report(1.0, "done")
    return Study(settings, cases, examples, dynamics)


def _latent_dynamics(
    protocol: Protocol, cases: Sequence[Case], trajectories: Sequence[Trajectories], key: PRNGKeyArray
) -> dict[str, list[LatentDynamics]]:
    """Measures of latents and of recordings, on all cores: what they are made of, NumPy and SciPy, runs in threads."""
    spaces: dict[str, Sequence[np.ndarray]] = {case.name: case.latents for case in cases}
    states = [np.asarray(_scored(protocol, each).ys, dtype=float) for each in trajectories]
    for condition, mask in CONDITIONS.items():
        observed = [STATES.index(name) for name in mask.names]
        spaces[f"{protocol.name}-{condition}"] = [(ys[:, observed] / ys[:, observed].std(axis=0)) for ys in states]
    keys = [jax.random.fold_in(key, seed) for seed in range(len(trajectories))]
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        measured = {
            name: [
                pool.submit(measure_latent_dynamics, points, _DT, key=key)
                for points, key in zip(each, keys, strict=True)
            ]
            for name, each in spaces.items()
        }
        return {name: [found.result() for found in each] for name, each in measured.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # when it is interrupted, what has not begun


def _simulate(protocol: Protocol, settings: StudySettings, key: PRNGKeyArray) -> list[Trajectories]:
    """The trajectories of each seed; all seeds are one batch."""
    trajectories = simulate(
        Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=_DT)),
        t1=protocol.burn_in + settings.duration,
        dt=_DT,
        solver=protocol.solver,
        burn_in=protocol.burn_in,
        batch=settings.seeds * protocol.trajectories,
        key=key,
    )
    each = protocol.trajectories
    return [trajectories[seed * each : (seed + 1) * each] for seed in range(settings.seeds)]


def _scored(protocol: Protocol, trajectories: Trajectories) -> Trajectories:
    """The first trajectory that is scored: held out, where any are."""
    return trajectories[-max(protocol.held_out, 1)]


def _train_and_score(
    protocol: Protocol,
    settings: StudySettings,
    trajectories: Sequence[Trajectories],
    autoencoder_key: PRNGKeyArray,
    shuffle_key: PRNGKeyArray,
    checkpoint: Path | None,
    progress: Progress,
) -> list[Case]:
    """One ensemble: every condition and loss times every seed."""
    pairs = _pairs(protocol)
    members = [(condition, loss, seed) for condition, loss in pairs for seed in range(settings.seeds)]
    datasets = {
        condition: [
            make_dataset(
                each,
                observed=CONDITIONS[condition],
                held_out=protocol.held_out,
                train_every=protocol.train_every,
            )
            for each in trajectories
        ]
        for condition in CONDITIONS
    }
    data = [datasets[condition][seed] for condition, _, seed in members]
    autoencoders = [
        _autoencoder(protocol, condition, settings.latent_size, jax.random.fold_in(autoencoder_key, seed))
        for condition, _, seed in members
    ]
    trainings = train_ensemble(
        autoencoders,
        data,
        keys=jnp.stack([jax.random.fold_in(shuffle_key, seed) for *_, seed in members]),
        loss=[LOSSES[loss] for _, loss, _ in members],
        epochs=settings.epochs,
        checkpoint=checkpoint,
        progress=progress,
    )
    untrained = [
        Reconstructor(autoencoder, [dataset.observed], dataset.standardizer)
        for autoencoder, dataset in zip(autoencoders, data, strict=True)
    ]
    rows = list(zip(members, data, trainings, untrained, strict=True))
    return [_case(protocol, pair, [row[1:] for row in rows if row[0][:2] == pair]) for pair in pairs]


def _autoencoder(protocol: Protocol, condition: str, latent_size: int, key: PRNGKeyArray) -> Autoencoder:
    """An initial autoencoder; those of all conditions are of one shape.

    What the study observes are the first one, three or six channels, so that an autoencoder that reads nothing else is
    one that reads all channels with weights of 0 for the others.
    """
    everything = Autoencoder(latent_size=latent_size, key=key)
    if not protocol.own_inputs:
        return everything
    return zero_padded(Autoencoder(latent_size=latent_size, inputs=CONDITIONS[condition].names, key=key), everything)


def _case(protocol: Protocol, pair: tuple[str, str], seeds: Sequence[tuple[Dataset, Training, Reconstructor]]) -> Case:
    on = protocol.scored_on

    def split(data: Dataset) -> Split:
        return data.train if data.held_out is None else data.held_out

    estimates = [training.reconstructor(split(data).recording) for data, training, _ in seeds]
    return Case(
        protocol,
        *pair,
        trainings=[training for _, training, _ in seeds],
        scores=[evaluate(estimate, data, on=on) for estimate, (data, *_) in zip(estimates, seeds, strict=True)],
        chance=[evaluate(untrained(split(data).recording), data, on=on) for data, _, untrained in seeds],
        latents=[np.asarray(training.reconstructor.latents(split(data).recording[0])) for data, training, _ in seeds],
        reconstruction=np.asarray(estimates[0].mean)[0],
    )
