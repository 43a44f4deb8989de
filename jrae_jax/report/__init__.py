"""A finished study as a page that a person reads, and as the lines that a terminal says of it."""

from .answer import answer as answer
from .latent_sizes import latent_sizes_answer as latent_sizes_answer, write_latent_sizes as write_latent_sizes
from .report import write_report as write_report
