"""The work of `work.py` without JAX: TVB, torchdiffeq, SciPy and NumPy."""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from ..rivals import Column, derivatives
from ..timing import TORCH_DEVICE, torch
from .work import (
    DT,
    HELD,
    IN_MS,
    MS,
    SEED,
    SIGMA,
    SIGMA_IN_MS,
    Y4,
    P,
    ScanRival,
    imported,
    labels,
    strengths,
    summaries_of,
)


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
