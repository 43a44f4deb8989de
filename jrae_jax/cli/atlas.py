"""The commands `atlas` and `pretrain`."""

import argparse
import time
from pathlib import Path
from typing import Any

from . import runtime
from .options import add_command, add_run_options

_PRINTED = ("y0", "eeg", "y0,y1,y2", "y0,y1,y2,y3,y4,y5")  # masks, of those that the atlas has
_PLOTTED_NOISE = 0.05  # where the atlas has it

_OPTIONS = {
    "masks": "--masks",
    "noise": "--noise",
    "seeds": "--seeds",
    "store": "--store",
    "steps": "--steps",
}
"""The options by the arguments that they become."""


def add_commands(commands: Any) -> None:
    """Add the two commands."""
    atlas = add_command(
        commands,
        "atlas",
        help="score every estimator on every kind of recording; resumes if the store is there",
        example="jrae atlas --quick --store atlas.zarr --plot atlas.png --table atlas.csv",
    )
    atlas.add_argument("--store", type=Path, required=True, help="a new zarr store, or one to resume")
    atlas.add_argument("--masks", help="what is observed, as y0+eeg+y0,y1,y2 (all 63 masks of states, and the EEG)")
    atlas.add_argument(
        "--noise", help="sensor noise, fractions of each channel's standard deviation (0,0.01,0.05,0.1,0.5)"
    )
    atlas.add_argument("--seeds", type=int, help="held-out sets (3)")
    atlas.add_argument("--seed", type=int, default=0, help="of all randomness (0)")
    atlas.add_argument("--table", type=Path, help="all scores, to a .csv or .csv.gz")
    atlas.add_argument("--plot", type=Path, help="the atlas at a glance, at 5 %% noise or the first level")
    atlas.add_argument("--plot-scores", type=Path, help="heat maps of all r, at the same noise")
    atlas.add_argument("--quick", action="store_true", help="a look in two minutes: four masks, 5 %% noise, one set")
    add_run_options(atlas)
    atlas.set_defaults(run=_atlas)

    pretrain = add_command(
        commands,
        "pretrain",
        help="train an autoencoder as those that come with the package; resumes if it was interrupted",
        example="jrae pretrain --causal --steps 1000 --out causal.jrae",
    )
    which = pretrain.add_mutually_exclusive_group()
    which.add_argument("--causal", action="store_true", help="one that reads the past only")
    which.add_argument("--decoder", action="store_true", help="instead, what `decode` has learned; does not resume")
    pretrain.add_argument("--steps", type=int, help="of the optimiser (30000; 24000 of a decoder)")
    pretrain.add_argument("--seed", type=int, default=0, help="of all randomness (0)")
    pretrain.add_argument("--out", type=Path, required=True, help="a file for the training, such as centred.jrae")
    add_run_options(pretrain)
    pretrain.set_defaults(run=_pretrain)


def _atlas(options: argparse.Namespace) -> int:
    progress = runtime.start(options, cores=1)
    from .._files import atomic_path, check_output
    from ..autoencoder.checkpoint import load_pretrained
    from ..plot.atlas import atlas as atlas_figure
    from ..plot.atlas_scores import atlas_scores, atlas_table
    from ..studies.atlas import RESULTS, AtlasSettings, atlas
    from .arguments import check_figure_file, key_from_seed, options_named
    from .printing import save_figure

    key_from_seed(options.seed)  # refuses a seed that JAX does not take
    options.interrupts.kept = options.store
    check_output("--store", options.store, folder=True)  # sooner than the weights are read
    pictures = {"--plot": (options.plot, atlas_figure), "--plot-scores": (options.plot_scores, atlas_scores)}
    asked = {option: each for option, each in pictures.items() if each[0] is not None}
    for option, (path, _) in asked.items():
        check_figure_file(option, path)
    if options.table is not None:
        check_output("--table", options.table, suffixes=(".csv", ".csv.gz"))
    chosen: dict[str, Any] = {"seed": options.seed}
    if options.seeds is not None:
        chosen["seeds"] = options.seeds
    if options.masks is not None:
        chosen["masks"] = tuple(options.masks.split("+"))
    if options.noise is not None:
        chosen["noise"] = _noise_levels(options.noise)
    autoencoders = {"autoencoder causal": load_pretrained(causal=True), "autoencoder": load_pretrained()}
    with options_named(_OPTIONS):
        settings = AtlasSettings.quick(**chosen) if options.quick else AtlasSettings(**chosen)
        found = atlas(settings, autoencoders=autoencoders, store=options.store, progress=progress).load()
    noise = _PLOTTED_NOISE if _PLOTTED_NOISE in settings.noise else settings.noise[0]
    printed = tuple(mask for mask in _PRINTED if mask in settings.masks) or settings.masks[:4]
    print(atlas_table(found, masks=printed, noise=noise))
    if options.table is not None:
        with atomic_path(options.table, "--table") as unfinished:
            found[list(RESULTS)].to_dataframe().to_csv(unfinished, float_format="%.5g")
        print(f"\nall scores in {options.table}")
    for option, (path, draw) in asked.items():
        save_figure(draw(found, noise=noise), path, option)
    return 0


def _noise_levels(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(level) for level in text.split(","))
    except ValueError:
        raise ValueError(f"`--noise` must be numbers with commas between them, got {text!r}") from None


def _pretrain(options: argparse.Namespace) -> int:
    if options.decoder:
        return _train_decoder(options)
    start, progress = time.perf_counter(), runtime.start(options, cores=1)
    from .._files import check_output
    from ..autoencoder.checkpoint import save
    from ..studies.pretraining import PRETRAINING_STEPS, pretrain
    from .arguments import key_from_seed, options_named

    check_output("--out", options.out)
    unfinished = options.out.with_name(f"{options.out.name}.unfinished")
    options.interrupts.kept = unfinished
    key, steps = key_from_seed(options.seed), PRETRAINING_STEPS if options.steps is None else options.steps
    with options_named({**_OPTIONS, "checkpoint": "--out", "path": "--out"}):
        training = pretrain(causal=options.causal, steps=steps, key=key, checkpoint=unfinished, progress=progress)
        save(options.out, training)
    unfinished.unlink(missing_ok=True)
    print(f"{time.perf_counter() - start:.0f} s; the training is in {options.out}")
    return 0


def _train_decoder(options: argparse.Namespace) -> int:
    start, progress = time.perf_counter(), runtime.start(options, cores=1)
    from .._files import check_output
    from ..decoding.decoder import STEPS, save_decoder, train_decoder
    from .arguments import key_from_seed, options_named

    check_output("--out", options.out)
    key, steps = key_from_seed(options.seed), STEPS if options.steps is None else options.steps
    with options_named({"steps": "--steps", "path": "--out"}):
        save_decoder(options.out, train_decoder(steps=steps, key=key, progress=progress))
    print(f"{time.perf_counter() - start:.0f} s; the decoder is in {options.out}")
    return 0
