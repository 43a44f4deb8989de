"""The rivals' equations and schemes, written down once more; imported by `integrators.py`, nothing to run here."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jrae_jax as jrae

from .timing import torch

LOW, HIGH, HOLD = 120.0, 320.0, 1e-3  # 1/s, 1/s, s


class Column(NamedTuple):
    """Standard parameters, seconds and mV."""

    A: Any = 3.25
    B: Any = 22.0
    a: Any = 100.0
    b: Any = 50.0
    e0: Any = 2.5
    v0: Any = 6.0
    r: Any = 0.56
    C: Any = 135.0


def derivatives(sigmoid: Callable[[Any], Any], y: Any, p: Any, q: Column) -> list[Any]:
    """Right-hand side of Jansen and Rit (1995) for numbers, arrays or tensors."""
    y0, y1, y2, y3, y4, y5 = y
    A, B, a, b, e0, v0, r, C = q

    def rate(v):
        return 2 * e0 * sigmoid(r * (v - v0))

    return [
        y3,
        y4,
        y5,
        A * a * rate(y1 - y2) - 2 * a * y3 - a**2 * y0,
        A * a * (p + 0.8 * C * rate(C * y0)) - 2 * a * y4 - a**2 * y1,
        B * b * 0.25 * C * rate(0.25 * C * y0) - 2 * b * y5 - b**2 * y2,
    ]


def euler(f, y, dt):
    """One step of Euler's method."""
    return y + dt * f(y)


def heun(f, y, dt):
    """One step of Heun's method."""
    k1 = f(y)
    return y + dt / 2 * (k1 + f(y + dt * k1))


def rk4(f, y, dt):
    """One step of the classical Runge-Kutta method."""
    k1 = f(y)
    k2 = f(y + dt / 2 * k1)
    k3 = f(y + dt / 2 * k2)
    k4 = f(y + dt * k3)
    return y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


SCHEMES = {"Euler": euler, "Heun": heun, "RK4": rk4}


def uniform_noise(key: Any, holds: int, low: Any = LOW, high: Any = HIGH) -> Any:
    """The values that `simulate` draws for its first column, so that all get the same noise."""
    stream = jrae.column.noise_stream(key, 0)
    return low + (high - low) * jax.vmap(stream.uniform)(jnp.arange(holds))


def hand_scan(scheme: str, steps: int, every: int, q: Column, dt: Any, p: Any, y0: Any, key: Any) -> Any:
    """A loop as one writes it in an afternoon; `p` is a number, or with a key the range of the noise."""
    held = None
    if key is not None:
        per_hold = round(HOLD / dt) if isinstance(dt, float) else 1  # as an argument dt is as long as a hold
        held = jnp.repeat(uniform_noise(key, steps // per_hold, *p), per_hold).reshape(-1, every)

    def step(y, rate):
        rate = p if rate is None else rate
        return SCHEMES[scheme](lambda y: jnp.stack(derivatives(jax.nn.sigmoid, y, rate, q)), y, dt), None

    def save(y, rates):
        y, _ = jax.lax.scan(step, y, rates, length=every)
        return y, y

    return jax.lax.scan(save, y0, held, length=steps // every)[1]


def scalar_field(y: Any, p: float) -> Any:
    """For NumPy and SciPy: six numbers are fastest as Python floats."""
    return np.array(derivatives(lambda x: 1 / (1 + math.exp(-x)), y.tolist(), p, Column()))


def numpy_loop(scheme: str, dt: float, every: int, rates: Any) -> Any:
    """A plain Python loop over the steps."""
    y, saved = np.zeros(6), []
    for number, rate in enumerate(rates, start=1):
        y = SCHEMES[scheme](lambda y, rate=rate: scalar_field(y, rate), y, dt)
        if number % every == 0:
            saved.append(y)
    return np.array(saved)


def torch_field(p: Any) -> Callable[[Any, Any], Any]:
    """For torchdiffeq; the state is the last axis."""
    return lambda t, y: torch.stack(derivatives(torch.sigmoid, y.unbind(-1), p, Column()), -1)
