"""A finished study as a page that a person reads."""

from .folder import new_folder as new_folder
from .report import write_report as write_report
from .tables import score_table as score_table
