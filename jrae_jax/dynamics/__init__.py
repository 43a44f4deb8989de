"""Exact statements about a column: equilibria, limit cycles, bifurcations, Lyapunov exponents."""
