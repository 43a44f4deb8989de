"""The tables of the pages are those of the committed results."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.tables import PARTS, marked_pages, rewritten
from benchmarks.tables.pages import MARKED

HOUSE = Path(__file__).parents[2]
RESULTS = HOUSE / "benchmarks" / "results"
PAGES = list(marked_pages(HOUSE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOUSE)))
def test_a_page_has_the_numbers_of_the_results(page):
    text = page.read_text()
    assert rewritten(text, RESULTS) == text, "run `python -m benchmarks.tables` and commit what it writes"


def test_every_part_stands_on_one_page():
    assert Counter(found["name"] for page in PAGES for found in MARKED.finditer(page.read_text())) == Counter(
        list(PARTS)
    )


@pytest.fixture
def other_results(tmp_path):
    """The results, but for one file, which is made by changing its record."""

    def make(name, change):
        for path in RESULTS.iterdir():
            (tmp_path / path.name).symlink_to(path)
        found = json.loads((RESULTS / name).read_text())
        change(found)
        (tmp_path / name).unlink()
        (tmp_path / name).write_text(json.dumps(found))
        return tmp_path

    return make


def test_another_number_makes_another_page(other_results):
    def change(found):
        found["kills"]["scan"]["of_them_identical"] -= 1

    page = HOUSE / "docs" / "results" / "reliability.md"
    assert rewritten(page.read_text(), other_results("faults.json", change)) != page.read_text()


def test_another_machine_makes_another_page(other_results):
    def change(found):
        found["environment"]["cpu"] = "Abacus"

    page = HOUSE / "docs" / "results" / "fitting.md"
    assert "on Abacus, 2 cores" in rewritten(page.read_text(), other_results("fitting.json", change))


def test_results_of_a_quick_run_are_for_no_page(other_results):
    results = other_results("training.json", lambda found: found.update(quick=True))
    with pytest.raises(SystemExit, match=r"training\.json is of a --quick run"):
        PARTS["speed: integrators"](results)


def test_a_part_that_does_not_exist_is_named():
    with pytest.raises(SystemExit, match="no part is called 'nothing'; there are study"):
        rewritten("<!-- measured: nothing -->\n<!-- end -->", RESULTS)
