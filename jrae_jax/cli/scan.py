"""The command line's `simulate`, `scan` and `scan-show`: arguments, progress, printing; no numerics."""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import check_count

INPUTS = ("white", "uniform", "ou", "constant")
SOLVERS = ("strang", "heun", "rk4", "euler")
SUMMARIES = ("moments", "spectrum", "regime", "samples")
_TRAJECTORY_FORMATS = (".csv", ".zarr")
_SECONDS_UNTIL_DEAD = 40  # after which the processes that share a scan take one for dead


def add_commands(commands: Any, prepare: Callable[[argparse.Namespace], Callable[[str, float], None]]) -> None:
    """Add the three commands; `prepare` sets up JAX and returns what shows progress."""
    simulate = commands.add_parser("simulate", help="simulate columns, write or draw their trajectories")
    _add_column(simulate)
    simulate.add_argument("--columns", type=int, default=1, help="columns that differ in their noise (1)")
    simulate.add_argument("--every", type=int, default=1, help="save every so many steps (1)")
    simulate.add_argument("--out", type=Path, help="trajectories to a new .csv or .zarr")
    simulate.set_defaults(run=lambda options: _simulate(options, prepare(options)))

    scan = commands.add_parser("scan", help="scan parameters and noise; goes on if the store is there")
    _add_column(scan)
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
    scan.add_argument("--store", type=Path, required=True, help="a new zarr store, or one to go on with")
    scan.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0, with --processes and --process")
    scan.add_argument("--processes", type=int, help="how many processes share the scan")
    scan.add_argument("--process", type=int, help="which of them this is, from 0")
    scan.add_argument("--distributed", action="store_true", help="join the processes of a Slurm or MPI job")
    scan.set_defaults(run=lambda options: _scan(options, prepare(options)))

    show = commands.add_parser("scan-show", help="what is in a store, finished or still running")
    show.add_argument("store", type=Path)
    show.add_argument("--plot", type=Path, help="a picture of it")
    show.set_defaults(run=_show)


def _add_column(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="jansen_rit_1995", help="parameters to start from (jansen_rit_1995)")
    parser.add_argument("--input", choices=INPUTS, default="white", help="external input (white)")
    parser.add_argument("--hold", type=float, default=1e-3, help="of uniform and ou: seconds a value is held (1e-3)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter, or a quantity of the input"
    )
    parser.add_argument("--duration", type=float, default=10.0, help="seconds (10)")
    parser.add_argument("--burn-in", type=float, default=1.0, help="seconds at the start that are left out (1)")
    parser.add_argument("--dt", type=float, default=1e-3, help="step, seconds (1e-3)")
    parser.add_argument("--solver", choices=SOLVERS, default="strang", help="(strang)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (0)")
    parser.add_argument("--devices", type=int, help="CPU cores to use (all)")
    parser.add_argument("--device", choices=("cpu", "gpu"), help="where to compute (what JAX finds)")
    parser.add_argument("--plot", type=Path, help="a picture of the results")


def _simulate(options: argparse.Namespace, progress: Callable[[str, float], None]) -> int:
    import diffrax
    import jax

    import jrae_jax as jrae

    del progress
    if options.out is None and options.plot is None:
        raise ValueError("`--out` or `--plot` must say where the trajectories are to go, got neither")
    if options.out is not None:
        _check_new(options.out, _TRAJECTORY_FORMATS)
    check_count(1, **{"--every": options.every, "--columns": options.columns})
    columns = column(options.preset, options.input, options.set, options.hold)
    trajectories = jrae.simulate(
        columns.parameters,
        columns.input,
        y0=np.stack([np.asarray(leaf) for leaf in jax.tree.leaves(columns.initial)]),
        t1=options.duration,
        dt=options.dt,
        burn_in=options.burn_in,
        solver=_solver(options.solver),
        saveat=diffrax.SaveAt(steps=options.every),
        batch=options.columns,
        key=_key(options.seed),
    )
    dataset = jrae.to_dataset(trajectories)
    if options.out is not None:
        if options.out.suffix == ".csv":
            dataset.to_dataframe().to_csv(options.out)
        else:
            dataset.to_zarr(options.out, consolidated=False)
        print(f"{dataset.sizes['time']} samples of {options.columns} columns in {options.out}")
    _plot(options.plot, "plot_trajectories", dataset)
    return 0


def _scan(options: argparse.Namespace, progress: Callable[[str, float], None]) -> int:
    import jax

    import jrae_jax as jrae

    start = time.perf_counter()
    _join_processes(options)
    columns = column(options.preset, options.input, options.set, options.hold)
    scan = jrae.parameter_scan(
        columns.parameters,
        columns.input,
        _axes(options, columns),
        initial=columns.initial,
        t1=options.duration,
        dt=options.dt,
        burn_in=options.burn_in,
        repeats=options.repeats,
        solver=_solver(options.solver),
        summaries=_summaries(options),
        store=options.store,
        key=_key(options.seed),
        progress=progress,
    )
    if jax.process_index() == 0:
        _describe(scan)
        print(f"{time.perf_counter() - start:.0f} s; results in {options.store}")
        _plot(options.plot, "plot_scan", scan)
    return 0


def _show(options: argparse.Namespace) -> int:
    from ..scan.store import open_scan

    scan = open_scan(options.store)
    _describe(scan)
    _plot(options.plot, "plot_scan", scan)
    return 0


def _describe(scan: Any) -> None:
    """A scan in a few lines: its axes, how far it is, what failed, and the range of every result."""
    from ..scan.regime import REGIMES

    for name in scan.failed.dims:
        quantities = [str(quantity) for quantity in scan.coords if scan[quantity].dims == (name,)]
        ranges = (f"{q} {scan[q].values.min():g} to {scan[q].values.max():g}" for q in quantities)
        print(f"{name}: {scan.sizes[name]} values, {', '.join(ranges)}")
    done, points = scan.attrs["points_done"], scan.attrs["points"]
    print(f"{done} of {points} points done, {int(scan.failed.sum())} failed")
    for name in sorted(str(name) for name in scan.data_vars):
        values = scan[name].values
        if name == "regime":
            shares = (f"{regime} {np.sum(values == code) / max(done, 1):.0%}" for code, regime in enumerate(REGIMES))
            print(f"{name:>20}  {', '.join(shares)}")
        elif name != "failed" and np.isfinite(values).any():
            print(f"{name:>20}  {np.nanmin(values):.4g} to {np.nanmax(values):.4g} {scan[name].attrs['units']}")
    failed = np.argwhere(scan.failed.values)
    for place in failed[:5]:
        where = scan.failed[tuple(place)]
        told = ", ".join(f"{name}={where[name].item():g}" for name in where.coords)
        print(f"failed at {scan.failure_time.values[tuple(place)]:g} s: {told}")


def _join_processes(options: argparse.Namespace) -> None:
    """Before the backend starts."""
    import jax

    by_hand = {
        "coordinator_address": options.coordinator,
        "num_processes": options.processes,
        "process_id": options.process,
    }
    if options.distributed:
        jax.distributed.initialize(heartbeat_timeout_seconds=_SECONDS_UNTIL_DEAD)
    elif any(value is not None for value in by_hand.values()):
        missing = [name for name, value in by_hand.items() if value is None]
        if missing:
            raise ValueError("`--coordinator`, `--processes` and `--process` go together, got only some of them")
        jax.distributed.initialize(**by_hand, heartbeat_timeout_seconds=_SECONDS_UNTIL_DEAD)


def column(preset: str, input: str, fixed: Sequence[str], hold: float = 1e-3) -> Any:
    """A column with some of its quantities set, as NAME=VALUE."""
    """The column that the options describe."""
    import jax.numpy as jnp

    import jrae_jax as jrae

    from ..scan.axes import with_quantities
    from ..scan.engine import Columns

    kinds = {
        "white": lambda: jrae.WhiteNoiseInput(220.0, 2000 / 325),
        "uniform": lambda: jrae.UniformNoiseInput(120.0, 320.0, hold=hold),
        "ou": lambda: jrae.OrnsteinUhlenbeckInput(220.0, 200 / 12**0.5, 0.01, hold=hold),
        "constant": lambda: jrae.ConstantInput(220.0),
    }
    base = Columns(
        jrae.JansenRitParameters.preset(preset),
        kinds[input](),
        jrae.InitialState(),
        jnp.uint32(0),
    )
    parts = [text.partition("=") for text in fixed]
    return with_quantities(base, {name: parsed_number("--set", name, text) for name, _, text in parts})


def _axes(options: argparse.Namespace, columns: Any) -> Sequence[Any]:
    import jrae_jax as jrae

    from ..scan.axes import check_quantities

    names = [part.partition("=")[0] for text in options.axis for part in text.split("+")]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"`axes` must have different quantities, got {name} twice")
    if options.sample is None:
        return [parsed_axis(text) for text in options.axis]
    ranges, log = {}, []
    for text in options.axis:
        name, _, values = text.partition("=")
        start, *rest = values.split(":")
        if rest[1:] == ["log"]:
            log.append(name)
        elif len(rest) != 1:
            raise ValueError(f"`--axis {text}` must be NAME=start:stop or NAME=start:stop:log with --sample")
        ranges[name] = (parsed_number("--axis", name, start), parsed_number("--axis", name, rest[0]))
    check_quantities(columns, axes=ranges)
    return [jrae.sampled(options.sample, seed=options.seed, method=options.method, log=log, **ranges)]


def parsed_axis(text: str) -> Any:
    """An axis, from what `--axis` says."""
    import jrae_jax as jrae

    values = {}
    for part in text.split("+"):
        name, equals, numbers = part.partition("=")
        if not equals or not name:
            raise ValueError(f"`--axis` must be NAME=start:stop:count or NAME=a,b,c, got {text}")
        values[name] = _axis_values(name, numbers)
    dim = "+".join(values)
    return jrae.zipped(dim, **values)


def _axis_values(name: str, text: str) -> np.ndarray:
    from ..scan.axes import check_range

    if ":" not in text:
        return np.array([parsed_number("--axis", name, number) for number in text.split(",") if number])
    parts = text.split(":")
    log = parts[3:] == ["log"]
    if len(parts) != 3 + log or not parts[2].isdigit() or int(parts[2]) < 2:
        raise ValueError(
            f"`--axis {name}` must be start:stop:count or start:stop:count:log with a count from 2 on, got {text}"
        )
    start, stop = (parsed_number("--axis", name, part) for part in parts[:2])
    check_range(name, start, stop, log=log)
    return (np.geomspace if log else np.linspace)(start, stop, int(parts[2]))


def _key(seed: int) -> Any:
    import jax

    if not 0 <= seed < 2**63:
        raise ValueError(f"`--seed` must be from 0 to 2^63 - 1, got {seed}")
    return jax.random.key(seed)


def parsed_number(option: str, name: str, text: str) -> float:
    """A number, or an error that names the option."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"`{option} {name}` must be a number, got {text!r}") from None


def _summaries(options: argparse.Namespace) -> Sequence[Any]:
    import jrae_jax as jrae

    from .._checks import check_choice

    channels = tuple(options.channels.split(","))
    kinds = {
        "moments": lambda: jrae.Moments(channels),
        "spectrum": jrae.Spectrum,
        "regime": jrae.Regime,
        "samples": lambda: jrae.Samples(options.every, channels),
    }
    names = options.summaries.split(",")
    for name in names:
        check_choice(SUMMARIES, **{"--summaries": name})
    return [kinds[name]() for name in names]


def _solver(name: str) -> Any:
    import jrae_jax as jrae

    return {"strang": jrae.StrangSplitting, "heun": jrae.Heun, "rk4": jrae.RK4, "euler": jrae.Euler}[name]()


def _check_new(path: Path, suffixes: Sequence[str]) -> None:
    if path.suffix not in suffixes:
        raise ValueError(f"`--out` must end in {' or '.join(suffixes)}, got {path}")
    if not path.parent.is_dir():
        raise ValueError(f"`--out` must lie in a folder that exists, got {path}")
    if path.exists():
        raise ValueError(f"`--out` must not exist yet, got {path}")


def _plot(path: Path | None, plot: str, dataset: Any) -> None:
    if path is None:
        return
    from ..plot import scan as _plotting_scan

    figure = getattr(_plotting_scan, plot)(dataset)
    figure.savefig(path, dpi=120)
    print(f"picture in {path}")
