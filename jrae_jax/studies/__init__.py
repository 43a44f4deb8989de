"""Experiments on top of the package: the reproduced study, the atlas, the pretraining."""
