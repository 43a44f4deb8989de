import importlib
import subprocess
import sys

import numpy as np
import pytest

from jrae_jax.cli import main as cli, runtime
from jrae_jax.studies import LatentSizes


@pytest.fixture
def asked(monkeypatch, small_study, tmp_path):
    """What the command asks for, in an empty folder; the work is already done."""
    asked = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runtime, "configure_jax", lambda device, cores: None)
    # The modules, as the room's names of them are those of the functions.
    study = importlib.import_module("jrae_jax.studies.reproduce")
    monkeypatch.setattr(
        study, "reproduce", lambda settings, checkpoints, progress: asked.append(settings) or small_study
    )

    def compare(sizes, *, steps, key, checkpoints, progress):
        asked.append((tuple(sizes), steps))
        r = np.full((len(sizes), 6), 0.9)
        return LatentSizes(tuple(sizes), {"full": r, "pyramidal": r})

    monkeypatch.setattr(importlib.import_module("jrae_jax.studies.latent_sizes"), "compare_latent_sizes", compare)
    return asked


def test_reproduce_writes_a_report_and_ends_with_the_answer(asked, tmp_path, capsys):
    options = ["--seeds", "4", "--latent-size", "2", "--seed", "7"]
    assert cli.main(["reproduce", "--out", "out", *options]) == 0
    assert (asked[0].seeds, asked[0].latent_size, asked[0].epochs, asked[0].seed) == (4, 2, 50, 7)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "The findings of Rong Ding,"
    assert lines[4] == "NOT JUDGED        With all six states observed, reconstruction is good."
    assert ": worst state y" in lines[5]
    assert "Corrected: RK4 1 ms, loss on all six states, scored on held-out trajectories" in lines
    assert lines[-2] == ""
    assert lines[-1].endswith(" s; open out/report.html")
    assert max(map(len, lines)) <= 100
    assert (tmp_path / "out" / "report.html").exists()
    assert not (tmp_path / "out" / "latent_sizes.csv").exists()


def test_quick_is_small_gives_no_verdict_and_numbers_its_folder(asked, tmp_path, capsys):
    (tmp_path / "reproduce-001").mkdir()
    assert cli.main(["reproduce", "--quick", "--epochs", "5"]) == 0
    assert (asked[0].seeds, asked[0].epochs, asked[0].duration) == (3, 5, 2.0)
    assert (tmp_path / "reproduce-002" / "report.html").exists()
    printed = capsys.readouterr().out
    assert printed.count("NOT JUDGED ") == 4
    assert "SUPPORTED" not in printed
    assert "jrae reproduce gives them." in printed
    assert printed.endswith(" s; open reproduce-002/report.html\n")


@pytest.mark.parametrize(("text", "sizes"), [("1:4", (1, 2, 3, 4)), ("3:3", (3,)), ("3", (3,)), ("6,1,3,3", (1, 3, 6))])
def test_latent_sizes_are_a_study_of_their_own(asked, tmp_path, capsys, text, sizes):
    assert cli.main(["reproduce", "--latent-sizes", text, "--epochs", "60", "--out", "out"]) == 0
    assert asked == [(sizes, 1216)]  # whole draws of recordings
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "figures",
        "latent_sizes.csv",
        "manifest.json",
        "report.html",
    ]
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("The smallest latent ")
    assert lines[3].startswith("NOT JUDGED " if len(sizes) == 1 else f"{sizes[0]} NUMBER")
    assert lines[-1].endswith(" s; open out/report.html")


NAMED = "`--latent-sizes` must be LOW:HIGH, a number, or numbers with commas between them, from 1 on"
ALONE = "must be left out with --latent-sizes, which trains one autoencoder for each size"


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        *(
            (f"--latent-sizes {text}", (NAMED, f", got {text}\n"))
            for text in ("0:8", "8:1", "a:b", "1:", ":3", "1:2:3", "0", "2,0", "1,,2", "1.5", "2:3,4", "²")
        ),
        ("--latent-sizes 1:8 --seeds 3", (f"`--seeds` {ALONE}",)),
        ("--latent-sizes 1:8 --seeds 0", (f"`--seeds` {ALONE}",)),
        ("--latent-sizes 1:8 --latent-size 3", (f"`--latent-size` {ALONE}",)),
        ("--latent-sizes 1:8 --quick", (f"`--quick` {ALONE}",)),
        ("--latent-sizes 1:8 --epochs 0", ("`--epochs` must be a whole number of at least 1, got 0",)),
        ("--latent-sizes 1:8 --seed -1", ("`--seed` must be from 0 to 2^63 - 1, got -1",)),
        ("--seeds 0", ("`--seeds` must be a whole number of at least 1, got 0",)),
    ],
)
def test_what_cannot_be_taken_is_one_line_and_leaves_no_folder(asked, tmp_path, capsys, options, messages):
    assert cli.main(["reproduce", *options.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"jrae: error: {messages[0]}")
    assert error.count("\n") == 1
    assert error.endswith(messages[-1]) or len(messages) == 1
    assert asked == []
    assert not list(tmp_path.iterdir())


def test_a_study_that_is_interrupted_leaves_no_folder(asked, tmp_path, monkeypatch, capsys):
    def interrupted(settings, checkpoints, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("jrae_jax.studies.reproduce"), "reproduce", interrupted)
    assert cli.main(["reproduce", "--out", "above/out"]) == 130
    assert capsys.readouterr().err == "jrae: interrupted\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "resumes"),
    [(["--out", "reproduce-001"], "the same command"), ([], "`jrae reproduce --seeds 4 --out reproduce-001`")],
)
def test_a_study_that_is_interrupted_says_how_it_is_resumed(
    asked, small_study, tmp_path, monkeypatch, capsys, options, resumes
):
    def interrupted(settings, checkpoints, progress):
        (checkpoints / "as_published").write_text("trained so far")
        raise KeyboardInterrupt

    def resumed(settings, checkpoints, progress):
        assert (checkpoints / "as_published").read_text() == "trained so far"
        return small_study

    study = importlib.import_module("jrae_jax.studies.reproduce")
    monkeypatch.setattr(study, "reproduce", interrupted)
    assert cli.main(["reproduce", "--seeds", "4", *options]) == 130
    hint = f"jrae: interrupted; reproduce-001/unfinished holds what is done, and {resumes} resumes\n"
    assert capsys.readouterr().err == hint
    monkeypatch.setattr(study, "reproduce", resumed)
    assert cli.main(["reproduce", "--seeds", "4", "--out", "reproduce-001"]) == 0
    assert not (tmp_path / "reproduce-001" / "unfinished").exists()


WITHOUT_JAX = """
import sys
for name in ("jax", "numpy", "matplotlib"):
    sys.modules[name] = None  # whoever imports it fails
from jrae_jax.cli.main import main

sys.exit(main(["reproduce", *sys.argv[1:]]))
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "taken"], "`--out` must be a new or empty folder, got taken, which holds something already"),
        (["--out", "taken/file"], "`--out` must be a folder that can be written, got taken/file: Not a directory"),
        (["--latent-sizes", "8:1"], f"{NAMED} and LOW not above HIGH, got 8:1"),
    ],
)
def test_a_mistake_is_refused_before_jax_is_loaded(tmp_path, arguments, message):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("data")
    command = [sys.executable, "-c", WITHOUT_JAX, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (2, "", f"jrae: error: {message}\n")
    assert [path.name for path in tmp_path.rglob("*")] == ["taken", "file"]
