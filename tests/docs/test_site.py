"""The site: its reference has every public name, and its builder notices what leads nowhere."""

import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

from docs.links import check_links
from docs.names import linked_docstring, linked_names, public_names

DOCS = Path(__file__).parents[2] / "docs"


def test_the_reference_has_every_public_name_once():
    pages = [path.read_text() for path in (DOCS / "reference").glob("*.md")]
    entries = Counter(entry for page in pages for entry in re.findall(r"^::: (jrae\.[\w.]+)$", page, re.MULTILINE))
    assert entries == dict.fromkeys(public_names(), 1)


def test_public_names_are_where_a_user_finds_them():
    for written, target in public_names().items():
        room, file, name = target.removeprefix("jrae_jax.").split(".")
        defined = getattr(importlib.import_module(f"jrae_jax.{room}.{file}"), name)
        found = importlib.import_module("jrae_jax")
        for part in written.split(".")[1:]:
            found = getattr(found, part)
        assert found is defined, written


def test_names_in_pages_are_links_to_the_reference():
    page = (
        "`jrae.simulate(column)` and `jrae.scan`; `jrae.Recording.of`, [`jrae.scan`](there.md)\n```\n`jrae.scan`\n```\n"
    )
    assert linked_names(page, "../reference") == (
        "[`jrae.simulate(column)`][jrae_jax.column.simulate.simulate] and [`jrae.scan`](../reference/scan.md); "
        "[`jrae.Recording.of`][jrae_jax.recording.recording.Recording.of], [`jrae.scan`](there.md)\n"
        "```\n`jrae.scan`\n```\n"
    )
    with pytest.raises(ValueError, match=r"no `jrae\.simulation`"):
        linked_names("`jrae.simulation`", "reference")


def test_names_in_docstrings_are_links_where_they_mean_one_thing():
    linked = linked_docstring("`Recording.of`, `scan`, `simulate`, `observe`, `latent_sizes.csv`", {"observe"})
    assert linked == (
        "[`Recording.of`][jrae_jax.recording.recording.Recording.of], `scan`, "
        "[`simulate`][jrae_jax.column.simulate.simulate], `observe`, `latent_sizes.csv`"
    )


def test_records_have_their_constructor_in_the_reference():
    griffe = pytest.importorskip("griffe")
    from docs.signatures import Signatures

    source = '''
class Estimate(eqx.Module):
    """A record."""

    mean: float
    dt: float = eqx.field(static=True, kw_only=True, default=1e-3)
    std: float | None = None
    kind: eqx.AbstractVar[str]
    cache: dict = eqx.field(init=False)

class Better(Estimate):
    """From `simulate`."""

    input: float = 0.0
'''
    with griffe.temporary_visited_package(
        "records", {"__init__.py": source}, extensions=griffe.Extensions(Signatures())
    ) as module:
        parameters = module["Better.__init__"].parameters
        assert [(each.name, str(each.annotation), str(each.default)) for each in parameters][1:] == [
            ("mean", "float", "None"),
            ("std", "float | None", "None"),
            ("input", "float", "0.0"),
            ("dt", "float", "0.001"),
        ]
        assert parameters["dt"].kind is griffe.ParameterKind.keyword_only
        assert parameters["mean"].required
        assert not parameters["std"].required
        assert str(module["Estimate.dt"].value) == "0.001"
        assert module["Better"].docstring.value == "From [`simulate`][jrae_jax.column.simulate.simulate]."


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "index.html").write_text(
        '<h2 id="here">Here</h2><a href="../">top</a><a href="#here">here</a>'
    )
    (tmp_path / "index.html").write_text(
        '<a href="guide/#here">good</a> <a href="https://example.org/">another host</a> <a href="gone/">bad</a>'
        '<a href="guide/#there">bad</a> <img src="figure.png"> <script src="https://example.org/script.js"></script>'
    )
    assert check_links(tmp_path) == [
        "index.html: gone/ does not exist",
        "index.html: guide/#there: there is no such place on the page",
        "index.html: figure.png does not exist",
        "index.html: loads https://example.org/script.js",
    ]
