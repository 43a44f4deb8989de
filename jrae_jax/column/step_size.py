"""How large a step may be for a stated accuracy, from what was measured."""

from types import MappingProxyType
from typing import NamedTuple

import diffrax
import numpy as np

from .._checks import check_positive
from .parameters import JansenRitParameters
from .solvers import RK4, Euler, Heun, StrangSplitting


class _Scheme(NamedTuple):
    order: int
    constant: float


_SCHEMES: MappingProxyType[type, _Scheme] = MappingProxyType(
    {Euler: _Scheme(1, 13.4), Heun: _Scheme(2, 0.66), StrangSplitting: _Scheme(2, 0.5), RK4: _Scheme(2, 0.023)}
)
"""The greatest relative error is below `constant * (dt * rate)^order`: `benchmarks/weak_accuracy.py` finds these."""

_LONGEST = 0.5  # of dt times the faster rate constant; beyond it nothing was measured


def suggest_dt(
    tolerance: float,
    *,
    solver: diffrax.AbstractSolver | None = None,
    parameters: JansenRitParameters | None = None,
) -> float:
    """A step at which a scheme's statistics are as right as asked for.

    The relative error of the worst of five numbers is meant: mean, standard deviation and 8-13 Hz share of `y1 - y2`
    under white noise of sigma = 2000 around p = 220 /s, and frequency and swing of the alpha cycle without noise. They
    were measured with the standard parameters over a range of steps (`benchmarks/results/weak_accuracy.json`), and a
    step counts in units of the faster synapse, so that faster columns get smaller steps. Another regime may need a
    smaller step still: halve it and compare.

    **Arguments:**

    - `tolerance`: relative, such as 0.01.
    - `solver`: `StrangSplitting()` if `None`; or `Heun()`, `RK4()`, `Euler()`.
    - `parameters`: the standard ones if `None`; of a batch the fastest column counts.

    **Returns:** seconds: 1, 2 or 5 times a power of ten, at most half a time constant.

    **Raises:** `ValueError` if `tolerance` is not positive, or `solver` was not measured.
    """
    check_positive(tolerance=tolerance)
    solver = StrangSplitting() if solver is None else solver
    scheme = _SCHEMES.get(type(solver))
    if scheme is None:
        names = ", ".join(f"{kind.__name__}()" for kind in _SCHEMES)
        raise ValueError(f"`solver` must be one of {names}, got {type(solver).__name__}()")
    parameters = JansenRitParameters() if parameters is None else parameters
    rate = max(float(np.max(parameters.a)), float(np.max(parameters.b)))
    longest = min((tolerance / scheme.constant) ** (1 / scheme.order), _LONGEST) / rate
    power = 10.0 ** np.floor(np.log10(longest * (1 + 1e-9)))
    return float(f"{max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9)):.6g}")
