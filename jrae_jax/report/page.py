"""Pages from the templates of this room: HTML that needs no other file."""

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from .._version import __version__


class Picture(NamedTuple):
    """A figure of a page."""

    name: str
    alt: str
    """What is in it, for readers without it."""
    caption: str
    """One sentence."""
    png: bytes

    @property
    def source(self) -> str:
        """The picture itself as an address."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def render(template: str, *, manifest: Mapping[str, Any], **values: Any) -> str:
    """A page.

    **Arguments:**

    - `template`: the name of its file.
    - `manifest`: how it was made.
    - `values`: what the template writes; all text in them is escaped.
    """
    return fragment(template, version=__version__, manifest=json.dumps(manifest, indent=2), **values)


def fragment(template: str, **values: Any) -> str:
    """A part of a page of somebody else, escaped as `render` does."""
    return _environment.get_template(template).render(**values)


_environment = Environment(
    loader=PackageLoader("jrae_jax.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
