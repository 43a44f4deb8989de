"""Programs of scans as XLA compiles them for users: some that it could not compile have ended the process."""

import os
import subprocess
import sys

import pytest

PROGRAMS = """
import jax, numpy as np, diffrax, jrae_jax as jrae
from jrae_jax.column import RK4, FixedStepHeun, StrangSplitting
held = jrae.UniformNoiseInput(120.0, 320.0, hold=1e-3)
white = jrae.WhiteNoiseInput(220.0, 6.0)
ou = jrae.OrnsteinUhlenbeckInput(220.0, 50.0, 0.01, hold=2e-3)
pulses = [jrae.EvokedPulseInput(0.01, background) for background in (white, ou)]
moments = [jrae.scan.Moments(("y0", "y4", "eeg"))]
settings = dict(burn_in=1.0, dt=1e-3, solver=SOLVER(), summaries=moments, key=jax.random.key(0))
several = {"A": [3.0, 3.5], "b": [40.0, 50.0], "initial_y1": [0.0, 1.0]}
for input in [jrae.ConstantInput(220.0), held, white, ou, *pulses]:
    column = jrae.Column(jrae.JansenRitParameters(), input)
    # One block before what is summarised, and one of it: loops with one turn.
    for axes, t1 in (({"C": [100.0, 135.0]}, 2.0), (several, 3.0)):
        found = jrae.parameter_scan(column, axes, t1=t1, **settings)
        assert not found.failed.any()
    for batch in (None, 3, 512):
        ys = jrae.simulate(column, t1=0.02, dt=1e-3, solver=SOLVER(), batch=batch, key=jax.random.key(0)).ys
        assert np.all(np.isfinite(ys))
"""


OF_A_TILE = """
import jax, numpy as np, jrae_jax as jrae
column = jrae.Column(jrae.JansenRitParameters(), jrae.WhiteNoiseInput(220.0, 6.0))
settings = dict(dt=1e-3, solver=jrae.column.StrangSplitting(), key=jax.random.key(0))
summaries = [*jrae.scan.DEFAULT_SUMMARIES, jrae.scan.Samples(channels=("y0", "eeg"))]
axes = {"C": np.linspace(100.0, 170.0, 256)}
found = jrae.parameter_scan(column, axes, t1=3.0, burn_in=1.0, summaries=summaries, **settings)
assert not found.failed.any() and np.all(np.isfinite(found.dominant_frequency))
"""


def run_as_users_do(program):
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]


def test_summaries_of_a_whole_tile_compile_with_default_options():
    """Of so many columns XLA divides the work among threads, which it cannot do within one function."""
    run_as_users_do(OF_A_TILE)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["StrangSplitting", "FixedStepHeun", "RK4", "diffrax.Euler"])
def test_every_input_compiles_with_default_options(solver):
    run_as_users_do(PROGRAMS.replace("SOLVER", solver))
