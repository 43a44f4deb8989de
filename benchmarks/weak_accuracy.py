"""Weak accuracy of the schemes: statistics of the stochastic column against the step.

    python -m benchmarks.weak_accuracy [--out benchmarks/results/weak_accuracy.json] [--quick]

White noise of sigma = 2000 mV s^-3/2 around p = 220 /s: mean and standard deviation of the EEG-like output, and the
share of its power between 8 and 13 Hz, over many columns. The reference is Strang splitting at a step at which halving
it changes nothing beyond the Monte-Carlo error. Without noise: frequency and swing of the alpha cycle.
"""

import math
from typing import Any

import diffrax
import jax
import numpy as np

import jrae_jax as jrae

from . import timing

SCHEMES = {
    "Euler": diffrax.Euler(),
    "Heun": jrae.column.FixedStepHeun(),
    "StrangSplitting": jrae.column.StrangSplitting(),
    "RK4": jrae.column.RK4(),
}
DTS = (2e-4, 5e-4, 1e-3, 2e-3, 5e-3)  # s
REFERENCE_DTS = (1e-4, 5e-5)  # s
P, SIGMA = 220.0, 2000.0  # 1/s, mV s^-3/2
CYCLE = {"frequency": 10.938029, "swing": 2.946132}  # Hz, by Newton shooting; mV, by SciPy's DOP853 at 1e-11
RATE = 100.0  # 1/s, the faster rate constant, in units of which the package counts steps
FLOOR = 1e-4  # below it a cycle is as exact as its crossings can be told
ORDERS = {"Euler": 1, "Heun": 2, "StrangSplitting": 2, "RK4": 2}  # weak, and under noise
BURN_IN, DURATION = 2.0, 22.0  # s


def noisy(solver: Any, dt: float, columns: int) -> dict[str, Any]:
    """Mean, standard deviation and alpha share over all columns, each with its Monte-Carlo error."""
    scan = jrae.parameter_scan(
        jrae.Column.preset("jansen_rit_1995", jrae.WhiteNoiseInput(P, SIGMA / 325)),
        {},
        repeats=columns,
        t1=DURATION,
        dt=dt,
        burn_in=BURN_IN,
        solver=solver,
        summaries=(jrae.scan.Moments(), jrae.scan.Spectrum()),
        key=jax.random.key(round(1 / dt)),
    )
    mean, sd, alpha = (scan[name].values.astype(float) for name in ("eeg_mean", "eeg_sd", "band_power"))
    alpha = alpha[:, list(scan.band.values).index("alpha")]
    # The variance about the mean of all columns; sums before ratios, so that finite columns make no bias.
    variance = sd**2 + (mean - mean.mean()) ** 2
    share = alpha.mean() / variance.mean()
    each = {
        "mean": mean,
        "sd": variance / (2 * math.sqrt(variance.mean())),
        "share": (alpha - share * variance) / variance.mean(),
    }
    values = {"mean": float(mean.mean()), "sd": math.sqrt(variance.mean()), "share": float(share)}
    errors = {f"{name}_error": float(numbers.std(ddof=1)) / math.sqrt(columns) for name, numbers in each.items()}
    return {**values, **errors, "failed": int(scan.failed.sum())}


def cycle(solver: Any, dt: float) -> dict[str, float]:
    """Frequency, by interpolated upward crossings of the mean, and swing of the alpha cycle with constant input."""
    column = jrae.Column.preset("jansen_rit_1995", jrae.ConstantInput(P))
    trajectory = jrae.simulate(column, t1=62.0, dt=dt, burn_in=42.0, solver=solver, throw=False)
    v, ts = np.asarray(trajectory.eeg, dtype=float), trajectory.ts
    v = v - v.mean()
    up = np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0))
    crossings = ts[up] - v[up] / (v[up + 1] - v[up]) * dt
    frequency = (len(crossings) - 1) / (crossings[-1] - crossings[0]) if len(crossings) > 1 else math.nan
    return {"frequency": float(frequency), "swing": float(np.ptp(v))}


def constants(rows: list[dict[str, Any]], reference: dict[str, float]) -> dict[str, float]:
    """For each scheme the constant of `error <= constant * (dt * RATE)^order`, over all that exceeds its own noise."""
    found = dict.fromkeys(SCHEMES, 0.0)
    for row in rows:
        errors = [abs(row["cycle"][name] / true - 1) for name, true in CYCLE.items()]
        for name in ("mean", "sd", "share"):
            error = abs(row[name] / reference[name] - 1)
            noise = math.hypot(row[f"{name}_error"], reference[f"{name}_error"]) / reference[name]
            errors += [error] if error > 4 * noise else []
        scaled = [error / (row["dt"] * RATE) ** ORDERS[row["method"]] for error in errors if error > FLOOR]
        found[row["method"]] = max(found[row["method"]], *scaled, 0.0)
    return found


def mean_of(references: list[dict[str, Any]]) -> dict[str, float]:
    """One reference from several."""
    names = ("mean", "sd", "share")
    values = {name: sum(one[name] for one in references) / len(references) for name in names}
    errors = {
        f"{name}_error": math.hypot(*(one[f"{name}_error"] for one in references)) / len(references) for name in names
    }
    return {**values, **errors}


def main() -> None:
    """All schemes at all steps."""
    options = timing.arguments_parser(__doc__, __file__).parse_args()
    columns = 512 if options.quick else 16384
    dts, references = (DTS[2:], DTS[:1]) if options.quick else (DTS, REFERENCE_DTS)
    rows = []
    for method, solver in SCHEMES.items():
        for dt in dts:
            rows.append({"method": method, "dt": dt, **noisy(solver, dt, columns), "cycle": cycle(solver, dt)})
            print(rows[-1], flush=True)
    reference = [{"dt": dt, **noisy(SCHEMES["StrangSplitting"], dt, columns)} for dt in references]
    record = {
        "work": {"columns": columns, "p": P, "sigma": SIGMA, "burn_in": BURN_IN, "duration": DURATION, "cycle": CYCLE},
        "environment": timing.environment(),
        "reference": reference,
        "constants": constants(rows, mean_of(reference)),
        "rows": rows,
    }
    timing.write(record, options.out)


if __name__ == "__main__":
    main()
