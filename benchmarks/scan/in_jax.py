"""The work of `work.py` in JAX, by hand and by its packages."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ..rivals import Column, derivatives
from .work import (
    DT,
    HELD,
    IN_MS,
    MS,
    SIGMA,
    SIGMA_IN_MS,
    Y4,
    P,
    ScanRival,
    imported,
    labels,
    more_sums,
    no_sums,
    on_all_devices,
    summaries_of,
    summaries_of_sums,
)


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


def with_diffrax(columns: int, steps: int, tree: bool = False) -> Iterator[ScanRival]:
    """`vmap` of `diffeqsolve`, as its user writes it first, with its quickest source of noise, or with its best."""
    diffrax, lineax = imported("diffrax"), imported("lineax")
    if diffrax is None:
        return
    zeros, grid = [jnp.zeros(())] * 6, DT * jnp.arange(steps + 1)
    strength = lineax.PyTreeLinearOperator(
        [jnp.asarray(SIGMA * (state == Y4)) for state in range(6)], jax.eval_shape(lambda: zeros)
    )

    def brownian(key):
        if tree:
            return diffrax.VirtualBrownianTree(0.0, (steps + 1) * DT, tol=DT / 2, shape=(), key=key)
        return diffrax.UnsafeBrownianPath(shape=(), key=key)

    def column(observe, C, key):
        drift = diffrax.ODETerm(lambda t, y, C: derivatives(jax.nn.sigmoid, y, P, Column(C=C)))
        noise = diffrax.ControlTerm(lambda t, y, C: strength, brownian(key))
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
    route = "vmap of diffeqsolve" + (", VirtualBrownianTree" if tree else "")
    yield ScanRival(labels("diffrax", "Heun", route), columns, steps, *runs, compiled=True)


def with_diffrax_tree(columns: int, steps: int) -> Iterator[ScanRival]:
    """The same, with the source of noise that adaptive steps need."""
    yield from with_diffrax(columns, steps, tree=True)


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
