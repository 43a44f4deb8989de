"""Errors name an argument that the user could write."""

import ast
import re
from pathlib import Path

import jrae_jax

ROOT = Path(next(iter(jrae_jax.__path__)))
KINDS = ("finite", "positive", "not_negative", "count", "choice", "names", "key", "keys", "memory", "type")
CHECKS = {f"check_{what}" for what in KINDS}
# What is called inside a verb names the verb's arguments.
CALLED_BY = {
    "columns.recording_in_table": "files.read_recording",
    "formats.check_no_gaps": "files.read_recording",
    "formats.open_file": "files.read_recording",
    "loss.resolve": "train.train",
    "physics_loss.resolve": "train.train",
    "sources.__init__": "train.train",
    "whitening.fit": "train.train",
    "tables.column": "files.read_recording",
    "tables.read_table": "files.read_recording",
    "text.read_text": "files.read_recording",
    "trace.fit": "fit_parameters.fit_parameters",
    "unfinished.restored": "train.train",
    "inputs.statistics": "kalman.__init__",
    "integrate.aligned_holds": "simulate.simulate",
}
NAMED = re.compile(r"`([a-z_0-9]+)(?:\.[a-z_]+)?`.* must ")


def writable(node, owner):
    """What the caller of a function or of a class can write."""
    arguments = node.args
    names = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    names |= {each.arg for each in (arguments.vararg, arguments.kwarg) if each is not None} | {node.name}
    if owner is not None:
        names |= {ast.unparse(part.target) for part in owner.body if isinstance(part, ast.AnnAssign)}
    return names


def functions():
    """Every public function and method, with the class it belongs to."""
    for path in sorted(ROOT.rglob("*.py")):
        if path.parent.name == "cli":
            continue  # which names options
        for part in ast.parse(path.read_text()).body:
            owner = part if isinstance(part, ast.ClassDef) else None
            for node in part.body if isinstance(part, ast.ClassDef) else [part]:
                if isinstance(node, ast.FunctionDef) and (node.name.startswith("__") or node.name[0] != "_"):
                    yield f"{path.stem}.{node.name}", node, owner


def named(node):
    """The arguments that the checks and errors of a function name."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and getattr(part.func, "id", "") in CHECKS:
            yield from (keyword.arg for keyword in part.keywords if keyword.arg is not None)
        if isinstance(part, ast.Raise):
            yield from NAMED.findall(ast.unparse(part))


def test_checks_and_errors_name_an_argument_of_their_function():
    found = list(functions())
    verbs = {where: writable(node, owner) for where, node, owner in found}
    wrong = [
        f"{where}: {name}"
        for where, node, owner in found
        if not where.startswith("_checks.")
        for name in named(node)
        if name not in writable(node, owner) | verbs.get(CALLED_BY.get(where, ""), set())
    ]
    assert len(verbs) > 200
    assert wrong == []
