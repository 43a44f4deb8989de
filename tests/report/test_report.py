import csv
import json
import re

import numpy as np
import pytest

import jrae_jax as jrae
from jrae_jax.report.latent_dynamics import shown_mean
from jrae_jax.report.report import new_folder, score_table, write_report
from jrae_jax.studies.reproduce import AS_IT_SHOULD_BE


@pytest.fixture(scope="module")
def folder(small_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(small_study, folder, durations={"compute": 1.234})
    return folder


def test_scores_file_holds_every_score(folder, small_study):
    with (folder / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 * 2 * 2 * 6
    wanted = {"protocol": "as_it_should_be", "condition": "pyramidal", "loss": "all", "trained": "yes", "seed": "1"}
    found = [row for row in rows if wanted.items() <= row.items()]
    case = small_study.case(AS_IT_SHOULD_BE, "pyramidal", "all")
    np.testing.assert_allclose([float(row["r"]) for row in found], case.r[1], rtol=1e-6)
    assert [row["observed"] for row in found] == ["yes", "no", "no", "no", "no", "no"]
    assert all(float(row["r_clipped"]) == max(float(row["r"]), 0) for row in rows)


def test_latents_file_holds_every_measure_of_latents_and_recordings(folder, small_study):
    with (folder / "latents.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == (8 + 6) * 2
    wanted = {"protocol": "as_it_should_be", "condition": "pyramidal", "loss": "all", "seed": "1"}
    (row,) = (row for row in rows if wanted.items() <= row.items())
    motion = small_study.motion["as_it_should_be-pyramidal-all"][1]
    expected = {
        "participation_ratio": motion.participation_ratio,
        "line_share": motion.line_share,
        "straightness": motion.straightness,
        "two_nn_dimension": motion.two_nn.value,
        "correlation_dimension": motion.correlation.value,
        "exponent": motion.divergence.value,
        "exponent_standard_error": motion.divergence.standard_error,
        "linear_error": motion.prediction.linear_error,
        "nonlinear_error": motion.prediction.nonlinear_error,
        "p_value": motion.prediction.p_value,
    }
    assert {name: float(row[name]) for name in expected} == pytest.approx(expected, nan_ok=True)
    assert row["chaotic"] == "no"
    assert sum(row["loss"] == "recording" for row in rows) == 12


def test_page_shows_the_motion_of_every_latent_and_recording(folder, small_study):
    page = (folder / "report.html").read_text()
    part = page[page.index("Is the latent space chaotic?") : page.index("Pearson r of every state")]
    lines = re.findall(r"<tr><td>(.+?)</td>(.+?)</tr>", part)
    assert [name for name, _ in lines if "recording" in name] == 2 * [
        f"{condition}: recording" for condition in ("full", "potentials", "pyramidal")
    ]
    assert len(lines) == 8 + 6
    cells = re.findall("<td>(.+?)</td>", dict(lines)["pyramidal: latent, loss: all"])
    motions = small_study.motion["as_it_should_be-pyramidal-all"]
    assert cells[0].startswith(f"{np.mean([motion.line_share for motion in motions]):.2f} &plusmn; ")
    assert cells[4] == "0 of 2"
    assert cells[6] == f"{sum(motion.prediction.nonlinear for motion in motions)} of 2"


def test_a_mean_is_shown_if_most_seeds_have_a_value():
    assert shown_mean([1.0, 2.0, np.nan]) == "1.50 &plusmn; 6.35"
    assert shown_mean([1.0, np.nan, np.nan]) == shown_mean([1.0, 2.0, np.nan, np.nan]) == "none"


def test_latent_sizes_have_a_file_of_their_own(folder, small_study):
    with (folder / "latent_sizes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["observed"], row["latent_size"]) for row in rows] == [
        (seen, size) for seen in ("full", "pyramidal") for size in ("1", "4")
    ]
    assert float(rows[3]["y4"]) == pytest.approx(small_study.latent_sizes.r["pyramidal"][1, 4], rel=1e-5)


def test_models_can_be_used_at_once(folder, small_study):
    assert len(list((folder / "models").iterdir())) == 8 * 2
    loaded = jrae.load(folder / "models" / "as_it_should_be-pyramidal-all-seed01.fit")
    original = small_study.case(AS_IT_SHOULD_BE, "pyramidal", "all").fits[1]
    ys = small_study.examples["as_it_should_be"].ys[:50]
    np.testing.assert_array_equal(loaded.model(ys), original.model(ys))


def test_manifest_says_how_it_was_made(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["jrae_jax"] == jrae.__version__
    chosen = {"seeds": 2, "epochs": 2, "latent_size": 3, "seed": 0, "duration": 1.0, "latent_sizes": [1, 4]}
    assert manifest["settings"] == chosen
    assert manifest["device"]["platform"] == "cpu"
    assert manifest["seconds"] == {"compute": 1.23}
    assert manifest["failed_fits"] == []
    assert len(manifest["findings"]) == 4


def test_page_is_self_contained_and_explains_each_picture(folder):
    page = (folder / "report.html").read_text()
    pictures = re.findall(r"<img alt='(\w+)' src='(.{22})", page)
    drawn = ["recovery", "reconstruction", "latents", "simulation", "training", "latent_sizes"]
    assert [name for name, _ in pictures] == drawn
    assert all(source == "data:image/png;base64," for _, source in pictures)
    assert not re.search(r"(src|href)=['\"]?http", page)
    captions = re.findall(r"<figcaption>(.+?)</figcaption>", page)
    assert len(captions) == 6
    assert all(len(caption) > 60 for caption in captions)
    assert "A quick look" in page
    assert "nan" not in re.sub("base64,[^']*", "", page)


def test_figures_are_png_files(folder):
    for path in (folder / "figures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_table_puts_hidden_states_in_parentheses(small_study):
    table = score_table(small_study)
    reported = next(line for line in table.splitlines() if line.startswith("  pyramidal"))
    assert reported.split() == ["pyramidal", "1.0000", "(0.4622)", "(0.1312)", "(0.0442)", "(0.3127)", "(0.8512)"]
    r = small_study.case(AS_IT_SHOULD_BE, "pyramidal", "all").r.mean(axis=0)
    assert f"({r[5]:.3f}+-" in table
    assert max(map(len, table.splitlines())) <= 110


def test_folders_are_numbered(tmp_path):
    for number in ("001", "002"):
        with new_folder(None, parent=tmp_path) as made:
            assert made == tmp_path / f"reproduce-{number}"
    (tmp_path / "reproduce-041").mkdir()
    with new_folder(None, parent=tmp_path) as made:
        assert made.name == "reproduce-042"


def test_folder_that_holds_something_is_left_alone(tmp_path):
    kept = tmp_path / "kept.txt"
    kept.write_text("data")
    with pytest.raises(ValueError, match="`out` must be a new or empty folder"), new_folder(str(tmp_path)):
        pass
    assert kept.read_text() == "data"


def test_folder_that_cannot_be_made(tmp_path):
    blocking = tmp_path / "file"
    blocking.write_text("data")
    with pytest.raises(ValueError, match="`out` must be a folder that can be written"), new_folder(str(blocking / "a")):
        pass
    with pytest.raises(ValueError, match="`out` must be a folder that can be written"), new_folder(str(blocking)):
        pass
    assert blocking.read_text() == "data"


def test_folder_goes_if_the_work_fails_before_anything_is_written(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(str(tmp_path / "new")):
        raise KeyboardInterrupt
    assert not (tmp_path / "new").exists()
