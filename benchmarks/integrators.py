"""Integrators: work and precision, one column, and batches, against hand-written loops, SciPy and torchdiffeq.

    python -m benchmarks.integrators [--out benchmarks/results/integrators.json] [--quick] [--parts batch ...]

Every rival integrates the same equations, written down once more here, over the same time, and gives the states at
the same instants.
"""

import itertools
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

import jrae_jax as jrae

from . import timing
from .rivals import HIGH, HOLD, LOW, SCHEMES, Column, hand_scan, numpy_loop, scalar_field, torch_field, uniform_noise
from .timing import REPEATS, TORCH_DEVICE, Contender, torch

torchdiffeq: Any = timing.optional("torchdiffeq")

P = 220.0  # 1/s
T1, GRID = 2.0, 5e-3  # s; the duration of a work-precision run, and how often its states are compared
DTS = (1e-4, 2.5e-4, 1e-3, 2.5e-3, 5e-3)  # s; all divide GRID
DT, BATCH_STEPS = 1e-3, 2_000
STEPS = (2_000, 10_000)
BATCHES = (1, 8, 32, 128, 1024)
CALLS = 200
STAGES = {"Euler": 1, "Heun": 2, "RK4": 4, "Tsit5": 6}
SOLVERS = {
    "Euler": diffrax.Euler(),
    "Heun": jrae.column.FixedStepHeun(),
    "RK4": jrae.column.RK4(),
    "Tsit5": diffrax.Tsit5(),
}
SOURCES = {
    "constant": jrae.ConstantInput(P),
    "noise": jrae.UniformNoiseInput(LOW, HIGH, hold=HOLD),
    "white": jrae.WhiteNoiseInput(P, 6.0),
}
TOLERANCES = (1e-3, 1e-5, 1e-7, 1e-9)
ADAPTIVE = {"Tsit5": diffrax.Tsit5(), "Dopri8": diffrax.Dopri8(), "Kvaerno5": diffrax.Kvaerno5()}
TORCH_DTS = DTS[2:]  # below, a torch loop takes many seconds


# (a) Work and precision. A run gives the states on the grid, and the evaluations of the vector field where known.


def work_precision(quick: bool) -> list[dict[str, Any]]:
    """Error against cost: in double precision, with constant and noisy input, and in single precision."""
    dts, repeats = (DTS[1::2], 2) if quick else (DTS, REPEATS)
    key, each = jax.random.key(0), round(GRID / HOLD)
    held_dts = [dt for dt in dts if dt <= HOLD]
    with jax.enable_x64(True):
        exact = reference(np.full(round(T1 / GRID), P), GRID)
        contenders = [*ours_fixed(SOLVERS, dts), *ours_adaptive(), *hand_fixed(dts), *scipy_adaptive()]
        contenders += torch_solvers()
        rows = measured_precision(contenders, exact, repeats, problem="constant", dtype="float64")
        rates = np.asarray(uniform_noise(key, round(T1 / HOLD)))
        exact_noisy = reference(rates, HOLD)[each - 1 :: each]
        contenders = [*ours_fixed(SOLVERS, held_dts, key), *hand_fixed(held_dts, key), *numpy_fixed(held_dts, rates)]
        rows += measured_precision(contenders, exact_noisy, repeats, problem="noise", dtype="float64")
    contenders = [*ours_fixed(SCHEMES, dts), *hand_fixed(dts)]
    return rows + measured_precision(contenders, exact, repeats, problem="constant", dtype="float32")


def reference(rates: Any, hold: float) -> Any:
    """States after each hold, from SciPy's DOP853 at its tightest."""
    y, states = np.zeros(6), []
    for rate in rates:
        y = solve_ivp(lambda t, y, p=rate: scalar_field(y, p), (0, hold), y, "DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
        states.append(y)
    return np.array(states)


def ours(source: Any, method: str, dt: float, evaluations: int | None = None, **arguments: Any) -> Contender:
    """`simulate`; a trajectory that fails is counted and not raised."""
    saveat = diffrax.SaveAt(steps=round(GRID / dt))
    column = jrae.Column(jrae.JansenRitParameters(), source)
    simulate = partial(jrae.simulate, column, t1=T1, dt=dt, saveat=saveat, throw=False)
    label = {"rtol": arguments["rtol"]} if "rtol" in arguments else {"dt": dt}
    return Contender({"family": "ours", "method": method, **label}, lambda: (simulate(**arguments).ys, evaluations))


def ours_fixed(methods: Iterable[str], dts: Iterable[float], key: Any = None) -> Iterator[Contender]:
    """`simulate` with a fixed step."""
    source = jrae.ConstantInput(P) if key is None else jrae.UniformNoiseInput(LOW, HIGH, hold=HOLD)
    for method, dt in itertools.product(methods, dts):
        yield ours(source, method, dt, STAGES[method] * round(T1 / dt), solver=SOLVERS[method], key=key)


def ours_adaptive() -> Iterator[Contender]:
    """`simulate` with tolerances."""
    for method, solver in ADAPTIVE.items():
        for tolerance in TOLERANCES[:2] if method == "Kvaerno5" else TOLERANCES:
            yield ours(jrae.ConstantInput(P), method, DT, solver=solver, rtol=tolerance, atol=tolerance)


def hand_fixed(dts: Iterable[float], key: Any = None) -> Iterator[Contender]:
    """The hand-written loop at its fastest, with all parameters compiled in."""
    source = P if key is None else (LOW, HIGH)
    for method, dt in itertools.product(SCHEMES, dts):
        steps = round(T1 / dt)
        loop = jax.jit(partial(hand_scan, method, steps, round(GRID / dt), Column(), dt, source))
        run = partial(lambda loop, count: (loop(jnp.zeros(6), key), count), loop, STAGES[method] * steps)
        yield Contender({"family": "lax.scan", "method": method, "dt": dt}, run)


def numpy_fixed(dts: Iterable[float], rates: Any) -> Iterator[Contender]:
    """The plain Python loop."""
    for method, dt in itertools.product(SCHEMES, dts):
        each = np.repeat(rates, round(HOLD / dt)).tolist()
        loop = partial(numpy_loop, method, dt, round(GRID / dt), each)
        run = partial(lambda loop, count: (loop(), count), loop, STAGES[method] * len(each))
        yield Contender({"family": "NumPy", "method": method, "dt": dt}, run, compiled=False)


def scipy_adaptive() -> Iterator[Contender]:
    """SciPy's `solve_ivp`."""
    grid = GRID * np.arange(1, round(T1 / GRID) + 1)

    def run(method, tol):
        solution = solve_ivp(lambda t, y: scalar_field(y, P), (0, T1), np.zeros(6), method, grid, rtol=tol, atol=tol)
        return solution.y.T, solution.nfev

    for method, tol in itertools.product(("RK45", "DOP853", "LSODA"), TOLERANCES):
        yield Contender({"family": "SciPy", "method": method, "rtol": tol}, partial(run, method, tol), compiled=False)


def torch_solvers() -> Iterator[Contender]:
    """torchdiffeq's `odeint`, with fixed and adaptive steps."""
    if torchdiffeq is None:
        return

    def run(**arguments):
        evaluations = 0
        field = torch_field(P)

        def counted(t, y):
            nonlocal evaluations
            evaluations += 1
            return field(t, y)

        float64 = {"dtype": torch.float64, "device": TORCH_DEVICE}
        grid = torch.linspace(0, T1, round(T1 / GRID) + 1, **float64)
        with torch.no_grad():
            ys = torchdiffeq.odeint(counted, torch.zeros(6, **float64), grid, **arguments)
        return ys[1:].cpu(), evaluations

    choices = [(method, {"dt": dt}, {"options": {"step_size": dt}}) for method in ("euler", "rk4") for dt in TORCH_DTS]
    choices += [("dopri5", {"rtol": tol}, {"rtol": tol, "atol": tol}) for tol in TOLERANCES[:3]]
    for method, labels, options in choices:
        run_it = partial(run, method=method, **options)
        yield Contender({"family": "torchdiffeq", "method": method, **labels}, run_it, compiled=False)


def measured_precision(contenders: Any, exact: Any, repeats: int, **labels: str) -> list[dict[str, Any]]:
    """Time all, and compare the three potentials with the reference."""
    rows = []
    for measured in timing.time_in_turns(contenders, repeats=repeats):
        states, evaluations = measured.outcome
        states = np.asarray(states, dtype=float)
        failed = states.shape != exact.shape or not np.all(np.isfinite(states))
        errors = np.full((1, 3), np.nan) if failed else np.abs(states - exact)[:, :3]
        error = {"error_mV": float(errors.max()), "end_error_mV": float(errors[-1].max())}
        rows.append(measured.row(**labels, **error, evaluations=evaluations, failures=int(failed)))
    return rows


# (b) One column, every step saved.


def single_column(quick: bool) -> list[dict[str, Any]]:
    """`simulate`, its Python included, against hand-written loops of the same scheme."""
    rows, sources = [], {"constant": None, "noise": jax.random.key(0)}
    for steps, method, (source, key) in itertools.product(STEPS[:1] if quick else STEPS, SCHEMES, sources.items()):
        labels = {"steps": steps, "method": method, "source": source, "columns": 1}
        rows += compared(single_column_contenders(method, key, steps), quick, **labels)
    return rows


def single_column_contenders(method: str, key: Any, steps: int) -> list[Contender]:
    """Ours first."""
    if key is None:
        source, p, rates = jrae.ConstantInput(P), jnp.asarray(P), [P] * steps
    else:
        source, p = jrae.UniformNoiseInput(LOW, HIGH, hold=HOLD), (jnp.asarray(LOW), jnp.asarray(HIGH))
        rates = np.asarray(uniform_noise(key, steps)).tolist()
    column, y0 = jrae.Column(jrae.JansenRitParameters(), source), jnp.zeros(6)
    by_hand, dt = Column(*map(jnp.asarray, Column())), jnp.asarray(DT)
    traced = jax.jit(partial(hand_scan, method, steps, 1))
    baked = jax.jit(partial(hand_scan, method, steps, 1, Column(), DT, P if key is None else (LOW, HIGH)))

    def simulated():
        return jrae.simulate(column, t1=steps * DT, dt=DT, solver=SOLVERS[method], key=key).ys

    @jax.jit
    def compiled(column, key):
        settings = {"t1": steps * DT, "dt": DT, "solver": SOLVERS[method], "throw": False}
        return jrae.simulate(column, key=key, **settings).ys

    return [
        Contender({"name": "ours"}, simulated),
        Contender({"name": "ours, inside jax.jit"}, lambda: compiled(column, key)),
        Contender({"name": "lax.scan, parameters as arguments"}, lambda: traced(by_hand, dt, p, y0, key)),
        Contender({"name": "lax.scan, parameters as constants"}, lambda: baked(y0, key)),
        Contender({"name": "NumPy loop"}, lambda: numpy_loop(method, DT, 1, rates), compiled=False),
    ]


def calls(quick: bool) -> list[dict[str, Any]]:
    """What a call of `simulate` takes beside its steps: the best of many calls of one step, in microseconds."""
    rows, repeats = [], CALLS // 10 if quick else CALLS
    for method, (source, external) in itertools.product(SCHEMES, SOURCES.items()):
        column = jrae.Column(jrae.JansenRitParameters(), external)
        settings = {"t1": DT, "dt": DT, "solver": SOLVERS[method], "key": jax.random.key(0)}
        whole = [timed(lambda c=column, s=settings: jrae.simulate(c, **s).ys) for _ in range(repeats)]
        rows.append({"method": method, "source": source, "calls": repeats, "best_us": 1e6 * min(whole)})
    return rows


def timed(run: Any) -> float:
    """Seconds."""
    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


# (c) Batches.


def batch(quick: bool) -> list[dict[str, Any]]:
    """RK4 over many columns that differ in p, saving every step or the end alone."""
    rows = []
    sizes = BATCHES[:2] if quick else BATCHES
    for columns, (saved, every) in itertools.product(sizes, {"every step": 1, "end": BATCH_STEPS}.items()):
        rows += compared(batch_contenders(columns, every), quick, columns=columns, saved=saved)
    return [{**row, "column_steps_per_s": row["columns"] * BATCH_STEPS / row["median_s"]} for row in rows]


def batch_contenders(columns: int, every: int) -> list[Contender]:
    """Ours first; all give states of shape (columns, time, 6), and in JAX all take the parameters as arguments."""
    ps, y0 = jnp.linspace(LOW, HIGH, columns), jnp.zeros(6)
    parameters, column = jrae.JansenRitParameters(), Column(*map(jnp.asarray, Column()))
    of_ours, dt = jrae.Column(parameters, jrae.ConstantInput(ps)), jnp.asarray(DT)
    saveat = diffrax.SaveAt(steps=1) if every == 1 else diffrax.SaveAt(t1=True)
    grid = DT * jnp.arange(BATCH_STEPS + 1)
    simulate = partial(jrae.simulate, of_ours, t1=BATCH_STEPS * DT, dt=DT, saveat=saveat)

    def loop(column, dt, p):
        return hand_scan("RK4", BATCH_STEPS, every, column, dt, p, y0, None)

    def solve(parameters, grid, p):
        def vector_field(t, y, args):
            return jrae.column.jansen_rit_vector_field(0.0, y, args)

        options = {"saveat": saveat, "stepsize_controller": diffrax.StepTo(ts=grid), "max_steps": BATCH_STEPS}
        term, args = diffrax.ODETerm(vector_field), (parameters, p)
        return diffrax.diffeqsolve(term, jrae.column.RK4(), 0.0, grid[-1], None, y0, args, throw=False, **options).ys

    by_hand = jax.jit(jax.vmap(loop, in_axes=(None, None, 0)))
    by_diffrax = jax.jit(jax.vmap(solve, in_axes=(None, None, 0)))
    return [
        Contender({"name": "ours"}, lambda: simulate().ys),
        # As it is within a transformation of JAX.
        Contender({"name": "ours, by Diffrax"}, lambda: simulate(adjoint=diffrax.RecursiveCheckpointAdjoint()).ys),
        Contender({"name": "vmap of lax.scan"}, lambda: by_hand(column, dt, ps)),
        Contender({"name": "vmap of diffeqsolve"}, lambda: by_diffrax(parameters, grid, ps)),
        *torch_batch(np.array(ps), every),
    ]


def torch_batch(ps: Any, every: int) -> Iterator[Contender]:
    """torchdiffeq over the same batch."""
    if torchdiffeq is None:
        return
    field = torch_field(torch.tensor(ps, device=TORCH_DEVICE))
    y0 = torch.zeros(len(ps), 6, device=TORCH_DEVICE)
    grid = torch.linspace(0, BATCH_STEPS * DT, BATCH_STEPS // every + 1, device=TORCH_DEVICE)

    def run():
        with torch.no_grad():
            ys = torchdiffeq.odeint(field, y0, grid, method="rk4", options={"step_size": DT})
        return ys[1:].transpose(0, 1)

    yield Contender({"name": "torchdiffeq"}, run, compiled=False)


def compared(contenders: list[Contender], quick: bool, **labels: Any) -> list[dict[str, Any]]:
    """Time all, and set each against the first, which is ours."""
    runs = timing.time_in_turns(contenders, repeats=2 if quick else REPEATS)
    outcomes = [np.asarray(run.outcome.cpu() if hasattr(run.outcome, "cpu") else run.outcome) for run in runs]
    return [
        run.row(
            **labels,
            times_slower_than_ours=timing.times_slower(run.timing.seconds, runs[0].timing.seconds),
            difference_mV=float(np.abs(states - outcomes[0])[..., :3].max()),
            failures=int((~np.isfinite(states)).any(axis=(-1, -2)).sum()),
        )
        for run, states in zip(runs, outcomes, strict=True)
    ]


PARTS = {part.__name__: part for part in (work_precision, single_column, calls, batch)}


def main() -> None:
    """Run the parts asked for, and write their results."""
    parser = timing.arguments_parser(__doc__, __file__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = parser.parse_args()
    sizes = {"t1_s": T1, "grid_s": GRID, "steps": STEPS, "batch_steps": BATCH_STEPS, "dt_s": DT, "hold_s": HOLD}
    record = {"environment": timing.environment(), "quick": arguments.quick, "dtype": "float32", "sizes": sizes}
    for part in arguments.parts:
        print(f"{part} ...", flush=True)
        record[part] = PARTS[part](arguments.quick)
    timing.write(record, arguments.out)


if __name__ == "__main__":
    main()
