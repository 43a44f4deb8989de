"""The command `reproduce`."""

import argparse
import time
from collections.abc import Callable
from typing import Any

from .._checks import Progress
from .options import add_device_option

_OPTIONS = {
    "seeds": "--seeds",
    "epochs": "--epochs",
    "latent_size": "--latent-size",
    "out": "--out",
}
"""The options by the arguments that they become."""


def add_commands(commands: Any, prepare: Callable[[argparse.Namespace], Progress]) -> None:
    """Add the command; `prepare` configures JAX and returns what reports progress."""
    reproduce = commands.add_parser("reproduce", help="run the study as published and corrected, and write a report")
    reproduce.add_argument("--seeds", type=int, help="repetitions (10)")
    reproduce.add_argument("--epochs", type=int, help="passes over the training data (50)")
    reproduce.add_argument("--latent-size", type=int, help="size of the latent (3)")
    reproduce.add_argument("--seed", type=int, default=0, help="of all randomness (0)")
    reproduce.add_argument("--out", help="a new or empty folder (the next reproduce-NNN)")
    reproduce.add_argument("--quick", action="store_true", help="a look in seconds: 3 seeds, 3 epochs, 2 s of each")
    add_device_option(reproduce)
    reproduce.set_defaults(run=lambda options: _reproduce(options, prepare))


def _reproduce(options: argparse.Namespace, prepare: Callable[[argparse.Namespace], Progress]) -> int:
    start = time.perf_counter()
    progress = prepare(options)
    from ..report.folder import new_folder
    from ..report.page import QUICK_LOOK
    from ..report.report import write_report
    from ..report.tables import score_table
    from ..studies.reproduce import StudySettings, reproduce
    from .arguments import key_from_seed, options_named

    key_from_seed(options.seed)  # refuses a seed that JAX does not take
    given = {"seeds": options.seeds, "epochs": options.epochs, "latent_size": options.latent_size}
    chosen = {name: value for name, value in given.items() if value is not None} | {"seed": options.seed}
    with options_named(_OPTIONS):
        settings = StudySettings.quick(**chosen) if options.quick else StudySettings(**chosen)
        with new_folder(options.out) as folder:
            study = reproduce(settings, progress=progress)
            judged = write_report(study, folder, durations={"compute": time.perf_counter() - start})
    print(score_table(study))
    print()
    for finding in judged:
        print(f"{finding.verdict.upper():>16}  {finding.claim}")
    if not settings.conclusive:
        print(f"\n{QUICK_LOOK}")
    print(f"\n{time.perf_counter() - start:.0f} s; open {folder / 'report.html'}")
    return 0
