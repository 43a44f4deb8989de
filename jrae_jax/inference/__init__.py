"""Parameters of a column from recordings."""

from .fit_parameters import fit_parameters as fit_parameters
from .free_parameters import FreeParameters as FreeParameters
from .identifiability import scaling_symmetries as scaling_symmetries
from .least_squares import AbstractFitMethod as AbstractFitMethod, ParameterFit as ParameterFit
from .residuals import (
    power_spectrum as power_spectrum,
    shooting_residuals as shooting_residuals,
    spectral_residuals as spectral_residuals,
    summary_residuals as summary_residuals,
)
from .spectrum import MatchSpectrum as MatchSpectrum
from .trace import MatchTrace as MatchTrace
