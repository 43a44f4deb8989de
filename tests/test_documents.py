"""Documents agree with each other: versions, and links to files and to places in them."""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

import jrae_jax as jrae

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted({*ROOT.glob("*.md"), *DOCS.rglob("*.md")})
MADE = (DOCS / "gallery", DOCS / "reference")
"""Pages, or places on them, that are there once the site is built; it checks its own links."""


def test_all_say_the_same_version():
    (released,) = re.findall(r"^version: (.+)\ndate-released: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    entries = re.findall(r"^## (\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == jrae.__version__
    assert entries[0] == released


def test_all_say_the_same_title_and_python():
    zenodo = json.loads((ROOT / ".zenodo.json").read_text())
    assert f'title: "{zenodo["title"]}"' in (ROOT / "CITATION.cff").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [entry.split()[-1] for entry in project["classifiers"] if "Python :: 3." in entry]
    assert f">={listed[0]}" == project["requires-python"]
    tested = (ROOT / ".github" / "workflows" / "distributions.yml").read_text()
    assert f"python: {json.dumps(listed)}" in tested


def prose(page: Path) -> str:
    """Without what stands there as code."""
    return re.sub(r"^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(text: str) -> list[str]:
    """All but those to other hosts."""
    text = re.sub(r"`[^`\n]*`", "code", text)
    found = re.findall(r"\]\(<?([^)\s>]+)", text) + re.findall(r"^\[[^\]]+\]: (\S+)", text, re.MULTILINE)
    found += re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def places(page: Path) -> set[str]:
    """The anchors of a page: its headings as hosting sites and site generators call them, and those written out."""
    text = prose(page)
    headings = [
        re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", line) for line in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    ]
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r"\{ *#([\w-]+)", text)) | set(re.findall(r"(?:id|name)=\"([^\"]+)\"", text))


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for link in links(prose(page)):
        path, _, place = link.partition("#")
        target = (page.parent / unquote(path)).resolve() if path else page
        made = any(target.is_relative_to(folder) for folder in MADE)
        if not target.exists():
            found += [] if made else [link]
        elif place and target.suffix == ".md" and not made and place not in places(target):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    assert broken(page) == []


def test_a_link_that_leads_nowhere_is_noticed(tmp_path):
    (tmp_path / "there.md").write_text("# One *thing*, and `another`\n```\n# code\n[x](no.md)\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "## Here\n[a](there.md#one-thing-and-another) [b](there.md#code) [c](no.md) [d](#here) `[e](no.md)`\n"
        '![f](no.png "title") <img src="gone.png"> [g](https://x.org) [h](there.md)\n\n[i]: nowhere.md\n'
    )
    assert broken(page) == ["there.md#code", "no.md", "no.png", "nowhere.md", "gone.png"]
