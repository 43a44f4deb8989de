"""Steps of the integration: how long they may be, to be stable and to be accurate, and how many fit a duration."""

import functools
import math
import warnings
from types import MappingProxyType
from typing import NamedTuple

import diffrax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._checks import as_positive, check_finite, check_positive, check_type, is_concrete, is_whole
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

_STABILITY: MappingProxyType[type, tuple[float, ...]] = MappingProxyType(
    {
        diffrax.Euler: (1.0, 1.0),
        FixedStepHeun: (1.0, 1.0, 1 / 2),
        RK4: (1.0, 1.0, 1 / 2, 1 / 6, 1 / 24),
    }
)
"""The stability polynomials of solvers that have no tableau, lowest power first."""

# Of the interval of stability on the real axis, where the eigenvalues -a and -b of the synapses lie. What couples them
# is bounded, so that a solution stays finite up to the end of the interval; but from here on no more than 1 of 20
# random columns has a mean and a spread that are right (`test_step_limits.py`).
_USABLE = 0.85
# Strang splitting is exact for the synapses, and stable at any step. This is the mean delay of a synapse, 2/k: what a
# kick does then lies within a step, and five of six columns with a rhythm have lost it (`test_step_limits.py`).
_LONGEST_STRANG = 2.0

MOST_STEPS = 2**23
"""Of one call: beyond it a float32 cannot hold the middle of a step."""

_LONGEST = 0.5  # of dt times the faster rate constant; beyond it nothing was measured


class LongStepWarning(UserWarning):
    """A step is longer than any whose accuracy was measured."""


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
    tolerance = as_positive("tolerance", tolerance)
    solver = RK4() if solver is None else solver
    scheme = _SCHEMES.get(type(solver))
    if scheme is None:
        names = ", ".join(f"{kind.__name__}()" for kind in _SCHEMES)
        raise ValueError(f"`solver` must be one of {names}, got {type(solver).__name__}()")
    tolerated = (tolerance / scheme.constant) ** (1 / scheme.order)
    return _round_step(min(tolerated, _LONGEST) / float(np.max(fastest_rates(column))))


def _round_step(longest: float) -> float:
    """1, 2 or 5 times a power of ten."""
    longest = longest * (1 + 1e-9)
    power = 10.0 ** np.floor(np.log10(longest))
    return float(f"{max(step * power for step in (1, 2, 5) if step * power <= longest):.6g}")


def fastest_rates(column: Column) -> Float[Array | np.ndarray, "*batch"]:
    """The rate constant of the faster synapse of each column, 1/s."""
    a, b = column.parameters.a, column.parameters.b
    # By NumPy where it can be: JAX takes ten times as long for an operation on its own.
    return np.asarray(np.maximum(a, b)) if is_concrete(a) and is_concrete(b) else jnp.maximum(a, b)


def longest_stable(solver: diffrax.AbstractSolver) -> float:
    """The longest step of a solver, in time constants of the faster synapse; infinite where none is known."""
    if isinstance(solver, StrangSplitting):
        return _LONGEST_STRANG
    polynomial = _STABILITY.get(type(solver))
    if isinstance(solver, diffrax.AbstractERK) and isinstance(solver.tableau, diffrax.ButcherTableau):
        polynomial = _stability_polynomial(solver.tableau)
    return math.inf if polynomial is None else _USABLE * _real_interval(polynomial)


def _stability_polynomial(tableau: diffrax.ButcherTableau) -> tuple[float, ...]:
    """The factor by which a step of an explicit method multiplies a solution of y' = k y, in powers of k dt."""
    stages = len(tableau.b_sol)
    lower = np.zeros((stages, stages))
    for row, values in enumerate(tableau.a_lower, 1):
        lower[row, : len(values)] = values
    coefficients, stage = [1.0], np.ones(stages)
    for _ in range(stages):
        coefficients.append(float(tableau.b_sol @ stage))
        stage = lower @ stage
    return tuple(coefficients)


@functools.cache
def _real_interval(polynomial: tuple[float, ...]) -> float:
    """The least x > 0 at which the polynomial at -x is 1 or -1."""
    decaying = np.polynomial.Polynomial(polynomial)(np.polynomial.Polynomial([0.0, -1.0]))
    crossings = np.concatenate([(decaying - 1).roots(), (decaying + 1).roots()])
    real = crossings[np.abs(crossings.imag) < 1e-6].real  # 1e-6: of rounding
    return float(np.min(real[real > 1e-6]))


def check_step(column: Column, dt: float, solver: diffrax.AbstractSolver, *, each: bool, stacklevel: int) -> None:
    """Raise if a step is too long for the solver to be stable; warn if it is longer than any that was measured.

    **Arguments:**

    - `each`: whether one column for which it is too long is enough to raise; if not, all of a batch must be.
    - `stacklevel`: of the warning.
    """
    rates, limit = fastest_rates(column), longest_stable(solver) / dt
    if not is_concrete(rates):
        return
    rates = np.asarray(rates, float)
    rate = np.max(rates) if each else np.min(rates)
    simulated = np.max(rates[rates < limit], initial=0.0)
    if rate < limit and simulated * dt <= _LONGEST * (1 + 1e-6):
        return
    if rate >= limit:
        raise ValueError(
            f"`dt` must be below {limit * dt / rate:.4g} s, where {type(solver).__name__}() becomes unstable "
            f"for a synapse with a rate of {rate:g} /s, got {dt:g} s: take a tenth of its time constant, "
            f"{_round_step(0.1 / rate):g} s, or less"
        )
    warnings.warn(
        f"`dt` = {dt:g} s is longer than half a time constant of the fastest synapse, "
        f"{_LONGEST / simulated:.4g} s; beyond it no accuracy was measured: halve it and compare",
        LongStepWarning,
        stacklevel=stacklevel,
    )


def check_rates(argument: str, column: Column, dt: float, solver: diffrax.AbstractSolver) -> None:
    """Raise if all columns of a batch are too fast for steps whose length is not the user's choice.

    **Arguments:**

    - `argument`: what the user gave, for the message.
    """
    slowest, limit = float(np.min(np.asarray(fastest_rates(column)))), longest_stable(solver) / dt
    if slowest >= limit:
        raise ValueError(
            f"`{argument}` must have rates a and b below {limit:.4g} /s, as it is followed in steps of {dt:g} s, got "
            f"{slowest:g} /s"
        )


def count_steps(t0: float, t1: float, dt: float, burn_in: float) -> int:
    """How many steps there are from `t0` to `t1`, if they are a whole number and fit one call."""
    check_finite(t0=t0, t1=t1)
    check_positive(dt=dt, **{"t1 - t0": t1 - t0})
    if (t1 - t0) / dt > MOST_STEPS + 0.5:
        raise ValueError(
            f"`dt` = {dt} s makes {(t1 - t0) / dt:.10g} steps, at most {MOST_STEPS} fit one call: continue with `t0` "
            "and `y0`"
        )
    steps = round((t1 - t0) / dt)
    if abs(steps * dt - (t1 - t0)) > 1e-6 * dt * max(steps, 1):
        raise ValueError(f"`t1 - t0` must be a whole number of steps of `dt` = {dt} s, got {t1 - t0} s")
    if not 0 <= burn_in < t1 - t0:
        raise ValueError(f"`burn_in` must be from 0 to less than the {t1 - t0} s simulated, got {burn_in} s")
    return steps


def steps_per_hold(input: AbstractExternalInput, dt: float) -> int:
    """How many fixed steps a random value is held for; 1 if none is."""
    ratio = (input.hold or dt) / dt
    if round(ratio) < 1 or not is_whole(ratio):
        raise ValueError(f"`dt` must divide the input's `hold` = {input.hold} s, got {dt} s")
    return round(ratio)
