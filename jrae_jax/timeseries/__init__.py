"""Measures of any trajectory, whatever made it."""
