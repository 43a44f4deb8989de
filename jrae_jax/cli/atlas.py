"""The command line's `atlas` and `pretrain`: arguments, progress, printing; no numerics."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHOWN = ("y0", "eeg", "y0,y1,y2", "y0,y1,y2,y3,y4,y5")

Bar = Callable[[str, float], None]


def add_commands(commands: Any, prepare: Callable[[argparse.Namespace], Bar]) -> None:
    """Add the two commands; `prepare` sets up JAX and returns what shows progress."""
    atlas = commands.add_parser("atlas", help="score every method on every kind of recording; goes on if it was killed")
    atlas.add_argument("--store", type=Path, required=True, help="a new zarr store, or one to go on with")
    atlas.add_argument("--masks", help="what is seen, as y0+eeg+y0,y1,y2 (all 63 masks over the states, and the EEG)")
    atlas.add_argument("--noise", help="sensor noise, shares of each signal's sd (0,0.01,0.05,0.1,0.5)")
    atlas.add_argument("--seeds", type=int, help="held-out sets (3)")
    atlas.add_argument("--seed", type=int, help="where all randomness comes from (0)")
    atlas.add_argument("--table", type=Path, help="all scores, to a .csv or .csv.gz")
    atlas.add_argument("--plot", type=Path, help="heat maps at 5 %% noise, or at the first level")
    atlas.add_argument("--quick", action="store_true", help="a look in two minutes: four masks, 5 %% noise, one set")
    _add_device(atlas)
    atlas.set_defaults(run=lambda options: _atlas(options, prepare(options)))

    pretrain = commands.add_parser("pretrain", help="train a network that comes with the package")
    pretrain.add_argument("--causal", action="store_true", help="one that looks at the past only")
    pretrain.add_argument("--steps", type=int, help="of the optimiser (30000)")
    pretrain.add_argument("--seed", type=int, default=0, help="where all randomness comes from (0)")
    pretrain.add_argument("--out", type=Path, required=True, help="where the network is saved")
    _add_device(pretrain)
    pretrain.set_defaults(run=lambda options: _pretrain(options, prepare(options)))


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("cpu", "gpu"), help="where to compute (what JAX finds)")


def _atlas(options: argparse.Namespace, progress: Bar) -> int:
    from ..autoencoder.pretrained import load_pretrained
    from ..plot.atlas import atlas_table, plot_atlas
    from ..studies.atlas import RESULTS, AtlasSettings, atlas

    chosen = {name: getattr(options, name) for name in ("seeds", "seed") if getattr(options, name) is not None}
    if options.masks is not None:
        chosen["masks"] = tuple(options.masks.split("+"))
    if options.noise is not None:
        chosen["noise"] = _levels(options.noise)
    settings = AtlasSettings.quick(**chosen) if options.quick else AtlasSettings(**chosen)
    networks = {"network causal": load_pretrained(causal=True), "network": load_pretrained()}
    found = atlas(settings, networks=networks, store=options.store, progress=progress).load()
    noise = 0.05 if 0.05 in settings.noise else settings.noise[0]
    shown = tuple(mask for mask in SHOWN if mask in settings.masks) or settings.masks[:4]
    print(atlas_table(found, masks=shown, noise=noise))
    if options.table is not None:
        found[list(RESULTS)].to_dataframe().to_csv(options.table, float_format="%.5g")
        print(f"\nall scores in {options.table}")
    if options.plot is not None:
        plot_atlas(found, noise=noise).savefig(options.plot, dpi=150)
        print(f"\nheat maps in {options.plot}")
    return 0


def _levels(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(level) for level in text.split(","))
    except ValueError:
        raise ValueError(f"`--noise` must be numbers with commas between them, got {text!r}") from None


def _pretrain(options: argparse.Namespace, progress: Bar) -> int:
    import jrae_jax as jrae

    from ..studies.pretraining import PRETRAINING_STEPS, pretrain

    start, steps = time.perf_counter(), options.steps or PRETRAINING_STEPS
    fitted = pretrain(
        causal=options.causal,
        steps=steps,
        seed=options.seed,
        progress=lambda done, losses: progress(f"step {done} of {steps}, loss {losses[0]:.4f}", min(done / steps, 1.0)),
    )
    jrae.save(options.out, fitted)
    print(f"{time.perf_counter() - start:.0f} s; the network is in {options.out}")
    return 0
