"""Which states can be recovered from which recordings, by which means: masks x noise x estimators x seeds, on disk."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import Progress, as_number, check_count, check_memory, check_not_negative, check_progress, check_type
from .._files import as_path, check_output
from ..autoencoder.autoencoder import Autoencoder
from ..autoencoder.reconstructor import Reconstructor
from ..column.column import Column
from ..column.inputs import UniformNoiseInput
from ..column.simulate import simulate
from ..column.states import STATES, to_channels
from ..estimators.four_d_var import FourDVar
from ..estimators.kalman import KalmanFilter, KalmanSmoother
from ..estimators.memoryless import MemorylessPredictor
from ..estimators.observer import ObserverCascade, derivatives_needed
from ..estimators.statistics import simulate_statistics
from ..estimators.wiener import WienerFilter
from ..recording.consistency import InconsistentRecordingWarning
from ..recording.estimate import AbstractEstimator, Estimate
from ..recording.evaluate import scores
from ..recording.mask import ObservationMask, as_mask
from ..recording.observe import observe
from ..recording.recording import Recording
from ..recording.standardizer import Standardizer
from ..scan import store as stores
from ..scan.contents import AbstractResults, Coordinate, StoreContents, StoredVariable
from ..scan.in_memory import ResultsInMemory
from ..scan.layout import Layout
from ..scan.summaries import Variable
from .pretraining import ALL_KINDS

NOISE_LEVELS = (0.0, 0.01, 0.05, 0.1, 0.5)
"""Sensor noise, as a fraction of each channel's standard deviation."""

_DT, _BURN_IN = 1e-3, 2.0
_EDGE = 0.5  # s, at either end of a recording, that are not scored: estimators start from nothing
_CAUSAL_MEMORY, _MEMORY = 0.128, 0.16  # s, of the Wiener filters
_MEMORYLESS_EVERY = 8  # it looks up the neighbours of one sample after the other: slow, and nearby samples are alike

CHANCE, MEMORYLESS = "chance", "memoryless"
METHODS = (
    CHANCE,
    MEMORYLESS,
    "wiener causal",
    "wiener",
    "observer",
    "kalman filter",
    "kalman smoother",
    "4d-var",
)
"""All that is scored beside autoencoders, by name."""


@dataclass(frozen=True)
class AtlasSettings:
    """What the atlas covers.

    **Raises:** `ValueError` for numbers out of range, or a mask that is none.
    """

    masks: tuple[str, ...] = tuple(",".join(mask.names) for mask in ALL_KINDS)
    """What is observed, as names of channels with commas between them."""
    noise: tuple[float, ...] = NOISE_LEVELS
    seeds: int = 3
    """Held-out sets, each with its own columns' noise and sensors' noise."""
    trajectories: int = 4
    """In each held-out set."""
    duration: float = 10.0
    """Seconds of each, after burn-in."""
    seed: int = 0
    """Of all randomness."""

    def __post_init__(self):
        if not isinstance(self.masks, list | tuple) or not all(isinstance(mask, str) for mask in self.masks):
            raise ValueError(
                f"`masks` must be a list of masks, each names with commas between them, got {self.masks!r:.60}"
            )
        for mask in self.masks:
            as_mask(mask.split(","), "masks")
        check_not_negative(noise=self.noise)
        lengths = {"len(masks)": len(self.masks), "len(noise)": len(self.noise)}
        check_count(1, seeds=self.seeds, trajectories=self.trajectories, **lengths)
        check_count(0, seed=self.seed)
        check_memory(
            "scores of all held-out sets", 1000 * len(self.masks) * len(self.noise) * self.seeds, seeds=self.seeds
        )
        if not as_number("duration", self.duration) > 2 * _EDGE:
            raise ValueError(
                f"`duration` must be more than the {2 * _EDGE:g} s at both ends of it that are not scored, got "
                f"{self.duration}"
            )

    @classmethod
    def quick(cls, **chosen: Any) -> "AtlasSettings":
        """A look in a minute: four masks, one noise level, one short held-out set."""
        few = {"masks": ("y0", "eeg", "y0,y1,y2", "y0,y1,y2,y3,y4,y5"), "noise": (0.05,)}
        return cls(**few | {"seeds": 1, "trajectories": 2, "duration": 5.0} | chosen)


def atlas(
    settings: AtlasSettings | None = None,
    *,
    autoencoders: Mapping[str, Reconstructor],
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Score every estimator on the same recordings of the standard column.

    The recordings are of the kinds that the autoencoders that come with the package were trained for: input uniform
    from 120 to 320 /s, held for 1 ms, sampled at 1 kHz. They are fixed by `settings`, and none was trained on.

    **Arguments:**

    - `settings`: `AtlasSettings()` if `None`; `AtlasSettings.quick()` for a look.
    - `autoencoders`: by name, reconstructors that were trained for the masks of the settings.
    - `store`: a folder that does not exist yet, or holds this very atlas: then it is resumed. `None`: in memory.
    - `progress`: called before each held-out set and mask, and when all are done.

    **Returns:** `r`, `r2`, `nrmse` and `expected_r`, the r that an estimator's own standard deviations amount to, over
        `seed`, `mask`, `noise`, `estimator` and `state`; and `derivatives`, how many each state takes in theory.

    **Raises:** `ValueError` for arguments that do not fit together, or a store that was made with others.
    """
    settings = AtlasSettings() if settings is None else settings
    check_type(AtlasSettings, settings=settings)
    check_progress(progress)
    masks = [as_mask(names.split(",")) for names in settings.masks]
    for reconstructor in autoencoders.values():
        for mask in masks:
            reconstructor.check_kind("masks", mask, mask)
    path = None if store is None else as_path("store", store)
    if path is not None:
        check_output("store", path, folder=True)
    cells = _opened(path, settings, autoencoders)
    todo = [int(number) for number in np.flatnonzero(~cells.complete())]
    work = _Work(settings, autoencoders) if todo else None
    for count, number in enumerate(todo):
        seed, mask, _ = (part.start for part in cells.layout.region(number))
        if progress is not None:
            done = cells.layout.chunks - len(todo) + count
            progress(done, cells.layout.chunks, f"seed {seed}: {' '.join(masks[mask].names)}")
        assert work is not None
        if not cells.holds(number):  # by another process, that was started beside this one
            cells.write(number, work(seed, masks[mask]))
    if progress is not None:
        progress(cells.layout.chunks, cells.layout.chunks, "all scores are there")
    needed = [[-1 if count is None else count for count in derivatives_needed(mask)] for mask in masks]
    about = {"long_name": "derivatives of the recording that the equations need to infer a state; -1: none suffice"}
    return cells.dataset().assign(derivatives=(("mask", "state"), np.array(needed), about))


class _Work:
    """Scores all estimators on one held-out set and mask, at all noise levels."""

    def __init__(self, settings: AtlasSettings, autoencoders: Mapping[str, Reconstructor]):
        """Simulates all that is needed."""
        self.settings, self.autoencoders = settings, autoencoders
        statistics_key, held_out_key, self.noise_key = jax.random.split(jax.random.key(settings.seed), 3)
        self.column = Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=_DT))
        self.statistics = simulate_statistics(self.column, dt=_DT, key=statistics_key)
        self.held_out = simulate(
            self.column,
            t1=_BURN_IN + settings.duration,
            dt=_DT,
            burn_in=_BURN_IN,
            batch=settings.seeds * settings.trajectories,
            key=held_out_key,
        )
        self.standardizer = Standardizer.fit(to_channels(jnp.asarray(self.statistics.states)))

    def __call__(self, seed: int, mask: ObservationMask) -> dict[str, np.ndarray]:
        """Results by name, of shape `(noise, estimator, state)`."""
        each = self.settings.trajectories
        trajectories = self.held_out[seed * each : (seed + 1) * each]
        noise_key, estimator_key = jax.random.split(jax.random.fold_in(self.noise_key, seed))
        found = []
        for level in self.settings.noise:
            noise_std = level * self.standardizer.std
            recording = observe(trajectories, observed=mask, noise_std=noise_std, key=noise_key)
            rows = []
            for name, estimator in self._estimators(mask, noise_std, estimator_key):
                every = _MEMORYLESS_EVERY if name == MEMORYLESS else 1
                thinned = Recording(
                    recording.values[:, ::every],
                    recording.measured[:, ::every],
                    recording.observed,
                    recording.noise_std,
                    dt=every * recording.dt,
                )
                with warnings.catch_warnings():
                    # How well estimators do on what they were not made for is what scores are to say.
                    warnings.simplefilter("ignore", InconsistentRecordingWarning)
                    estimate = estimator(thinned)
                rows.append(_scored(trajectories.ys[:, ::every], estimate))
            found.append(rows)
        by_result = np.asarray(found).transpose(2, 0, 1, 3)
        return dict(zip(RESULTS, by_result, strict=True))

    def _estimators(
        self, mask: ObservationMask, noise_std: Float[Array, "7"], key: PRNGKeyArray
    ) -> Iterator[tuple[str, AbstractEstimator]]:
        """By name, in the order of `METHODS`, then the autoencoders."""
        known = {"observed": mask, "noise_std": noise_std}
        statistics, column = self.statistics, self.column
        made = (
            Reconstructor(Autoencoder(key=key), [mask], self.standardizer),
            MemorylessPredictor.fit(statistics, **known, key=key),
            WienerFilter.fit(statistics, **known, past=_CAUSAL_MEMORY),
            WienerFilter.fit(statistics, **known, past=_MEMORY, future=_MEMORY),
            ObserverCascade(column, mean=statistics.mean),
            KalmanFilter(column),
            KalmanSmoother(column),
            FourDVar(column),
        )
        yield from zip(METHODS, made, strict=True)
        yield from self.autoencoders.items()


RESULTS = {
    "r": "Pearson's correlation",
    "r2": "coefficient of determination",
    "nrmse": "root mean squared error over the standard deviation",
    "expected_r": "correlation that the estimator itself expects",
}
"""What is kept for each state, by name."""


def _scored(truth: Float[Array, "trajectory time 6"], estimate: Estimate) -> Float[np.ndarray, "result state"]:
    edge = round(_EDGE / estimate.dt)
    inner = slice(edge, -edge)
    truth, mean = truth[:, inner], estimate.mean[:, inner]
    expected = np.full(len(STATES), np.nan)
    if estimate.std is not None:
        unexplained = np.mean(np.asarray(estimate.std)[:, inner] ** 2, axis=(0, 1)) / np.var(truth, axis=(0, 1))
        expected = np.sqrt(np.maximum(1 - unexplained, 0))
    return np.stack([*map(np.asarray, scores(truth, mean)), expected])


def _opened(path: Path | None, settings: AtlasSettings, autoencoders: Mapping[str, Reconstructor]) -> AbstractResults:
    """The store, new or to be resumed."""
    made_with = {**asdict(settings), "autoencoders": {name: _digest(each) for name, each in autoencoders.items()}}
    if path is not None and path.exists():
        return stores.resume(path, made_with)
    layout = Layout((settings.seeds, len(settings.masks), len(settings.noise)), (1, 1, len(settings.noise)))
    inner = {"estimator": np.array([*METHODS, *autoencoders]), "state": np.array(STATES)}
    shape = tuple(map(len, inner.values()))
    variables = {
        name: StoredVariable(Variable("1", about, tuple(inner), inner), shape, np.dtype(np.float32))
        for name, about in RESULTS.items()
    }
    noise = {"long_name": "sensor noise, as a fraction of each channel's standard deviation", "units": "1"}
    coordinates = (
        Coordinate("seed", "seed", np.arange(settings.seeds), {"long_name": "held-out set"}),
        Coordinate("mask", "mask", np.array(settings.masks), {"long_name": "channels that are observed"}),
        Coordinate("noise", "noise", np.array(settings.noise), noise),
    )
    contents = StoreContents(("seed", "mask", "noise"), coordinates, layout, variables, made_with)
    return ResultsInMemory(contents) if path is None else stores.create(path, contents)


def _digest(reconstructor: Reconstructor) -> str:
    """The same for the same weights."""
    arrays = jax.tree.leaves(eqx.filter(reconstructor, eqx.is_inexact_array))
    return hashlib.sha256(b"".join(np.asarray(array).tobytes() for array in arrays)).hexdigest()[:16]
