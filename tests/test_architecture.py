"""Which file may import which, and how large a file may grow."""

import ast
import graphlib
import itertools
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

import jrae_jax

PACKAGE = Path(jrae_jax.__file__).parent
FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}

BASE = {"_validation.py", "_version.py"}
MODEL = BASE | {"_model"}
SIMULATION = MODEL | {"_simulation"}
OBSERVATION = SIMULATION | {"_observation"}
DYNAMICS = SIMULATION | {"_dynamics"}
AGREEMENT = SIMULATION | {"_agreement"}
INFERENCE = DYNAMICS | {"_inference"}
AUTOENCODER = (OBSERVATION | {"_autoencoder"}) - {"_simulation"}
RECOVERY = OBSERVATION | AUTOENCODER | DYNAMICS | {"_recovery"}

FROM_POINTS = [f"_dynamics/{name}.py" for name in ("latent", "neighbours", "dimension", "divergence", "prediction")]

MAY_IMPORT = {
    "_version.py": set(),
    "_validation.py": set(),
    "_model": MODEL,
    "_simulation": SIMULATION,
    "_observation": OBSERVATION,
    "_dynamics": DYNAMICS,
    "_agreement": AGREEMENT,
    "_inference": INFERENCE,
    **dict.fromkeys(FROM_POINTS, DYNAMICS - {"_simulation"}),
    "_autoencoder": AUTOENCODER,
    "_recovery": RECOVERY,
    "_recovery/metrics.py": RECOVERY - {"_simulation"},
    "_plotting.py": RECOVERY,
    "_plotting_scan.py": RECOVERY,
    "_plotting_atlas.py": RECOVERY,
    "_plotting_dynamics.py": RECOVERY | {"_plotting_scan.py"},
    "_plotting_fit.py": INFERENCE | {"_plotting_scan.py"},
    "_report.py": RECOVERY | {"_plotting.py", "_report_motion.py"},
    "_report_motion.py": RECOVERY,
    "_cli_scan.py": RECOVERY | {"__init__.py", "_plotting_scan.py"},
    "_cli_atlas.py": RECOVERY | {"__init__.py", "_plotting_atlas.py"},
    "_cli_dynamics.py": RECOVERY | {"_cli_scan.py", "_plotting_dynamics.py"},
    "_cli_agree.py": AGREEMENT,
    "_cli_fit.py": INFERENCE | {"_cli_scan.py", "_plotting_fit.py"},
    "_cli.py": RECOVERY
    | {
        "_plotting.py",
        "_report.py",
        "_cli_scan.py",
        "_cli_atlas.py",
        "_cli_dynamics.py",
        "_cli_agree.py",
        "_cli_fit.py",
    },
    "__main__.py": RECOVERY | {"_plotting.py", "_report.py", "_cli.py"},
    "__init__.py": RECOVERY
    | AGREEMENT
    | INFERENCE
    | {"_plotting_scan.py", "_plotting_dynamics.py", "_plotting_fit.py"},
}
"""What each file, or each file of a folder, may import of this package."""

LEARNING = {"optax", "torch", "flax", "sklearn"}
SIMULATES = ("_model", "_simulation", "_dynamics", "_agreement", "_inference")


def imported_files(name, tree=None):
    """The files of the package that a file imports, wherever in the file it does."""
    found = set()
    for node in ast.walk(TREES[name] if tree is None else tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] == "jrae_jax"):
            found |= {_file_of(module) for module in _modules(name, node)}
        elif isinstance(node, ast.Import):
            modules = [alias.name.split(".") for alias in node.names]
            found |= {_file_of(module[1:]) for module in modules if module[0] == "jrae_jax"}
    return found


def _modules(name, node):
    """For `from a import b`: `a.b` where that is a module, and else `a`; each as a list of names."""
    folders = name.split("/")[:-1]
    start = folders[: len(folders) - (node.level - 1)] if node.level else []
    module = (node.module or "").split(".") if node.module else []
    module = start + (module if node.level else module[1:])
    for alias in node.names:
        yield [*module, alias.name] if _file_of([*module, alias.name]) in FILES else module


def _file_of(module):
    path = "/".join(module)
    return f"{path}.py" if f"{path}.py" in FILES else f"{path}/__init__.py".lstrip("/")


def third_party(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)


def floor(name):
    """A file's place in the house: its folder, or the file itself at the top level."""
    return name.split("/")[0]


def test_the_reader_of_imports_sees_every_form():
    source = """
from .._model.states import STATES
from .evaluate import evaluate
from .. import _plotting
def later():
    from jrae_jax._cli import main
    import jrae_jax._report
"""
    expected = {"_model/states.py", "_recovery/evaluate.py", "_plotting.py", "_cli.py", "_report.py"}
    imports = imported_files("_recovery/metrics.py", ast.parse(source))
    assert imports & expected == expected & set(FILES)
    assert len(imports) == len(expected)


@pytest.mark.parametrize("name", FILES)
def test_imports_come_from_lower_floors(name):
    allowed = MAY_IMPORT.get(name, MAY_IMPORT.get(floor(name)))
    assert allowed is not None, f"give {name} a floor in DESIGN and here"
    too_high = {file for file in imported_files(name) if floor(file) not in allowed}
    assert not too_high, f"{name} must not import {too_high}"


def test_plots_are_imported_lazily():
    at_import = ast.Module([node for node in TREES["__init__.py"].body if isinstance(node, ast.ImportFrom)], [])
    assert "_plotting.py" not in imported_files("__init__.py", at_import)
    assert "_report.py" not in imported_files("__init__.py", at_import)


def test_there_are_no_import_circles():
    graph = {name: imported_files(name) for name in FILES}
    assert tuple(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("name", [name for name in FILES if floor(name) in SIMULATES])
def test_simulation_knows_no_learning_library(name):
    assert not LEARNING & set(third_party(name))


@pytest.mark.parametrize("name", FILES)
def test_files_and_functions_are_short(name):
    lines = len(FILES[name].read_text().splitlines())
    assert lines <= 400, f"{name} has {lines} lines"
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = _length_without_docstring(node)
            assert length <= 60, f"{node.name} in {name} has {length} lines"


def _length_without_docstring(function):
    length = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return length
    docstring = function.body[0]
    return length - (docstring.end_lineno - docstring.lineno + 1)


PUBLIC = {
    alias.asname: (node, alias.name)
    for node in TREES["__init__.py"].body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}


def test_init_holds_public_names_only():
    docstring, *imports = TREES["__init__.py"].body
    assert isinstance(docstring, ast.Expr)
    for node in imports:
        assert isinstance(node, ast.ImportFrom | ast.FunctionDef), ast.unparse(node)
        assert not isinstance(node, ast.FunctionDef) or node.name in ("__getattr__", "__dir__")
    for public, (_, name) in PUBLIC.items():
        assert public == name, f"write `import {name} as {name}`"


@pytest.mark.parametrize("public", [public for public in PUBLIC if public and not public.startswith("_")])
def test_every_public_name_has_a_docstring(public):
    node, name = PUBLIC[public]
    (module,) = {_file_of(module) for module in _modules("__init__.py", node)}
    assert _docstring(TREES[module], name) or _is_documented_elsewhere(TREES[module], name), public


def _docstring(tree, name):
    for node, following in itertools.pairwise([*tree.body, None]):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node)
        targets = [getattr(target, "id", None) for target in getattr(node, "targets", [getattr(node, "target", None)])]
        if name in targets and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            return following.value.value
    return None


def _is_documented_elsewhere(tree, name):
    imported = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    return name in imported and getattr(jrae_jax, name).__doc__


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
    run = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == run.stderr == ""


def test_this_suite_checks_types_shapes_and_promotion():
    with pytest.raises(TypeCheckError):
        jrae_jax.eeg(jnp.zeros((3, 5)))
    with pytest.raises(ValueError, match="jax_numpy_rank_promotion"):
        jnp.add(jnp.zeros((2, 3)), jnp.zeros(3))
    with pytest.raises(ValueError, match="jax_numpy_dtype_promotion"):
        jnp.add(jnp.zeros(3), jnp.zeros(3, int))
