"""The dynamics of latent trajectories: all measures of one trajectory."""

from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import as_numbers, as_positive, check_key, of_numbers
from ..timeseries.dimension import CorrelationDimension, Dimension, correlation_dimension, two_nn_dimension
from ..timeseries.lyapunov import RosensteinExponent, rosenstein_exponent
from ..timeseries.shape import first_component_variance, participation_ratio, straightness
from ..timeseries.surrogates import SurrogateTest, surrogate_test

HORIZON = 0.01  # s, a tenth of the alpha cycle
_THEILER = 0.05  # s, half of it: points on the same turn are no neighbours
_NONE = np.full(0, np.nan)

_Measure = TypeVar("_Measure")


class LatentDynamics(eqx.Module):
    """Measures of one trajectory; NaN where it is too short for one, does not vary, or is not finite."""

    participation_ratio: float
    first_component_variance: float
    straightness: float
    two_nn: Dimension
    correlation: CorrelationDimension
    exponent: RosensteinExponent
    surrogates: SurrogateTest

    @of_numbers
    def __repr__(self) -> str:
        lines = []
        for name, value in vars(self).items():
            lines.append(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value!r}")
        return "\n  ".join(["LatentDynamics(", *lines]) + ")"


def measure_latent_dynamics(
    points: Float[np.ndarray | Array, "time dimension"], dt: float, *, key: PRNGKeyArray
) -> LatentDynamics:
    """All measures of a trajectory that is sampled every `dt` seconds.

    Points no more than 50 ms apart are no neighbours; prediction is 10 ms ahead. A measure for which there are too few
    points, or that do not vary or are not finite as after a training that failed, is NaN.

    **Raises:** `ValueError` for points that are no numbers, or a `dt` that is not positive.
    """
    check_key(key=key)
    dt = as_positive("dt", dt)
    as_numbers("points", points)
    theiler = round(_THEILER / dt)
    no_correlation = CorrelationDimension(np.nan, np.nan, _NONE, _NONE, (np.nan, np.nan))
    no_exponent = RosensteinExponent(np.nan, np.nan, False, np.nan, _NONE, _NONE)
    return LatentDynamics(
        _unless_refused(np.nan, lambda: participation_ratio(points)),
        _unless_refused(np.nan, lambda: first_component_variance(points)),
        _unless_refused(np.nan, lambda: straightness(points)),
        _unless_refused(Dimension(np.nan, np.nan), lambda: two_nn_dimension(points, theiler=theiler, key=key)),
        _unless_refused(no_correlation, lambda: correlation_dimension(points, theiler=theiler)),
        _unless_refused(no_exponent, lambda: rosenstein_exponent(points, dt, theiler=theiler)),
        _unless_refused(
            SurrogateTest(np.nan, np.nan, _NONE, np.nan),
            lambda: surrogate_test(points, dt, horizon=HORIZON, key=key),
        ),
    )


def _unless_refused(otherwise: _Measure, measure: Callable[[], _Measure]) -> _Measure:
    """A measure, or `otherwise` where the points are too few or do not vary."""
    try:
        return measure()
    except ValueError:
        return otherwise
