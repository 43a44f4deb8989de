"""Parameter scans: many columns, summarised as they are simulated."""

from .axes import (
    Axis as Axis,
    independent_uniform as independent_uniform,
    latin_hypercube as latin_hypercube,
    sampled as sampled,
    zipped as zipped,
)
from .parameter_scan import DEFAULT_SUMMARIES as DEFAULT_SUMMARIES, parameter_scan as parameter_scan
from .regime import REGIMES as REGIMES, Regime as Regime
from .spectrum import BANDS as BANDS, Spectrum as Spectrum
from .store import open_scan as open_scan
from .summaries import (
    AbstractSummary as AbstractSummary,
    Blocks as Blocks,
    Moments as Moments,
    Samples as Samples,
    TrajectoryInfo as TrajectoryInfo,
    Variable as Variable,
)
