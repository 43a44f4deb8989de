"""The commands `atlas` and `pretrain`, with the work already done."""

import importlib
import struct
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import jrae_jax as jrae
from jrae_jax.cli import main as cli
from jrae_jax.studies.atlas import RESULTS

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def calls(monkeypatch):
    calls = []

    def done(settings, *, autoencoders, store, progress):
        calls.append((settings, list(autoencoders), store))
        sizes = (settings.seeds, len(settings.masks), len(settings.noise), len(autoencoders), 6)
        values = np.random.default_rng(0).uniform(0, 1, sizes)
        coords = {"mask": list(settings.masks), "noise": list(settings.noise), "estimator": list(autoencoders)}
        dims = ("seed", "mask", "noise", "estimator", "state")
        return xr.Dataset({name: (dims, values) for name in RESULTS}, coords)

    # The module, as the room's name of it is that of the function.
    monkeypatch.setattr(importlib.import_module("jrae_jax.studies.atlas"), "atlas", done)
    return calls


def test_atlas_prints_some_masks_and_writes_table_and_figure(calls, here, capsys):
    written = ["--table", "x.csv", "--plot", "x.png", "--plot-scores", "all.png"]
    options = ["--masks", "eeg+y1", "--noise", "0.1,0.5", "--seeds", "2", "--seed", "4"]
    assert cli.main(["atlas", "--store", "x.zarr", *options, *written]) == 0
    settings, autoencoders, store = calls[0]
    assert (settings.masks, settings.noise, settings.seeds, settings.seed) == (("eeg", "y1"), (0.1, 0.5), 2, 4)
    assert autoencoders == ["autoencoder causal", "autoencoder"]
    assert str(store) == "x.zarr"
    printed = capsys.readouterr().out
    assert printed.startswith("observed: eeg, sensor noise 10%")
    assert "observed: y1," not in printed
    assert (here / "x.csv").read_text().splitlines()[0].split(",")[-4:] == list(RESULTS)
    sizes = [struct.unpack(">II", (here / name).read_bytes()[16:24]) for name in ("x.png", "all.png")]
    assert sizes[0][0] == 1320
    assert sizes[0] != sizes[1]
    assert "picture in x.png\npicture in all.png" in printed


def test_quick_is_small_and_can_be_refined(calls):
    assert cli.main(["atlas", "--store", "x.zarr", "--quick", "--seeds", "2"]) == 0
    settings = calls[0][0]
    assert (settings.seeds, settings.noise, len(settings.masks), settings.duration) == (2, (0.05,), 4, 5.0)


def test_pretrain_counts_steps_and_saves(monkeypatch, here, capsys):
    pretrained = jrae.load(Path(jrae.__file__).parent / "autoencoder" / "weights" / "causal.jrae")
    trained = []

    def done(autoencoder, data, *, steps, steps_per_draw, key, checkpoint, progress):
        trained.append((autoencoder.future, steps))
        for draw in (1, 2):
            progress(draw, 2, "training, loss 0.5")
        return pretrained

    monkeypatch.setattr("jrae_jax.studies.pretraining.train", done)
    assert cli.main(["pretrain", "--causal", "--steps", "33", "--out", "x.jrae"]) == 0
    assert trained == [(0, 33)]
    output = capsys.readouterr()
    first, last = output.err.splitlines()
    assert first == "  0% of 33  steps, compiling"
    assert last.startswith("100% of 33, ")
    assert output.out.endswith("the training is in x.jrae\n")
    assert repr(jrae.load(here / "x.jrae")) == repr(pretrained)
