"""The gallery: pages and notebooks are the scripts, and what they print and draw."""

import ast

import pytest

jupytext = pytest.importorskip("jupytext")

from docs.gallery import EXAMPLES, ROOT, notebook_of, page_of, run, title_and_intro, write_gallery  # noqa: E402

SCRIPTS = [ROOT / "examples" / f"{name}.py" for name in EXAMPLES]
SCRIPT = '''# %% [markdown]
"""
# A title

One sentence. Another.

`python examples/small.py`
"""

# %%
import sys

# %% [markdown]
# Why.


# %%
def main(path="small.png"):
    print("drawn")
    open(path, "w").write("a figure")
    open("../../runs", "a").write("x")


# %%
if __name__ == "__main__":
    main(*sys.argv[1:2])
'''


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "small.py"
    path.write_text(SCRIPT)
    return path


def test_every_example_is_in_the_gallery_and_in_the_navigation():
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == set(EXAMPLES)
    navigation = (ROOT / "mkdocs.yml").read_text()
    places = [navigation.index(f"gallery/{name}.md") for name in ("index", *EXAMPLES)]
    assert places == sorted(places)


@pytest.mark.parametrize("script", SCRIPTS, ids=EXAMPLES)
def test_a_notebook_runs_what_the_script_runs_and_shows_its_figure(script):
    *cells, last = notebook_of(script).cells
    _, *written, _ = ast.parse(script.read_text()).body  # without the text at the top and what reads the command line
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert ast.dump(ast.parse(code)) == ast.dump(ast.Module(written, []))
    assert f'main(path: str = "{script.stem}.png"' in " ".join(code.replace("(\n    ", "(").split())
    assert last.source.endswith(f'main()\nImage("{script.stem}.png")')


def test_a_page_is_the_text_and_the_code_with_what_they_give(script, tmp_path):
    shown = run(script, tmp_path / "kept")
    assert shown.printed == "drawn\n"
    assert shown.figure.read_text() == "a figure"
    notebook = notebook_of(script)
    assert title_and_intro(notebook) == ("A title", "One sentence. Another.")
    page = page_of(notebook, "small", shown)
    order = ["# A title", "[![A title](files/small.png)](files/small.png)", "(files/small.ipynb)", "import sys", "Why."]
    order += ["def main", "```text\ndrawn\n```"]
    places = [page.index(part) for part in order]
    assert places == sorted(places)
    assert "__main__" not in page
    assert "files/small.png" not in page_of(notebook, "small", None)


def test_an_example_is_run_again_only_if_it_has_changed(script, tmp_path):
    for _ in range(2):
        run(script, tmp_path / "kept")
    assert (tmp_path / "runs").read_text() == "x"
    script.write_text(SCRIPT.replace("drawn", "new"))
    assert run(script, tmp_path / "kept").printed == "new\n"


def test_an_example_that_fails_fails_the_build_and_is_not_kept(script, tmp_path):
    script.write_text(SCRIPT.replace('print("drawn")', "raise ValueError(path)"))
    for _ in range(2):
        with pytest.raises(SystemExit, match=r"small\.py failed:\n(.|\n)*ValueError: small\.png"):
            run(script, tmp_path / "kept")


def test_a_draft_has_all_pages_and_runs_nothing(tmp_path):
    write_gallery(tmp_path, draft=True)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    expected = {f"{name}.md" for name in EXAMPLES}
    expected |= {f"files/{name}.{end}" for name in EXAMPLES for end in ("py", "ipynb")}
    assert files == expected | {"index.md"}
    assert "## [One column under four inputs](simulate.md)" in (tmp_path / "index.md").read_text()
    assert "[`jrae.decode`][" in (tmp_path / "decode.md").read_text()
