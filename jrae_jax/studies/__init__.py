"""Experiments on top of the package: the reproduced study, the atlas, the pretraining."""

from .atlas import AtlasSettings as AtlasSettings, atlas as atlas
from .findings import Finding as Finding, findings as findings
from .latent_dynamics import (
    LatentDynamics as LatentDynamics,
    measure_latent_dynamics as measure_latent_dynamics,
)
from .latent_sizes import LatentSizes as LatentSizes, compare_latent_sizes as compare_latent_sizes
from .pretraining import pretrain as pretrain
from .protocols import (
    AS_PUBLISHED as AS_PUBLISHED,
    CONDITIONS as CONDITIONS,
    CORRECTED as CORRECTED,
    PROTOCOLS as PROTOCOLS,
    Protocol as Protocol,
)
from .reproduce import Case as Case, Study as Study, StudySettings as StudySettings, reproduce as reproduce
