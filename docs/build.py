"""Builds the site: `python -m docs.build` writes build/site from docs/, and fails for any link that leads nowhere.

The pages are first put together in build/docs: names of the package become links to the reference, `::: jrae.simulate`
its entry there, `::: jrae scan --help` what that command prints, and files of the repository that a page links to are
put beside it, so that pages read as well in the repository as on the site. The gallery is made of the scripts in
examples/, which are run unless `--draft` is given.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .gallery import write_gallery
from .links import check_links
from .names import linked_names, public_names

ROOT = Path(__file__).parents[1]
DOCS, STAGE, SITE = ROOT / "docs", ROOT / "build" / "docs", ROOT / "build" / "site"

_ENTRY = re.compile(r"^::: (jrae\.[\w.]+)$", re.MULTILINE)
_COMMAND = re.compile(r"^::: jrae ([\w -]+)$", re.MULTILINE)
_LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)")


def build(*, draft: bool = False) -> None:
    """Put the pages together, build the site and check its links; a draft has no figures in its gallery."""
    shutil.rmtree(STAGE, ignore_errors=True)
    for path in DOCS.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            copy = STAGE / path.relative_to(DOCS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                copy.write_text(_page(path), encoding="utf-8")
            else:
                shutil.copyfile(path, copy)
    write_gallery(STAGE / "gallery", draft=draft)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        found = re.sub(r"\x1b\[[\d;]*m", "", run.stderr).split("Traceback")[0]
        raise SystemExit(f"{found}the site is not whole")
    faults = check_links(SITE)
    if faults:
        raise SystemExit("\n".join(faults))


def _page(path: Path) -> str:
    """The text of a page as the site generator takes it."""
    reference = os.path.relpath(DOCS / "reference", path.parent)
    try:
        text = linked_names(path.read_text(encoding="utf-8"), reference)
        text = _ENTRY.sub(_entry, text)
    except ValueError as error:
        raise SystemExit(f"{path.relative_to(ROOT)}: {error}") from None
    text = _COMMAND.sub(_help, text)
    return _LINK.sub(lambda match: match[1] + _file_beside(path, match[2]), text)


def _entry(match: re.Match) -> str:
    name = match[1]
    if name not in public_names():
        raise ValueError(f"there is no `{name}`")
    end = name.split(".")[-1]
    return f"::: {public_names()[name]}\n    options:\n      heading: {name}\n      toc_label: {end}"


def _help(match: re.Match) -> str:
    command = [sys.executable, "-m", "jrae_jax", *match[1].split()]
    environment = os.environ | {"COLUMNS": "88", "NO_COLOR": "1"}
    printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    return f"```text\n{printed.rstrip()}\n```"


def _file_beside(page: Path, link: str) -> str:
    """The link itself, but for a file outside docs/: that is copied beside the page."""
    target = (page.parent / link).resolve()
    if target.is_relative_to(DOCS) or not target.is_file():
        return link
    copy = STAGE / page.relative_to(DOCS).parent / "files" / target.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(target, copy)
    return f"files/{target.name}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draft", action="store_true", help="without running the examples of the gallery")
    build(draft=parser.parse_args().draft)
