from . import (
    autoencoder as autoencoder,
    column as column,
    decoding as decoding,
    dynamics as dynamics,
    estimators as estimators,
    inference as inference,
    plot as plot,
    recording as recording,
    report as report,
    scan as scan,
    studies as studies,
    timeseries as timeseries,
)
from ._version import __version__ as __version__
from .autoencoder import (
    Autoencoder as Autoencoder,
    PhysicsLoss as PhysicsLoss,
    ReconstructionLoss as ReconstructionLoss,
    Reconstructor as Reconstructor,
    StreamingDecoder as StreamingDecoder,
    Training as Training,
    WindowedAutoencoder as WindowedAutoencoder,
    load as load,
    load_pretrained as load_pretrained,
    save as save,
    train as train,
    train_ensemble as train_ensemble,
)
from .column import (
    Column as Column,
    ConstantInput as ConstantInput,
    EvokedPulseInput as EvokedPulseInput,
    JansenRitParameters as JansenRitParameters,
    OrnsteinUhlenbeckInput as OrnsteinUhlenbeckInput,
    Trajectories as Trajectories,
    UniformNoiseInput as UniformNoiseInput,
    WhiteNoiseInput as WhiteNoiseInput,
    simulate as simulate,
    suggest_dt as suggest_dt,
)
from .decoding import Decoded as Decoded, decode as decode
from .inference import fit_parameters as fit_parameters
from .recording import (
    AbstractEstimator as AbstractEstimator,
    Dataset as Dataset,
    Estimate as Estimate,
    ObservationMask as ObservationMask,
    Recording as Recording,
    SimulatedRecordings as SimulatedRecordings,
    evaluate as evaluate,
    make_dataset as make_dataset,
    observe as observe,
    read_recording as read_recording,
)
from .scan import open_scan as open_scan, parameter_scan as parameter_scan
from .studies import reproduce as reproduce
