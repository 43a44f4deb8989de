"""Figures of the package's records."""
