"""What is damaged, and what command lines name: small files of every kind that the package reads."""

import functools
import importlib
import json
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jrae_jax as jrae
from jrae_jax.autoencoder.calibration import Calibration
from jrae_jax.autoencoder.familiarity import Familiarity
from jrae_jax.autoencoder.sources import EpochSettings, StepSettings
from jrae_jax.autoencoder.training import Training
from jrae_jax.autoencoder.whitening import Whitener
from jrae_jax.cli.folder import report_folder
from jrae_jax.column import Trajectories
from jrae_jax.recording.standardizer import Standardizer
from jrae_jax.studies import AtlasSettings

TABLES = ("rest.csv", "electrodes.csv", "dates.tsv", "plain.txt")
TRAININGS = ("plain.jrae", "windowed.jrae")
UNFINISHED, SCAN, ATLAS, REPORT = "plain.unfinished", "scan.zarr", "atlas.zarr", "report"

SCAN_OPTIONS = ("--axis", "C=100,135", "--duration", ".02", "--burn-in", "0", "--summaries", "moments")
"""Of the scan."""
REPORT_OPTIONS = ("--seeds", "3", "--seed", "-1")
"""Of the report that was interrupted; with a seed that is refused, so that what is resumed never computes."""

# The room has a function of the file's name.
atlas_module = importlib.import_module("jrae_jax.studies.atlas")

_WATCHED = type("_Watched", (), {})()  # as long as this process lives


@functools.cache
def originals(folder: str) -> Path:
    """A folder of the files of one kind: `tables`, `trainings`, `unfinished`, `scan`, `atlas` or `report`."""
    path = Path(tempfile.mkdtemp())
    weakref.finalize(_WATCHED, shutil.rmtree, path)
    {
        "tables": _write_tables,
        "trainings": _write_trainings,
        "unfinished": lambda path: train(path / UNFINISHED),
        "scan": _write_scan,
        "atlas": _write_atlas,
        "report": _write_report,
    }[folder](path)
    return path


def _write_tables(folder: Path) -> None:
    times = 4e-3 * np.arange(40)
    signal = 8 + np.sin(60 * times)
    rows = {
        "rest.csv": ["time,eeg (mV)", *(f"{t:.3f},{v:.6f}" for t, v in zip(times, signal, strict=True))],
        "electrodes.csv": ["time (ms);O1 (uV);O2 (uV)"]
        + [f"{1e3 * t:.0f};{v:.2f};{-v:.2f}".replace(".", ",") for t, v in zip(times, signal, strict=True)],
        "dates.tsv": ["timestamp\tOz (uV)"]
        + [f"2024-05-01T12:00:00.{1e3 * t:03.0f}Z\t{v:.3f}" for t, v in zip(times, signal, strict=True)],
        "plain.txt": [f"{v:.4f}" for v in signal],
    }
    for name in TABLES:
        (folder / name).write_text("\n".join(rows[name]) + "\n")


def _write_trainings(folder: Path) -> None:
    key = jax.random.key(0)
    standardizer = Standardizer(jnp.zeros(7), jnp.ones(7))
    kinds = [jrae.ObservationMask.from_names("y0"), jrae.ObservationMask.from_names("eeg")]
    losses = np.linspace(1, 0.1, 3, dtype=np.float32)
    plain = jrae.Reconstructor(jrae.Autoencoder(latent_size=2, widths=(3,), key=key), kinds, standardizer)
    windowed = jrae.Reconstructor(
        jrae.WindowedAutoencoder(past=0.004, widths=(3,), filters=2, latent_size=2, variational=True, key=key),
        kinds,
        standardizer,
        Calibration.blank(2, np.dtype(np.float32)),
        Whitener.blank(4, np.dtype(np.float32)),
        Familiarity.blank(2, np.dtype(np.float32)),
    )
    ends = {"failed_epoch": None, "best_epoch": 2}
    settings = EpochSettings("ReconstructionLoss.all()", 3, 32, 2), StepSettings("ReconstructionLoss.all()", 96, 8)
    for name, reconstructor, chosen in zip(TRAININGS, (plain, windowed), settings, strict=True):
        jrae.save(folder / name, Training(reconstructor, losses, losses, settings=chosen, **ends))


@functools.cache
def _dataset() -> jrae.Dataset:
    ys = np.random.default_rng(0).normal(size=(3, 16, 6))
    return jrae.make_dataset(Trajectories(jnp.asarray(ys, dtype=float), dt=1e-3), observed="y0", held_out=1)


def train(checkpoint: Path) -> jrae.Training:
    """A training in a moment, resumed if the file is there."""
    key = jax.random.key(0)
    autoencoder = jrae.Autoencoder(latent_size=2, widths=(3,), key=key)
    return jrae.train(autoencoder, _dataset(), epochs=2, key=key, checkpoint=checkpoint)


def _write_scan(folder: Path) -> None:
    from .outcome import of_command

    assert of_command(["scan", *SCAN_OPTIONS, "--store", SCAN], folder).good


class MadeUpScores:
    """In place of the work of an atlas, which takes minutes."""

    def __init__(self, settings: AtlasSettings, autoencoders: Mapping[str, jrae.Reconstructor]):
        """See the class."""
        self.estimators = len(atlas_module.METHODS) + len(autoencoders)

    def __call__(self, *cell: Any) -> dict[str, np.ndarray]:
        """Scores of a cell, all the same."""
        return {name: np.full((1, self.estimators, 6), 0.5, np.float32) for name in atlas_module.RESULTS}


def _write_atlas(folder: Path) -> None:
    """One that is finished, with scores that nobody computed."""
    autoencoders = {"autoencoder causal": jrae.load_pretrained(causal=True), "autoencoder": jrae.load_pretrained()}
    cells = atlas_module._opened(folder / ATLAS, AtlasSettings.quick(), autoencoders)
    work = MadeUpScores(AtlasSettings.quick(), autoencoders)
    for number in range(cells.layout.chunks):
        cells.write(number, work())


def _write_report(folder: Path) -> None:
    from contextlib import chdir, suppress

    class Stopped(Exception):
        pass

    from jrae_jax.cli.main import _parser

    options = vars(_parser().parse_args(["reproduce", *REPORT_OPTIONS]))
    from jrae_jax.cli.reproduce import _DECISIVE

    made_with = {f"--{name.replace('_', '-')}": options[name] for name in _DECISIVE}
    with chdir(folder), suppress(Stopped), report_folder(REPORT, made_with) as report:
        (report / "unfinished" / "as_published").write_text("trained so far")
        raise Stopped
    assert json.loads((folder / REPORT / "unfinished" / "options.json").read_text())
