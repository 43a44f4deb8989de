"""The code on the pages runs and prints what they say, and it uses every public name."""

import ast
import re

import jax
import pytest

from docs.blocks import ROOT, blocks, run_page, same_output, write_recording
from docs.names import PACKAGE, defined, public_names, rooms

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = [page for page in PAGES if any(block.language in ("python", "bash") for block in blocks(page.read_text()))]
QUICK = ("docs/index.md", "docs/guides/columns.md")
"""Pages that take a second or two; the others are `slow`."""


def name(page):
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """The rest.edf of the pages."""
    path = tmp_path_factory.mktemp("recording") / "rest.edf"
    write_recording(path)
    return path


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=() if name(page) in QUICK else pytest.mark.slow, id=name(page)) for page in RUN]
)
def test_a_page_prints_what_it_says(page, tmp_path, request, without_type_checker):
    if "rest.edf" in page.read_text():
        (tmp_path / "rest.edf").symlink_to(request.getfixturevalue("recording"))
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):  # as users have them
        for block, printed in run_page(page, tmp_path):
            if block.shown is not None:
                assert same_output(printed, block.shown), f"{name(page)}:{block.line} prints\n{printed}"
    jax.clear_caches()


def used_names(tree):
    """The dotted names of the package that a program uses, and where each is defined."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("jrae.") and "(" not in ast.unparse(node):
            yield ast.unparse(node), defined(ast.unparse(node))


PROGRAMS = [
    *(ast.parse(block.code) for page in RUN for block in blocks(page.read_text()) if block.language == "python"),
    *(ast.parse(path.read_text()) for path in (ROOT / "examples").glob("*.py")),
]


def test_pages_use_names_that_exist():
    unknown = {
        used
        for program in PROGRAMS
        for used, target in used_names(program)
        if target is None and used.removeprefix("jrae.") not in (*rooms(), "__version__")
    }
    assert not unknown


def shown_by(target):
    """What an example of something shows as well: what it returns, the fields of that, what it is one of, and what
    those who write one of an abstract class are given.
    """
    room, file, *path = target.removeprefix("jrae_jax.").split(".")
    node = ast.parse((PACKAGE / room / f"{file}.py").read_text())
    for part in path:
        node = next((child for child in getattr(node, "body", ()) if getattr(child, "name", None) == part), None)
    of_class = isinstance(node, ast.ClassDef)
    members = [node, *node.body] if of_class else [node]
    parts = [getattr(member, "returns", None) or getattr(member, "annotation", None) for member in members]
    parts += node.bases if of_class else []
    parts += [
        member.args for member in members if isinstance(member, ast.FunctionDef) and path[-1].startswith("Abstract")
    ]
    words = {word for part in parts if part is not None for word in re.findall(r"\w+", ast.unparse(part))}
    return {found for found in public_names().values() if found.rpartition(".")[2] in words}


def test_every_public_name_is_in_an_example_that_is_run():
    new = {target for program in PROGRAMS for _, target in used_names(program) if target is not None}
    used = set()
    while new:
        used |= new
        new = {found for target in new for found in shown_by(target)} - used
    used |= {target.rpartition(".")[0] for target in used}  # of an attribute, such as `jrae.Recording.of`
    assert [written for written, target in public_names().items() if target not in used] == []


def test_commands_of_the_package_are_run():
    hidden = [
        f"{name(page)}: {line}"
        for page in PAGES
        for block in blocks(page.read_text())
        if block.language not in ("python", "bash")
        for line in block.code.splitlines()
        if line.startswith(("jrae ", "python -c"))
    ]
    assert not hidden


def test_blocks_are_found_with_their_output():
    page = "# A page\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n```sh\nls\n```\nand\n```text\nalone\n```\n"
    assert [(block.language, block.code, block.shown, block.line) for block in blocks(page)] == [
        ("python", "print(1)\n", "1\n", 3),
        ("sh", "ls\n", None, 11),
    ]
    assert page[slice(*blocks(page)[0].span)] == "1\n"


def test_a_page_is_run_in_order_and_in_its_folder(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 1\nprint(x)\n```\n```sh\nfalse\n```\n```bash\necho two > two.txt\ncat two.txt\n```\n"
        "```python\nimport pathlib\nprint(x + 2, pathlib.Path('two.txt').read_text())\n```\n"
    )
    assert [printed for _, printed in run_page(page, tmp_path)] == ["1\n", "two\n", "3 two\n\n"]
    page.write_text("```bash\necho before\nls not-there | cat\necho after\n```\n")
    with pytest.raises(RuntimeError, match=re.escape(f"{page}:1: exit status 2") + r"\nbefore\n.*not-there"):
        run_page(page, tmp_path)


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("r = 0.861, 16 of 16", "r = 0.862, 16 of 16", True),
        ("r = 0.861, 16 of 16", "r = 0.892, 16 of 16", False),
        ("r = 0.861, 16 of 16", "r = 0.861, 15 of 16", False),
        ("r  =\n0.861", "r = 0.861", True),
        ("took 3 s, done", "took ..., done", True),
        ("took 3 s, failed", "took ..., done", False),
        ("1.2e-05 y4", "1.21e-05 y4", True),
        ("1.2e-05 y4", "1.21e-05 y5", False),
        ("-0.5", "0.5", False),
        ("a.jrae 12", "a.jrae 12 13", False),
    ],
)
def test_output_is_compared_word_by_word_and_numbers_nearly(printed, shown, same):
    assert same_output(printed, shown) is same
