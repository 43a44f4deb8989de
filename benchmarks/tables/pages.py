"""The marked parts of pages, by name, and how a page is written anew."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from . import (
    agreement,
    decoding,
    fitting,
    intervals,
    latent_dynamics,
    proofs,
    recovery,
    reliability,
    scans,
    speed,
    study,
)
from .markdown import Part

_MODULES = (
    study,
    recovery,
    decoding,
    fitting,
    latent_dynamics,
    agreement,
    speed,
    scans,
    intervals,
    reliability,
    proofs,
)

PARTS: Mapping[str, Part] = {name: part for module in _MODULES for name, part in module.PARTS.items()}
"""What makes each part from the folder of results."""

MARKED = re.compile(r"<!-- measured: (?P<name>[^>]*) -->\n.*?<!-- end -->", re.DOTALL)


def marked_pages(house: Path) -> Iterator[Path]:
    """The pages that have marked parts, from the folder in which README.md and docs/ lie."""
    for page in (house / "README.md", *sorted((house / "docs").rglob("*.md"))):
        if MARKED.search(page.read_text()):
            yield page


def rewritten(text: str, results: Path) -> str:
    """The text of a page, its marked parts made from `results`."""

    def part(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in PARTS:
            raise SystemExit(f"no part is called {name!r}; there are {', '.join(PARTS)}")
        return f"<!-- measured: {name} -->\n\n{PARTS[name](results)}\n\n<!-- end -->"

    return MARKED.sub(part, text)
