"""Ours and the program in C, as what takes turns at the work of `work.py`; nothing to run here."""

from functools import partial
from typing import Any

import diffrax
import jax
import xarray  # noqa: F401 - so that the first scan does not wait for it

import jrae_jax as jrae

from ..rivals import HIGH, HOLD, LOW
from ..timing import Contender
from .in_c import c_library, c_summaries, c_trajectories
from .work import DT, SIGMA, P, strengths

_WHITE = jrae.WhiteNoiseInput(P, SIGMA / 325)
SCHEMES: dict[str, tuple[diffrax.AbstractSolver, jrae.column.AbstractExternalInput]] = {
    "Strang splitting": (jrae.column.StrangSplitting(), _WHITE),
    "Heun": (jrae.column.FixedStepHeun(), _WHITE),
    "Heun, held noise": (jrae.column.FixedStepHeun(), jrae.UniformNoiseInput(LOW, HIGH, hold=HOLD)),
    "RK4": (jrae.column.RK4(), _WHITE),
    "Euler-Maruyama": (diffrax.Euler(), _WHITE),
}
IN_C = ("Strang splitting", "Heun", "Heun, held noise")
KEPT = {"moments": (jrae.scan.Moments(),), "moments, spectrum, regime": jrae.scan.DEFAULT_SUMMARIES}
_STATES = jrae.scan.Samples(channels=tuple(f"y{state}" for state in range(6)))


def ours(columns: int, steps: int, scheme: str, kept: str, dt: float = DT) -> Contender:
    """`parameter_scan` as a library call, results in memory."""
    return _scan(columns, steps, scheme, kept, KEPT[kept], dt, "summaries")


def ours_saved(columns: int, steps: int, scheme: str) -> list[Contender]:
    """All six states of every step, by `parameter_scan` and by `simulate`."""
    solver, external = SCHEMES[scheme]
    column = jrae.Column.preset("jansen_rit_1995", external).replace(C=strengths(columns))
    settings = {"t1": steps * DT, "dt": DT, "solver": solver, "key": jax.random.key(0)}
    labels = {"package": "ours", "scheme": scheme, "route": "simulate", "columns": columns, "steps": steps}
    simulate = Contender({**labels, "work": "trajectories"}, lambda: jrae.simulate(column, **settings).ys)
    return [simulate, _scan(columns, steps, scheme, "parameter_scan", (_STATES,), DT, "trajectories")]


def _scan(
    columns: int, steps: int, scheme: str, route: str, summaries: tuple[Any, ...], dt: float, work: str
) -> Contender:
    solver, external = SCHEMES[scheme]
    run = partial(
        jrae.parameter_scan,
        jrae.Column.preset("jansen_rit_1995", external),
        {"C": strengths(columns)},
        t1=steps * dt,
        dt=dt,
        solver=solver,
        summaries=summaries,
        key=jax.random.key(0),
    )
    labels = {"package": "ours", "scheme": scheme, "route": route, "columns": columns, "steps": steps, "dt": dt}
    return Contender({**labels, "work": work}, lambda: run().load())


def in_c(columns: int, steps: int, scheme: str, work: str, threads: int, march: str = "native") -> list[Contender]:
    """The program in C, which computes moments alone or saves all states; nothing where it cannot be compiled."""
    if c_library(march) is None:
        return []
    labels = {"package": "C", "scheme": scheme, "route": "OpenMP and SIMD", "columns": columns, "steps": steps}
    run = {"summaries": c_summaries, "trajectories": c_trajectories}[work](columns, steps, scheme, threads, march)
    return [Contender({**labels, "work": work}, run, compiled=False)]


def ours_and_c(
    columns: int, steps: int, saved: tuple[tuple[int, int], ...], threads: int, march: str
) -> list[Contender]:
    """With moments, with all default summaries, and with saved trajectories."""
    found = []
    for scheme in IN_C:
        found += in_c(columns, steps, scheme, "summaries", threads, march)
        found += [ours(columns, steps, scheme, kept) for kept in KEPT]
    for size in saved:
        for scheme in IN_C:
            found += [*in_c(*size, scheme, "trajectories", threads, march), *ours_saved(*size, scheme)]
    return found


def at_its_step(seconds: float) -> list[Contender]:
    """Each scheme at the step that it needs for an error below 1 %."""
    found = []
    for scheme, (solver, external) in SCHEMES.items():
        if external is _WHITE:
            dt = jrae.suggest_dt(jrae.Column.preset("jansen_rit_1995", external), 0.01, solver=solver)
            found.append(ours(256 if dt < 1e-4 else 4096, round(seconds / dt), scheme, "moments", dt))
    return found


def of_each_size(sizes: list[tuple[int, int]], threads: int) -> list[Contender]:
    """Ours and C with moments."""
    scheme = "Strang splitting"
    return [
        contender
        for size in sizes
        for contender in (*in_c(*size, scheme, "summaries", threads), ours(*size, scheme, "moments"))
    ]


def one(scheme: str, kept: str) -> list[Contender]:
    """Ours alone, small enough for the compiler to take most of the first call."""
    return [ours(1024, 2_500, scheme, kept)]
