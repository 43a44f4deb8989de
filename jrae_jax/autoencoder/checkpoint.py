"""Trainings on disk."""

import io
import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._checks import check_flag, check_type
from .._version import __version__
from ..column.states import CHANNELS
from ..recording.mask import ObservationMask
from ..recording.standardizer import Standardizer
from .autoencoder import Autoencoder
from .base import float_type
from .calibration import Calibration
from .container import read_container, write_container
from .familiarity import Familiarity
from .reconstructor import Reconstructor
from .sources import EpochSettings, StepSettings
from .training import Training
from .whitening import Whitener
from .windowed import WindowedAutoencoder

_FORMAT = "jrae_jax training"
_OLD_FORMAT = "jrae_jax fit"  # what format 2 and older were called; known to refuse them by their version
_VERSION = 4
_ARCHITECTURES = {kind.__name__: kind for kind in (Autoencoder, WindowedAutoencoder)}
_SETTINGS = {kind.__name__: kind for kind in (EpochSettings, StepSettings)}
_WEIGHTS = Path(__file__).parent / "weights"


def save(path: str | os.PathLike, training: Training) -> None:
    """Write a training: autoencoder, standardizer, kinds of recordings, settings and losses.

    The file appears whole or not at all: it is written beside `path` and then moved there.

    **Arguments:**

    - `path`: where to; an existing file of that name is replaced.
    - `training`: from `train` or `train_ensemble`.

    **Raises:** `OSError` if `path` cannot be written.
    """
    check_type(Training, training=training)
    reconstructor = training.reconstructor
    autoencoder, whitener = reconstructor.autoencoder, reconstructor.whitener
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "jrae_jax": __version__,
        "dtype": str(float_type(autoencoder)),
        "architecture": type(autoencoder).__name__,
        "autoencoder": autoencoder.settings,
        "training": type(training.settings).__name__,
        "settings": vars(training.settings),
        "epochs": len(training.train_loss),
        "kinds": [ObservationMask(np.asarray(kind)).names for kind in reconstructor.kinds],
        "whitened": None if whitener is None else whitener.basis.shape[-1],
        "calibrated": reconstructor.calibration is not None,
        "familiar": reconstructor.familiarity is not None,
        "at_once": reconstructor.at_once,
        "failed_epoch": training.failed_epoch,
        "best_epoch": training.best_epoch,
    }
    write_container(path, header, _arrays(training))


def load(path: str | os.PathLike) -> Training:
    """Read a training that `save` wrote.

    **Returns:** a `Training`, equal to the one saved.

    **Raises:** `ValueError` if the file is no training of this package, is of another format, is cut short or damaged,
        or holds float64 where that is not enabled; `OSError` if it cannot be read.
    """
    header, whole, file = read_container(path)
    header = _checked_header(path, header)
    if not whole:
        raise ValueError(f"`path` is a damaged or truncated training: {os.fspath(path)}")
    if header.get("dtype") == "float64" and not jax.config.read("jax_enable_x64"):
        raise ValueError(f"`path` holds float64, enable jax_enable_x64 to load {os.fspath(path)}")
    try:
        blank = _blank(header)
        arrays = eqx.tree_deserialise_leaves(file, _arrays(blank), filter_spec=_leaf)
    except Exception as error:  # whatever a header that nobody wrote can lead to
        raise ValueError(f"`path` holds no training that its header describes: {os.fspath(path)}") from error
    return eqx.tree_at(_arrays, blank, arrays)


def load_pretrained(*, causal: bool = False) -> Reconstructor:
    """An estimator for every kind of recording of the standard column: all 63 masks over the states, and the EEG.

    ```python
    estimate = jrae.load_pretrained()(jrae.Recording.of(eeg=v, dt=1e-3))
    ```

    Trained by `jrae pretrain`, and `jrae pretrain --causal`, on recordings at 1 kHz with gaps and with sensor noise of
    0.1 to 70 % of each signal's standard deviation; the input was uniform between 120 and 320 /s, held for 1 ms, the
    parameters those of the preset `jansen_rit_1995`. Its standard deviations are conditional on all of that.

    **Arguments:**

    - `causal`: one that reads the past 0.33 s only, for `StreamingDecoder`; else it reads as much of the future, too.
    """
    check_flag(causal=causal)
    return load(_WEIGHTS / f"{'causal' if causal else 'centred'}.jrae").reconstructor


def _leaf(file: io.BytesIO, blank: Any) -> Any:
    """As Equinox reads it, but by NumPy: JAX would compile a program for each shape."""
    if isinstance(blank, jax.Array):
        return jax.device_put(np.load(file))
    return eqx.default_deserialise_filter_spec(file, blank)


def _arrays(training: Training) -> Any:
    return training.reconstructor, training.train_loss, training.validation_loss


def _checked_header(path: str | os.PathLike, header: dict[str, Any] | None) -> dict[str, Any]:
    if header is None or header.get("format") not in (_FORMAT, _OLD_FORMAT):
        raise ValueError(f"`path` must be a file written by jrae_jax.save, got {os.fspath(path)}")
    version = header.get("version")
    if version != _VERSION:
        older = isinstance(version, int) and version < _VERSION
        remedy = "train anew, or read it with that version" if older else "upgrade to read it"
        raise ValueError(
            f"`path` has format {version}, written by jrae_jax {header.get('jrae_jax')}; this is {__version__}, which "
            f"reads format {_VERSION}: {remedy}: {os.fspath(path)}"
        )
    return header


def _blank(header: dict[str, Any]) -> Training:
    """A training of the right shape and of no content."""
    settings = _SETTINGS[header["training"]](**header["settings"])
    dtype, architecture = np.dtype(header["dtype"]), _ARCHITECTURES[header["architecture"]]
    autoencoder = eqx.filter_eval_shape(lambda: architecture(**header["autoencoder"], key=jax.random.key(0)))
    autoencoder = jax.tree.map(lambda leaf: jax.device_put(np.zeros(leaf.shape, dtype)), autoencoder)
    standardizer = Standardizer(*(jnp.zeros(len(CHANNELS), dtype),) * 2)
    kinds = [ObservationMask.from_names(*names) for names in header["kinds"]]
    whitener = None if header["whitened"] is None else Whitener.blank(header["whitened"], dtype)
    calibration = Calibration.blank(len(kinds), dtype) if header["calibrated"] else None
    familiarity = Familiarity.blank(len(kinds), dtype) if header["familiar"] else None
    losses = np.zeros(header["epochs"], dtype)
    return Training(
        Reconstructor(autoencoder, kinds, standardizer, calibration, whitener, familiarity, header["at_once"]),
        losses,
        losses,
        header["failed_epoch"],
        header["best_epoch"],
        settings,
    )
