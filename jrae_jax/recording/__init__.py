"""What a recording shows of a column, and what is made of it."""
