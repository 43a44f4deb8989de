"""A Jansen-Rit column, from its equations to simulated trajectories."""

from .bounds import PotentialBounds as PotentialBounds, potential_bounds as potential_bounds
from .column import Column as Column
from .equations import jansen_rit_vector_field as jansen_rit_vector_field, sigmoid as sigmoid
from .inputs import (
    AbstractExternalInput as AbstractExternalInput,
    ConstantInput as ConstantInput,
    EvokedPulseInput as EvokedPulseInput,
    InputRange as InputRange,
    InputStatistics as InputStatistics,
    OrnsteinUhlenbeckInput as OrnsteinUhlenbeckInput,
    UniformNoiseInput as UniformNoiseInput,
    WhiteNoiseInput as WhiteNoiseInput,
)
from .noise import NoiseStream as NoiseStream, noise_stream as noise_stream
from .parameters import PRESETS as PRESETS, JansenRitParameters as JansenRitParameters
from .simulate import simulate as simulate
from .solvers import RK4 as RK4, FixedStepHeun as FixedStepHeun, StrangSplitting as StrangSplitting
from .states import CHANNELS as CHANNELS, STATES as STATES, States as States, eeg as eeg, to_channels as to_channels
from .step_size import LongStepWarning as LongStepWarning, suggest_dt as suggest_dt
from .trajectories import Trajectories as Trajectories
from .transition import Transition as Transition
