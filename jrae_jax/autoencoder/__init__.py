"""Hidden states from recordings, by autoencoders that have learned to reconstruct them."""

from .autoencoder import Autoencoder as Autoencoder
from .base import (
    AbstractAutoencoder as AbstractAutoencoder,
    AbstractRecordingFeatures as AbstractRecordingFeatures,
    Gaussian as Gaussian,
)
from .calibration import Calibration as Calibration
from .checkpoint import load as load, load_pretrained as load_pretrained, save as save
from .familiarity import Familiarity as Familiarity
from .features import WindowFeatures as WindowFeatures
from .loss import (
    AbstractInstantLoss as AbstractInstantLoss,
    AbstractLoss as AbstractLoss,
    Instant as Instant,
    ReconstructionLoss as ReconstructionLoss,
)
from .physics_loss import PhysicsLoss as PhysicsLoss
from .reconstructor import Reconstructor as Reconstructor
from .sources import EpochSettings as EpochSettings, StepSettings as StepSettings
from .streaming import StreamingDecoder as StreamingDecoder, StreamState as StreamState
from .train import train as train, train_ensemble as train_ensemble
from .training import Training as Training
from .whitening import Whitener as Whitener
from .window import Window as Window
from .windowed import WindowedAutoencoder as WindowedAutoencoder
