import functools
import gc
import os
import signal
from importlib import metadata

# Two processes share the cores, and threads of BLAS that wait for one another would spin.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The tests compile much and run little, so most of their time would go into making programs fast. Where the variable is
# set it is left alone: the weekly run of `slow` sets it to nothing, so as to test the programs that users run.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_parallel_codegen_split_count=1"
    # Later ones end the process for a flag that they do not know.
    + " --xla_cpu_use_fusion_emitters=false"
    * metadata.version("jaxlib").startswith(("0.8.", "0.9.", "0.10.")),
)

import jax
import jaxtyping
import matplotlib
import numpy as np
import pytest

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
matplotlib.use("Agg")

# Never uninstalled, so that modules which a test imports late are checked as well.
jaxtyping.install_import_hook("jrae_jax", "beartype.beartype")

from jrae_jax.column.noise import noise_stream  # noqa: E402

# Tracing makes millions of small objects that live, which a collection every few thousand goes through again and again.
gc.freeze()
gc.set_threshold(200_000, 20, 50)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Files that share the study run in one process, which makes it once; every other file runs in some process."""
    from xdist.scheduler import LoadFileScheduling

    @functools.cache
    def group(file):
        return "small_study" if "small_study" in (config.rootpath / file).read_text() else file

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return group(super()._split_scope(nodeid))

    return ByFile(config, log)


def pytest_collection_modifyitems(items):
    """Signals that end a process, pipes, and paths such as /dev/full are not everywhere."""
    for item in items:
        if os.name != "posix" and item.get_closest_marker("posix"):
            item.add_marker(pytest.mark.skip(reason="of POSIX"))


@pytest.fixture
def small_files_only():
    """What is longer than 10 kB cannot be written to its end, as on a full disk."""
    resource = pytest.importorskip("resource", reason="of POSIX")
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture(scope="module", autouse=True)
def keep_xla_flags():
    """The command line sets some, which scans look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", os.environ["XLA_FLAGS"])
        yield


@pytest.fixture(scope="module", autouse=True)
def drop_compiled_programs():
    """All programs of the suite together would take more memory maps than a process may have, and gigabytes.

    Modules have next to no programs in common, so that nothing is saved by keeping them.
    """
    yield
    jax.clear_caches()


@pytest.fixture
def x64():
    """Double precision for one test; JAX keys its caches by it, so nothing leaks into the next."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def without_type_checker():
    """As for users: what the type hints forbid reaches the checks of the package itself."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def compilations():
    """An entry for each program that XLA has compiled since the test began."""
    found = []

    def listener(event: str, duration_secs: float, **_):
        if event.endswith("backend_compile_duration"):
            found.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listener)
    yield found
    jax.monitoring.unregister_event_duration_listener(listener)


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture(scope="session")
def held_values():
    """The first values that an input holds in one trajectory of a simulation, one by one."""

    def values(input, holds, key, trajectory=0):
        stream = noise_stream(key, trajectory)
        return np.asarray(jax.vmap(lambda index: input.held(index, stream))(jax.numpy.arange(holds)))

    return values


@pytest.fixture(scope="session")
def numpy_right_hand_side():
    """The Jansen-Rit equations written once more, in NumPy and in the naive form of the papers."""

    def right_hand_side(y, p, *, A=3.25, B=22.0, a=100.0, b=50.0, e0=2.5, v0=6.0, r=0.56, C=135.0):
        def firing_rate(v):
            return 2 * e0 / (1 + np.exp(r * (v0 - v)))

        y0, y1, y2, y3, y4, y5 = y
        return np.array(
            [
                y3,
                y4,
                y5,
                A * a * firing_rate(y1 - y2) - 2 * a * y3 - a**2 * y0,
                A * a * (p + 0.8 * C * firing_rate(C * y0)) - 2 * a * y4 - a**2 * y1,
                B * b * 0.25 * C * firing_rate(0.25 * C * y0) - 2 * b * y5 - b**2 * y2,
            ]
        )

    return right_hand_side


@pytest.fixture(scope="session")
def small_study():
    from jrae_jax.studies.reproduce import StudySettings, reproduce

    return reproduce(StudySettings(seeds=2, epochs=2, duration=1.0))
