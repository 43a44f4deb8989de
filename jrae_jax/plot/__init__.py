"""Figures: records in, matplotlib figures out."""

from .atlas import atlas as atlas
from .atlas_scores import atlas_scores as atlas_scores, atlas_table as atlas_table
from .decoded import (
    decoded as decoded,
    decoded_spectrum as decoded_spectrum,
    decoded_windows as decoded_windows,
)
from .decoded_posterior import decoded_posterior as decoded_posterior
from .dynamics import bifurcation_diagram as bifurcation_diagram, regime_map as regime_map
from .estimate import estimate as estimate
from .fit import fit as fit
from .latent_sizes import latent_sizes as latent_sizes
from .scan import scan as scan
from .study import (
    latents as latents,
    losses as losses,
    reconstruction as reconstruction,
    recovery as recovery,
    recovery_means as recovery_means,
    traces as traces,
)
from .style import StyledFigure as StyledFigure, styled as styled
from .trajectories import trajectories as trajectories
