"""Files that every report has: tables as CSV, figures as PNG, and how it was made as JSON."""

import csv
import importlib.metadata
import io
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from .._files import atomic_path
from .._version import __version__

_PACKAGES = ("jax", "jaxlib", "diffrax", "equinox", "optax", "numpy", "scipy", "matplotlib")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns; there is at least one."""
    with atomic_path(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_figure(path: Path, figure: Figure) -> bytes:
    """Write a figure as PNG. **Returns:** what is in the file."""
    png = png_of(figure)
    with atomic_path(path) as unfinished:
        unfinished.write_bytes(png)
    return png


def png_of(figure: Figure) -> bytes:
    """A figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def write_manifest(
    path: Path, settings: Mapping[str, Any], durations: Mapping[str, float], results: Mapping[str, Any]
) -> dict[str, Any]:
    """Write how a report was made, and its results. **Returns:** the former."""
    device = jax.devices()[0]
    made = {
        "jrae_jax": __version__,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "device": {"platform": device.platform, "kind": device.device_kind, "count": jax.device_count()},
        "dtype": str(np.dtype(jax.numpy.result_type(float))),
        "settings": dict(settings),
        "seconds": {name: round(seconds, 2) for name, seconds in durations.items()},
    }
    write_text(path, json.dumps(made | dict(results), indent=2) + "\n")
    return made


def write_text(path: Path, text: str) -> None:
    """Write text."""
    with atomic_path(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
