import importlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jrae_jax.scan.layout import Layout
from tests.scan.stored import scan


@pytest.fixture(scope="session")
def chunks_of() -> Callable[[int], Callable]:
    """A layout of scans in chunks of so many points, however little work that is."""
    of = Layout.of_scan

    def smaller(points: int) -> Callable:
        return lambda shape, steps: of(shape, steps, work=1.0, smallest=points)

    return smaller


@pytest.fixture(scope="module")
def small_chunks(chunks_of):
    """Scans are in chunks of four points."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Layout, "of_scan", chunks_of(4))
        yield patch


@pytest.fixture(scope="module")
def uninterrupted(small_chunks, tmp_path_factory):
    """A finished store that nobody changes."""
    path = tmp_path_factory.mktemp("whole") / "scan.zarr"
    scan(path)
    return path


@pytest.fixture
def store(uninterrupted, tmp_path):
    """A finished store that a test may spoil."""
    return Path(shutil.copytree(uninterrupted, tmp_path / "copy.zarr"))


@pytest.fixture
def computed(monkeypatch):
    """The trajectories that are computed, in order."""
    pieces = importlib.import_module("jrae_jax.scan.pieces")
    numbers = []
    summarise = pieces.summarise

    def watched(points, *rest):
        numbers.extend(np.unique(points.trajectory).tolist())
        return summarise(points, *rest)

    monkeypatch.setattr(pieces, "summarise", watched)
    return numbers
