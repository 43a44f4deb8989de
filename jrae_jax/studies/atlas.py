"""Which states can be recovered from which recordings, by which means: masks x noise x methods x seeds, on disk."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from .._checks import check_count, check_not_negative
from .._progress import Progress
from ..autoencoder.autoencoder import Autoencoder
from ..autoencoder.reconstructor import Reconstructor
from ..autoencoder.windowed import WindowedAutoencoder
from ..column.inputs import UniformNoiseInput
from ..column.parameters import JansenRitParameters
from ..column.simulate import simulate
from ..column.states import STATES
from ..estimators.observer import derivatives_needed
from ..estimators.statistics import CEILINGS, Estimate, Task, reference, task_of
from ..recording.dataset import Standardizer
from ..recording.mask import ObservationMask, as_mask, to_channels
from ..scan import store as stores
from ..scan.store import Layout, ScanStore
from ..scan.summaries import Variable
from .evaluate import scores
from .pretraining import ALL_MASKS

NOISE_LEVELS = (0.0, 0.01, 0.05, 0.1, 0.5)
"""Sensor noise, as a fraction of each channel's standard deviation."""

_DT, _BURN_IN = 1e-3, 2.0
_EDGE = 0.5  # s, at either end of a recording, that are not scored: estimators start from nothing
_MEMORYLESS_EVERY = 8  # neighbours are looked up for so many samples one after the other: slow, and alike


@dataclass(frozen=True)
class AtlasSettings:
    """What the atlas covers.

    **Raises:** `ValueError` for numbers out of range, or a mask that is none.
    """

    masks: tuple[str, ...] = tuple(",".join(mask.names) for mask in ALL_MASKS)
    """What is seen, as names of channels with commas between them."""
    noise: tuple[float, ...] = NOISE_LEVELS
    seeds: int = 3
    """Held-out sets, each with its own columns' noise and sensors' noise."""
    trajectories: int = 4
    """In each held-out set."""
    duration: float = 10.0
    """Seconds of each, after burn-in."""
    seed: int = 0
    """Where all randomness comes from."""

    def __post_init__(self):
        for mask in self.masks:
            as_mask(mask.split(","))
        lengths = {"len(masks)": len(self.masks), "len(noise)": len(self.noise)}
        check_count(1, seeds=self.seeds, trajectories=self.trajectories, **lengths)
        check_count(0, seed=self.seed)
        check_not_negative(noise=np.asarray(self.noise))
        if not self.duration > 2 * _EDGE:
            raise ValueError(
                f"`duration` must be more than the {2 * _EDGE:g} s at its ends that are not scored, got {self.duration}"
            )

    @classmethod
    def quick(cls, **chosen: Any) -> "AtlasSettings":
        """A look in a minute: four masks, one noise level, one short held-out set."""
        few = {"masks": ("y0", "eeg", "y0,y1,y2", "y0,y1,y2,y3,y4,y5"), "noise": (0.05,)}
        return cls(**few | {"seeds": 1, "trajectories": 2, "duration": 5.0} | chosen)


def atlas(
    settings: AtlasSettings | None = None,
    *,
    networks: Mapping[str, Reconstructor],
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Score every method on the same recordings of the standard column.

    The recordings are those that the networks that come with the package were trained for: input uniform from 120 to
    320 /s, held for 1 ms, sampled at 1 kHz. They are fixed by `settings`, and none of them was trained on.

    **Arguments:**

    - `settings`: `AtlasSettings()` if `None`; `AtlasSettings.quick()` for a look.
    - `networks`: by name, networks trained for the masks of the settings.
    - `store`: a folder that does not exist yet, or holds this very atlas: then it goes on where it ended. `None`: in
        memory.
    - `progress`: called after each recording and kind of observation.

    **Returns:** `r`, `r2`, `nrmse` and `expected_r`, the r that an estimator's own standard deviations amount to, over
        `seed`, `mask`, `noise`, `estimator` and `state`; and `derivatives`, which theory says each state takes.

    **Raises:** `ImportError` where the extra `ceilings` is not installed; `ValueError` for arguments that do not fit
        together, or a store that was made with others.
    """
    settings = AtlasSettings() if settings is None else settings
    masks = [as_mask(names.split(",")) for names in settings.masks]
    for network in networks.values():
        for mask in masks:
            network.observing(mask)
    methods = ("chance", *CEILINGS, *networks)
    layout = Layout((settings.seeds, len(masks), len(settings.noise)), (1, 1, len(settings.noise)))
    path = None if store is None else Path(store)
    cells = _opened(path, layout, settings, methods, networks)
    todo = [int(number) for number in np.flatnonzero(~cells.complete())]
    work = _Work(settings, networks) if todo else None
    for count, number in enumerate(todo):
        seed, mask, _ = (part.start for part in layout.region(number))
        assert work is not None
        cells.write(number, work(seed, masks[mask]))
        if progress is not None:
            done = (layout.chunks - len(todo) + count + 1) / layout.chunks
            progress(f"seed {seed}: {' '.join(masks[mask].names)}", done)
    needed = [[-1 if count is None else count for count in derivatives_needed(mask)] for mask in masks]
    told = {"long_name": "derivatives of the recording that the equations need to tell a state; -1: none suffice"}
    return stores.dataset(path, cells).assign(derivatives=(("mask", "state"), np.array(needed), told))


class _Work:
    """Scores all methods on one held-out set and mask, at all noise levels."""

    def __init__(self, settings: AtlasSettings, networks: Mapping[str, Reconstructor]):
        """Simulates all that is needed."""
        self.settings, self.networks = settings, networks
        reference_key, held_out_key, self.noise_key = jax.random.split(jax.random.key(settings.seed), 3)
        parameters, input = JansenRitParameters.preset("jansen_rit_1995"), UniformNoiseInput(120.0, 320.0, hold=_DT)
        self.reference = reference(parameters, input, dt=_DT, key=reference_key)
        held_out = simulate(
            parameters,
            input,
            t1=_BURN_IN + settings.duration,
            dt=_DT,
            burn_in=_BURN_IN,
            batch=settings.seeds * settings.trajectories,
            key=held_out_key,
        ).ys
        self.held_out = np.asarray(held_out).reshape(settings.seeds, settings.trajectories, -1, len(STATES))
        self.standardizer = Standardizer.fitted_to(to_channels(jnp.asarray(self.reference.states)))

    def __call__(self, seed: int, mask: ObservationMask) -> dict[str, np.ndarray]:
        """Results by name, of shape `(noise, estimator, state)` behind an axis of one point."""
        states = self.held_out[seed]
        key = jax.random.fold_in(self.noise_key, seed)
        found = []
        for level in self.settings.noise:
            task = task_of(states, mask, level * np.asarray(self.standardizer.std), key=key)
            found.append([_scored(states[:, ::every], estimate, every) for estimate, every in self._estimates(task)])
        by_result = np.asarray(found).transpose(2, 0, 1, 3)
        return dict(zip(RESULTS, by_result, strict=True))

    def _estimates(self, task: Task) -> Iterator[tuple[Estimate, int]]:
        """What each estimator says, and of every how many samples."""
        untrained = Autoencoder(key=task.key)
        yield Estimate(Reconstructor(untrained, task.mask, self.standardizer)(task.recordings)), 1
        for name, estimator in CEILINGS.items():
            every = _MEMORYLESS_EVERY if name == "memoryless" else 1
            thinned = eqx.tree_at(lambda task: task.recordings, task, task.recordings[:, ::every])
            yield estimator(self.reference, thinned), every
        for network in self.networks.values():
            yield _read(network.observing(task.mask), task), 1


RESULTS = {
    "r": "Pearson's correlation",
    "r2": "coefficient of determination",
    "nrmse": "root mean squared error over the standard deviation",
    "expected_r": "correlation that the estimator itself expects",
}
"""What is kept for each state, by name."""


def _read(network: Reconstructor, task: Task) -> Estimate:
    if isinstance(network.network, WindowedAutoencoder) and network.network.variational:
        return Estimate(*vars(network.distribution(task.recordings, dt=_DT)).values())
    return Estimate(network(task.recordings, dt=_DT))


def _scored(
    truth: Float[np.ndarray, "trajectory time 6"], estimate: Estimate, every: int
) -> Float[np.ndarray, "result state"]:
    inner = slice(round(_EDGE / _DT / every), -round(_EDGE / _DT / every))
    truth, states = truth[:, inner], jnp.asarray(estimate.states)[:, inner]
    expected = np.full(len(STATES), np.nan)
    if estimate.std is not None:
        unexplained = np.mean(np.asarray(estimate.std)[:, inner] ** 2, axis=(0, 1)) / np.var(truth, axis=(0, 1))
        expected = np.sqrt(np.maximum(1 - unexplained, 0))
    return np.stack([*map(np.asarray, scores(jnp.asarray(truth), states)), expected])


@dataclass(frozen=True)
class _Axes:
    """The axes of an atlas, as a store wants them."""

    settings: AtlasSettings
    dims: tuple[str, ...] = ("seed", "mask", "noise")

    def coordinates(self) -> Iterator[tuple[str, str, np.ndarray, dict[str, str]]]:
        """Name, dimension, values and attributes of each."""
        told = {"long_name": "sensor noise, as a fraction of each channel's standard deviation", "units": "1"}
        yield "seed", "seed", np.arange(self.settings.seeds), {"long_name": "held-out set"}
        yield "mask", "mask", np.array(self.settings.masks), {"long_name": "channels that are seen"}
        yield "noise", "noise", np.array(self.settings.noise), told


def _opened(
    path: Path | None, layout: Layout, settings: AtlasSettings, methods: tuple[str, ...], networks: Mapping[str, Any]
) -> ScanStore:
    made_with = {
        **asdict(settings),
        "networks": {name: _digest(network) for name, network in networks.items()},
    }
    if path is not None and path.exists():
        return stores.resume(path, made_with)
    inner = {"estimator": np.array(methods), "state": np.array(STATES)}
    shape = (len(methods), len(STATES))
    variables = {
        name: (Variable("1", told, tuple(inner), inner), shape, np.dtype(np.float32)) for name, told in RESULTS.items()
    }
    return stores.create(path, _Axes(settings), layout, variables, made_with)


def _digest(network: Reconstructor) -> str:
    """What tells one network from another."""
    arrays = jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))
    return hashlib.sha256(b"".join(np.asarray(array).tobytes() for array in arrays)).hexdigest()[:16]
