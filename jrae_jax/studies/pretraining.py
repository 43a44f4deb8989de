"""How the autoencoders that come with the package are trained: one for every kind of recording, on simulations."""

import itertools
import os

import jax
from jaxtyping import PRNGKeyArray

from .._checks import Progress, check_count, check_flag, check_key, check_progress
from ..autoencoder.train import train
from ..autoencoder.training import Training
from ..autoencoder.windowed import WindowedAutoencoder
from ..column.column import Column
from ..column.inputs import UniformNoiseInput
from ..column.states import STATES
from ..recording.mask import EEG, ObservationMask
from ..recording.simulated import SimulatedRecordings

ALL_KINDS = (
    *(
        ObservationMask.from_names(*itertools.compress(STATES, observed))
        for observed in itertools.product((False, True), repeat=len(STATES))
        if any(observed)
    ),
    EEG,
)
"""Every way of observing some of the six states, and the EEG."""

NOISE = (1e-3, 0.7)
"""Least and largest sensor noise that they are trained on, as a fraction of each channel's standard deviation."""

PRETRAINING_STEPS = 30_000
"""Steps of the optimiser that the autoencoders of the package were trained for."""

_DT = 1e-3  # s
_MEMORY = 0.32  # s to either side: three alpha cycles
_GAPS = 0.05  # of the samples
_STEPS_PER_DRAW = 32


def pretrain(
    *,
    causal: bool = False,
    steps: int = PRETRAINING_STEPS,
    key: PRNGKeyArray,
    checkpoint: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train one autoencoder on all kinds of recordings and noise levels at once.

    The column is the standard one, its input uniform noise from 120 to 320 /s held for 1 ms, the recording at 1 kHz.

    **Arguments:**

    - `causal`: whether it reads the past only, to decode as it happens.
    - `steps`: of the optimiser.
    - `key`: for recordings, autoencoder and training. The autoencoders of the package are those of key 0.
    - `checkpoint`: a file by which the training can be interrupted and resumed, as in `train`.
    - `progress`: called with the steps done, how many there are, and the loss.

    **Raises:** `ValueError` for `steps` below 1.
    """
    check_flag(causal=causal)
    check_count(1, steps=steps)
    check_key(key=key)
    check_progress(progress)

    def report(draws: int | float, total: int | float, message: str) -> None:
        del total  # of draws
        if progress is not None:
            progress(min(_STEPS_PER_DRAW * draws, steps), steps, f"steps, {message}")

    report(0, 1, "compiling")
    source_key, autoencoder_key, training_key = jax.random.split(key, 3)
    source = SimulatedRecordings(
        Column.preset("jansen_rit_1995", UniformNoiseInput(120.0, 320.0, hold=_DT)),
        kinds=ALL_KINDS,
        noise=NOISE,
        gaps=_GAPS,
        dt=_DT,
        key=source_key,
    )
    autoencoder = WindowedAutoencoder(
        past=_MEMORY,
        future=0.0 if causal else _MEMORY,
        dt=_DT,
        widths=(512, 256, 128),
        variational=True,
        key=autoencoder_key,
    )
    return train(
        autoencoder,
        source,
        steps=steps,
        steps_per_draw=_STEPS_PER_DRAW,
        key=training_key,
        checkpoint=checkpoint,
        progress=report,
    )
