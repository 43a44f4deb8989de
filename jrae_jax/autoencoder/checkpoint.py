"""Fits on disk: one line of JSON, the arrays, a digest of both. Nothing in a file is ever executed."""

import contextlib
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._version import __version__
from ..recording.dataset import Standardizer
from ..recording.mask import ObservationMask
from .autoencoder import Autoencoder
from .calibration import Calibration
from .reconstructor import Reconstructor
from .train import EndlessSettings, Fit, FitSettings
from .whitening import Whitener
from .window import Window
from .windowed import WindowedAutoencoder

_FORMAT = "jrae_jax fit"
_VERSION = 2
_ARCHITECTURES = {kind.__name__: kind for kind in (Autoencoder, WindowedAutoencoder)}
_TRAININGS = {kind.__name__: kind for kind in (FitSettings, EndlessSettings)}
_LONGEST_HEADER = 1 << 20
_DIGEST_BYTES = hashlib.sha256().digest_size


def save(path: str | os.PathLike, fitted: Fit) -> None:
    """Write a fit: network, standardizer, mask, settings and loss history.

    The file appears whole or not at all: it is written beside `path` and then moved there.

    **Arguments:**

    - `path`: where to; an existing fit of that name is replaced.
    - `fitted`: from `fit` or `fit_ensemble`.

    **Raises:** `OSError` if `path` cannot be written.
    """
    path = Path(path)
    network, trained = fitted.model.network, fitted.model.trained_masks
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "jrae_jax": __version__,
        "dtype": str(network.encoder[0].weight.dtype),
        "architecture": type(network).__name__,
        "network": network.settings,
        "training": type(fitted.settings).__name__,
        "settings": vars(fitted.settings),
        "history": len(fitted.train_loss),
        "observed": fitted.model.mask.names,
        "whitened": fitted.model.whitener is not None,
        "calibrated": fitted.model.calibration is not None,
        "trained_masks": None if trained is None else [ObservationMask(row).names for row in trained],
        "failed_epoch": fitted.failed_epoch,
        "best_epoch": fitted.best_epoch,
    }
    content = io.BytesIO()
    content.write((json.dumps(header) + "\n").encode())
    eqx.tree_serialise_leaves(content, _arrays(fitted))
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content.getvalue() + hashlib.sha256(content.getvalue()).digest())
        partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, f"`path` cannot be written ({error.strerror})", os.fspath(path)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def load(path: str | os.PathLike) -> Fit:
    """Read a fit that `save` wrote.

    **Returns:** a `Fit`, equal to the one saved; its `model` reads recordings at once.

    **Raises:** `ValueError` if the file is no fit of this package, is of a newer format, is cut short or damaged,
        or holds float64 where that is not enabled; `OSError` if it cannot be read.
    """
    content = Path(path).read_bytes()
    header = _read_header(path, content)
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError(f"`path` is a damaged or truncated fit: {os.fspath(path)}")
    if header["dtype"] == "float64" and not jax.config.read("jax_enable_x64"):
        raise ValueError(f"`path` holds float64, enable jax_enable_x64 to load {os.fspath(path)}")
    file = io.BytesIO(body)
    file.readline()
    try:
        blank = _blank(header)
        arrays = eqx.tree_deserialise_leaves(file, _arrays(blank))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"`path` holds no fit that its header describes: {os.fspath(path)}") from error
    return eqx.tree_at(_arrays, blank, arrays)


def _arrays(fitted: Fit) -> Any:
    return fitted.model, fitted.train_loss, fitted.validation_loss


def _read_header(path: str | os.PathLike, content: bytes) -> dict[str, Any]:
    try:
        header = json.loads(content.partition(b"\n")[0][:_LONGEST_HEADER])
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ValueError(f"`path` must be a file written by jrae_jax.save, got {os.fspath(path)}")
    version = header.get("version")
    if isinstance(version, int) and version < _VERSION:
        raise ValueError(
            f"`path` has format {version}, written by jrae_jax {header.get('jrae_jax')}, which {__version__} no longer "
            f"reads: train the network anew, or read it with that version: {os.fspath(path)}"
        )
    if isinstance(version, int) and version > _VERSION:
        raise ValueError(
            f"`path` has format {version}, written by jrae_jax {header.get('jrae_jax')}; this is {__version__} and "
            f"knows up to format {_VERSION}: upgrade to read {os.fspath(path)}"
        )
    return header


def _blank(header: dict[str, Any]) -> Fit:
    """A fit of the right shape and of no content."""
    settings = _TRAININGS[header["training"]](**header["settings"])
    dtype = np.dtype(header["dtype"])
    chosen, architecture = dict(header["network"]), _ARCHITECTURES[header["architecture"]]
    if "window" in chosen:
        chosen["window"] = Window.of_samples(**chosen["window"])
    network = eqx.filter_eval_shape(lambda: architecture(**chosen, key=jax.random.key(0)))
    network = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, dtype), network)
    standardizer = Standardizer(jnp.zeros(7, dtype), jnp.zeros(7, dtype))
    whitener = Whitener.blank(network.window, dtype) if header["whitened"] else None
    history = np.zeros(header["history"], dtype)
    masks = header["trained_masks"]
    trained = None if masks is None else np.stack([ObservationMask.of(*names).channels for names in masks])
    calibration = Calibration.blank(1 if trained is None else len(trained), dtype) if header["calibrated"] else None
    return Fit(
        Reconstructor(network, ObservationMask.of(*header["observed"]), standardizer, trained, calibration, whitener),
        history,
        history,
        header["failed_epoch"],
        header["best_epoch"],
        settings,
    )
