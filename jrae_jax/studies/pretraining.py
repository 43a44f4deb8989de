"""How the networks that come with the package were trained: one for every kind of recording, on endless data."""

import itertools

import jax
import numpy as np

from ..autoencoder.fit_endless import fit_endless
from ..autoencoder.train import Fit, Progress
from ..autoencoder.window import Window
from ..autoencoder.windowed import WindowedAutoencoder
from ..column.inputs import UniformNoiseInput
from ..column.parameters import JansenRitParameters
from ..recording.mask import EEG, ObservationMask
from ..recording.simulated import endless_recordings

ALL_MASKS = (
    *(ObservationMask(np.array([*shown, False])) for shown in itertools.product((False, True), repeat=6) if any(shown)),
    EEG,
)
"""Every way of seeing some of the six states, and the EEG."""

NOISE = (1e-3, 0.7)
"""Least and largest sensor noise that they are trained on, as a fraction of each channel's standard deviation."""

_DT, _MEMORY, _GAPS = 1e-3, 0.32, 0.05
PRETRAINING_STEPS = 30_000


def pretrain(
    *, causal: bool = False, steps: int = PRETRAINING_STEPS, seed: int = 0, progress: Progress | None = None
) -> Fit:
    """Train one network on all masks and noise levels at once.

    The column is the standard one, its input uniform noise from 120 to 320 /s held for 1 ms, the recording at 1 kHz.

    **Arguments:**

    - `causal`: whether it may look at the past only, to decode as it happens.
    - `steps`: of the optimiser.
    - `seed`: where all randomness comes from.
    - `progress`: as in `fit_endless`.

    **Returns:** a `Fit`; choose what is seen with `fitted.model.observing("eeg")`.

    **Raises:** `ValueError` for numbers out of range.
    """
    source_key, network_key, training_key = jax.random.split(jax.random.key(seed), 3)
    source = endless_recordings(
        JansenRitParameters.preset("jansen_rit_1995"),
        UniformNoiseInput(120.0, 320.0, hold=_DT),
        observed=ALL_MASKS,
        noise=NOISE,
        gaps=_GAPS,
        dt=_DT,
        key=source_key,
    )
    network = WindowedAutoencoder(
        window=Window(past=_MEMORY, future=0.0 if causal else _MEMORY, dt=_DT),
        widths=(512, 256, 128),
        variational=True,
        key=network_key,
    )
    return fit_endless(network, source, steps=steps, key=training_key, progress=progress)
