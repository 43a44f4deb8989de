import os
import subprocess
import sys

import pytest

import jrae_jax as jrae
from jrae_jax.cli import main as _cli


@pytest.fixture
def instant(monkeypatch, small_study):
    """The command line with the study already done."""
    asked = []
    monkeypatch.setattr(_cli, "_configure_jax", lambda device: None)
    monkeypatch.setattr(
        "jrae_jax.studies.reproduce.reproduce", lambda settings, progress: asked.append(settings) or small_study
    )
    return asked


def test_reproduce_writes_a_report_and_prints_the_answer(instant, tmp_path, capsys):
    assert _cli.main(["reproduce", "--out", str(tmp_path / "out"), "--seeds", "4", "--latent-size", "2"]) == 0
    assert (instant[0].seeds, instant[0].latent_size, instant[0].epochs) == (4, 2, 50)
    printed = capsys.readouterr().out
    assert "As it should be: RK4 1 ms, loss on all six states" in printed
    assert "With all six states observed, reconstruction is good." in printed
    assert (tmp_path / "out" / "report.html").exists()


def test_quick_is_small_and_can_be_refined(instant, tmp_path):
    _cli.main(["reproduce", "--quick", "--epochs", "5", "--out", str(tmp_path / "out")])
    assert (instant[0].seeds, instant[0].epochs, instant[0].duration) == (3, 5, 2.0)


def test_without_out_each_run_has_its_own_folder(instant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _cli.main(["reproduce"])
    _cli.main(["reproduce"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reproduce-001", "reproduce-002"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "0"], "`seeds` must be a whole number of at least 1, got 0"),
        (["--epochs", "-3"], "`epochs` must be a whole number of at least 1, got -3"),
        (["--latent-size", "0"], "`latent_size` must be"),
        (["--out", "taken"], "`out` must be a new or empty folder, got taken"),
        (["--out", "taken/file"], "`out` must be a folder that can be written, got taken/file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(instant, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("data")
    assert _cli.main(["reproduce", *arguments]) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert message in complaint
    assert (tmp_path / "taken" / "file").read_text() == "data"


@pytest.mark.parametrize("arguments", [["reproduce", "--seeds", "many"], ["reproduce", "--colour"], [], ["fly"]])
def test_arguments_that_do_not_parse(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        _cli.main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_progress_is_a_line_now_and_then_when_not_on_a_terminal(capsys):
    bar = _cli._Bar()
    for epoch in range(5):
        bar(f"train, epoch {epoch} of 5", epoch / 5)
    bar("done", 1.0)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("train")
    assert lines[1].startswith("100%")


def test_installed_command_in_a_process_of_its_own(tmp_path):
    run = [sys.executable, "-m", "jrae_jax"]
    version = subprocess.run([*run, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"jrae {jrae.__version__}\n"
    failed = subprocess.run([*run, "reproduce", "--seeds", "0"], capture_output=True, text=True, cwd=tmp_path)
    assert failed.returncode == 2
    assert failed.stderr == "jrae: error: `seeds` must be a whole number of at least 1, got 0\n"
    absent = subprocess.run(
        [*run, "reproduce", "--device", "gpu"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    assert absent.returncode == 2
    assert absent.stderr.splitlines()[-1].startswith("jrae: error: `device` must be one that JAX finds here, got gpu")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("simulate", ["--columns", "--every", "--out", "--input {white,uniform,ou,constant}", "seconds (10)"]),
        ("scan", ["--axis", "start:stop:count:log", "--sample", "--repeats", "--store", "--coordinator", "--devices"]),
        ("scan-show", ["store", "--plot PLOT a picture of it"]),
    ],
)
def test_help_tells_of_every_option(capsys, command, words):
    with pytest.raises(SystemExit) as stopped:
        _cli.main([command, "--help"])
    assert stopped.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert [word for word in words if word not in told] == []


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit):
        _cli.main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    for line in ("simulate simulate columns", "scan scan parameters and noise", "scan-show what is in a store"):
        assert line in told
