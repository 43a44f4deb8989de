"""Hidden states from recordings, by autoencoders that have learned to reconstruct them."""
