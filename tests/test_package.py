"""What importing the package does and does not do, and what this suite checks beside its assertions."""

import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError

import jrae_jax as jrae

PACKAGE = Path(jrae.__file__).parent

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
assert jrae_jax.read_recording
assert "mne" not in sys.modules, "it is optional"
"""


def test_import_has_no_side_effects():
    command = [sys.executable, "-W", "error", "-c", NO_SIDE_EFFECTS]
    run = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == run.stderr == ""


PUBLIC_NAMES = """
import ast, importlib, inspect, types

import jrae_jax

names = set(jrae_jax.__all__) - {"__version__"}
rooms = sorted(name for name in names if isinstance(getattr(jrae_jax, name), types.ModuleType))
assert len(names) - len(rooms) <= 38, "at most 40 names at the top, two of them kept free"
public = [(jrae_jax, name) for name in sorted(names - set(rooms))]
for room in rooms:
    module = importlib.import_module(f"jrae_jax.{room}")
    imports = [node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.ImportFrom)]
    public += [(module, alias.asname or alias.name) for node in imports for alias in node.names]
for module, name in public:
    value = getattr(module, name)
    assert not isinstance(value, types.ModuleType), f"{module.__name__}.{name} is the file and not what is in it"
    if inspect.isroutine(value) or inspect.isclass(value):
        assert value.__doc__, f"{module.__name__}.{name} has no docstring"
        try:
            value(no_such_argument=0)
        except (TypeError, ValueError, AttributeError):  # the last of matplotlib's figures
            pass  # a call of something callable: a module raises a TypeError too, and was refused above
"""


def test_every_public_name_is_callable_after_importing_the_rooms_in_reversed_order():
    # A file may be called like its function: which of the two a name gives must not depend on what came first.
    rooms = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    imports = "".join(f"import jrae_jax.{room}\n" for room in reversed(rooms))
    run = subprocess.run([sys.executable, "-c", imports + PUBLIC_NAMES], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_this_suite_checks_types_shapes_and_promotion():
    with pytest.raises((TypeCheckError, BeartypeCallHintViolation)):
        jrae.column.eeg(jnp.zeros((3, 5)))
    with pytest.raises(ValueError, match="jax_numpy_rank_promotion"):
        jnp.add(jnp.zeros((2, 3)), jnp.zeros(3))
    with pytest.raises(ValueError, match="jax_numpy_dtype_promotion"):
        jnp.add(jnp.zeros(3), jnp.zeros(3, int))
