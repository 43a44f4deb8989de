"""The command `reproduce`."""

import argparse
import math
import re
import shlex
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import runtime
from .folder import UNFINISHED, report_folder
from .options import add_command, add_run_options

if TYPE_CHECKING:
    from pathlib import Path

    from .._checks import Progress

_OPTIONS = {
    "seeds": "--seeds",
    "epochs": "--epochs",
    "latent_size": "--latent-size",
    "sizes": "--latent-sizes",
    "checkpoint": "--out",
}
"""The options by the arguments that they become."""

_DECISIVE = ("seeds", "epochs", "latent_size", "seed", "quick", "latent_sizes")  # of a report that is resumed

_EPOCHS = 50
# Of an autoencoder that is trained on simulated recordings, which have no epochs: steps, in whole draws of recordings,
# so that none is used less than the others.
_STEPS_AN_EPOCH, _STEPS_PER_DRAW = 20, 32


def add_commands(commands: Any) -> None:
    """Add the command."""
    reproduce = add_command(
        commands,
        "reproduce",
        help="run the study as published and corrected, and write a report",
        example="jrae reproduce --quick --out look",
    )
    reproduce.add_argument("--seeds", type=int, help="repetitions (10)")
    reproduce.add_argument("--epochs", type=int, help=f"passes over the training data ({_EPOCHS})")
    reproduce.add_argument("--latent-size", type=int, help="size of the latent (3)")
    reproduce.add_argument("--seed", type=int, default=0, help="of all randomness (0)")
    reproduce.add_argument(
        "--out", help="a new or empty folder, or an interrupted one to resume (the next reproduce-NNN)"
    )
    reproduce.add_argument(
        "--quick", action="store_true", help="a look without verdicts: 3 seeds, 3 epochs, 2 s of each"
    )
    reproduce.add_argument(
        "--latent-sizes", metavar="LOW:HIGH", help="how large a latent must be, instead of the study: 1:8, 3 or 1,3,6"
    )
    add_run_options(reproduce)
    reproduce.set_defaults(run=_reproduce)


def _reproduce(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    sizes = None if options.latent_sizes is None else latent_sizes_from(options)
    made_with = {f"--{name.replace('_', '-')}": vars(options)[name] for name in _DECISIVE}
    # The folder comes before JAX, which takes a second to load: a mistake is to be refused at once.
    with report_folder(options.out, made_with) as folder:
        options.interrupts.kept = folder / UNFINISHED
        if options.out is None:
            options.interrupts.command = f"`jrae {shlex.join(options.written)} --out {folder}`"
        progress = runtime.start(options)
        if sizes is None:
            text = _study(options, folder, progress, start)
        else:
            text = _latent_sizes(sizes, options, folder, progress, start)
    print(f"\n{text}\n\n{time.perf_counter() - start:.0f} s; open {folder / 'report.html'}")
    return 0


def latent_sizes_from(options: argparse.Namespace) -> Sequence[int]:
    """The sizes of `--latent-sizes`, least first: `LOW:HIGH` with both included, a number, or numbers with commas.

    **Raises:** `ValueError` for what is none of these, and for options of the study beside it.
    """
    of_the_study = {
        "--seeds": options.seeds is not None,
        "--latent-size": options.latent_size is not None,
        "--quick": options.quick,
    }
    given = [option for option, is_given in of_the_study.items() if is_given]
    if given:
        raise ValueError(
            f"`{given[0]}` must be left out with --latent-sizes, which trains one autoencoder for each size and kind "
            "of recording, for as long as --epochs says"
        )
    text = options.latent_sizes
    sizes: Sequence[int] = ()
    if pair := re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", text):
        sizes = range(int(pair[1]), int(pair[2]) + 1)
    elif re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text):
        sizes = sorted({int(number) for number in text.split(",")})
    if not sizes or sizes[0] < 1:
        raise ValueError(
            "`--latent-sizes` must be LOW:HIGH, a number, or numbers with commas between them, from 1 on and LOW not "
            f"above HIGH, got {text}"
        )
    return sizes


def _study(options: argparse.Namespace, folder: "Path", progress: "Progress", start: float) -> str:
    """Run the study and write its report. **Returns:** the answer."""
    from ..report import answer, write_report
    from ..studies.reproduce import StudySettings, reproduce
    from .arguments import key_from_seed, options_named

    key_from_seed(options.seed)  # refuses a seed that JAX does not take
    given = {"seeds": options.seeds, "epochs": options.epochs, "latent_size": options.latent_size}
    chosen = {name: value for name, value in given.items() if value is not None} | {"seed": options.seed}
    with options_named(_OPTIONS):
        settings = StudySettings.quick(**chosen) if options.quick else StudySettings(**chosen)
        study = reproduce(settings, checkpoints=folder / UNFINISHED, progress=progress)
    judged = write_report(study, folder, durations={"compute": time.perf_counter() - start})
    return answer(study, judged)


def _latent_sizes(
    sizes: Sequence[int], options: argparse.Namespace, folder: "Path", progress: "Progress", start: float
) -> str:
    """Compare latent sizes and write their report. **Returns:** the answer."""
    from .._checks import check_count
    from ..report import latent_sizes_answer, write_latent_sizes
    from ..studies.latent_sizes import compare_latent_sizes
    from .arguments import key_from_seed, options_named

    key = key_from_seed(options.seed)
    epochs = _EPOCHS if options.epochs is None else options.epochs
    check_count(1, **{"--epochs": epochs})
    steps = _STEPS_PER_DRAW * math.ceil(_STEPS_AN_EPOCH * epochs / _STEPS_PER_DRAW)
    with options_named(_OPTIONS):
        found = compare_latent_sizes(sizes, steps=steps, key=key, checkpoints=folder / UNFINISHED, progress=progress)
    durations = {"compute": time.perf_counter() - start}
    write_latent_sizes(found, folder, steps=steps, seed=options.seed, durations=durations)
    return latent_sizes_answer(found, steps=steps)
