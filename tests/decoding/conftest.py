import diffrax
import jax
import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.column.solvers import StrangSplitting
from jrae_jax.decoding import load_decoder

SFREQ = 128.0


@pytest.fixture(scope="session")
def decoder():
    """That which comes with the package."""
    return load_decoder()


@pytest.fixture(scope="session")
def alpha():
    """States of three columns that make an alpha rhythm: 20 s, `(column, time, 6)`."""
    column = jrae.Column.preset("jansen_rit_1995", jrae.WhiteNoiseInput(220.0, 3.0))
    saveat = diffrax.SaveAt(steps=8)
    found = jrae.simulate(
        column, t1=22.0, dt=1 / SFREQ / 8, burn_in=2.0, batch=3, solver=StrangSplitting(), saveat=saveat,
        key=jax.random.key(3),
    )  # fmt: skip
    return np.asarray(found.ys, float)
