"""The kernel: the numbers of Diffrax's path from the same noise, whatever XLA makes of the loop."""

from functools import partial
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jrae_jax as jrae
from jrae_jax._checks import as_float
from jrae_jax.column import RK4, FixedStepHeun, StrangSplitting, noise_stream
from jrae_jax.column.elementary import minus_twice_log, power_of_two
from jrae_jax.column.kernel import Kernel, takes
from jrae_jax.column.one_function import one_function, stage
from jrae_jax.column.states import CHANNELS
from jrae_jax.column.step_size import steps_per_hold

SOLVERS = [StrangSplitting(), FixedStepHeun(), RK4(), diffrax.Euler()]
PARAMETERS = jrae.JansenRitParameters(C=np.array([68.0, 135.0, 170.0]), b=np.array([50.0, 40.0, 60.0]))
EACH = np.array([200.0, 220.0, 240.0])
OU = jrae.OrnsteinUhlenbeckInput(EACH, np.full(3, 57.0), np.full(3, 0.01), hold=4e-3)
INPUTS = {
    "constant": jrae.ConstantInput(220.0),
    "uniform": jrae.UniformNoiseInput(EACH - 100, EACH + 100, hold=1e-3),
    "held for longer": jrae.UniformNoiseInput(120.0, 320.0, hold=3e-3),
    "white": jrae.WhiteNoiseInput(EACH, np.array([6.0, 3.0, 0.0])),
    "OU": OU,
    "pulse on OU": jrae.EvokedPulseInput(np.array([0.02, 0.05, 0.03]), OU, q=np.full(3, 0.5), w=np.full(3, 0.005)),
    "pulse on white": jrae.EvokedPulseInput(0.02, jrae.WhiteNoiseInput(220.0, 6.0)),
}
KEY = jax.random.key(3)
Y0 = np.array([[0.08, 18.0, 15.0, -0.5, 30.0, -20.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 6])
DT = 1e-3


def column_of(input):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, float), jrae.Column(PARAMETERS, input))


@eqx.filter_jit
def kernel_of(column, solver):
    return Kernel(
        column,
        type(solver),
        noise_stream(KEY, jnp.arange(3)),
        as_float(DT),
        as_float(0.0),
        steps_per_hold(column.input, DT),
    )


def by_kernel(input, solver, *, steps, every=1, channels=CHANNELS[:6], **options: Any):
    """The samples of three columns, (time, channel, column), and what the kernel has after them."""

    @partial(jax.jit, compiler_options=options)
    def run(kernel, y0):
        settings: dict[str, Any] = dict(
            steps=steps, every=every, channels=channels, add=lambda running, channel: running
        )
        state, _, samples, _ = kernel.advance(kernel.start(y0), jnp.zeros((), jnp.int32), (), **settings)
        return samples, state

    samples, state = run(kernel_of(column_of(input), solver), jnp.asarray(Y0.T, float))
    return np.asarray(samples), state


def by_diffrax(input, solver, *, steps):
    """The same by `simulate`, which leaves what is to be differentiated forward to Diffrax."""
    ys = jrae.simulate(
        column_of(input), t1=steps * DT, dt=DT, y0=Y0, solver=solver, key=KEY, adjoint=diffrax.ForwardMode()
    ).ys
    return np.asarray(ys).transpose(1, 2, 0)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: type(solver).__name__)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ("white", "pulse on OU") else pytest.mark.slow) for name in INPUTS]
)
def test_it_gives_what_diffrax_gives_from_the_same_noise(x64, solver, name):
    found, wanted = by_kernel(INPUTS[name], solver, steps=150)[0], by_diffrax(INPUTS[name], solver, steps=150)
    assert found.dtype == wanted.dtype == np.float64
    scale = np.abs(wanted).max(axis=(0, 2), keepdims=True)
    assert np.max(np.abs(found - wanted) / scale) < 1e-11


@pytest.mark.parametrize("solver", [StrangSplitting(), RK4()], ids=lambda solver: type(solver).__name__)
def test_in_single_precision_it_differs_by_rounding(solver):
    found, wanted = by_kernel(INPUTS["white"], solver, steps=100)[0], by_diffrax(INPUTS["white"], solver, steps=100)
    scale = np.abs(wanted).max(axis=(0, 2), keepdims=True)
    assert np.max(np.abs(found - wanted) / scale) < 3e-6


@pytest.mark.parametrize(
    ("solver", "name"), [(StrangSplitting(), "white"), (FixedStepHeun(), "pulse on OU")], ids=["Strang", "Heun"]
)
def test_it_has_the_bits_of_the_same_steps_in_an_ordinary_loop(solver, name):
    options = {"xla_backend_optimization_level": 3}  # as for users: the options of the suite round elsewhere
    samples, _ = by_kernel(INPUTS[name], solver, steps=300, channels=("y0", "y1", "y2"), **options)

    @partial(jax.jit, compiler_options=options)
    def plain(kernel, y0):
        def step(state, number):
            state = kernel.step(state, number, stage)
            return state, jnp.stack(state.carry[:3])

        return lax.scan(step, kernel.start(y0), jnp.arange(300, dtype=jnp.int32))[1]

    wanted = plain(kernel_of(column_of(INPUTS[name]), solver), jnp.asarray(Y0.T, float))
    np.testing.assert_array_equal(samples, wanted)


@pytest.mark.parametrize(("steps", "every"), [(20, 5), (23, 5), (4, 5)])
def test_every_nth_sample_is_kept(steps, every):
    some, state = by_kernel(INPUTS["white"], StrangSplitting(), steps=steps, every=every, channels=("eeg", "y4"))
    samples, last = by_kernel(INPUTS["white"], StrangSplitting(), steps=steps, channels=("eeg", "y4"))
    np.testing.assert_array_equal(some, samples[every - 1 :: every])
    for found, wanted in zip(jax.tree.leaves(state), jax.tree.leaves(last), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(("steps", "every"), [(20, 1), (23, 5)])
def test_trajectories_are_the_samples_of_all_states_column_by_column(steps, every):
    samples, _ = by_kernel(INPUTS["white"], StrangSplitting(), steps=steps, every=every)

    @jax.jit
    def trajectories(kernel, y0):
        return kernel.trajectories(kernel.start(y0), jnp.zeros((), jnp.int32), steps=steps, every=every)

    found = trajectories(kernel_of(column_of(INPUTS["white"]), StrangSplitting()), jnp.asarray(Y0.T, float))
    np.testing.assert_allclose(found, samples.transpose(2, 0, 1), rtol=1e-6)


def test_it_leaves_what_it_does_not_have_to_diffrax():
    class Other(jrae.ConstantInput):
        def rate(self, t):
            return 2 * self.p

    assert all(takes(input, solver) for input in INPUTS.values() for solver in SOLVERS)
    assert not takes(INPUTS["white"], diffrax.Tsit5())
    assert not takes(Other(100.0), RK4())
    assert not takes(jrae.EvokedPulseInput(0.1, Other(100.0)), RK4())


# What XLA makes of it


def test_the_loop_and_its_stages_are_calls_of_the_compiled_program():
    def loop(stage, x):
        return lax.fori_loop(0, 50, lambda i, x: stage(lambda x: x * 0.5 + 1)(x), x)

    text = jax.jit(one_function(loop)).lower(jnp.ones(64)).compile().as_text() or ""
    calls = [line for line in text.splitlines() if " call(" in line]
    assert any('xla_cpu_small_call="true"' in line for line in calls)
    assert any("xla_cpu_small_call" not in line and 'inlineable="false"' in line for line in calls)


@pytest.mark.skipif(jax.__version_info__ < (0, 10, 2), reason="XLA took the attribute before, and refused nothing")
def test_xla_takes_the_attribute_at_its_word():
    """It refuses in one function what it can do anywhere else; when it no longer does, the speed is to be looked at."""
    matrix = jnp.ones((8, 8))
    jax.jit(stage(lambda x: x @ x)).lower(matrix).compile()
    with pytest.raises(jax.errors.JaxRuntimeError, match="not implemented"):
        jax.jit(one_function(lambda stage, x: x @ x)).lower(matrix).compile()


def test_on_a_gpu_it_is_an_ordinary_program():
    """There a call that is not taken apart would be refused."""
    function = jax.jit(one_function(lambda stage, x: stage(lambda x: x + 1)(x)))
    text = function.trace(jnp.ones(8)).lower(lowering_platforms=("cuda",)).as_text()
    assert "inlineable" not in text
    assert "small_call" not in text


# Elementary functions


def test_powers_of_two_and_logarithms_are_exact_to_rounding():
    x = np.linspace(-125, 125, 200_001, dtype=np.float32)
    np.testing.assert_allclose(jax.jit(power_of_two)(x), np.exp2(x.astype(float)), rtol=3e-7)
    u = np.concatenate([np.geomspace(2.0**-32, 1, 100_000), 1 - 2.0**-24 * np.arange(1, 1000)]).astype(np.float32)
    found = np.asarray(jax.jit(minus_twice_log)(u))
    np.testing.assert_allclose(found[u < 1], -2 * np.log(u[u < 1].astype(float)), rtol=4e-7)
    assert np.all(found >= 0)
    assert np.all(found[u == 1] == 0)


def test_they_are_those_of_xla_in_double_precision(x64):
    x = jnp.linspace(0.01, 1, 1000)
    np.testing.assert_allclose(power_of_two(x), np.exp2(x), rtol=1e-15)
    np.testing.assert_allclose(minus_twice_log(x), -2 * np.log(x), rtol=1e-14)
