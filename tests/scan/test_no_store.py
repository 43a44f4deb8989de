"""Paths that hold no scan, or where none can be made."""

import importlib
import os
from pathlib import Path

import jax
import numpy as np
import pytest
import zarr

import jrae_jax as jrae
from jrae_jax.scan import Moments, open_scan

stores = importlib.import_module("jrae_jax.scan.store")

WHITE = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220.0, 6.0))


def scan(store):
    asked = {"t1": 0.05, "dt": 1e-3, "summaries": (Moments(),), "key": jax.random.key(0)}
    return jrae.parameter_scan(WHITE, {"C": np.array([100.0, 140.0])}, store=store, **asked)


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("kind", ["a file", "a folder", "an empty folder", "another zarr group"])
def test_what_is_no_store_is_left_alone(tmp_path, kind):
    path = tmp_path / "thing"
    if kind == "a file":
        path.write_text("data")
    elif kind == "another zarr group":
        zarr.create_group(path, attributes={"mine": 1})
    else:
        path.mkdir()
        if kind == "a folder":
            (path / "file").write_text("data")
    before = files(tmp_path)
    for use in (scan, open_scan):
        with pytest.raises(
            ValueError, match=f"`store` must be a (store that jrae_jax wrote|folder)(, got|, of version 4, got).*{path}"
        ):
            use(path)
    assert files(tmp_path) == before


def test_there_is_no_scan_where_nothing_is(tmp_path):
    with pytest.raises(ValueError, match=f"`store` must be a store that jrae_jax wrote, got {tmp_path / 'no.zarr'}"):
        open_scan(tmp_path / "no.zarr")
    with pytest.raises(
        ValueError, match=f"`store` must lie in a folder that exists, got {tmp_path / 'no' / 'no.zarr'}"
    ):
        scan(tmp_path / "no" / "no.zarr")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    if os.geteuid() == 0:  # who may write anywhere
        monkeypatch.setattr(zarr, "create_group", _denied)
    else:
        tmp_path.chmod(0o500)
    with pytest.raises((ValueError, OSError), match=r"`store` .*Permission denied.*"):
        scan(tmp_path / "scan.zarr")
    tmp_path.chmod(0o700)
    assert not list(tmp_path.iterdir())


def _denied(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_a_mistake_of_ours_leaves_nothing_half_made(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "COMPLETE", "eeg_mean")
    with pytest.raises(ValueError, match="eeg_mean"):
        scan(tmp_path / "scan.zarr")
    assert not list(tmp_path.iterdir())
