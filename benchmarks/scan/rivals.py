"""All rivals that do the work of `work.py`, each by the fastest route it offers; nothing to run here."""

from collections.abc import Callable, Iterator

import jax

from ..timing import TORCH_DEVICE, Contender
from .elsewhere import with_compiled_torchdiffeq, with_numpy, with_scipy, with_torchdiffeq, with_tvb
from .in_jax import (
    with_brainmass,
    with_diffrax,
    with_diffrax_tree,
    with_jrnmm,
    with_plain_jax,
    with_tvboptim,
    with_vbjax,
)
from .work import ScanRival


def rivals(quick: bool) -> list[Contender]:
    """All that are installed and work, with all that they offer; of others it is told that they are left out."""
    found = []
    for build, columns, steps in sizes():
        try:
            for rival in build(16, 16):  # a rehearsal
                for run in (rival.summaries, rival.trajectories):
                    jax.block_until_ready(run() if run else None)
        except Exception as error:
            print(f"{build.__name__} does not work: going on without it ({type(error).__name__}: {error})")
            continue
        for rival in build(columns, steps // 20 if quick else steps):
            labels = {**rival.labels, "columns": rival.columns, "steps": rival.steps}
            for work, run in (("summaries", rival.summaries), ("trajectories", rival.trajectories)):
                if run:
                    found.append(Contender({**labels, "work": work}, run, rival.compiled))
    return found


def sizes() -> Iterator[tuple[Callable[[int, int], Iterator[ScanRival]], int, int]]:
    """All rivals, each with the columns and steps that suit it."""
    on_cpu, devices = jax.default_backend() == "cpu", jax.device_count()
    columns = (1024 if on_cpu else 65536) * devices
    yield with_plain_jax, columns, 1000
    yield with_diffrax, columns, 1000
    yield with_diffrax_tree, columns, 200
    yield with_vbjax, columns, 1000
    yield with_tvboptim, columns, 4000 if on_cpu else 1000
    yield with_brainmass, columns, 1000
    yield with_jrnmm, columns, 1000
    yield with_tvb, 512, 2000
    columns = 16384 if TORCH_DEVICE == "cpu" else 131072
    yield with_torchdiffeq, columns, 250
    yield with_compiled_torchdiffeq, columns, 250
    yield with_scipy, 2048, 200
    yield with_numpy, 4096, 1000
