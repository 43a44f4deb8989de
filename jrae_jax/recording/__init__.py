"""Recordings of columns, with or without their true states, and estimates of states with their scores."""

from .background import Background as Background
from .consistency import Consistency as Consistency, InconsistentRecordingWarning as InconsistentRecordingWarning
from .dataset import Dataset as Dataset, Split as Split, make_dataset as make_dataset
from .estimate import AbstractEstimator as AbstractEstimator, Estimate as Estimate, QuantityEstimate as QuantityEstimate
from .evaluate import Interval as Interval, Scores as Scores, evaluate as evaluate, interval as interval
from .files import read_recording as read_recording
from .info import Annotation as Annotation, RecordingInfo as RecordingInfo
from .linear_sensors import LinearSensors as LinearSensors
from .mask import (
    EEG as EEG,
    FULL as FULL,
    POTENTIALS as POTENTIALS,
    PYRAMIDAL as PYRAMIDAL,
    ObservationMask as ObservationMask,
)
from .observe import observe as observe
from .recording import Recording as Recording
from .recording_model import RecordingModel as RecordingModel
from .scores import nrmse as nrmse, pearson_r as pearson_r, r_squared as r_squared
from .simulated import SimulatedRecordings as SimulatedRecordings
from .standardizer import Standardizer as Standardizer
from .suspect import SuspectValuesWarning as SuspectValuesWarning
from .windows import Windows as Windows, cut_windows as cut_windows
