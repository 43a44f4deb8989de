"""What importing the package does and does not do, and what this suite checks beside its assertions."""

import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError

import jrae_jax as jrae

NO_SIDE_EFFECTS = """
import os, sys
import diffrax, equinox, jax, optax

before = dict(jax.config.values), dict(os.environ)
import jrae_jax

assert (dict(jax.config.values), dict(os.environ)) == before, "configuration changed"
from jax._src import xla_bridge

assert not xla_bridge._backends, "a backend was started"
for module in ("matplotlib", "scipy.stats"):
    assert module not in sys.modules, module
"""


def test_import_has_no_side_effects():
    command = [sys.executable, "-W", "error", "-c", NO_SIDE_EFFECTS]
    folder = Path(jrae.__file__).parents[1]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == run.stderr == ""


def test_this_suite_checks_types_shapes_and_promotion():
    with pytest.raises((TypeCheckError, BeartypeCallHintViolation)):
        jrae.eeg(jnp.zeros((3, 5)))
    with pytest.raises(ValueError, match="jax_numpy_rank_promotion"):
        jnp.add(jnp.zeros((2, 3)), jnp.zeros(3))
    with pytest.raises(ValueError, match="jax_numpy_dtype_promotion"):
        jnp.add(jnp.zeros(3), jnp.zeros(3, int))
