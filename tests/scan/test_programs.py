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


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["StrangSplitting", "FixedStepHeun", "RK4", "diffrax.Euler"])
def test_every_input_compiles_with_default_options(solver):
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
    program = PROGRAMS.replace("SOLVER", solver)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
