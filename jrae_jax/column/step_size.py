"""Steps of the integration: how large they may be for a stated accuracy, and how many fit a duration or a hold."""

from types import MappingProxyType
from typing import NamedTuple

import diffrax
import numpy as np

from .._checks import check_finite, check_positive, check_type, is_whole
from .column import Column
from .inputs import AbstractExternalInput
from .solvers import RK4, FixedStepHeun, StrangSplitting


class _Scheme(NamedTuple):
    order: int
    constant: float


_SCHEMES: MappingProxyType[type, _Scheme] = MappingProxyType(
    {
        diffrax.Euler: _Scheme(1, 13.4),
        FixedStepHeun: _Scheme(2, 0.66),
        StrangSplitting: _Scheme(2, 0.5),
        RK4: _Scheme(2, 0.023),
    }
)
"""The greatest relative error is below `constant * (dt * rate)^order`: `benchmarks/weak_accuracy.py` finds these."""

_MOST_STEPS = 2**23  # beyond it a float32 cannot hold the middle of a step
_LONGEST = 0.5  # of dt times the faster rate constant; beyond it nothing was measured


def suggest_dt(column: Column, tolerance: float = 0.01, *, solver: diffrax.AbstractSolver | None = None) -> float:
    """A step at which a scheme's statistics are as accurate as asked for.

    The relative error of the worst of five numbers is meant: mean, standard deviation and fraction of the power in
    8-13 Hz of `y1 - y2` under white noise of sigma = 2000 around p = 220 /s, and frequency and swing of the alpha cycle
    without noise. They were measured with the standard parameters over a range of steps
    (`benchmarks/results/weak_accuracy.json`), and a step counts in units of the faster synapse, so that faster columns
    get smaller steps. Another regime may need a smaller step still: halve it and compare.

    **Arguments:**

    - `column`: of a batch the fastest column counts.
    - `tolerance`: relative.
    - `solver`: `RK4()` if `None`; or `StrangSplitting()`, `FixedStepHeun()`, `diffrax.Euler()`.

    **Returns:** seconds: 1, 2 or 5 times a power of ten, at most half a time constant.

    **Raises:** `ValueError` if `tolerance` is not positive, or `solver` was not measured.
    """
    check_type(Column, column=column)
    check_positive(tolerance=tolerance)
    solver = RK4() if solver is None else solver
    scheme = _SCHEMES.get(type(solver))
    if scheme is None:
        names = ", ".join(f"{kind.__name__}()" for kind in _SCHEMES)
        raise ValueError(f"`solver` must be one of {names}, got {type(solver).__name__}()")
    rate = max(float(np.max(column.parameters.a)), float(np.max(column.parameters.b)))
    longest = min((tolerance / scheme.constant) ** (1 / scheme.order), _LONGEST) / rate
    power = 10.0 ** np.floor(np.log10(longest * (1 + 1e-9)))
    return float(f"{max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9)):.6g}")


def count_steps(t0: float, t1: float, dt: float, burn_in: float) -> int:
    """How many steps there are from `t0` to `t1`, if they are a whole number and fit one call."""
    check_finite(t0=t0, t1=t1)
    check_positive(dt=dt, **{"t1 - t0": t1 - t0})
    steps = round((t1 - t0) / dt)
    if abs(steps * dt - (t1 - t0)) > 1e-6 * dt * max(steps, 1):
        raise ValueError(f"`t1 - t0` must be a whole number of steps of `dt` = {dt} s, got {t1 - t0} s")
    if steps > _MOST_STEPS:
        raise ValueError(
            f"`dt` = {dt} s makes {steps} steps, at most {_MOST_STEPS} fit one call: continue with `t0` and `y0`"
        )
    if not 0 <= burn_in < t1 - t0:
        raise ValueError(f"`burn_in` must be from 0 to less than the {t1 - t0} s simulated, got {burn_in} s")
    return steps


def steps_per_hold(input: AbstractExternalInput, dt: float) -> int:
    """How many fixed steps a random value is held for; 1 if none is."""
    ratio = (input.hold or dt) / dt
    if round(ratio) < 1 or not is_whole(ratio):
        raise ValueError(f"`dt` must divide the input's `hold` = {input.hold} s, got {dt} s")
    return round(ratio)
