"""Checks a built site: what its pages link to is there, and nothing is loaded from other hosts."""

import html.parser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class _Page(html.parser.HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors.update(value for name in ("id", "name") if (value := given.get(name)))
        address = given.get(_LOADED.get(tag, "href"))
        if address is not None and given.get("rel") != "canonical":
            self.links.append((tag, address))


def check_links(site: Path) -> list[str]:
    """A line for each link of the pages below `site` that leads nowhere, and for each file of another host."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    faults = []
    for path, page in pages.items():
        for tag, address in page.links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if tag in _LOADED and parts.scheme != "data":
                    faults.append(f"{path.relative_to(site)}: loads {address}")
                continue
            # The page that says that there is no such page is shown at any address, and starts from the top.
            start = site if path.name == "404.html" or parts.path.startswith("/") else path.parent
            target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                faults.append(f"{path.relative_to(site)}: {address} does not exist")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                faults.append(f"{path.relative_to(site)}: {address}: there is no such place on the page")
    return faults
