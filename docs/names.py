"""The public names of the package, and references to them in pages and docstrings."""

import ast
import functools
import re
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "jrae_jax"

_CODE = re.compile(r"^```.*?^```$|(?<!\[)`(?P<name>[A-Za-z_][\w.]*)(?P<call>\([^`]*\))?`", re.MULTILINE | re.DOTALL)
"""Blocks of code, which stay as they are, and names in the text, those of links apart."""


def rooms() -> list[str]:
    """The rooms of the package, in the order of the alphabet."""
    return [alias.name for node in _imports("__init__.pyi") if node.module is None for alias in node.names]


@functools.cache
def public_names() -> dict[str, str]:
    """Where each public name is defined, by how a user writes it: `jrae.simulate`, `jrae.column.StrangSplitting`.

    A name of the top level is there once, though its room has it too.
    """
    top = {alias.name: node.module for node in _imports("__init__.pyi") if node.module for alias in node.names}
    return {
        f"jrae.{alias.name}" if top.get(alias.name) == room else f"jrae.{room}.{alias.name}": (
            f"jrae_jax.{room}.{node.module}.{alias.name}"
        )
        for room in rooms()
        for node in _imports(f"{room}/__init__.py")
        for alias in node.names
    }


def linked_names(page: str, reference: str) -> str:
    """The text of a page with every `jrae.name` that it mentions as a link to the reference.

    **Arguments:**

    - `page`: in Markdown.
    - `reference`: the path from the page to the folder of the reference.

    **Raises:** `ValueError` for a name that the package does not have.
    """

    def link(match: re.Match) -> str:
        name = match["name"]
        if name is None or not name.startswith("jrae."):
            return match[0]
        if name.removeprefix("jrae.") in rooms():
            return f"[{match[0]}]({reference}/{name.removeprefix('jrae.')}.md)"
        target = defined(name)
        if target is None:
            raise ValueError(f"there is no `{name}`")
        return f"[{match[0]}][{target}]"

    return _CODE.sub(link, page)


def linked_docstring(docstring: str, but: set[str]) -> str:
    """A docstring with the public names that it mentions as links to the reference.

    **Arguments:**

    - `docstring`: in Markdown.
    - `but`: names that mean something else here, such as those of arguments.
    """

    def link(match: re.Match) -> str:
        name = match["name"]
        first = "" if name is None else name.split(".")[0]
        if name is None or first in but or not (first == "jrae" or first in _plain_names()):
            return match[0]
        if "." in name and first.islower() and first != "jrae":
            return match[0]  # `scores.csv`
        target = defined(name if first == "jrae" else _plain_names()[first] + name[len(first) :])
        return match[0] if target is None else f"[{match[0]}][{target}]"

    return _CODE.sub(link, docstring)


@functools.cache
def _plain_names() -> dict[str, str]:
    """The full name of what a docstring may call by its last part alone, as no other name ends so.

    One word in small letters is taken for the name of a verb at the top level only: `scan` is many things.
    """
    ends = Counter(name.split(".")[-1] for name in public_names())
    plain = {name.split(".")[-1]: name for name in public_names()}
    return {
        end: name
        for end, name in plain.items()
        if ends[end] == 1 and (name.count(".") == 1 or "_" in end or not end.islower())
    }


def defined(name: str) -> str | None:
    """Where `jrae.name` is defined, or its attribute: the longest part of it that is a public name decides."""
    parts = name.split(".")
    if len(parts) > 2 and parts[1] in rooms() and f"jrae.{parts[2]}" in public_names():
        short = defined(".".join(["jrae", *parts[2:]]))  # `jrae.column.simulate` is `jrae.simulate`
        if short is not None and short.split(".")[1] == parts[1]:
            return short
    for end in range(len(parts), 1, -1):
        target = public_names().get(".".join(parts[:end]))
        if target is not None:
            return ".".join([target, *parts[end:]])
    return None


@functools.cache
def _imports(path: str) -> list[ast.ImportFrom]:
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return [node for node in nodes if [alias.name for alias in node.names] != ["__version__"]]
