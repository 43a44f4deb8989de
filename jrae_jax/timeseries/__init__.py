"""Measures of any trajectory, whatever made it: shape, dimension, Lyapunov exponent and a test for nonlinearity."""

from .dimension import (
    CorrelationDimension as CorrelationDimension,
    Dimension as Dimension,
    correlation_dimension as correlation_dimension,
    two_nn_dimension as two_nn_dimension,
)
from .lyapunov import RosensteinExponent as RosensteinExponent, rosenstein_exponent as rosenstein_exponent
from .shape import (
    first_component_variance as first_component_variance,
    participation_ratio as participation_ratio,
    straightness as straightness,
    variance_fractions as variance_fractions,
)
from .surrogates import SurrogateTest as SurrogateTest, surrogate_test as surrogate_test
