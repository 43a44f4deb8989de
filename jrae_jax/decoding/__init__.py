"""Real recordings: which columns could have made them, what their hidden states did, and whether one column explains
them.
"""

from .check import BANDS as BANDS, QUANTILES as QUANTILES, Check as Check
from .decode import decode as decode
from .decoded import Decoded as Decoded
from .decoder import (
    Decoder as Decoder,
    load_decoder as load_decoder,
    save_decoder as save_decoder,
    train_decoder as train_decoder,
)
from .features import FREQUENCIES as FREQUENCIES
from .posterior import ColumnPosterior as ColumnPosterior, Draws as Draws
from .prior import STANDARD as STANDARD, Prior as Prior, Quantity as Quantity
from .training import PosteriorTraining as PosteriorTraining, train_posterior as train_posterior
