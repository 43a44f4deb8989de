import csv
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.recording import PYRAMIDAL
from jrae_jax.report import write_report
from jrae_jax.report.latent_dynamics import mean_cell
from jrae_jax.studies import CORRECTED, findings
from jrae_jax.studies.findings import NOT_SUPPORTED, PARTLY_SUPPORTED, SUPPORTED


@pytest.fixture(scope="module")
def folder(small_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(small_study, folder, durations={"compute": 1.234})
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


class Page(HTMLParser):
    """The elements of a page in order, each as its tag, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))
        if tag not in ("meta", "img"):
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, _, text in self.open:
            text.append(data)

    def all(self, tag, **attributes):
        found = [
            (given, " ".join("".join(text).split()))
            for name, given, text in self.elements
            if name == tag and attributes.items() <= given.items()
        ]
        assert found, (tag, attributes)
        return found

    def texts(self, tag, **attributes):
        return [text for _, text in self.all(tag, **attributes)]

    def rows(self, title):
        """The cells of a table."""
        start = next(i for i, (_, given, _) in enumerate(self.elements) if given.get("aria-label") == title)
        rows = []
        for tag, _, text in self.elements[start + 1 :]:
            if tag == "table":
                break
            if tag == "tr":
                rows.append([])
            elif tag in ("th", "td"):
                rows[-1].append("".join(text))
        return rows


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_scores_file_holds_every_score(folder, small_study):
    rows = rows_of(folder / "scores.csv")
    assert len(rows) == 8 * 2 * 2 * 6
    wanted = {"protocol": "corrected", "condition": "pyramidal", "loss": "all", "trained": "yes", "seed": "1"}
    found = [row for row in rows if wanted.items() <= row.items()]
    case = small_study.case(CORRECTED, "pyramidal", "all")
    np.testing.assert_allclose([float(row["r"]) for row in found], case.r[1], rtol=1e-6)
    assert [row["observed"] for row in found] == ["yes", "no", "no", "no", "no", "no"]
    assert all(float(row["r_clipped"]) == max(float(row["r"]), 0) for row in rows)


def test_latents_file_holds_every_measure_of_latents_and_recordings(folder, small_study):
    rows = rows_of(folder / "latents.csv")
    assert len(rows) == (8 + 6) * 2
    wanted = {"protocol": "corrected", "condition": "pyramidal", "loss": "all", "seed": "1"}
    (row,) = (row for row in rows if wanted.items() <= row.items())
    latent = small_study.latent_dynamics["corrected-pyramidal-all"][1]
    expected = {
        "participation_ratio": latent.participation_ratio,
        "first_component_variance": latent.first_component_variance,
        "straightness": latent.straightness,
        "two_nn_dimension": latent.two_nn.value,
        "correlation_dimension": latent.correlation.value,
        "exponent": latent.exponent.value,
        "exponent_standard_error": latent.exponent.standard_error,
        "linear_error": latent.surrogates.linear_error,
        "nonlinear_error": latent.surrogates.nonlinear_error,
        "p_value": latent.surrogates.p_value,
    }
    assert {name: float(row[name]) for name in expected} == pytest.approx(expected, nan_ok=True)
    assert row["chaotic"] == "no"
    assert sum(row["loss"] == "recording" for row in rows) == 12


def test_page_has_the_dynamics_of_every_latent_and_recording(page, small_study):
    published, corrected = page.rows("As published"), page.rows("Corrected")
    assert [row[0] for row in published[1:] + corrected[1:] if "recording" in row[0]] == 2 * [
        f"{condition}: recording" for condition in ("full", "potentials", "pyramidal")
    ]
    assert len(published) + len(corrected) == 8 + 6 + 2
    row = next(row for row in corrected if row[0] == "pyramidal: latent, loss: all")
    latents = small_study.latent_dynamics["corrected-pyramidal-all"]
    mean = np.mean([latent.first_component_variance for latent in latents])
    assert row[1].startswith(f"{mean:.2f} ± ")
    assert row[5] == "0 of 2"
    assert row[7] == f"{sum(latent.surrogates.nonlinear for latent in latents)} of 2"


def test_a_mean_is_given_if_most_seeds_have_a_value():
    assert mean_cell([1.0, 2.0, np.nan]) == "1.50 ± 6.35"
    assert mean_cell([1.0, np.nan, np.nan]) == mean_cell([1.0, 2.0, np.nan, np.nan]) == "none"


def test_trainings_can_be_used_at_once(folder, small_study):
    assert len(list((folder / "trainings").iterdir())) == 8 * 2
    loaded = jrae.load(folder / "trainings" / "corrected-pyramidal-all-seed01.jrae")
    original = small_study.case(CORRECTED, "pyramidal", "all").trainings[1]
    recording = jrae.observe(small_study.examples["corrected"], observed=PYRAMIDAL)
    np.testing.assert_array_equal(loaded.reconstructor(recording).mean, original.reconstructor(recording).mean)


def test_manifest_says_how_it_was_made(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["jrae_jax"] == jrae.__version__
    chosen = {"seeds": 2, "epochs": 2, "latent_size": 3, "seed": 0, "duration": 1.0}
    assert manifest["settings"] == chosen
    assert manifest["device"]["platform"] == "cpu"
    assert manifest["seconds"] == {"compute": 1.23}
    assert manifest["failed_trainings"] == []
    assert [finding["verdict"] for finding in manifest["findings"]] == ["not judged"] * 4
    assert all(finding["number"] for finding in manifest["findings"])
    assert manifest["not_judged"].startswith("Not judged: 2 seeds, 2 epochs, 1 s; ")


def test_first_screen_has_the_answer_and_one_picture(page, small_study):
    (first,) = page.texts("section", **{"class": "first"})
    number = [tag for tag, given, _ in page.elements].index("section")
    before = [tag for tag, _, _ in page.elements[: number + 1]]
    assert "img" not in before
    assert "details" not in before
    place = next(i for i, (tag, _, _) in enumerate(page.elements) if tag == "h2")
    tags = [tag for tag, _, _ in page.elements[number:place]]
    assert (tags.count("h1"), tags.count("img"), tags.count("details"), tags.count("table")) == (1, 1, 0, 0)
    for finding in findings(small_study):
        assert f"{finding.verdict} {finding.claim} {finding.number}" in first
    assert page.texts("p", **{"class": "note"}) == [
        "Not judged: 2 seeds, 2 epochs, 1 s; verdicts take 5, 20 and 5 s: jrae reproduce gives them."
    ]


def test_verdicts_have_colours_of_their_own_on_light_and_dark_paper(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    of_class = dict(re.findall(r"^(\.verdict\S*) \{.*\bcolor: var\((--\w+)\)", text, re.MULTILINE))
    verdicts = [f".verdict.{name.replace(' ', '-')}" for name in (SUPPORTED, PARTLY_SUPPORTED, NOT_SUPPORTED)]
    names = [of_class.get(each, of_class[".verdict"]) for each in verdicts]
    colours = [colour for name in names for colour in re.findall(rf"{name}: (#\w+)", text)]
    assert len(colours) == len(set(colours)) == 6


def test_the_study_and_the_brackets_are_explained(page):
    (about,) = [text for text in page.texts("p") if text.startswith("The findings are those of Rong Ding, ")]
    assert about.count("In brackets, 95 % intervals ") == 1


def test_evidence_tables_and_manifest_are_folded(page, small_study):
    folded = dict(zip(page.texts("summary"), page.texts("details"), strict=True))
    for finding in findings(small_study):
        assert folded[finding.claim] == f"{finding.claim} {finding.evidence}"
    assert len(folded) == 4 + 4 + 1 + 2 + 1
    assert '"failed_trainings"' not in folded["Versions, device, settings, seconds"]
    assert '"seconds": { "compute": 1.23 }' in folded["Versions, device, settings, seconds"]


def test_tables_hold_the_numbers_of_the_study(page, small_study):
    case = small_study.case(CORRECTED, "pyramidal", "all")
    head, *_, row = page.rows("Corrected: RK4 1 ms, loss on all six states, scored on held-out trajectories")
    assert head == ["observed", "y0", "y1", "y2", "y3", "y4", "y5"]
    assert row[0] == "pyramidal"
    mean = case.r.mean(axis=0)
    # Student's t of two seeds is that of Cauchy's distribution.
    half = np.tan(0.475 * np.pi) * np.abs(case.r[0] - case.r[1]) / 2
    assert not row[1].startswith("(")
    assert all(cell.startswith("(") and cell.endswith(")") for cell in row[2:])
    found = np.array([[float(number) for number in cell.strip("()").split("±")] for cell in row[1:]])
    np.testing.assert_allclose(found, np.stack([mean, half], axis=1), atol=6e-4)
    reported = page.rows("As reported: one seed, negatives reported as 0")[-1]
    assert reported == ["pyramidal", "1.0000", "(0.4622)", "(0.1312)", "(0.0442)", "(0.3127)", "(0.8512)"]
    assert {given["scope"] for given, _ in page.all("th")} == {"col", "row"}


def test_every_figure_has_one_sentence_and_an_alternative(page, folder):
    captions = page.texts("figcaption")
    assert len(captions) == len(page.all("img")) == 6
    for caption in captions:
        assert caption.endswith(".")
        assert not re.search(r"[.!?] [A-Z]", caption)
        assert len(caption) > 60
    alternatives = [given["alt"] for given, _ in page.all("img")]
    assert all(len(alternative) > 60 for alternative in alternatives)
    assert len(set(alternatives)) == 6
    assert sorted(path.stem for path in (folder / "figures").iterdir()) == sorted(
        ["recovery_means", "recovery", "reconstruction", "latents", "traces", "losses"]
    )
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (folder / "figures").iterdir())


def test_page_needs_no_other_file(folder, page):
    text = re.sub('base64,[^"]*', "", (folder / "report.html").read_text(encoding="utf-8"))
    assert all(given["src"].startswith("data:image/png;base64,") for given, _ in page.all("img"))
    assert not re.search(r"https?:|url\(|@import|<script|<link|href=", text)
    assert "nan" not in text
    assert page.open == []


def test_page_escapes_what_is_written_into_it(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "The asymmetry is the model&#39;s" in text
    assert "&#34;settings&#34;: {" in text
