"""The Diffrax solvers on offer, and our own."""

from collections.abc import Callable
from typing import ClassVar

import diffrax
from diffrax import Dopri8 as Dopri8, Euler as Euler, Heun as Heun, Kvaerno5 as Kvaerno5, Tsit5 as Tsit5
from jaxtyping import Array, PyTree


class RK4(diffrax.AbstractSolver):
    """The classical fourth-order Runge-Kutta method of Kutta (1901), which Diffrax does not have.

    Four evaluations of the vector field a step and no error estimate, so fixed steps only. Written without
    the stage buffers of Diffrax's Runge-Kutta family, it is also the fastest solver here for a given accuracy
    at steps of 1 to 5 ms.
    """

    term_structure: ClassVar = diffrax.AbstractTerm
    interpolation_cls: ClassVar[Callable[..., diffrax.ThirdOrderHermitePolynomialInterpolation]] = (
        diffrax.ThirdOrderHermitePolynomialInterpolation
    )

    def order(self, terms: PyTree) -> int:
        """Four."""
        del terms
        return 4

    def init(self, terms, t0, t1, y0, args) -> None:
        """Nothing is carried from step to step."""

    def step(self, terms, t0, t1, y0: Array, args, solver_state: None, made_jump):
        """One step from `t0` to `t1`."""
        del made_jump
        control = terms.contr(t0, t1)
        middle = t0 + (t1 - t0) / 2

        def increment(t, y):
            return terms.vf_prod(t, y, args, control)

        k1 = increment(t0, y0)
        k2 = increment(middle, y0 + k1 / 2)
        k3 = increment(middle, y0 + k2 / 2)
        k4 = increment(t1, y0 + k3)
        y1 = y0 + (k1 + 2 * (k2 + k3) + k4) / 6
        # The slope at t1 serves interpolation alone; where nothing is interpolated the compiler drops it.
        dense_info = dict(y0=y0, y1=y1, k0=k1, k1=increment(t1, y1))
        return y1, None, dense_info, solver_state, diffrax.RESULTS.successful

    def func(self, terms, t0, y0, args):
        """The vector field itself."""
        return terms.vf(t0, y0, args)
