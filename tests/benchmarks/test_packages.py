"""Other packages, where they are installed."""

import importlib.metadata
from functools import partial

import pytest

import jrae_jax as jrae
from benchmarks.agreement.agreement import PACKAGES, agreement
from benchmarks.agreement.pyrates import PYRATES, trajectory


def skip_unless_installed(package):
    try:
        importlib.metadata.version(package.distribution)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package.distribution} is not installed")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_it_agrees(package, tmp_path, monkeypatch):
    skip_unless_installed(package)
    monkeypatch.chdir(tmp_path)
    (found,) = agreement([package], samples=20, duration=0.02)
    assert (found.verdict, found.reason, found.defaults) == ("agrees", None, ())
    assert found.derivatives is not None
    assert found.trajectory is not None
    assert (found.derivatives < 1e-14, found.trajectory < 1e-11) == (True, True)
    assert not list(tmp_path.iterdir())


def test_heun_of_pyrates_is_another_method_with_numpy():
    skip_unless_installed(PYRATES)
    with_numpy = PYRATES._replace(trajectory=partial(trajectory, backend="numpy"))
    (found,) = agreement([with_numpy], samples=1, duration=0.02)
    assert (found.verdict, found.reason) == ("differs", None)
    assert found.trajectory is not None
    assert found.trajectory > 1e-3


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_its_conventions_are_sentences(package):
    assert package.conventions
    assert all(sentence[0].isprintable() and sentence.endswith(".") for sentence in package.conventions)
    assert package.preset in jrae.column.PRESETS
    assert set(package.shows) <= set(jrae.column.CHANNELS)
