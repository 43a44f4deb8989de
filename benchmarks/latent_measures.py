"""What the measures of a trajectory find on systems where the answer is known.

    python -m benchmarks.latent_measures [--out benchmarks/results/latent_measures.json] [--quick]

Each system is made ten times, with another start, phase or noise; a table of means, and of standard deviations over
these, beside what is known. Standard errors are those that the measures tell themselves.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import jrae_jax as jrae

from .timing import arguments_parser, environment, write

REPEATS = 10
SAMPLES = 10_000
MEASURES = ("exponent", "chaotic", "two_nn", "correlation", "straightness", "ratio", "p_value")


def lorenz(repeat: int) -> tuple[np.ndarray, float]:
    """Lorenz 63 on its attractor, 0.02 of its time units apart."""
    start = np.random.default_rng(repeat).normal([0.0, 0.0, 25.0])
    ts = 20 + 0.02 * np.arange(SAMPLES)

    def flow(_, y):
        return [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]

    return solve_ivp(flow, (0, ts[-1]), start, t_eval=ts, rtol=1e-9, atol=1e-9).y.T, 0.02


def column(repeat: int, input: jrae.column.AbstractExternalInput, burn_in: float) -> tuple[np.ndarray, float]:
    """The standard column, 1 ms apart, from some state."""
    y0 = jnp.asarray([0.13, 23.9, 16.2, -0.14, 5.68, 108.2]) * (1 + 0.05 * repeat)
    found = jrae.simulate(
        jrae.Column.preset("jansen_rit_1995", input),
        t1=burn_in + 1e-3 * SAMPLES,
        dt=1e-3,
        burn_in=burn_in,
        y0=y0,
        key=jax.random.key(repeat),
    )
    return np.asarray(found.ys), 1e-3


def linear_filter(repeat: int) -> tuple[np.ndarray, float]:
    """A damped oscillator of 10 Hz and 20 ms, driven by white noise: position and velocity, 1 ms apart."""
    rates, dt = np.array([[0.0, 1.0], [-((20 * np.pi) ** 2), -100.0]]), 1e-3
    step, kick = expm(rates * dt), np.array([0.0, 1.0])
    states = np.zeros((SAMPLES + 2000, 2))
    for index, noise in enumerate(np.random.default_rng(repeat).normal(size=len(states) - 1)):
        states[index + 1] = step @ states[index] + kick * noise
    return states[2000:], dt


def line(repeat: int) -> tuple[np.ndarray, float]:
    """A straight line in three dimensions, one way, at a random pace."""
    pace = np.random.default_rng(repeat).exponential(size=SAMPLES)
    return np.cumsum(pace)[:, None] * [1.0, -2.0, 0.5], 1e-3


SYSTEMS: dict[str, tuple[Callable, dict[str, Any]]] = {
    "Lorenz 63": (lorenz, {"exponent": 0.906, "two_nn": 2.05, "correlation": 2.05, "chaotic": 1.0}),
    "column, p = 220: cycle": (
        lambda repeat: column(repeat, jrae.ConstantInput(220.0), 20.0),
        {"exponent": 0.0, "two_nn": 1.0, "correlation": 1.0, "chaotic": 0.0},
    ),
    "column, p = 400: focus": (
        lambda repeat: column(repeat, jrae.ConstantInput(400.0), 0.5),
        {"exponent": -1.7398, "chaotic": 0.0},
    ),
    "column under the study's noise": (
        lambda repeat: column(repeat, jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3), 2.0),
        {"chaotic": 0.0},
    ),
    "linear filter of noise": (linear_filter, {"two_nn": 2.0, "correlation": 2.0, "chaotic": 0.0}),
    "straight line": (
        line,
        {"two_nn": 1.0, "correlation": 1.0, "chaotic": 0.0, "straightness": 1.0},
    ),
}


def measured(name: str, repeat: int) -> dict[str, float]:
    """All measures of one trajectory, each axis in units of its standard deviation."""
    points, dt = SYSTEMS[name][0](repeat)
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    keys = jax.random.split(jax.random.key(repeat))
    theiler = 0 if name == "straight line" else None
    horizon = 0.1 if name == "Lorenz 63" else 0.01
    start = time.perf_counter()
    exponent = jrae.timeseries.rosenstein_exponent(points, dt, theiler=theiler)
    two_nn = jrae.timeseries.two_nn_dimension(points, theiler=theiler, key=keys[0])
    correlation = jrae.timeseries.correlation_dimension(points, theiler=theiler)
    test = jrae.timeseries.surrogate_test(points, dt, horizon=horizon, key=keys[1])
    return {
        "exponent": exponent.value,
        "exponent_se": exponent.standard_error,
        "chaotic": float(exponent.chaotic),
        "fold": exponent.fold,
        "two_nn": two_nn.value,
        "two_nn_se": two_nn.standard_error,
        "correlation": correlation.value,
        "correlation_se": correlation.standard_error,
        "straightness": jrae.timeseries.straightness(points),
        "ratio": test.ratio,
        "p_value": test.p_value,
        "nonlinear": float(test.nonlinear),
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    """Measure, print and write."""
    options = arguments_parser(__doc__, __file__).parse_args()
    rows: list[dict[str, Any]] = []
    print(f"{'':<32}" + "".join(f"{measure:>22}" for measure in MEASURES))
    with jax.enable_x64(True):
        for name, (_, known) in SYSTEMS.items():
            found = [measured(name, repeat) for repeat in range(2 if options.quick else REPEATS)]
            values = {measure: np.array([row[measure] for row in found]) for measure in found[0]}
            told = {measure: int(np.isfinite(each).sum()) for measure, each in values.items()}
            mean = {measure: _over(np.mean, each) for measure, each in values.items()}
            std = {measure: _over(np.std, each) for measure, each in values.items()}
            rows.append({"system": name, "known": known, "mean": mean, "std": std, "told": told, "each": found})
            cells = [
                f"{mean[measure]:.3f} ± {std[measure]:.3f}" + (f" ({known[measure]:g})" if measure in known else "")
                for measure in MEASURES
            ]
            print(f"{name:<32}" + "".join(f"{cell:>22}" for cell in cells))
    write({"environment": environment(), "repeats": len(rows[0]["each"]), "rows": rows}, options.out)


def _over(summary: Callable, values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(summary(values)) if len(values) else float("nan")


if __name__ == "__main__":
    main()
