"""The limit of `work.py`'s work: a program in C."""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .work import DT, SEED, strengths

SCHEMES = {"Strang splitting": 0, "Heun": 1, "Heun, held noise": 2}
FLAGS = ("-O3", "-ffast-math", "-fPIC")


@cache
def c_library(march: str = "native") -> Any:
    """The program compiled for such a processor; `None`, and a line, where there is no compiler, or it fails."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        print("There is no C compiler: going on without the program in C")
        return None
    source, why = Path(__file__).with_name("jansen_rit.c"), ""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        code, library = f"{folder}/jansen_rit.o", f"{folder}/jansen_rit.so"
        for threads in (["-fopenmp"], []):  # some compilers come without OpenMP
            compiled = [compiler, *FLAGS, f"-march={march}", *threads, "-c", str(source), "-o", code]
            # Without fast mathematics: linked with it, a library makes all of the process take subnormal numbers for 0.
            linked = [compiler, "-shared", *threads, code, "-o", library, "-lm"]
            for command in (compiled, linked):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                why = done.stderr.strip()
                if done.returncode:
                    break
            else:
                return with_types(ctypes.CDLL(library))
    print(f"The program in C does not compile: going on without it\n{why}")
    return None


def with_types(library: Any) -> Any:
    """The library, its functions' arguments declared."""
    array, size, number = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS"), ctypes.c_int64, ctypes.c_int
    for function in (library.scan_summaries, library.scan_trajectories):
        function.argtypes = [size, size, ctypes.c_double, array, ctypes.c_uint32, number, number, array]
        function.restype = None
    library.scan_noise.argtypes, library.scan_noise.restype = [size, size, array, ctypes.c_uint32, array], None
    return library


def c_summaries(columns: int, steps: int, scheme: str, threads: int, march: str = "native") -> Callable[[], Any]:
    """Summaries by the program in C, of shape (columns, 5)."""

    def run():
        out = np.empty((columns, 5), np.float32)
        settings = columns, steps, DT, strengths(columns), SEED, SCHEMES[scheme], threads
        c_library(march).scan_summaries(*settings, out)
        return out

    return run


def c_trajectories(columns: int, steps: int, scheme: str, threads: int, march: str = "native") -> Callable[[], Any]:
    """Trajectories by the program in C, of shape (steps, 6, columns); all calls write into the same memory."""

    @cache
    def memory():
        numbers = np.zeros(steps * 6 * columns + 16, np.float32)
        start = -numbers.ctypes.data % 64 // 4  # a multiple of 64 bytes
        return numbers[start : start + steps * 6 * columns].reshape(steps, 6, columns)

    def run():
        settings = columns, steps, DT, strengths(columns), SEED, SCHEMES[scheme], threads
        c_library(march).scan_trajectories(*settings, memory())
        return memory()

    return run


def c_noise(columns: int, steps: int) -> Any:
    """The normals of the program in C, of shape (steps, 2, columns)."""
    out = np.empty((steps, 2, columns), np.float32)
    c_library().scan_noise(columns, steps, strengths(columns), SEED, out)
    return out
