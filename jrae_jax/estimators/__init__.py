"""Hidden states from recordings, by estimators that know the column or its statistics, and bounds on any of them."""

from .bounds import (
    ErrorBound as ErrorBound,
    cramer_rao as cramer_rao,
    posterior_cramer_rao as posterior_cramer_rao,
)
from .four_d_var import FourDVar as FourDVar
from .kalman import UNKNOWN as UNKNOWN, KalmanFilter as KalmanFilter, KalmanSmoother as KalmanSmoother
from .memoryless import MemorylessPredictor as MemorylessPredictor
from .observability import (
    lie_singular_values as lie_singular_values,
    observability_gramian as observability_gramian,
)
from .observer import ObserverCascade as ObserverCascade, derivatives_needed as derivatives_needed
from .statistics import ColumnStatistics as ColumnStatistics, simulate_statistics as simulate_statistics
from .wiener import WienerFilter as WienerFilter
