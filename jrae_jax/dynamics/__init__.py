"""Exact statements about a column: equilibria, limit cycles, their bifurcations, and Lyapunov exponents."""

from .branches import cycle_folds as cycle_folds, limit_cycle_branches as limit_cycle_branches
from .continuation import BifurcationCurves as BifurcationCurves, bifurcation_curves as bifurcation_curves
from .cycles import LimitCycle as LimitCycle, limit_cycle as limit_cycle
from .cycles_at import limit_cycles as limit_cycles
from .diagram import BifurcationDiagram as BifurcationDiagram, bifurcation_diagram as bifurcation_diagram
from .equilibria import (
    Equilibria as Equilibria,
    equilibria as equilibria,
    equilibrium_curve as equilibrium_curve,
    hopf_points as hopf_points,
    saddle_nodes as saddle_nodes,
)
from .lyapunov import LyapunovExponents as LyapunovExponents, lyapunov_exponents as lyapunov_exponents
from .regime_map import ATTRACTORS as ATTRACTORS, regime_map as regime_map
