"""Tables of the pages, drawn from the recorded results: the parts that stand between marks in README.md and docs/."""

from .pages import PARTS, marked_pages, rewritten

__all__ = ["PARTS", "marked_pages", "rewritten"]
