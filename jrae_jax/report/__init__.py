"""Studies as pages to read."""
