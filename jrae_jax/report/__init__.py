"""Finished studies and decoded recordings as pages that a person reads, and as lines for a terminal."""

from .answer import answer as answer
from .decoded import add_to_mne_report as add_to_mne_report, write_decoded_report as write_decoded_report
from .latent_sizes import latent_sizes_answer as latent_sizes_answer, write_latent_sizes as write_latent_sizes
from .report import write_report as write_report
