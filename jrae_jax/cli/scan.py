"""The commands `simulate`, `scan` and `scan-show`."""

import argparse
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import runtime
from .options import SUMMARIES, add_command, add_simulation_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from ..scan.axes import Axis

_TRAJECTORY_FORMATS, _SCAN_FORMATS = (".csv", ".nc", ".zarr"), (".csv", ".nc")
_SECONDS_UNTIL_DEAD = 40  # after which the other processes of a scan take one for dead; a chunk takes seconds

_OPTIONS = {
    "axes": "--axis",
    "batch": "--columns",
    "t1 - t0": "--duration",
    "t1": "--duration",
    "burn_in": "--burn-in",
    "dt": "--dt",
    "hold": "--hold",
    "repeats": "--repeats",
    "store": "--store",
    "summaries": "--summaries",
    "every": "--every",
    "saveat": "--every",
}
"""The options by the arguments that they become."""


def add_commands(commands: Any) -> None:
    """Add the three commands."""
    simulate = add_command(
        commands,
        "simulate",
        help="simulate columns, write or draw their trajectories",
        example="jrae simulate --duration 11 --out eeg.csv --plot eeg.png",
    )
    add_simulation_options(simulate)
    simulate.add_argument("--columns", type=int, default=1, help="columns that differ in their noise (1)")
    simulate.add_argument("--every", type=int, default=1, help="save every so many steps (1)")
    simulate.add_argument("--out", type=Path, help="trajectories to a new .csv, .nc (netCDF) or .zarr")
    simulate.set_defaults(run=_simulate)

    scan = add_command(
        commands,
        "scan",
        help="scan parameters and noise; resumes if the store is there",
        example="jrae scan --axis C=100:170:8 --axis p=90:330:8 --store scan.zarr --plot scan.png",
    )
    add_simulation_options(scan)
    scan.add_argument(
        "--axis",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="start:stop:count, start:stop:count:log, or a,b,c; several together: C=100,135+p=200,220",
    )
    scan.add_argument(
        "--sample", type=int, metavar="N", help="N points spread over the axes, given as start:stop[:log]"
    )
    scan.add_argument("--method", choices=("latin_hypercube", "random"), default="latin_hypercube", help="of --sample")
    scan.add_argument("--repeats", type=int, help="repetitions of each point with other noise")
    scan.add_argument("--summaries", default="moments,spectrum,regime", help=f"some of {', '.join(SUMMARIES)}")
    scan.add_argument("--channels", default="eeg", help="of moments and samples: some of y0..y5, eeg (eeg)")
    scan.add_argument("--every", type=int, default=10, help="of samples: keep every so many steps (10)")
    scan.add_argument("--store", type=Path, required=True, help="a new zarr store, or one to resume")
    scan.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0, with --processes and --process")
    scan.add_argument("--processes", type=int, help="how many processes take part in the scan")
    scan.add_argument("--process", type=int, help="which of them this is, from 0")
    scan.add_argument("--distributed", action="store_true", help="join the processes of a Slurm or MPI job")
    scan.set_defaults(run=_scan)

    show = add_command(
        commands,
        "scan-show",
        help="what is in a store of a scan, finished or still running",
        example="jrae scan-show scan.zarr --out scan.csv",
    )
    show.add_argument("store", type=Path)
    show.add_argument("--out", type=Path, help="all results to a new .csv or .nc (netCDF)")
    show.add_argument("--plot", type=Path, help="a picture of it")
    show.set_defaults(run=_show)


def _simulate(options: argparse.Namespace) -> int:
    progress = runtime.start(options, cores=options.devices)
    import diffrax

    from .._checks import check_count
    from .._files import atomic_path, check_output
    from ..column.simulate import simulate
    from .arguments import (
        SOLVERS,
        check_figure_file,
        column_and_start_from,
        key_from_seed,
        options_named,
    )

    if options.out is None and options.plot is None:
        raise ValueError("`--out` or `--plot` must say where the trajectories are to be written, got neither")
    if options.out is not None:
        check_output("--out", options.out, suffixes=_TRAJECTORY_FORMATS, new=True)
    if options.plot is not None:
        check_figure_file("--plot", options.plot)
    check_count(1, **{"--every": options.every, "--columns": options.columns})
    column, y0 = column_and_start_from(options.preset, options.input, options.set, options.hold)
    key = key_from_seed(options.seed)
    with options_named(_OPTIONS):
        trajectories = simulate(
            column,
            y0=y0,
            t1=options.duration,
            dt=options.dt,
            burn_in=options.burn_in,
            solver=SOLVERS[options.solver](),
            saveat=diffrax.SaveAt(steps=options.every),
            batch=options.columns,
            key=key,
            progress=progress,
        )
    if options.out is not None:
        dataset = trajectories.to_dataset()
        with atomic_path(options.out, "--out") as unfinished:
            _write_trajectories(dataset, unfinished)
        print(f"{dataset.sizes['time']} samples of {options.columns} columns in {options.out}")
    if options.plot is not None:
        from ..plot.trajectories import trajectories as trajectories_figure
        from .printing import save_figure

        save_figure(trajectories_figure(trajectories), options.plot)
    return 0


def _write_trajectories(dataset: "xr.Dataset", path: Path) -> None:
    from zarr.errors import ZarrUserWarning

    if path.suffix == ".csv":
        # With units, so that `fit` reads it as it is.
        names = {name: f"{name} ({dataset[name].attrs['units']})" for name in ("time", *dataset.data_vars)}
        dataset.to_dataframe().reset_index().rename(columns=names).to_csv(path, index=False)
    elif path.suffix == ".nc":
        dataset.to_netcdf(path)
    else:
        with warnings.catch_warnings():  # without, every reader is warned; with, the writer: it is not in zarr 3 yet
            warnings.filterwarnings("ignore", "Consolidated metadata", ZarrUserWarning)
            dataset.to_zarr(path, consolidated=True)


def _scan(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    progress = runtime.start(options, cores=options.devices, join=lambda: _join_processes(options))
    import jax

    from ..scan.parameter_scan import parameter_scan
    from .arguments import (
        SOLVERS,
        axes_from,
        check_figure_file,
        column_and_start_from,
        key_from_seed,
        options_named,
        sampled_axis_from,
        summaries_from,
    )
    from .printing import print_scan, save_figure

    options.interrupts.kept = options.store
    if options.plot is not None:
        check_figure_file("--plot", options.plot)
    column, y0 = column_and_start_from(options.preset, options.input, options.set, options.hold)
    key = key_from_seed(options.seed)
    if options.sample is None:
        axes = axes_from(options.axis, column, options.set)
    else:
        axes = [sampled_axis_from(options.axis, column, options.set, options.sample, method=options.method, key=key)]
    if options.plot is not None:
        _check_drawable(options.summaries, axes)
    quantities = {name: f"--axis {name}" for axis in axes for name in axis.values}
    with options_named(_OPTIONS | quantities):
        scan = parameter_scan(
            column,
            axes,
            t1=options.duration,
            dt=options.dt,
            burn_in=options.burn_in,
            repeats=options.repeats,
            y0=y0,
            solver=SOLVERS[options.solver](),
            summaries=summaries_from(options.summaries, options.channels, options.every),
            store=options.store,
            key=key,
            progress=progress,
        )
    if jax.process_index() == 0:
        print_scan(scan)
        print(f"{time.perf_counter() - start:.0f} s; results in {options.store}")
        if options.plot is not None:
            from ..plot.scan import scan as scan_figure

            save_figure(scan_figure(scan), options.plot)
    return 0


def _check_drawable(summaries: str, axes: "Sequence[Axis]") -> None:
    """Raise if there would be no picture of a scan."""
    if all(len(axis) == 1 for axis in axes):
        raise ValueError("`--plot` must be of a scan with an `--axis` along which something changes, got one point")
    if set(summaries.split(",")) == {"samples"}:
        raise ValueError("`--plot` must be of `--summaries` with one number a point, got samples")


def _join_processes(options: argparse.Namespace) -> None:
    """Join the other processes of a scan; to be called before JAX starts its backend."""
    import jax

    by_hand = {
        "coordinator_address": options.coordinator,
        "num_processes": options.processes,
        "process_id": options.process,
    }
    if options.distributed:
        jax.distributed.initialize(heartbeat_timeout_seconds=_SECONDS_UNTIL_DEAD)
    elif any(value is not None for value in by_hand.values()):
        if any(value is None for value in by_hand.values()):
            raise ValueError("`--coordinator`, `--processes` and `--process` go together, got only some of them")
        jax.distributed.initialize(**by_hand, heartbeat_timeout_seconds=_SECONDS_UNTIL_DEAD)


def _show(options: argparse.Namespace) -> int:
    from .._files import atomic_path, check_output
    from ..scan.store import open_scan, values_read
    from .arguments import check_figure_file, options_named
    from .printing import print_scan, save_figure

    if options.out is not None:
        check_output("--out", options.out, suffixes=_SCAN_FORMATS, new=True)
    if options.plot is not None:
        check_figure_file("--plot", options.plot)
    scan = open_scan(options.store)
    with values_read(options.store):
        scan.load()
    print_scan(scan)
    if options.out is not None:
        with atomic_path(options.out, "--out") as unfinished:
            if unfinished.suffix == ".csv":
                scan.to_dataframe().to_csv(unfinished)
            else:
                scan.to_netcdf(unfinished)
        print(f"results in {options.out}")
    if options.plot is not None:
        from ..plot.scan import scan as scan_figure

        with options_named({"dataset": "--plot"}):
            figure = scan_figure(scan)
        save_figure(figure, options.plot)
    return 0
