"""The command line: arguments, progress, printing; no numerics."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from .._checks import check_count
from .._version import __version__
from . import atlas as _cli_atlas, dynamics as _cli_dynamics, fit as _cli_fit, scan as _cli_scan


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `jrae`; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError, RuntimeError, MemoryError, ImportError) as error:
        print(f"jrae: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("jrae: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="jrae", description="Which hidden states of a cortical column can be recovered, and how well."
    )
    parser.add_argument("--version", action="version", version=f"jrae {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    reproduce = commands.add_parser("reproduce", help="run the study as published and as it should be, write a report")
    reproduce.add_argument("--seeds", type=int, help="repetitions (10)")
    reproduce.add_argument("--epochs", type=int, help="passes over the training data (50)")
    reproduce.add_argument("--latent-size", type=int, help="size of the bottleneck (3)")
    reproduce.add_argument("--seed", type=int, help="where all randomness comes from (0)")
    reproduce.add_argument("--out", help="a new or empty folder (the next reproduce-NNN)")
    reproduce.add_argument("--device", choices=("cpu", "gpu"), help="where to compute (what JAX finds)")
    reproduce.add_argument(
        "--quick", action="store_true", help="a look in seconds: 3 seeds, 3 epochs, 2 s trajectories"
    )
    reproduce.set_defaults(run=_reproduce)
    _cli_scan.add_commands(commands, _prepare)
    _cli_atlas.add_commands(commands, _prepare_one)
    _cli_dynamics.add_commands(commands, _prepare_all)
    _cli_fit.add_commands(commands, _prepare_one)
    return parser


def _prepare(options: argparse.Namespace) -> "_Bar":
    flags = os.environ.get("XLA_FLAGS", "")
    if options.solver in _ONE_STAGE and "xla_backend_extra_options" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_FAST_LOOPS}"
    _configure_jax(options.device, options.devices)
    return _Bar()


def _prepare_one(options: argparse.Namespace) -> "_Bar":
    """One device with all cores: what is one large product after another is shared out best by XLA itself."""
    _configure_jax(options.device, 1)
    return _Bar()


def _prepare_all(options: argparse.Namespace) -> "_Bar":
    """A device for each core."""
    _configure_jax(options.device)
    return _Bar()


_FAST_LOOPS = (
    "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion,xla_cpu_small_while_loop_byte_threshold=1000000000"
)
"""XLA makes one function of a loop on a CPU, and one pass of what it computes side by side: twice the speed."""

_ONE_STAGE = ("strang", "euler")  # the others it would slow down, as it works out a stage anew wherever it is used


def _reproduce(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    _configure_jax(options.device)
    from ..report.report import QUICK_LOOK, new_folder, score_table, write_report
    from ..studies.reproduce import StudySettings, reproduce

    chosen = {name: getattr(options, name) for name in ("seeds", "epochs", "latent_size", "seed")}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    settings = StudySettings.quick(**chosen) if options.quick else StudySettings(**chosen)
    _check_device(options.device)
    with new_folder(options.out) as folder:
        study = reproduce(settings, progress=_Bar())
        judged = write_report(study, folder, durations={"compute": time.perf_counter() - start})
    print(score_table(study))
    print()
    for finding in judged:
        print(f"{finding.verdict.upper():>16}  {finding.claim}")
    if not settings.conclusive:
        print(f"\n{QUICK_LOOK}")
    print(f"\n{time.perf_counter() - start:.0f} s; open {folder / 'report.html'}")
    return 0


def _configure_jax(device: str | None, cores: int | None = None) -> None:
    """One JAX device for each of `cores`, or of the cores this process may use, before any backend starts."""
    import jax

    if cores is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    check_count(1, **{"--devices": cores})
    jax.config.update("jax_num_cpu_devices", cores)
    if device is not None:
        jax.config.update("jax_platforms", {"cpu": "cpu", "gpu": "cuda"}[device])


def _check_device(device: str | None) -> None:
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX asserts that it found a backend
        raise ValueError(f"`device` must be one that JAX finds here, got {device}; {error}".rstrip("; ")) from error


class _Bar:
    """Progress on standard error: one line that is rewritten on a terminal, a line now and then elsewhere."""

    def __init__(self):
        self.start = time.perf_counter()
        self.last = ""

    def __call__(self, doing: str, done: float) -> None:
        elapsed = time.perf_counter() - self.start
        if sys.stderr.isatty():
            filled = round(30 * done)
            bar = "#" * filled + "." * (30 - filled)
            print(f"\r[{bar}] {done:4.0%} {elapsed:4.0f} s  {doing:<70.70}", end="", file=sys.stderr, flush=True)
            if done >= 1:
                print(file=sys.stderr)
        elif doing.split(",")[0] != self.last:
            self.last = doing.split(",")[0]
            print(f"{done:4.0%} {elapsed:4.0f} s  {self.last}", file=sys.stderr, flush=True)
