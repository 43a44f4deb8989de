"""Parameter scans: many columns, summarised as they are simulated."""
