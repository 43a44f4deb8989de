"""The kernel for GPUs, in Pallas's interpreter and as it is lowered, as there need be no GPU."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax._checks import as_float
from jrae_jax.column import RK4, FixedStepHeun, StrangSplitting, kernel, noise_stream
from jrae_jax.column.kernel import Kernel
from jrae_jax.column.one_function import stage
from jrae_jax.column.pallas import COLUMNS_PER_BLOCK
from jrae_jax.column.step_size import steps_per_hold
from jrae_jax.scan import Moments
from jrae_jax.scan.axes import Grid
from jrae_jax.scan.engine import ScanPlan, ScanPoints
from jrae_jax.scan.pieces import PieceSimulator

COLUMNS = 2 * COLUMNS_PER_BLOCK
DT = 1e-3
WHITE = jrae.WhiteNoiseInput(220.0, np.linspace(1.0, 6.0, COLUMNS))
HELD = jrae.UniformNoiseInput(120.0, np.linspace(200.0, 320.0, COLUMNS), hold=3e-3)
OU = jrae.OrnsteinUhlenbeckInput(220.0, 57.0, 0.01, hold=2e-3)
CASES = [(StrangSplitting(), WHITE), (FixedStepHeun(), HELD)]
OTHERS = [
    pytest.param(StrangSplitting(), jrae.ConstantInput(220.0), marks=pytest.mark.slow),
    pytest.param(RK4(), jrae.EvokedPulseInput(0.02, OU), marks=pytest.mark.slow),
    pytest.param(diffrax.Euler(), jrae.EvokedPulseInput(0.02, WHITE), marks=pytest.mark.slow),
]
MOMENTS = Moments(("eeg", "y4"))


@eqx.filter_jit
def prepared(solver, input, columns=COLUMNS):
    """The arguments of `advance`."""
    parameters = jrae.JansenRitParameters(C=np.linspace(68.0, 170.0, columns))
    column = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), jrae.Column(parameters, input))
    stream = noise_stream(jax.random.key(3), jnp.arange(columns))
    made = Kernel(column, type(solver), stream, as_float(DT), as_float(0.0), steps_per_hold(input, DT))
    y0 = jnp.linspace(0.0, 5.0, columns)
    state = made.start(jnp.stack([y0] * 6))
    running = MOMENTS.begin(lambda name: made.channels(state, [name])[0])
    return made, state, jnp.asarray(7, jnp.int32), running


def advanced(made, *arguments, steps=23, every=5, channels=("eeg", "y4")):
    return made.advance(*arguments, steps=steps, every=every, channels=channels, add=MOMENTS.add)


def lowered(arguments, **settings: Any) -> str:
    """For a CUDA device. A new function, as traces are remembered."""
    traced = jax.jit(lambda *arguments: advanced(*arguments, **settings)).trace(*arguments)
    return traced.lower(lowering_platforms=("cuda",)).as_text()


@pytest.fixture
def gpu(monkeypatch):
    """As where there is one."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


@pytest.fixture
def interpreted(gpu, monkeypatch):
    """What a GPU would run, on the CPU."""
    monkeypatch.setattr(kernel, "one_function", lambda loop, cuda: partial(cuda, stage=stage, interpret=True))


def compiled(arguments, **settings: Any):
    # As for users: the options of the suite round elsewhere.
    options: Any = {"xla_backend_optimization_level": 3}
    return jax.jit(lambda *arguments: advanced(*arguments, **settings), compiler_options=options)(*arguments)


@pytest.mark.parametrize(("solver", "input"), CASES, ids=["Strang", "Heun"])
def test_it_has_the_bits_of_the_cpu(solver, input, request):
    arguments = prepared(solver, input)
    wanted = jax.tree.leaves(compiled(arguments))
    request.getfixturevalue("interpreted")
    found = jax.tree.leaves(compiled(arguments))
    assert np.shape(found[-1]) == (4, 2, COLUMNS)
    assert np.std(found[-1]) > 0.1
    for leaf, of_cpu in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(leaf, of_cpu)


@pytest.mark.parametrize(
    ("steps", "every", "channels"), [(23, 23, ()), pytest.param(4, 5, ("eeg",), marks=pytest.mark.slow)]
)
def test_without_samples_there_is_what_was_made_of_them(steps, every, channels, request):
    arguments, settings = prepared(*CASES[0]), {"steps": steps, "every": every, "channels": channels}
    wanted = compiled(arguments, **settings)
    request.getfixturevalue("interpreted")
    found = compiled(arguments, **settings)
    assert found[2].shape == wanted[2].shape
    for leaf, of_cpu in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(leaf, of_cpu)


# What is chosen


@pytest.mark.parametrize(("solver", "input"), [*CASES, *OTHERS])
def test_it_is_one_triton_kernel_where_there_is_a_gpu(gpu, solver, input):
    text = lowered(prepared(solver, input))
    assert text.count("custom_call") == 1
    assert "triton" in text
    assert "stablehlo.while" not in text


@pytest.mark.slow
def test_it_is_in_double_precision_too(gpu, x64):
    assert "triton" in lowered(prepared(*CASES[0]))


def test_an_ordinary_loop_takes_what_is_no_whole_number_of_blocks(gpu):
    text = lowered(prepared(StrangSplitting(), jrae.WhiteNoiseInput(220.0, 6.0), columns=COLUMNS - 1))
    assert "triton" not in text
    assert "stablehlo.while" in text


def test_on_a_machine_without_a_gpu_it_is_not_even_traced(monkeypatch):
    def refused(*arguments, **settings):
        raise AssertionError

    monkeypatch.setattr(kernel, "in_blocks", refused)
    assert "triton" not in lowered(prepared(*CASES[0]))


def test_pieces_of_a_scan_are_whole_blocks_on_a_gpu(monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: [SimpleNamespace(platform="gpu")])
    grid = Grid(ScanPoints(jrae.Column(jrae.JansenRitParameters(), WHITE)), {"C": np.linspace(68.0, 170.0, 1000)})
    plan = ScanPlan(StrangSplitting(), (MOMENTS,), dt=DT, steps=10, burn_in=0)
    assert PieceSimulator(grid, plan, jax.random.key(0), 1000).piece == 1024
    assert PieceSimulator(grid, plan, jax.random.key(0), 1).least == COLUMNS_PER_BLOCK
