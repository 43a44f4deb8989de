"""What kind of motion latents go through: all measures of one trajectory."""

from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..timeseries.dimension import CorrelationDimension, Dimension, correlation_dimension, two_nn_dimension
from ..timeseries.lyapunov import Divergence, largest_exponent
from ..timeseries.shape import line_share, participation_ratio, straightness
from ..timeseries.surrogates import PredictionTest, prediction_test

HORIZON = 0.01  # s, a tenth of the alpha cycle

_THEILER = 0.05  # s, half of it

_NONE = np.full(0, np.nan)

_Measured = TypeVar("_Measured")


class Motion(eqx.Module):
    """Measures of one trajectory; NaN where it is too short for one, does not vary, or is not finite."""

    participation_ratio: float
    line_share: float
    straightness: float
    two_nn: Dimension
    correlation: CorrelationDimension
    divergence: Divergence
    prediction: PredictionTest


def measure_motion(points: Float[np.ndarray | Array, "time dimension"], dt: float, *, key: PRNGKeyArray) -> Motion:
    """All measures of a trajectory that is sampled every `dt` seconds.

    Points no more than 50 ms apart are no neighbours; prediction is 10 ms ahead.
    """
    theiler = round(_THEILER / dt)
    return Motion(
        _told(np.nan, participation_ratio, points),
        _told(np.nan, line_share, points),
        _told(np.nan, straightness, points),
        _told(Dimension(np.nan, np.nan), two_nn_dimension, points, theiler=theiler, key=key),
        _told(
            CorrelationDimension(np.nan, np.nan, _NONE, _NONE, (np.nan, np.nan)),
            correlation_dimension,
            points,
            theiler=theiler,
        ),
        _told(Divergence(np.nan, np.nan, False, np.nan, _NONE, _NONE), largest_exponent, points, dt, theiler=theiler),
        _told(PredictionTest(np.nan, np.nan, _NONE, np.nan), prediction_test, points, dt, horizon=HORIZON, key=key),
    )


def _told(otherwise: _Measured, measure: Callable[..., _Measured], *arguments: Any, **keywords: Any) -> _Measured:
    """What a measure says, or `otherwise` if it refuses the points."""
    try:
        return measure(*arguments, **keywords)
    except ValueError:
        return otherwise
