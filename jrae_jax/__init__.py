"""Which hidden states of a cortical column can be recovered from which recordings, and how well."""

from ._version import __version__ as __version__
from .autoencoder.autoencoder import Autoencoder as Autoencoder
from .autoencoder.checkpoint import load as load, save as save
from .autoencoder.features import View as View
from .autoencoder.fit_endless import fit_endless as fit_endless
from .autoencoder.loss import example_loss as example_loss, loss_weights as loss_weights
from .autoencoder.physics_loss import PhysicsLoss as PhysicsLoss
from .autoencoder.pretrained import load_pretrained as load_pretrained
from .autoencoder.reconstructor import Reconstructor as Reconstructor
from .autoencoder.streaming import StreamingDecoder as StreamingDecoder, StreamState as StreamState
from .autoencoder.train import (
    EndlessSettings as EndlessSettings,
    Fit as Fit,
    FitSettings as FitSettings,
    fit as fit,
    fit_ensemble as fit_ensemble,
)
from .autoencoder.window import Window as Window
from .autoencoder.windowed import Gaussian as Gaussian, WindowedAutoencoder as WindowedAutoencoder
from .column.equations import jansen_rit_vector_field as jansen_rit_vector_field, sigmoid as sigmoid
from .column.inputs import (
    AbstractExternalInput as AbstractExternalInput,
    ConstantInput as ConstantInput,
    EvokedPulseInput as EvokedPulseInput,
    OrnsteinUhlenbeckInput as OrnsteinUhlenbeckInput,
    UniformNoiseInput as UniformNoiseInput,
    WhiteNoiseInput as WhiteNoiseInput,
)
from .column.noise import NoiseStream as NoiseStream, noise_stream as noise_stream
from .column.parameters import PRESETS as PRESETS, JansenRitParameters as JansenRitParameters
from .column.simulate import simulate as simulate
from .column.solvers import (
    RK4 as RK4,
    Dopri8 as Dopri8,
    Euler as Euler,
    Heun as Heun,
    Kvaerno5 as Kvaerno5,
    StrangSplitting as StrangSplitting,
    Tsit5 as Tsit5,
)
from .column.states import CHANNELS as CHANNELS, STATES as STATES, eeg as eeg
from .column.step_size import suggest_dt as suggest_dt
from .column.trajectories import Trajectories as Trajectories, to_dataset as to_dataset
from .dynamics.continuation import BifurcationCurves as BifurcationCurves, bifurcation_curves as bifurcation_curves
from .dynamics.cycles import (
    LimitCycle as LimitCycle,
    cycle_families as cycle_families,
    cycle_folds as cycle_folds,
    limit_cycle as limit_cycle,
)
from .dynamics.diagram import BifurcationDiagram as BifurcationDiagram, bifurcation_diagram as bifurcation_diagram
from .dynamics.equilibria import (
    Equilibria as Equilibria,
    equilibria as equilibria,
    equilibrium_curve as equilibrium_curve,
    hopf_points as hopf_points,
    saddle_nodes as saddle_nodes,
)
from .dynamics.lyapunov import LyapunovExponents as LyapunovExponents, lyapunov_exponents as lyapunov_exponents
from .dynamics.regime_map import ENDS as ENDS, regime_map as regime_map
from .estimators.four_d_var import (
    VariationalEstimate as VariationalEstimate,
    weak_constraint_4dvar as weak_constraint_4dvar,
)
from .estimators.kalman import (
    ErrorBound as ErrorBound,
    StateEstimate as StateEstimate,
    kalman_filter as kalman_filter,
    kalman_smoother as kalman_smoother,
    posterior_cramer_rao as posterior_cramer_rao,
)
from .estimators.memoryless import MemorylessPredictor as MemorylessPredictor
from .estimators.observability import (
    cramer_rao as cramer_rao,
    gramian as gramian,
    lie_singular_values as lie_singular_values,
)
from .estimators.observer import observer_cascade as observer_cascade
from .estimators.statistics import CEILINGS as CEILINGS, Reference as Reference, Task as Task, reference as reference
from .estimators.wiener import LaggedCovariances as LaggedCovariances, WienerFilter as WienerFilter
from .inference.identifiability import unidentifiable as unidentifiable
from .inference.least_squares import ParameterFit as ParameterFit
from .inference.residuals import (
    power_spectrum as power_spectrum,
    shooting_residuals as shooting_residuals,
    spectral_residuals as spectral_residuals,
    summary_residuals as summary_residuals,
)
from .inference.spectrum import fit_spectrum as fit_spectrum
from .inference.trace import fit_trace as fit_trace
from .recording.dataset import (
    Dataset as Dataset,
    Split as Split,
    Standardizer as Standardizer,
    make_dataset as make_dataset,
)
from .recording.mask import (
    EEG as EEG,
    FULL as FULL,
    POTENTIALS as POTENTIALS,
    PYRAMIDAL as PYRAMIDAL,
    ObservationMask as ObservationMask,
    recording as recording,
    to_channels as to_channels,
)
from .recording.scores import nrmse as nrmse, pearson_r as pearson_r, r_squared as r_squared
from .recording.simulated import (
    EndlessRecordings as EndlessRecordings,
    endless_recordings as endless_recordings,
)
from .scan.axes import Axis as Axis, sampled as sampled, zipped as zipped
from .scan.engine import InitialState as InitialState
from .scan.parameter_scan import DEFAULT_SUMMARIES as DEFAULT_SUMMARIES, parameter_scan as parameter_scan
from .scan.regime import REGIMES as REGIMES, Regime as Regime
from .scan.spectrum import BANDS as BANDS, Spectrum as Spectrum
from .scan.store import open_scan as open_scan
from .scan.summaries import (
    AbstractSummary as AbstractSummary,
    Moments as Moments,
    Run as Run,
    Samples as Samples,
    Variable as Variable,
)
from .studies.atlas import AtlasSettings as AtlasSettings, atlas as atlas
from .studies.evaluate import (
    Interval as Interval,
    Scores as Scores,
    evaluate as evaluate,
    interval as interval,
)
from .studies.pretraining import pretrain as pretrain
from .timeseries.dimension import (
    CorrelationDimension as CorrelationDimension,
    Dimension as Dimension,
    correlation_dimension as correlation_dimension,
    two_nn_dimension as two_nn_dimension,
)
from .timeseries.lyapunov import Divergence as Divergence, largest_exponent as largest_exponent
from .timeseries.shape import (
    line_share as line_share,
    participation_ratio as participation_ratio,
    straightness as straightness,
)
from .timeseries.surrogates import PredictionTest as PredictionTest, prediction_test as prediction_test


def __getattr__(name: str):  # matplotlib is imported when something is to be drawn
    if name in ("plot_scan", "plot_trajectories"):
        from .plot import scan as _plotting_scan

        return getattr(_plotting_scan, name)
    if name in ("plot_bifurcations", "plot_regime_map"):
        from .plot import dynamics as _plotting_dynamics

        return getattr(_plotting_dynamics, name)
    if name == "plot_fit":
        from .plot import fit as _plotting_fit

        return getattr(_plotting_fit, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
