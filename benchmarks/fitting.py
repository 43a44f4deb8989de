"""How often, and how nearly, parameters are found in an EEG.

    python -m benchmarks.fitting [--out benchmarks/results/fitting.json] [--quick]

Random columns whose A, B and C are up to 30 % off the standard ones, all three to be found within -40 and +50 %. From a
trace: 4 s from zero under constant input, without noise, and with sensor noise of 10 % of the standard deviation; the
initial state is not known either. From a spectrum: 60 s of the stationary column under unobserved noise, the study's
(uniform, held for 1 ms), and that of the inference literature (sigma = 2000). Some twenty minutes on two cores;
`--quick` is a look.
"""

import time
from typing import Any

import jax
import numpy as np

import jrae_jax as jrae

from .timing import arguments_parser, environment, write

STANDARD = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(220.0))
NAMES = ("A", "B", "C")
SPREAD, LOW, HIGH = 0.3, 0.6, 1.5
DT, TRACE, SPECTRUM, BURN_IN = 1e-3, 4.0, 60.0, 2.0
PROBLEMS = 20
BOUNDS = {name: (LOW * float(STANDARD.value(name)), HIGH * float(STANDARD.value(name))) for name in NAMES}
CASES = {
    "trace, no noise": (jrae.ConstantInput(220.0), 0.0),
    "trace, 10 % sensor noise": (jrae.ConstantInput(220.0), 0.1),
    "spectrum, uniform noise": (jrae.UniformNoiseInput(120.0, 320.0, hold=DT), 0.0),
    "spectrum, sigma = 2000": (jrae.WhiteNoiseInput(220.0, 2000 / 325), 0.0),
}


def column(problem: int) -> jrae.Column:
    """One of the random columns, the same for every case."""
    factors = np.random.default_rng([problem, 0]).uniform(1 - SPREAD, 1 + SPREAD, len(NAMES))
    changed = {name: factor * float(STANDARD.value(name)) for name, factor in zip(NAMES, factors, strict=True)}
    return STANDARD.replace(**changed)


def recorded(problem: int, input: jrae.column.AbstractExternalInput, noise: float) -> jrae.Recording:
    """The EEG of that column."""
    key = jax.random.key(1000 + problem)
    times: dict[str, Any] = {"t1": BURN_IN + SPECTRUM, "burn_in": BURN_IN} if input.random else {"t1": TRACE}
    v = np.asarray(jrae.simulate(column(problem).replace(input=input), dt=DT, key=key, **times).eeg)
    return jrae.Recording.of(
        eeg=v + noise * np.std(v) * np.random.default_rng([problem, 1]).normal(size=v.shape), dt=DT
    )


def solved(problem: int, input: jrae.column.AbstractExternalInput, noise: float) -> dict[str, Any]:
    """How far off the fit is, what it says of itself, and the seconds it took."""
    true = np.array([float(column(problem).value(name)) for name in NAMES])
    recording = recorded(problem, input, noise)
    start = time.perf_counter()
    known = STANDARD.replace(input=input)
    found = jrae.fit_parameters(known, recording, bounds=BOUNDS, key=jax.random.key(problem))
    return {
        "true": true.tolist(),
        "relative_error": (found.values / true - 1).tolist(),
        "relative_std": (found.std / true).tolist(),
        "explained": found.explained,
        "converged": found.converged,
        "agreeing": found.agreeing,
        "seconds": time.perf_counter() - start,
    }


def summary(problems: list[dict[str, Any]]) -> dict[str, Any]:
    """Of all problems of a case."""
    errors = np.abs([one["relative_error"] for one in problems])
    stds = np.array([one["relative_std"] for one in problems])
    return {
        "median_error": float(np.median(errors)),
        "median_error_each": np.median(errors, axis=0).tolist(),
        "largest_error": float(errors.max()),
        "all_within_1_percent": float(np.mean(errors.max(axis=1) < 0.01)),
        "all_within_10_percent": float(np.mean(errors.max(axis=1) < 0.1)),
        "within_two_std": float(np.mean(errors < 2 * stds)),
        "converged": float(np.mean([one["converged"] for one in problems])),
        "median_seconds": float(np.median([one["seconds"] for one in problems])),
    }


def main() -> None:
    """Solve all problems, print a line a case, and write everything."""
    options = arguments_parser(__doc__, __file__).parse_args()
    count = 2 if options.quick else PROBLEMS
    record: dict[str, Any] = {"environment": environment(), "names": NAMES, "problems": count, "cases": {}}
    for name, (input, noise) in CASES.items():
        problems = [solved(problem, input, noise) for problem in range(count)]
        record["cases"][name] = {"summary": summary(problems), "problems": problems}
        line = ", ".join(f"{key} {np.round(value, 5)}" for key, value in record["cases"][name]["summary"].items())
        print(f"{name}: {line}", flush=True)
    write(record, options.out)


if __name__ == "__main__":
    main()
