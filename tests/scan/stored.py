"""A scan that tests keep on disk."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

import jrae_jax as jrae
from jrae_jax.scan import Moments

WHITE = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220.0, 6.0))
AXES = {"C": np.linspace(100, 140, 10)}
RESULTS = ("failed", "failure", "failure_time", "eeg_mean", "eeg_sd", "eeg_min", "eeg_max")


def scan(store: Path | None, **changed: Any):
    """Ten columns, in chunks of 4, 4 and 2 with `small_chunks`."""
    settings: dict[str, Any] = dict(column=WHITE, axes=AXES, t1=0.05, dt=1e-3, store=store)
    settings |= dict(summaries=(Moments(),), key=jax.random.key(0))
    return jrae.parameter_scan(**settings | changed)


def files(folder: Path) -> dict[str, bytes]:
    """All there is in a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
