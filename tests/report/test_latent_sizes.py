import csv
import json

import numpy as np
import pytest

from jrae_jax.report import latent_sizes_answer, write_latent_sizes
from jrae_jax.studies import LatentSizes


@pytest.fixture
def found():
    r = np.full((3, 6), 0.9)
    r[0, 4], r[1, 4] = 0.5, 0.85
    enough = np.full((3, 6), 0.8)
    enough[0, 2] = 0.4
    return LatentSizes((1, 3, 6), {"full": r, "pyramidal": enough})


def test_the_answer_comes_first(found):
    lines = latent_sizes_answer(found, steps=1000).splitlines()
    assert lines[2:7] == [
        "AT LEAST 6 NUMBERS  all six states observed",
        "                    with 3, r of y4 is 0.050 below its best; no larger size was compared",
        "3 NUMBERS           pyramidal potential observed",
        "                    with 1, r of y2 is 0.400 below its best",
        "",
    ]
    assert lines[7:9] == [
        "Pearson r on held-out trajectories, by what is observed and latent size",
        "observed, size      y0       y1       y2       y3       y4       y5",
    ]
    assert lines[9].split() == ["full,", "1", *4 * ["0.900"], "0.500", "0.900"]
    assert len(lines) == 15
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("sizes", "answer", "number"),
    [
        ((3,), "NOT JUDGED", "no smaller size was compared; no larger size was compared"),
        ((1, 2), "1 NUMBER", "no smaller size was compared"),
    ],
)
def test_what_was_not_compared_is_said(sizes, answer, number):
    found = LatentSizes(sizes, {"full": np.ones((len(sizes), 6))})
    lines = latent_sizes_answer(found, steps=1000).splitlines()
    assert lines[2] == f"{answer:<20}all six states observed"
    assert lines[3].strip() == number


def test_few_steps_give_no_answer(found):
    text = latent_sizes_answer(found, steps=980)
    assert text.count("NOT JUDGED          ") == 2
    assert "6 NUMBERS" not in text
    assert "Not judged: 980 steps for each autoencoder; an answer takes 1000, as of --epochs 50." in text


def test_a_folder_of_its_own(found, tmp_path):
    write_latent_sizes(found, tmp_path, steps=1000, seed=7, durations={"compute": 2.0})
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [
        "latent_sizes.csv",
        "latent_sizes.png",
        "manifest.json",
        "report.html",
    ]
    with (tmp_path / "latent_sizes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["observed"], row["latent_size"]) for row in rows] == [
        (observed, size) for observed in ("full", "pyramidal") for size in ("1", "3", "6")
    ]
    assert float(rows[1]["y4"]) == 0.85
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["settings"] == {"latent_sizes": [1, 3, 6], "steps": 1000, "seed": 7}
    assert [each["size"] for each in manifest["enough"]] == ["at least 6 numbers", "3 numbers"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.index("6 numbers") < page.index("<img") < page.index("<details>")
    assert page.count("<figcaption>") == page.count("<img") == 1
    assert "Not judged" not in page


def test_the_page_says_why_nothing_is_judged(found, tmp_path):
    write_latent_sizes(found, tmp_path, steps=20, seed=0, durations={})
    assert '<p class="note">Not judged: 20 steps' in (tmp_path / "report.html").read_text(encoding="utf-8")
