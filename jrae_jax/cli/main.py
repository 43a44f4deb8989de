"""The command `jrae`: its parser, how JAX is configured for each command, and what becomes of errors."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .._checks import check_count
from .._version import __version__
from . import atlas, dynamics, fit, reproduce, scan
from .progress import ProgressBar

# XLA makes one function of a loop on a CPU, and one pass of what it computes side by side: twice the speed.
_FAST_LOOPS = (
    "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion,xla_cpu_small_while_loop_byte_threshold=1000000000"
)
# The other solvers would become slower, as XLA then computes a stage anew wherever it is used.
_ONE_STAGE_SOLVERS = ("strang", "euler")

_PLATFORMS = {"cpu": "cpu", "gpu": "cuda"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `jrae`.

    **Returns:** the exit code: 0, 1 for a fit that did not converge, 2 after an error, 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
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
    parser.set_defaults(device=None)  # of commands without the option
    commands = parser.add_subparsers(metavar="command", required=True)
    reproduce.add_commands(commands, _prepare_all_cores)
    scan.add_commands(commands, _prepare_scan)
    atlas.add_commands(commands, _prepare_one_device)
    dynamics.add_commands(commands, _prepare_all_cores)
    fit.add_commands(commands, _prepare_one_device)
    return parser


def _run(options: argparse.Namespace) -> int:
    try:
        return options.run(options)
    except (AssertionError, RuntimeError) as error:
        # JAX looks for the device when something is first computed, and may then fail an assertion without a message.
        if options.device is None or _finds_device():
            raise
        raise ValueError(f"`--device` must be one that JAX finds here, got {options.device}") from error


def _finds_device() -> bool:
    import jax

    try:
        return bool(jax.devices())
    except (AssertionError, RuntimeError):
        return False


def _prepare_scan(options: argparse.Namespace) -> ProgressBar:
    """As many devices as were asked for, and loops as fast as XLA can make them."""
    flags = os.environ.get("XLA_FLAGS", "")
    if options.solver in _ONE_STAGE_SOLVERS and "xla_backend_extra_options" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_FAST_LOOPS}"
    _configure_jax(options.device, options.devices)
    return ProgressBar()


def _prepare_one_device(options: argparse.Namespace) -> ProgressBar:
    """One device with all cores: one large product after another is divided among them best by XLA itself."""
    _configure_jax(options.device, 1)
    return ProgressBar()


def _prepare_all_cores(options: argparse.Namespace) -> ProgressBar:
    """A device for each core."""
    _configure_jax(options.device)
    return ProgressBar()


def _configure_jax(device: str | None, cores: int | None = None) -> None:
    """One JAX device for each of `cores`, or of the cores this process may use, before any backend starts."""
    import jax

    if cores is None:
        # Not on macOS.
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    check_count(1, **{"--devices": cores})
    jax.config.update("jax_num_cpu_devices", cores)
    if device is not None:
        jax.config.update("jax_platforms", _PLATFORMS[device])
