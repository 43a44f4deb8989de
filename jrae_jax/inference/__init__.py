"""Parameters of a column from recordings."""
