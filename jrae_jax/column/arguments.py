"""Arguments of a simulation: its tolerances, how many columns there are, and when states are saved."""

from typing import Any

import diffrax
import numpy as np

from .._checks import as_numbers, as_positive, check_count, check_finite, check_type, is_concrete
from .column import Column
from .states import STATES

# Once: records of Equinox take as long to make as all else here.
_EVERY_STEP = diffrax.SaveAt(steps=1)
_STATES_THEMSELVES = diffrax.SubSaveAt(t1=True).fn


def checked_tolerances(
    solver: diffrax.AbstractSolver, rtol: float | None, atol: float | None
) -> tuple[float, float] | None:
    """Both tolerances, or `None` for fixed steps.

    **Raises:** `ValueError` for one without the other, or a solver that they are not for.
    """
    if rtol is None and atol is None:
        if isinstance(solver, diffrax.AbstractImplicitSolver):
            raise ValueError(f"`rtol` and `atol` must be given for the implicit {type(solver).__name__}(), got none")
        return None
    if rtol is None or atol is None:
        raise ValueError(f"`rtol` and `atol` go together, got rtol={rtol} and atol={atol}")
    rtol, atol = as_positive("rtol", rtol), as_positive("atol", atol)
    if not isinstance(solver, diffrax.AbstractAdaptiveSolver):
        raise ValueError(
            f"`solver` must estimate its error to be used with tolerances, got {type(solver).__name__}(): "
            "take diffrax.Tsit5(), Dopri8() or Kvaerno5()"
        )
    return rtol, atol


def resolved_batch(column: Column, y0: Any, batch: int | None) -> int | None:
    """How many columns there are; `None` for a single one.

    **Raises:** `ValueError` for a `y0` of another shape or that is not finite, or numbers that differ.
    """
    sizes = {"batch": batch, "column": column.batch}
    if y0 is not None:
        check_finite(y0=y0)
        shape = np.shape(y0)
        if not shape or shape[-1] != len(STATES) or len(shape) > 2:
            raise ValueError(f"`y0` must have shape (6,) or (batch, 6), got {shape}")
        sizes["y0"] = shape[0] if len(shape) == 2 else None
    if batch is not None:
        check_count(1, batch=batch)
    known = {name: size for name, size in sizes.items() if size is not None}
    if len(set(known.values())) > 1:
        came = ", ".join(f"{size} from `{name}`" for name, size in known.items())
        raise ValueError(f"`batch` must be the same everywhere, got {came}")
    batch = next(iter(known.values()), None)
    if batch is not None:
        check_count(1, batch=batch)
    return batch


def saved_samples(
    saveat: diffrax.SaveAt | None, t0: float, dt: float, steps: int, burn_in: float
) -> tuple[int, np.ndarray]:
    """Every how many steps to save (0: at given times), and the times in seconds, in double precision.

    **Raises:** `ValueError` for a `saveat` that is none of the three that are possible, or saves nothing.
    """
    saveat = _EVERY_STEP if saveat is None else saveat
    check_type(diffrax.SaveAt, saveat=saveat)
    sub = saveat.subs
    more = saveat.dense or saveat.solver_state or saveat.controller_state or saveat.made_jump
    if (
        not isinstance(sub, diffrax.SubSaveAt)
        or sum([bool(sub.steps), sub.t1, sub.ts is not None]) != 1
        or (more or sub.t0 or sub.fn is not _STATES_THEMSELVES)
    ):
        raise ValueError("`saveat` must be SaveAt(steps=n), SaveAt(t1=True) or SaveAt(ts=...), one of them, no more")
    first = t0 + burn_in
    if sub.ts is not None:
        if not is_concrete(sub.ts):
            raise ValueError("`saveat` must have times that are known before tracing, got traced ones")
        ts = as_numbers("saveat", sub.ts).astype(float)
        if ts.ndim != 1:
            raise ValueError(f"`saveat` must have a row of times, got shape {ts.shape}")
        end = t0 + steps * dt
        if np.any(np.diff(ts) <= 0) or not (first - 1e-6 <= ts[0] and ts[-1] <= end * (1 + 1e-6)):
            raise ValueError(
                f"`saveat` must have increasing times from {first} to {end} s, got {ts[0]:.6g} to {ts[-1]:.6g} s"
            )
        return 0, np.clip(ts, t0, end)
    every = steps if sub.t1 else sub.steps
    check_count(1, **{"saveat.steps": every})
    ts = t0 + dt * np.arange(every, steps + 1, every)
    ts = ts[ts > first + 1e-6 * dt] if burn_in else ts
    if not len(ts):
        raise ValueError(f"`saveat` saves nothing: every {every} steps of {steps}, after {burn_in} s of burn-in")
    return every, ts
