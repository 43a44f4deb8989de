"""Which hidden states of a cortical column can be recovered from which recordings, and how well."""

from ._agreement.agreement import Agreement as Agreement, agreement as agreement
from ._autoencoder.architectures import Autoencoder as Autoencoder
from ._autoencoder.checkpoint import load as load, save as save
from ._autoencoder.fit import (
    EndlessSettings as EndlessSettings,
    Fit as Fit,
    FitSettings as FitSettings,
    fit as fit,
    fit_ensemble as fit_ensemble,
)
from ._autoencoder.fit_endless import fit_endless as fit_endless
from ._autoencoder.loss import example_loss as example_loss, loss_weights as loss_weights
from ._autoencoder.pretrained import load_pretrained as load_pretrained
from ._autoencoder.reconstructor import Reconstructor as Reconstructor
from ._autoencoder.streaming import StreamingDecoder as StreamingDecoder, StreamState as StreamState
from ._autoencoder.windowed import Gaussian as Gaussian, WindowedAutoencoder as WindowedAutoencoder
from ._dynamics.curves import BifurcationCurves as BifurcationCurves, bifurcation_curves as bifurcation_curves
from ._dynamics.cycles import (
    LimitCycle as LimitCycle,
    cycle_families as cycle_families,
    cycle_folds as cycle_folds,
    limit_cycle as limit_cycle,
)
from ._dynamics.diagram import BifurcationDiagram as BifurcationDiagram, bifurcation_diagram as bifurcation_diagram
from ._dynamics.dimension import (
    CorrelationDimension as CorrelationDimension,
    Dimension as Dimension,
    correlation_dimension as correlation_dimension,
    two_nn_dimension as two_nn_dimension,
)
from ._dynamics.divergence import Divergence as Divergence, largest_exponent as largest_exponent
from ._dynamics.equilibria import (
    Equilibria as Equilibria,
    equilibria as equilibria,
    equilibrium_curve as equilibrium_curve,
    hopf_points as hopf_points,
    saddle_nodes as saddle_nodes,
)
from ._dynamics.latent import (
    line_share as line_share,
    participation_ratio as participation_ratio,
    straightness as straightness,
)
from ._dynamics.lyapunov import LyapunovExponents as LyapunovExponents, lyapunov_exponents as lyapunov_exponents
from ._dynamics.observability import (
    cramer_rao as cramer_rao,
    gramian as gramian,
    lie_singular_values as lie_singular_values,
)
from ._dynamics.prediction import PredictionTest as PredictionTest, prediction_test as prediction_test
from ._dynamics.regimes import ENDS as ENDS, regime_map as regime_map
from ._inference.fit_spectrum import fit_spectrum as fit_spectrum
from ._inference.fit_trace import fit_trace as fit_trace
from ._inference.identifiability import unidentifiable as unidentifiable
from ._inference.least_squares import ParameterFit as ParameterFit
from ._inference.residuals import (
    power_spectrum as power_spectrum,
    shooting_residuals as shooting_residuals,
    spectral_residuals as spectral_residuals,
    summary_residuals as summary_residuals,
)
from ._model.external_input import (
    AbstractExternalInput as AbstractExternalInput,
    ConstantInput as ConstantInput,
    EvokedPulseInput as EvokedPulseInput,
    OrnsteinUhlenbeckInput as OrnsteinUhlenbeckInput,
    UniformNoiseInput as UniformNoiseInput,
    WhiteNoiseInput as WhiteNoiseInput,
)
from ._model.noise import NoiseStream as NoiseStream, noise_stream as noise_stream
from ._model.parameters import PRESETS as PRESETS, JansenRitParameters as JansenRitParameters
from ._model.states import CHANNELS as CHANNELS, STATES as STATES, eeg as eeg
from ._model.vector_field import jansen_rit_vector_field as jansen_rit_vector_field, sigmoid as sigmoid
from ._observation.dataset import (
    Dataset as Dataset,
    Split as Split,
    Standardizer as Standardizer,
    make_dataset as make_dataset,
)
from ._observation.endless import (
    EndlessRecordings as EndlessRecordings,
    endless_recordings as endless_recordings,
)
from ._observation.mask import (
    EEG as EEG,
    FULL as FULL,
    POTENTIALS as POTENTIALS,
    PYRAMIDAL as PYRAMIDAL,
    ObservationMask as ObservationMask,
    recording as recording,
    to_channels as to_channels,
)
from ._observation.surroundings import View as View
from ._observation.window import Window as Window
from ._recovery.atlas import AtlasSettings as AtlasSettings, atlas as atlas
from ._recovery.ceilings import CEILINGS as CEILINGS, Reference as Reference, Task as Task, reference as reference
from ._recovery.evaluate import (
    Interval as Interval,
    Scores as Scores,
    evaluate as evaluate,
    interval as interval,
)
from ._recovery.kalman import (
    ErrorBound as ErrorBound,
    StateEstimate as StateEstimate,
    kalman_filter as kalman_filter,
    kalman_smoother as kalman_smoother,
    posterior_cramer_rao as posterior_cramer_rao,
)
from ._recovery.memoryless import MemorylessPredictor as MemorylessPredictor
from ._recovery.metrics import nrmse as nrmse, pearson_r as pearson_r, r_squared as r_squared
from ._recovery.observer import observer_cascade as observer_cascade
from ._recovery.physics import PhysicsLoss as PhysicsLoss
from ._recovery.pretraining import pretrain as pretrain
from ._recovery.variational import (
    VariationalEstimate as VariationalEstimate,
    weak_constraint_4dvar as weak_constraint_4dvar,
)
from ._recovery.wiener import LaggedCovariances as LaggedCovariances, WienerFilter as WienerFilter
from ._simulation.accuracy import suggest_dt as suggest_dt
from ._simulation.axes import Axis as Axis, sampled as sampled, zipped as zipped
from ._simulation.columns import InitialState as InitialState
from ._simulation.parameter_scan import DEFAULT_SUMMARIES as DEFAULT_SUMMARIES, parameter_scan as parameter_scan
from ._simulation.regime import REGIMES as REGIMES, Regime as Regime
from ._simulation.simulate import simulate as simulate
from ._simulation.solvers import (
    RK4 as RK4,
    Dopri8 as Dopri8,
    Euler as Euler,
    Heun as Heun,
    Kvaerno5 as Kvaerno5,
    StrangSplitting as StrangSplitting,
    Tsit5 as Tsit5,
)
from ._simulation.spectrum import BANDS as BANDS, Spectrum as Spectrum
from ._simulation.store import open_scan as open_scan
from ._simulation.summaries import (
    AbstractSummary as AbstractSummary,
    Moments as Moments,
    Run as Run,
    Samples as Samples,
    Variable as Variable,
)
from ._simulation.trajectories import Trajectories as Trajectories, to_dataset as to_dataset
from ._version import __version__ as __version__


def __getattr__(name: str):  # matplotlib is imported when something is to be drawn
    if name in ("plot_scan", "plot_trajectories"):
        from . import _plotting_scan

        return getattr(_plotting_scan, name)
    if name in ("plot_bifurcations", "plot_regime_map"):
        from . import _plotting_dynamics

        return getattr(_plotting_dynamics, name)
    if name == "plot_fit":
        from . import _plotting_fit

        return getattr(_plotting_fit, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
