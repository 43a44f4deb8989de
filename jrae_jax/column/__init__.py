"""A Jansen-Rit column, from its equations to simulated trajectories."""
