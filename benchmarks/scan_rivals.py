"""Rivals that simulate many noisy columns, each by the fastest route it offers; nothing to run here.

The work: columns that differ in C are driven by the mean rate `P` and by white noise of strength `SIGMA` on y4, start
from zero, and take steps of `DT`. `summaries` gives the mean, standard deviation, minimum and maximum of y1 - y2 over
all steps, and whether a column failed, in an array of shape (columns, 5); `trajectories` gives all six states of all
columns after every step, in one array or six, with axes in the order and time in the unit that the rival prefers.

As a check, at C = 135 y1 - y2 has a mean of 7.56 mV and a standard deviation of 2.16 mV once the start is forgotten.
Heun's method at `DT` gives both; Euler and Maruyama's gives 7.33 mV and 2.86 mV.
"""

import contextlib
import ctypes
import importlib
import importlib.metadata
import io
import math
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from rivals import Column, derivatives
from timing import TORCH_DEVICE, torch

LOW_C, HIGH_C = 100.0, 170.0
P, SIGMA, DT = 220.0, 2000.0, 1e-3  # 1/s, mV s^-3/2, s
HELD = SIGMA / (Column().A * Column().a * math.sqrt(DT))  # 1/s; as strong a noise, for a rate that is held over a step
SEED = 1
Y4 = 4  # where the noise enters


@dataclass(frozen=True)
class ScanRival:
    """One way to do the work, of a size at which it is fast, and slow rivals take a second or so."""

    labels: dict[str, Any]
    """What tells it from the others, as it stands in the results."""
    columns: int
    steps: int
    summaries: Callable[[], Any] | None
    """Does all of the work once; `None` where the rival does not offer it."""
    trajectories: Callable[[], Any] | None
    compiled: bool
    """Whether the first call traces and compiles."""


def rivals(quick: bool) -> Iterator[ScanRival]:
    """All rivals that are installed and work, one after the other; of others it is told that they are left out."""
    for build, columns, steps in sizes():
        try:
            for rival in build(16, 16):  # a rehearsal
                for run in (rival.summaries, rival.trajectories):
                    jax.block_until_ready(run() if run else None)
            yield from build(columns, steps // 20 if quick else steps)
        except Exception as error:
            print(f"{build.__name__} does not work: going on without it ({type(error).__name__}: {error})")


def strengths(columns: int) -> Any:
    """C of each column."""
    return np.linspace(LOW_C, HIGH_C, columns, dtype=np.float32)


def summaries_of(v: Any, xp: Any = jnp) -> Any:
    """Of a stored y1 - y2, time first."""
    return xp.stack([v.mean(0), v.std(0), v.min(0), v.max(0), ~xp.isfinite(v).all(0)], -1)


def no_sums(C: Any) -> Any:
    """Sums over no steps, to be carried through a loop."""
    return jnp.zeros_like(C), jnp.zeros_like(C), jnp.full_like(C, jnp.inf), jnp.full_like(C, -jnp.inf)


def more_sums(sums: Any, v: Any) -> Any:
    """Sums with one more step."""
    total, squares, low, high = sums
    return total + v, squares + v * v, jnp.minimum(low, v), jnp.maximum(high, v)


def summaries_of_sums(sums: Any, steps: int) -> Any:
    """The same as of a stored y1 - y2."""
    total, squares, low, high = sums
    mean = total / steps
    return jnp.stack([mean, jnp.sqrt(squares / steps - mean**2), low, high, ~jnp.isfinite(squares)], -1)


def on_all_devices(work: Callable[[Any, Any], Any], columns: int, axis: int = 0) -> Callable[[], Any]:
    """Compile `work(C, key)`, the columns along `axis` of what it gives, and share the columns among the devices."""
    devices = jax.devices()
    keys = jax.random.split(jax.random.key(SEED), len(devices))
    if len(devices) == 1:
        alone, C = jax.jit(work), jnp.asarray(strengths(columns))
        return lambda: alone(C, keys[0])
    mesh, shares = Mesh(np.array(devices), ("columns",)), PartitionSpec("columns")
    given = PartitionSpec(*[None] * axis, "columns")

    @jax.jit
    @partial(jax.shard_map, mesh=mesh, in_specs=shares, out_specs=given, check_vma=False)
    def shared(C, keys):
        return work(C, keys[0])

    C, keys = jax.device_put((strengths(columns), keys), NamedSharding(mesh, shares))
    return lambda: shared(C, keys)


@cache
def imported(name: str) -> Any:
    """A package with none of its changes to the settings of JAX; `None`, and a line, where it is not installed."""
    x64, flags = jax.config.jax_enable_x64, os.environ.get("XLA_FLAGS")  # pyright: ignore[reportAttributeAccessIssue]
    os.environ["XLA_FLAGS"] = flags or ""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            return importlib.import_module(name)
    except ImportError:
        print(f"{name.partition('.')[0]} is not installed: going on without it")
        return None
    finally:
        jax.config.update("jax_enable_x64", x64)
        if flags is None:
            del os.environ["XLA_FLAGS"]


def labels(package: str, scheme: str, route: str, dtype: str = "float32") -> dict[str, Any]:
    """What a rival is called in the results."""
    version = importlib.metadata.version(package)
    return {"package": package, "version": version, "scheme": scheme, "route": route, "dtype": dtype}


# The limit: a program in C.

SCHEMES = {"Strang splitting": 0, "Heun": 1}
FLAGS = ("-O3", "-march=native", "-ffast-math", "-shared", "-fPIC")


def with_c(columns: int, steps: int) -> Iterator[ScanRival]:
    """`jansen_rit.c` with one thread, and with one for every core that this process may use."""
    if c_library() is None:
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for scheme, threads in [(scheme, threads) for scheme in SCHEMES for threads in sorted({1, cores})]:
        name = {"package": "C", "version": None, "scheme": scheme, "route": "OpenMP and SIMD", "dtype": "float32"}
        settings = (columns, steps, scheme, threads)
        runs = partial(c_summaries, *settings), c_trajectories(*settings)
        yield ScanRival({**name, "threads": threads}, columns, steps, *runs, compiled=False)


@cache
def c_library() -> Any:
    """The compiled program; `None`, and a line, where there is no compiler, or it fails."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        print("There is no C compiler: going on without the program in C")
        return None
    source, why = Path(__file__).with_name("jansen_rit.c"), ""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        library = f"{folder}/jansen_rit.so"
        for threads in (["-fopenmp"], []):  # some compilers come without OpenMP
            command = [compiler, *FLAGS, *threads, str(source), "-o", library, "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return with_types(ctypes.CDLL(library))
            why = done.stderr.strip()
    print(f"The program in C does not compile: going on without it\n{why}")
    return None


def with_types(library: Any) -> Any:
    """The library, its functions' arguments declared."""
    array, size, number = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS"), ctypes.c_int64, ctypes.c_int
    for function in (library.scan_summaries, library.scan_trajectories):
        function.argtypes = [size, size, ctypes.c_double, array, ctypes.c_uint32, number, number, array]
        function.restype = None
    return library


def c_summaries(columns: int, steps: int, scheme: str, threads: int) -> Any:
    """Summaries by the program in C."""
    out = np.empty((columns, 5), np.float32)
    c_library().scan_summaries(columns, steps, DT, strengths(columns), SEED, SCHEMES[scheme], threads, out)
    return out


def c_trajectories(columns: int, steps: int, scheme: str, threads: int) -> Callable[[], Any]:
    """Trajectories by the program in C, of shape (steps, 6, columns); all calls write into the same memory."""

    @cache
    def memory():
        numbers = np.zeros(steps * 6 * columns + 16, np.float32)
        start = -numbers.ctypes.data % 64 // 4  # a multiple of 64 bytes
        return numbers[start : start + steps * 6 * columns].reshape(steps, 6, columns)

    def run():
        c_library().scan_trajectories(columns, steps, DT, strengths(columns), SEED, SCHEMES[scheme], threads, memory())
        return memory()

    return run


# JAX by hand.


def heun_by_hand(y: Any, C: Any, dW: Any) -> list[Any]:
    """One step of Heun's method, for a state in six arrays."""
    noise = [0.0] * 6
    noise[Y4] = dW
    k1 = derivatives(jax.nn.sigmoid, y, P, Column(C=C))
    k2 = derivatives(jax.nn.sigmoid, [s + DT * k + n for s, k, n in zip(y, k1, noise, strict=True)], P, Column(C=C))
    return [s + DT / 2 * (a + b) + n for s, a, b, n in zip(y, k1, k2, noise, strict=True)]


def with_plain_jax(columns: int, steps: int) -> Iterator[ScanRival]:
    """What one writes in an afternoon: `vmap` of `scan`, the noise drawn before the loop; y1 - y2 stored, or summed."""

    def loop(step, start, key):
        return jax.lax.scan(step, start, SIGMA * math.sqrt(DT) * jax.random.normal(key, (steps,)))

    def stored(store, C, key):
        def column(C, key):
            def step(y, dW):
                y = heun_by_hand(y, C, dW)
                return y, store(y)

            return loop(step, [jnp.zeros(())] * 6, key)[1]

        return jax.vmap(column, out_axes=1)(C, jax.random.split(key, len(C)))

    def summed(C, key):
        def column(C, key):
            def step(carry, dW):
                y, sums = carry
                y = heun_by_hand(y, C, dW)
                return (y, more_sums(sums, y[1] - y[2])), None

            return summaries_of_sums(loop(step, ([jnp.zeros(())] * 6, no_sums(C)), key)[0][1], steps)

        return jax.vmap(column)(C, jax.random.split(key, len(C)))

    def summaries(C, key):
        return summaries_of(stored(lambda y: y[1] - y[2], C, key))

    runs = on_all_devices(summaries, columns), on_all_devices(partial(stored, tuple), columns, axis=1)
    yield ScanRival(labels("jax", "Heun", "vmap of lax.scan, stored"), columns, steps, *runs, compiled=True)
    run = on_all_devices(summed, columns)
    yield ScanRival(labels("jax", "Heun", "vmap of lax.scan, summed"), columns, steps, run, None, compiled=True)


# Packages for JAX.


def with_diffrax(columns: int, steps: int) -> Iterator[ScanRival]:
    """`vmap` of `diffeqsolve`, with its quickest source of noise."""
    diffrax, lineax = imported("diffrax"), imported("lineax")
    if diffrax is None:
        return
    zeros, grid = [jnp.zeros(())] * 6, DT * jnp.arange(steps + 1)
    strength = lineax.PyTreeLinearOperator(
        [jnp.asarray(SIGMA * (state == Y4)) for state in range(6)], jax.eval_shape(lambda: zeros)
    )

    def column(observe, C, key):
        drift = diffrax.ODETerm(lambda t, y, C: derivatives(jax.nn.sigmoid, y, P, Column(C=C)))
        noise = diffrax.ControlTerm(lambda t, y, C: strength, diffrax.UnsafeBrownianPath(shape=(), key=key))
        options = {"adjoint": diffrax.ForwardMode(), "max_steps": steps, "throw": False}
        options["saveat"] = diffrax.SaveAt(steps=True, fn=lambda t, y, C: observe(y))
        options["stepsize_controller"] = diffrax.StepTo(ts=grid)
        terms = diffrax.MultiTerm(drift, noise)
        return diffrax.diffeqsolve(terms, diffrax.Heun(), 0.0, grid[-1], None, zeros, C, **options).ys

    def solve(observe, C, key):
        return jax.vmap(partial(column, observe), out_axes=1)(C, jax.random.split(key, len(C)))

    def summaries(C, key):
        return summaries_of(solve(lambda y: y[1] - y[2], C, key))

    runs = on_all_devices(summaries, columns), on_all_devices(partial(solve, tuple), columns, axis=1)
    yield ScanRival(labels("diffrax", "Heun", "vmap of diffeqsolve"), columns, steps, *runs, compiled=True)


MS = 1e-3  # s; vbjax, tvboptim and TVB count in milliseconds
IN_MS = {"a": 100 * MS, "b": 50 * MS, "nu_max": 2.5 * MS, "v0": 6.0, "mu": P * MS}  # their names
SIGMA_IN_MS = SIGMA * MS**1.5


def with_vbjax(columns: int, steps: int) -> Iterator[ScanRival]:
    """Its Jansen-Rit equations in the loop of `make_sde`; the state in six arrays, which is faster than in one."""
    vbjax = imported("vbjax")
    if vbjax is None:
        return
    strength = [0.0] * 6
    strength[Y4] = SIGMA_IN_MS

    def derivative(y, theta):
        return list(vbjax.jr_dfun(y, 0.0, theta))

    def trajectories(C, key):
        noise = [jnp.zeros((steps, 1))] * 6
        noise[Y4] = jax.random.normal(key, (steps, len(C)))
        _, loop = vbjax.make_sde(DT / MS, derivative, lambda y, theta: strength, unroll=1)
        return loop([jnp.zeros_like(C)] * 6, noise, vbjax.jr_default_theta._replace(**IN_MS, J=C))

    def summaries(C, key):
        y = trajectories(C, key)
        return summaries_of(y[1] - y[2])

    runs = on_all_devices(summaries, columns), on_all_devices(trajectories, columns, axis=1)
    yield ScanRival(labels("vbjax", "Heun", "make_sde"), columns, steps, *runs, compiled=True)


def with_tvboptim(columns: int, steps: int) -> Iterator[ScanRival]:
    """Its Jansen-Rit dynamics with a node for every column; sums by its `reduce`, and noise drawn block by block."""
    if imported("tvboptim.experimental.network_dynamics") is None:
        return
    from tvboptim.experimental.network_dynamics import prepare
    from tvboptim.experimental.network_dynamics.dynamics.tvb import JansenRit
    from tvboptim.experimental.network_dynamics.noise import AdditiveNoise
    from tvboptim.experimental.network_dynamics.solvers import Heun

    def add_block(sums, block):
        (total, squares, low, high), v = sums, block[:, 0] - block[:, 1]
        low, high = jnp.minimum(low, v.min(0)), jnp.maximum(high, v.max(0))
        return total + v.sum(0), squares + (v * v).sum(0), low, high

    reduce = (lambda state, _: no_sums(state[0])), add_block, partial(summaries_of_sums, steps=steps)

    def solve(C, key, stored, reduce=None):
        model = JansenRit(**IN_MS, J=C, INITIAL_STATE=(0.0,) * 6, VARIABLES_OF_INTEREST=stored)
        noise = AdditiveNoise(sigma=SIGMA_IN_MS, apply_to="y4", key=key)
        size = {"t1": (steps - 0.5) * DT / MS, "dt": DT / MS, "n_nodes": len(C)}
        function, config = prepare(model, Heun(block_size=32 if reduce else None), **size, noise=noise, reduce=reduce)
        return function(config)

    def summaries(C, key):
        return solve(C, key, ("y1", "y2"), reduce)

    def trajectories(C, key):
        return solve(C, key, ("y0", "y1", "y2", "y3", "y4", "y5")).ys

    runs = on_all_devices(summaries, columns), on_all_devices(trajectories, columns, axis=2)
    yield ScanRival(labels("tvboptim", "Heun", "prepare, reduce"), columns, steps, *runs, compiled=True)


def with_brainmass(columns: int, steps: int) -> Iterator[ScanRival]:
    """Its `JansenRitStep` for an array of columns, in a loop of brainstate, by the default scheme and by Heun's."""
    brainmass = imported("brainmass")
    if brainmass is None:
        return
    brainstate, unit = imported("brainstate"), imported("brainunit")

    def loop(method, C, key, observe, carry):
        model = brainmass.JansenRitStep(in_size=len(C), C=C, method=method)
        model.init_state()

        def step(carry, rate):
            model.update(E_inp=rate * unit.Hz)
            return observe(carry, model)

        with brainstate.environ.context(dt=DT * unit.second):
            return brainstate.transform.scan(step, carry, P + HELD * jax.random.normal(key, (steps, len(C))))

    def add_step(sums, model):
        return more_sums(sums, (model.E.value - model.I.value).to_decimal(unit.mV)), None

    def states(carry, model):
        return carry, [getattr(model, name).value.mantissa for name in ("M", "E", "I", "Mv", "Ev", "Iv")]

    def summaries(method, C, key):
        return summaries_of_sums(loop(method, C, key, add_step, no_sums(C))[0], steps)

    def trajectories(method, C, key):
        return loop(method, C, key, states, None)[1]

    for method, scheme in {"exp_euler": "exponential Euler", "rk2": "Heun"}.items():
        run = on_all_devices(partial(summaries, method), columns)
        runs = run, on_all_devices(partial(trajectories, method), columns, axis=1)
        yield ScanRival(labels("brainmass", scheme, "JansenRitStep, summed"), columns, steps, *runs, compiled=True)


def with_jrnmm(columns: int, steps: int) -> Iterator[ScanRival]:
    """Its `simulate`, compiled; it gives y1 - y2 alone, and adds noise to y3 and y5 that is too weak to matter."""
    jrnmm = imported("jrnmm")
    if jrnmm is None:
        return

    def summaries(C, key):
        one, y0 = jnp.ones_like(C), jnp.zeros(6)
        parameters = {"Cs": C, "mus": P * one, "sigmas": SIGMA * one, "gains": 0 * one}
        v = jrnmm.simulate(key, dt=DT, t_end=(steps - 0.5) * DT, initial_states=y0, **parameters)
        return summaries_of(v[..., 0].T)

    run = on_all_devices(summaries, columns)
    yield ScanRival(labels("jrnmm", "Strang splitting", "simulate"), columns, steps, run, None, compiled=True)


# Others.


def with_tvb(columns: int, steps: int) -> Iterator[ScanRival]:
    """TVB's `Simulator` with a region for every column, and no connections; in double precision."""
    if imported("tvb.simulator.simulator") is None:
        return
    from tvb.datatypes.connectivity import Connectivity
    from tvb.simulator.coupling import Linear
    from tvb.simulator.integrators import HeunStochastic
    from tvb.simulator.models.jansen_rit import JansenRit
    from tvb.simulator.monitors import Raw
    from tvb.simulator.noise import Additive
    from tvb.simulator.simulator import Simulator

    none, half_variance = np.zeros((columns, columns)), np.zeros(6)
    half_variance[Y4] = SIGMA_IN_MS**2 / 2
    regions = {"region_labels": np.arange(columns).astype(str), "centres": np.zeros((columns, 3))}
    parameters = {name: np.array([value]) for name, value in IN_MS.items()}

    def run(stored):
        noise = Additive(nsig=half_variance, noise_seed=SEED)
        simulator = Simulator(
            connectivity=Connectivity(weights=none, tract_lengths=none, speed=np.ones(1), **regions),
            model=JansenRit(J=strengths(columns).astype(float), variables_of_interest=stored, **parameters),
            coupling=Linear(a=np.zeros(1)),
            integrator=HeunStochastic(dt=DT / MS, noise=noise),
            initial_conditions=np.zeros((1, 6, columns, 1)),
            monitors=[Raw()],
        )
        (_, states), *_ = simulator.configure().run(simulation_length=steps * DT / MS)
        return states[..., 0]

    def summaries():
        y = run(["y1", "y2"])
        return summaries_of(y[:, 0] - y[:, 1], np)

    runs = summaries, partial(run, [f"y{state}" for state in range(6)])
    yield ScanRival(labels("tvb-library", "Heun", "Simulator", "float64"), columns, steps, *runs, compiled=True)


def with_torchdiffeq(columns: int, steps: int, compiled: bool = False) -> Iterator[ScanRival]:
    """Its midpoint method, as fast as Heun's; without white noise: every step gets a rate that is held over it."""
    torchdiffeq = imported("torchdiffeq")
    if torchdiffeq is None:
        return
    column = Column(C=torch.tensor(strengths(columns), device=TORCH_DEVICE))

    def derivative(y, rate):
        return torch.stack(derivatives(torch.sigmoid, y, rate, column))

    if compiled:
        derivative = torch.compile(derivative)

    def trajectories():
        rates = P + HELD * torch.randn(steps, columns, device=TORCH_DEVICE)

        def field(t, y):
            return derivative(y, rates[int(t / DT + 0.25)])  # t is the start or the middle of a step

        zeros, grid = torch.zeros(6, columns, device=TORCH_DEVICE), DT * torch.arange(steps + 1)
        with torch.no_grad():
            return torchdiffeq.odeint(field, zeros, grid, method="midpoint")[1:]

    def summaries():
        y = trajectories()
        v = y[:, 1] - y[:, 2]
        return torch.stack([v.mean(0), v.std(0), v.amin(0), v.amax(0), ~torch.isfinite(v).all(0)], -1)

    name = labels("torchdiffeq", "midpoint, held noise", "odeint, torch.compile" if compiled else "odeint")
    yield ScanRival(name, columns, steps, summaries, trajectories, compiled)


def with_compiled_torchdiffeq(columns: int, steps: int) -> Iterator[ScanRival]:
    """The same, the derivatives compiled."""
    yield from with_torchdiffeq(columns, steps, compiled=True)


def with_scipy(columns: int, steps: int) -> Iterator[ScanRival]:
    """Its `solve_ivp` for each step of all columns, with a rate that is held over the step; in double precision."""
    if imported("scipy") is None:
        return
    from scipy.integrate import solve_ivp
    from scipy.special import expit

    column = Column(C=strengths(columns).astype(float))

    def field(t, y, rate):
        return np.concatenate(derivatives(expit, y.reshape(6, columns), rate, column))

    def trajectories():
        y, states = np.zeros(6 * columns), []
        for rate in P + HELD * np.random.default_rng(SEED).standard_normal((steps, columns)):
            y = solve_ivp(field, (0, DT), y, "RK45", args=(rate,), first_step=DT).y[:, -1]
            states.append(y.reshape(6, columns))
        return np.array(states)

    def summaries():
        y = trajectories()
        return summaries_of(y[:, 1] - y[:, 2], np)

    name = labels("scipy", "RK45, held noise", "solve_ivp", "float64")
    yield ScanRival(name, columns, steps, summaries, trajectories, compiled=False)


def with_numpy(columns: int, steps: int) -> Iterator[ScanRival]:
    """A Python loop over the steps of all columns."""
    column, step, root = Column(C=strengths(columns)), np.float32(DT), np.float32(SIGMA * math.sqrt(DT))

    def field(y):
        return np.stack(derivatives(lambda x: 1 / (1 + np.exp(-x)), y, P, column))

    def loop(store):
        random, y, stored = np.random.default_rng(SEED), np.zeros((6, columns), np.float32), []
        noise = np.zeros_like(y)
        for _ in range(steps):
            noise[Y4] = root * random.standard_normal(columns, np.float32)
            k1 = field(y)
            y = y + step / 2 * (k1 + field(y + step * k1 + noise)) + noise
            stored.append(store(y))
        return np.array(stored)

    def summaries():
        return summaries_of(loop(lambda y: y[1] - y[2]), np)

    runs = summaries, partial(loop, lambda y: y)
    yield ScanRival(labels("numpy", "Heun", "loop over steps"), columns, steps, *runs, compiled=False)


def sizes() -> Iterator[tuple[Callable[[int, int], Iterator[ScanRival]], int, int]]:
    """All rivals, each with the columns and steps that suit it."""
    on_cpu, devices = jax.default_backend() == "cpu", jax.device_count()
    columns = (1024 if on_cpu else 65536) * devices
    yield with_c, 4096, 8000
    yield with_plain_jax, columns, 1000
    yield with_diffrax, columns, 1000
    yield with_vbjax, columns, 1000
    yield with_tvboptim, columns, 4000 if on_cpu else 1000
    yield with_brainmass, columns, 1000
    yield with_jrnmm, columns, 1000
    yield with_tvb, 512, 2000
    columns = 16384 if TORCH_DEVICE == "cpu" else 131072
    yield with_torchdiffeq, columns, 250
    yield with_compiled_torchdiffeq, columns, 250
    yield with_scipy, 2048, 200
    yield with_numpy, 4096, 1000
