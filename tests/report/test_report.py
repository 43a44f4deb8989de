import csv
import json
import re

import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.recording import PYRAMIDAL
from jrae_jax.report import score_table, write_report
from jrae_jax.report.latent_dynamics import mean_cell
from jrae_jax.studies import CORRECTED


@pytest.fixture(scope="module")
def folder(small_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(small_study, folder, durations={"compute": 1.234})
    return folder


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


def test_page_has_the_dynamics_of_every_latent_and_recording(folder, small_study):
    page = (folder / "report.html").read_text()
    part = page[page.index("Is the latent space chaotic?") : page.index("Pearson r of every state")]
    lines = re.findall(r"<tr><td>(.+?)</td>(.+?)</tr>", part)
    assert [name for name, _ in lines if "recording" in name] == 2 * [
        f"{condition}: recording" for condition in ("full", "potentials", "pyramidal")
    ]
    assert len(lines) == 8 + 6
    cells = re.findall("<td>(.+?)</td>", dict(lines)["pyramidal: latent, loss: all"])
    latents = small_study.latent_dynamics["corrected-pyramidal-all"]
    mean = np.mean([latent.first_component_variance for latent in latents])
    assert cells[0].startswith(f"{mean:.2f} &plusmn; ")
    assert cells[4] == "0 of 2"
    assert cells[6] == f"{sum(latent.surrogates.nonlinear for latent in latents)} of 2"


def test_a_mean_is_given_if_most_seeds_have_a_value():
    assert mean_cell([1.0, 2.0, np.nan]) == "1.50 &plusmn; 6.35"
    assert mean_cell([1.0, np.nan, np.nan]) == mean_cell([1.0, 2.0, np.nan, np.nan]) == "none"


def test_latent_sizes_have_a_file_of_their_own(folder, small_study):
    rows = rows_of(folder / "latent_sizes.csv")
    assert [(row["observed"], row["latent_size"]) for row in rows] == [
        (observed, size) for observed in ("full", "pyramidal") for size in ("1", "4")
    ]
    assert float(rows[3]["y4"]) == pytest.approx(small_study.latent_sizes.r["pyramidal"][1, 4], rel=1e-5)


def test_trainings_can_be_used_at_once(folder, small_study):
    assert len(list((folder / "trainings").iterdir())) == 8 * 2
    loaded = jrae.load(folder / "trainings" / "corrected-pyramidal-all-seed01.jrae")
    original = small_study.case(CORRECTED, "pyramidal", "all").trainings[1]
    recording = jrae.observe(small_study.examples["corrected"], observed=PYRAMIDAL)
    np.testing.assert_array_equal(loaded.reconstructor(recording).mean, original.reconstructor(recording).mean)


def test_manifest_says_how_it_was_made(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["jrae_jax"] == jrae.__version__
    chosen = {"seeds": 2, "epochs": 2, "latent_size": 3, "seed": 0, "duration": 1.0, "latent_sizes": [1, 4]}
    assert manifest["settings"] == chosen
    assert manifest["device"]["platform"] == "cpu"
    assert manifest["seconds"] == {"compute": 1.23}
    assert manifest["failed_trainings"] == []
    assert len(manifest["findings"]) == 4


def test_page_is_self_contained_and_explains_each_picture(folder):
    page = (folder / "report.html").read_text()
    pictures = re.findall(r"<img alt='(\w+)' src='(.{22})", page)
    names = ["recovery", "reconstruction", "latents", "traces", "losses", "latent_sizes"]
    assert [name for name, _ in pictures] == names
    assert all(source == "data:image/png;base64," for _, source in pictures)
    assert not re.search(r"(src|href)=['\"]?http", page)
    captions = re.findall(r"<figcaption>(.+?)</figcaption>", page)
    assert len(captions) == 6
    assert all(len(caption) > 60 for caption in captions)
    assert "A quick look" in page
    assert "nan" not in re.sub("base64,[^']*", "", page)
    for path in (folder / "figures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_page_escapes_what_is_written_into_it(folder):
    page = (folder / "report.html").read_text()
    assert "is the slope of y0" in page
    assert "the study&#x27;s" not in page
    assert "The asymmetry is the model&#x27;s" in page
    assert "&quot;failed_trainings&quot;: []" in page


def test_table_puts_hidden_states_in_parentheses(small_study):
    table = score_table(small_study)
    reported = next(line for line in table.splitlines() if line.startswith("  pyramidal"))
    assert reported.split() == ["pyramidal", "1.0000", "(0.4622)", "(0.1312)", "(0.0442)", "(0.3127)", "(0.8512)"]
    r = small_study.case(CORRECTED, "pyramidal", "all").r.mean(axis=0)
    assert f"({r[5]:.3f}+-" in table
    assert max(map(len, table.splitlines())) <= 110
