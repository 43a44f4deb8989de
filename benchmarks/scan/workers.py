"""Contenders in processes of their own, each with so many cores, which take turns; nothing to run here."""

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from ..timing import Contender, finished, vector_instructions

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def contenders_apart(
    build: Callable[..., list[Contender]], *arguments: Any, cores: int = CORES, devices: int = 1, avx512: bool = True
) -> list[Contender]:
    """What `build` makes in a new process: one with so many cores, CPU devices of JAX, and with or without AVX-512."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    with _surroundings(cores, devices, avx512):
        context.Process(target=_serve, args=(there, build, arguments), daemon=True).start()
    there.close()

    def run(number: int) -> None:
        here.send(number)
        if trouble := here.recv():
            raise RuntimeError(trouble)

    found = vector_instructions()
    more = {"cores": cores, "instructions": found if avx512 or found != "AVX-512" else "AVX2"}
    return [
        Contender({**labels, **more}, partial(run, number), compiled)
        for number, (labels, compiled) in enumerate(here.recv())
    ]


@contextlib.contextmanager
def _surroundings(cores: int, devices: int, avx512: bool) -> Iterator[None]:
    """Environment and affinity, which a process that is started inside inherits before anything is imported there."""
    before, affinity = dict(os.environ), os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    os.environ |= {"XLA_FLAGS": "" if avx512 else "--xla_cpu_max_isa=AVX2", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    os.environ |= {"JAX_NUM_CPU_DEVICES": str(devices), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": str(cores)}
    try:
        if affinity is not None:
            os.sched_setaffinity(0, sorted(affinity)[:cores])
        yield
    finally:
        os.environ.clear()
        os.environ |= before
        if affinity is not None:
            os.sched_setaffinity(0, affinity)


def _serve(pipe: Connection, build: Callable[..., list[Contender]], arguments: tuple[Any, ...]) -> None:
    """The other end: run what is asked for until nobody asks any more."""
    contenders = build(*arguments)
    pipe.send([(contender.labels, contender.compiled) for contender in contenders])
    with contextlib.suppress(EOFError):
        while True:
            run = contenders[pipe.recv()].run
            try:
                finished(run)
                pipe.send(None)
            except Exception as error:
                pipe.send(f"{type(error).__name__}: {error}")
