"""The gallery: the scripts in examples/ as pages, with what they draw and print, and as notebooks to download.

Nothing of it is in the repository: it is written into the staged pages when the site is built. What an example draws
and prints is kept in build/gallery until the example changes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jupytext
from nbformat import NotebookNode

from .names import linked_names

ROOT = Path(__file__).parents[1]
EXAMPLES = (
    "simulate",
    "bifurcation_diagram",
    "parameter_scan",
    "partial_observability",
    "latent_space",
    "fit_parameters",
    "decode",
)
"""In the order in which they are listed."""

_KEPT = ROOT / "build" / "gallery"
_ABOUT = """# Gallery

Seven scripts, each of which takes about a minute or less on two cores. A page shows the whole script, what it prints
and what it draws; it can be downloaded as a script or as a notebook.
"""


class Shown(NamedTuple):
    """What an example prints, and the file of its figure."""

    printed: str
    figure: Path


def write_gallery(folder: Path, *, draft: bool) -> None:
    """Write the pages, figures, scripts and notebooks.

    **Arguments:**

    - `folder`: in which they are, with an index.md.
    - `draft`: without running the examples, so without what they draw and print.
    """
    (folder / "files").mkdir(parents=True, exist_ok=True)
    index = [_ABOUT]
    for name in EXAMPLES:
        script = ROOT / "examples" / f"{name}.py"
        shown = None if draft else run(script, _KEPT)
        notebook = notebook_of(script)
        shutil.copyfile(script, folder / "files" / script.name)
        jupytext.write(notebook, folder / "files" / f"{name}.ipynb", fmt="ipynb")
        title, intro = title_and_intro(notebook)
        picture = ""
        if shown is not None:
            shutil.copyfile(shown.figure, folder / "files" / f"{name}.png")
            picture = f"\n[![{title}](files/{name}.png){{ width=480 }}]({name}.md)\n"
        index.append(f"## [{title}]({name}.md)\n{picture}\n{intro.split('. ')[0].rstrip('.')}.\n")
        page = linked_names(page_of(notebook, name, shown), "../reference")
        (folder / f"{name}.md").write_text(page, encoding="utf-8")
    (folder / "index.md").write_text(linked_names("\n".join(index), "../reference"), encoding="utf-8")


def notebook_of(script: Path) -> NotebookNode:
    """The script as a notebook, which shows its figure instead of taking arguments."""
    notebook = jupytext.read(script, fmt="py:percent")
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.cells[-1].source = f'from IPython.display import Image\n\nmain()\nImage("{script.stem}.png")'
    return notebook


def title_and_intro(notebook: NotebookNode) -> tuple[str, str]:
    """The first heading, and the first paragraph below it on one line."""
    title, intro, *_ = notebook.cells[0].source.strip().split("\n\n")
    return title.removeprefix("# "), " ".join(intro.split())


def page_of(notebook: NotebookNode, name: str, shown: Shown | None) -> str:
    """The page of an example: what it is about, its figure, then its text and code, and what it prints."""
    first, *cells, _ = notebook.cells
    parts: list[Any] = [first.source.strip()]
    if shown is not None:
        title, _ = title_and_intro(notebook)
        parts.append(f"[![{title}](files/{name}.png)](files/{name}.png)")
    parts.append(f"Download it as a [script](files/{name}.py) or as a [notebook](files/{name}.ipynb).")
    parts += [f"```python\n{cell.source}\n```" if cell.cell_type == "code" else cell.source for cell in cells]
    if shown is not None:
        parts.append(f"What it prints:\n\n```text\n{shown.printed.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def run(script: Path, kept: Path) -> Shown:
    """What a script prints and draws; it is run only if there is no result of the same script in `kept`.

    **Raises:** `SystemExit` for one that fails.
    """
    digest = hashlib.sha256(script.read_bytes()).hexdigest()[:16]
    results = kept / f"{script.stem}-{digest}"
    shown = results / "printed.txt"
    if not results.is_dir():
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept) as folder:
            command = [sys.executable, str(script), f"{script.stem}.png"]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{script.name} failed:\n{done.stderr}")
            (Path(folder) / shown.name).write_text(done.stdout, encoding="utf-8")
            shutil.copytree(folder, results)
    return Shown(shown.read_text(encoding="utf-8"), results / f"{script.stem}.png")
